"""The allele-frequency reference in Dagster: what nodes release, and their European union."""
