"""What each tool is asked to do with an input, as a command; None where the tool is not there."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

CYVCF2 = """
import sys; from cyvcf2 import VCF
for record in VCF(sys.argv[1]):
    record.genotype.array()
"""
POLARS_BIO = """
import sys, polars_bio
fields = sys.argv[3].split(",")
polars_bio.scan_vcf(sys.argv[1], format_fields=fields).sink_parquet(sys.argv[2])
"""
FIELDS = {"A": "GT", "B": "GT,DP,GQ", "C": "GT,AD,DP,GQ,PL"}

Command = list[str]


def goe_ingest(folder: Path, name: str, _work: Path) -> Command:
    """The whole of `goe ingest`, a snapshot published; the caller removes the lake before."""
    return [sys.executable, "-m", "goe_lake.cli", "ingest", "-q", str(folder / f"{name}.toml")]


def bcftools(folder: Path, name: str, _work: Path) -> Command:
    return ["bcftools", "view", "-Ou", "-o", "/dev/null", str(source(folder, name))]


def plink2(folder: Path, name: str, work: Path) -> Command:
    given = "--bcf" if source(folder, name).suffix == ".bcf" else "--vcf"
    kept = ["--make-pgen", "--threads", "2", "--out", str(work / "plink")]
    return ["plink2", given, str(source(folder, name)), *kept]


def cyvcf2(folder: Path, name: str, _work: Path) -> Command:
    return [sys.executable, "-c", CYVCF2, str(source(folder, name))]


def bio2zarr(folder: Path, name: str, work: Path) -> Command:
    options = ["convert", "--force", "--no-progress", "--worker-processes", "2"]
    return [
        sys.executable,
        "-m",
        "bio2zarr",
        "vcf2zarr",
        *options,
        str(source(folder, name)),
        str(work / "z"),
    ]


def polars_bio(folder: Path, name: str, work: Path) -> Command:
    given = [str(source(folder, name)), str(work / "p.parquet"), FIELDS[name[0]]]
    return [sys.executable, "-c", POLARS_BIO, *given]


def source(folder: Path, name: str) -> Path:
    """The genotype file of input *name*."""
    bcf = folder / f"{name}.bcf"
    return bcf if bcf.exists() else folder / f"{name}.vcf.gz"


TOOLS: Mapping[str, Callable[[Path, str, Path], Command]] = {
    "goe ingest": goe_ingest,
    "bcftools view -Ou": bcftools,
    "plink2 --make-pgen": plink2,
    "cyvcf2 loop": cyvcf2,
    "bio2zarr": bio2zarr,
    "polars-bio": polars_bio,
}
NEEDS = {"cyvcf2 loop": "cyvcf2", "bio2zarr": "bio2zarr", "polars-bio": "polars_bio"}


def available(tool: str) -> bool:
    """Whether *tool* is installed here."""
    if tool in NEEDS:
        return find_spec(NEEDS[tool]) is not None
    return tool == "goe ingest" or shutil.which(tool.split(maxsplit=1)[0]) is not None
