"""Federated genomic data lake of the Genome of Europe."""
