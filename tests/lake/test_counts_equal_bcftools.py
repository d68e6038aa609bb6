"""Allele and genotype counts of the lake equal those of bcftools +fill-tags on real files."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest

from goe_lake.config import read_node
from goe_lake.lake import Snapshot
from tests.lake.nodes import built, member_table

TAGS = ("AC", "AN", "AC_Het", "AC_Hom", "AC_Hemi")
Counts = dict[tuple[int, str, str, str], tuple[int, ...]]

FILES = {
    "multi-allelic chr1": ("1000genomes/grch37-chr1-10177-174799.2504.vcf.gz", "GRCh37"),
    "start of chr21": ("1000genomes/grch37-chr21-9411239-9425829.2504.vcf.gz", "GRCh37"),
    "all contigs, haploid X": ("1000genomes/grch38-chr1to22-X.3202.no-info.vcf.gz", "GRCh38"),
    "half calls on X": ("1000genomes/subset-1126/grch37-chrX.1126.half-calls.vcf.gz", "GRCh37"),
    "thinned chr1": ("1000genomes/subset-1126/grch37-chr1.1126.gt-only.vcf.gz", "GRCh37"),
    "the same as BCF": ("1000genomes/subset-1126/grch37-chr1.1126.gt-only.bcf", "GRCh37"),
    "unphased with missing": ("1000genomes/grch37-chr20-17-sites.2535.unphased-gatk.vcf.gz", "GRCh37"),
}


def people(test_data: Path) -> dict[str, tuple[str, str]]:
    """Sex and population of every 1000 Genomes sample."""
    found: dict[str, tuple[str, str]] = {}
    panel = (test_data / "samples/1000g-phase3-2535-old.panel").read_text().splitlines()[1:]
    for sample, population, _, gender in (line.split()[:4] for line in panel):
        found[sample] = ("M" if gender == "male" else "F", population)
    for name in ("1000g-phase3-2504.psam", "1000g-highcov-3202.psam"):
        lines = (test_data / "samples" / name).read_text().splitlines()
        header = lines[0].split()
        for line in lines[1:]:
            row = dict(zip(header, line.split(), strict=True))
            found[row["#IID"]] = ("FM"[row["SEX"] == "1"], row["Population"])
    return found


def samples_of(vcf: Path) -> list[str]:
    """The sample ids of a VCF."""
    return subprocess.run(
        ["bcftools", "query", "-l", vcf], capture_output=True, text=True, check=True
    ).stdout.split()


def shortest(pos: int, ref: str, alt: str) -> tuple[int, str, str]:
    """The shortest spelling of an allele, cut letter by letter."""
    while len(ref) > 1 and len(alt) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        pos, ref, alt = pos + 1, ref[1:], alt[1:]
    return pos, ref, alt


def by_bcftools(vcf: Path, groups: Mapping[str, str], folder: Path) -> dict[str, Counts]:
    """Counts by contig, site and group as bcftools makes them."""
    (folder / "groups.txt").write_text("".join(f"{sample}\t{group}\n" for sample, group in groups.items()))
    names = sorted(set(groups.values()))
    tags = [f"{tag}_{name}" for name in names for tag in TAGS]
    wanted = ",".join(TAGS)
    fill = ["bcftools", "+fill-tags", vcf, "-Ou", "--", "-S", folder / "groups.txt", "-t", wanted]
    query = [
        "bcftools",
        "query",
        "-f",
        "\t".join(["%CHROM", "%POS", "%REF", "%ALT", *(f"%{tag}" for tag in tags)]) + "\n",
    ]
    filled = subprocess.run(fill, capture_output=True, check=True).stdout
    found: dict[str, Counts] = {}
    for line in (
        subprocess.run(query, input=filled, capture_output=True, check=True).stdout.decode().splitlines()
    ):
        contig, pos, ref, alts, *values = line.split("\t")
        for number, alt in enumerate(alts.split(",")):
            site = shortest(int(pos), ref, alt) if not alt.startswith("<") else (int(pos), ref, alt)
            for place, name in enumerate(names):
                five = values[place * len(TAGS) : (place + 1) * len(TAGS)]
                ac, an, het, hom, hemi = (
                    int(text.split(",")[number] if tag != "AN" else text)
                    for tag, text in zip(TAGS, five, strict=True)
                )
                assert ac == het + hom + hemi
                found.setdefault(f"chr{contig.removeprefix('chr')}", {})[(*site, name)] = (
                    an,
                    het,
                    hom // 2,
                    hemi,
                )
    return found


def by_calls(snapshot: Snapshot, contig: str) -> Counts:
    """The same from `calls`, decoded in SQL person by person."""
    with duckdb.connect() as connection:
        member_table(connection, snapshot, contig)
        found = connection.execute(
            """
            WITH person AS (SELECT sample_id, population FROM read_parquet($samples)),
            size AS (SELECT population, count(*) AS n FROM person GROUP BY ALL),
            counted AS (
                SELECT pos, ref, alt, population, count(*) FILTER (class = 'het') AS het,
                    count(*) FILTER (class = 'hom') AS hom, count(*) FILTER (class = 'hemi') AS hemi,
                    count(*) FILTER (class = 'nc') AS nc, count(*) FILTER (class = 'ref1') AS ref1
                FROM member JOIN person USING (sample_id) GROUP BY ALL)
            SELECT v.pos, v.ref, v.alt, s.population, 2 * n - 2 * coalesce(nc, 0) - coalesce(hemi + ref1, 0),
                coalesce(het, 0), coalesce(hom, 0), coalesce(hemi, 0)
            FROM read_parquet($variants, hive_partitioning = false) v CROSS JOIN size s
            LEFT JOIN counted c
                ON c.pos = v.pos AND c.ref = v.ref AND c.alt = v.alt AND c.population = s.population
            """,
            {
                "samples": str(snapshot.files("samples")[0]),
                "variants": str(snapshot.files("variants", contig)[0]),
            },
        ).fetchall()
    return {tuple(row[:4]): tuple(row[4:]) for row in found}


def by_strata(snapshot: Snapshot, contig: str) -> Counts:
    """The same from `strata`."""
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT pos, ref, alt, population, "
            "sum(an)::INT, sum(het)::INT, sum(hom_alt)::INT, sum(hemi)::INT "
            "FROM read_parquet($strata, hive_partitioning = false) GROUP BY ALL",
            {"strata": str(snapshot.files("strata", contig)[0])},
        ).fetchall()
    return {tuple(row[:4]): tuple(row[4:]) for row in found}


@pytest.mark.parametrize("name", FILES)
def test_counts_per_population_equal_bcftools(name: str, test_data: Path, tmp_path: Path) -> None:
    """AN, het, hom-alt and hemi of each population, from calls and from strata, are those of bcftools."""
    path, assembly = FILES[name]
    vcf, known = test_data / path, people(test_data)
    ids = samples_of(vcf)
    (tmp_path / "samples.tsv").write_text(
        "sample_id\tsex\tpopulation\n" + "".join(f"{one}\t{known[one][0]}\t{known[one][1]}\n" for one in ids)
    )
    (tmp_path / "node.toml").write_text(
        f'[node]\ncountry = "GB"\nassembly = "{assembly}"\n[[genotypes]]\nfiles = ["{vcf}"]\n'
        '[samples]\nfile = "samples.tsv"\n'
    )
    snapshot, report = built(read_node(tmp_path / "node.toml"))
    expected = by_bcftools(vcf, {one: known[one][1] for one in ids}, tmp_path)
    assert report.quarantined == {}
    assert set(snapshot.contigs) == set(expected)
    for contig, counts in expected.items():
        assert by_calls(snapshot, contig) == counts
        assert by_strata(snapshot, contig) == counts
