"""The allele-frequency reference in Dagster: what nodes release, contig by contig, and their European union."""
