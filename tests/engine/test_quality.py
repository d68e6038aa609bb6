"""Sums of gq and dp by person are those of the files: against cyvcf2, and against plain Python."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path

import cyvcf2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goe_lake.config import read_node
from goe_lake.disclosure import Policy
from goe_lake.engine import quality
from goe_lake.engine.node import NodeEngine
from goe_lake.engine.quality import stored_quality
from goe_lake.engine.sites import unite
from goe_lake.lake import ingest, open_snapshot
from goe_lake.query.pipeline import prepare
from goe_lake.vcf.chunk import MISSING
from goe_lake.vcf.kept import stored_values

SITES = 2200
PERSONS = 60
QUESTION = """
SELECT sex, sum(gq) AS gq, count(gq) AS gqs, sum(dp) AS dp, count(dp) AS dps, count(*) AS n,
       sum(dp) FILTER (WHERE dosage = 1) AS dp1, count(gq) FILTER (WHERE called_alleles < 2) AS odd
FROM genotypes JOIN samples USING (sample_id) {where} GROUP BY sex
"""
WITHOUT_CLASSES = """
SELECT sex, sum(gq) AS gq, count(gq) AS gqs, sum(dp) AS dp, count(dp) AS dps, count(*) AS n
FROM genotypes JOIN samples USING (sample_id) {where} GROUP BY sex
"""


def written(path: Path, names: list[str], seed: int, sites: list[int]) -> None:
    """A VCF of *sites* on chr1, some on chrX: missing values, haploid calls, records without quality."""
    chance = random.Random(seed)
    lines = ["##fileformat=VCFv4.3"]
    for tag, kind in (("GT", "String"), ("GQ", "Integer"), ("DP", "Integer")):
        lines.append(f'##FORMAT=<ID={tag},Number=1,Type={kind},Description="{tag}">')
    lines += ["##contig=<ID=chr1,length=248956422>", "##contig=<ID=chrX,length=156040895>"]
    lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(names))
    for contig, pos in [("chr1", pos) for pos in sites] + [("chrX", pos) for pos in sites[:40]]:
        plain = pos % 11 == 0
        calls = []
        for place in range(len(names)):
            genotypes = (
                ("0/0", "0/1", "1/1", "./.", "0/.") if contig == "chr1" or place % 2 else ("0", "1", ".")
            )
            call = chance.choice(genotypes)
            depth = chance.choice(("65535", "65535", "65534", "60000", "."))
            calls.append(call if plain else f"{call}:{chance.choice(('0', '20', '99', '.'))}:{depth}")
        tags = "GT" if plain else "GT:GQ:DP"
        lines.append(f"{contig}\t{pos}\t.\tA\tC\t.\tPASS\t.\t{tags}\t" + "\t".join(calls))
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node of two batches: the second lacks every third site, and some persons agree to less."""
    folder = tmp_path_factory.mktemp("node")
    sites = [5_000_000 + 10 * place for place in range(SITES)]
    names = {batch: [f"{batch}{place}" for place in range(PERSONS)] for batch in "ab"}
    written(folder / "a.vcf", names["a"], 1, sites)
    written(folder / "b.vcf", names["b"], 2, [pos for place, pos in enumerate(sites) if place % 3])
    rows = ["sample_id\tsex\tconsent"]
    for batch in "ab":
        rows += [
            f"{name}\t{'MF'[place % 2]}\t{'strict' if place % 7 == 0 else 'general'}"
            for place, name in enumerate(names[batch])
        ]
    (folder / "samples.tsv").write_text("\n".join(rows) + "\n")
    delivery = 'absent_sites = "hom_ref"\nformat_fields = ["GQ", "DP"]\n'
    (folder / "node.toml").write_text(
        '[node]\ncountry = "EE"\nassembly = "GRCh38"\nlake = "lake"\n'
        f'[[genotypes]]\nfiles = ["a.vcf"]\n{delivery}[[genotypes]]\nfiles = ["b.vcf"]\n{delivery}'
        '[samples]\nfile = "samples.tsv"\n'
    )
    ingest(read_node(folder / "node.toml"), min_label_persons=1, progress=None)
    return folder


def by_cyvcf2(folder: Path, *, general: bool, contig: str | None = None) -> dict[str, dict[str, int]]:
    """The same sums by sex, from the VCFs."""
    sums: dict[str, dict[str, int]] = {sex: defaultdict(int) for sex in "FM"}
    found: dict[str, set[tuple[str, int]]] = {}
    for batch in "ab":
        with cyvcf2.VCF(str(folder / f"{batch}.vcf"), gts012=True) as records:
            found[batch] = set()
            for record in records:
                if contig in (None, record.CHROM):
                    found[batch].add((record.CHROM, record.POS))
                    add(record, sums, general=general)
    for batch in "ab":
        lacking = len((found["a"] | found["b"]) - found[batch])
        for place in range(PERSONS):
            if not (general and place % 7 == 0):
                sums["MF"[place % 2]]["n"] += lacking
    return sums


