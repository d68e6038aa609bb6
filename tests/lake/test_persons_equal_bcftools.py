"""Every person's genotypes, counted over all sites of a lake, are those that `bcftools stats -s` counts."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from goe_lake.lake import Snapshot
from goe_lake.vcf.encode import listed_persons, mapped_persons
from tests.lake.test_every_real_file import node, shell

pytestmark = pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")

FILES = (
    "1000genomes/subset-1126/grch37-chr10.1126.gt-only.vcf.gz",
    "single-sample/grch37-chr1-2.giab-ashkenazi-trio.vcf.gz",
    "pgs/chr22-2504/genotypes.vcf.gz",
)
#: The columns nRefHom, nNonRefHom, nHets and nMissing of a PSC line, counted from 0.
COLUMNS = (3, 4, 5, 13)
Counts = dict[str, tuple[int, ...]]


def by_lake(snapshot: Snapshot) -> Counts:
    """(hom-ref, hom-alt, het, not called) of each person, from `calls`."""
    (batch,) = snapshot.batches
    (people,) = snapshot.files("persons", batch=batch.digest)
    names = pq.read_table(people, partitioning=None)["sample_id"].to_pylist()
    sites, classes = 0, {name: np.zeros(len(names), np.int64) for name in ("hom", "het", "nc")}
    for contig in snapshot.contigs:
        for path in snapshot.files("calls", contig):
            rows = pq.read_table(path, partitioning=None)
            sites += len(rows)
            for name in classes:
                classes[name] += np.bincount(listed_persons(rows[f"{name}_l"])[1], minlength=len(names))
                classes[name] += mapped_persons(rows[f"{name}_b"], len(names))[1].sum(axis=0)
    rest = sites - classes["hom"] - classes["het"] - classes["nc"]
    table = zip(rest, classes["hom"], classes["het"], classes["nc"], strict=True)
    return {str(name): tuple(map(int, counts)) for name, counts in zip(names, table, strict=True)}


def by_bcftools(path: Path) -> Counts:
    """The same from `bcftools stats`."""
    lines = [line.split("\t") for line in shell(f"bcftools stats -s - {path}").splitlines()]
    return {line[2]: tuple(int(line[column]) for column in COLUMNS) for line in lines if line[0] == "PSC"}


@pytest.mark.parametrize("kind", ["vcf.gz", "bcf"])
@pytest.mark.parametrize("name", FILES)
def test_counts_of_persons_equal_bcftools(
    name: str, kind: str, test_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Biallelic SNVs of real files, each site once, read by the vectorised decoder as VCF and as BCF."""
    monkeypatch.setenv("GOE_DECODER", "fast")
    path = tmp_path / f"x.{kind}"
    packed = "z" if kind == "vcf.gz" else "b"
    shell(
        f"bcftools view -m2 -M2 -v snps -Ou {test_data / name} "
        f"| bcftools norm -d exact -O{packed} -o {path} 2>/dev/null"
    )
    expected = by_bcftools(path)
    assert sum(map(sum, expected.values())) > 0
    assert by_lake(node(path, tmp_path)) == expected
