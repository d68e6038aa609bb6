"""What a release can be written as. A module of its own, so that the command line starts quickly."""

from __future__ import annotations

from enum import StrEnum


class ExportFormat(StrEnum):
    """What a release can be written as."""

    VCF = "vcf"
    BCF = "bcf"
    TSV = "tsv"
    PARQUET = "parquet"
    GDI = "gdi"