def add(record: cyvcf2.Variant, sums: dict[str, dict[str, int]], *, general: bool) -> None:
    """Add one record."""
    fields = {name.lower(): record.format(name) for name in ("GQ", "DP")}
    for place, call in enumerate(record.genotypes):
        if general and place % 7 == 0:
            continue
        alleles = [allele for allele in call[:-1] if allele >= 0]
        into = sums["MF"[place % 2]]
        into["n"] += 1
        for name, column in fields.items():
            value = int(column[place][0]) if column is not None else -1
            if value < 0:
                continue
            into[name] += value
            into[f"{name}s"] += 1
            if name == "dp" and sum(alleles) == 1:
                into["dp1"] += value
            if name == "gq" and len(alleles) < 2:
                into["odd"] += 1


@pytest.mark.parametrize(
    ("question", "contig", "general"),
    [
        (QUESTION, None, False),
        (WITHOUT_CLASSES, None, True),
        (QUESTION, "chrX", True),
        (WITHOUT_CLASSES, "chrX", False),
    ],
)
def test_sums_of_quality_are_those_of_the_files(
    folder: Path, question: str, contig: str | None, general: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond 2^32, haploid persons, missing values, records without GQ, batches, and those left out."""
    monkeypatch.setattr(quality, "MOST_VALUES", 1000)
    snapshot = open_snapshot(read_node(folder / "node.toml").lake)
    consent = {"general": frozenset(["asked"]), "strict": frozenset([] if general else ["asked"])}
    engine = NodeEngine("NODE", snapshot, Policy(protection="off", consent=consent))
    engine.lay(unite([engine.offer_sites()]))
    where = f"WHERE contig = '{contig}'" if contig else ""
    (release,) = prepare(question.format(where=where), snapshot.catalog).releases
    rows = engine.answer(release, "asked", "query").cells.to_pylist()
    expected = by_cyvcf2(folder, general=general, contig=contig)
    names = ["gq", "gqs", "dp", "dps", "n", "dp1", "odd"][: len(release.measures)]
    assert {row["k0"]: [int(row[f"m{place}"]) for place in range(len(names))] for row in rows} == {
        sex: [sums[name] for name in names] for sex, sums in expected.items()
    }
    assert contig or general or expected["F"]["dp"] > 2**32


@pytest.mark.parametrize("largest", [254, 255, 65_534, 65_535])
def test_stored_quality_reads_any_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, largest: int) -> None:
    """Rows of any row groups of several files, missing rows and values among them, some at a time."""
    chance, persons, lengths = random.Random(5), 6, (23, 0, 17)
    choices = (None, 0, 7, 99, largest)
    whole: list[list[list[int | None] | None]] = []
    paths = []
    for place, length in enumerate(lengths):
        rows: list[list[int | None] | None] = [
            None if chance.random() < 0.2 else [chance.choice(choices) for _ in range(persons)]
            for _ in range(length)
        ]
        paths.append(tmp_path / f"{place}.parquet")
        given = np.array([row is not None for row in rows], dtype=bool)
        told = [[MISSING if value is None else value for value in row] for row in rows if row is not None]
        values = np.array(told, dtype=np.int32).reshape(-1, persons)
        column = stored_values(values, given)
        pq.write_table(pa.table({"gq": column, "dp": column}), paths[-1], row_group_size=5)
        whole.append(rows)
    monkeypatch.setattr(quality, "MOST_VALUES", 3 * persons)
    every = [(place, row) for place, length in enumerate(lengths) for row in range(length)]
    for share in (1.0, 0.5, 0.1, 0.0):
        chosen = [pair for pair in every if chance.random() < share]
        file, row = (np.array([pair[side] for pair in chosen], dtype=np.int64) for side in (0, 1))
        seen = 0
        for rows_here, values in stored_quality(paths, file, row, ("gq", "dp"), persons):
            assert rows_here.start == seen
            seen = rows_here.stop
            expected = [whole[place][at] or [None] * persons for place, at in chosen[rows_here]]
            for known in values.values():
                there = known.raised > 0
                assert known.there is None or (known.there == there).all()
                pairs = zip((known.raised.astype(int) - there).tolist(), there.tolist(), strict=True)
                got = [
                    [value if is_there else None for value, is_there in zip(*pair, strict=True)]
                    for pair in pairs
                ]
                assert got == expected
        assert seen == len(chosen)
