"""Sites that a question tells apart by comparisons alone are read together, and counted each by itself."""

from __future__ import annotations

import numpy as np
import pytest

from goe_lake.config import read_node
from goe_lake.disclosure import Policy
from goe_lake.engine.node import NodeEngine
from goe_lake.engine.relation import Reading
from goe_lake.engine.select import select_sites
from goe_lake.engine.session import open_session
from goe_lake.engine.sites import SiteList, unite
from goe_lake.lake import Snapshot, ingest, open_snapshot
from goe_lake.query.pipeline import prepare

SITES = range(1_000, 1_400, 10)
PERSONS = 30
GENOTYPES = ("0/0", "0/1", "1/1", "./.", "0/0", "0/.")
RANGE = "pos BETWEEN 1100 AND 1190"
MANY = f"SELECT {', '.join(f'sum(dosage) FILTER (pos > {at}) AS x{at}' for at in SITES)} FROM genotypes"
#: What is asked of genotypes, and how many kinds of sites it tells apart.
QUESTIONS = {
    f"SELECT CASE WHEN {RANGE} THEN 'in' END AS part, count(DISTINCT sample_id) AS n "
    "FROM genotypes WHERE dosage > 0 GROUP BY 1": 3,
    f"SELECT sum(dosage) FILTER (WHERE {RANGE}) AS inside, count(*) AS n FROM genotypes": 3,
    f"SELECT count(DISTINCT sample_id) AS n FROM genotypes WHERE dosage = 2 OR {RANGE}": 3,
    "SELECT count(DISTINCT sample_id) FILTER (WHERE pos % 20 = 0) AS n FROM genotypes": len(SITES),
    "SELECT count(DISTINCT sample_id) FILTER (WHERE pos <> nullif(1, 1)) AS n FROM genotypes": 1,
    MANY: len(SITES),
}


@pytest.fixture(scope="module")
def calls() -> dict[tuple[int, int], str]:
    """The genotype of each site and person."""
    return {(pos, n): GENOTYPES[(pos // 10 * 7 + n * n) % 6] for pos in SITES for n in range(PERSONS)}


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory, calls: dict[tuple[int, int], str]) -> Snapshot:
    """A lake of forty sites."""
    folder = tmp_path_factory.mktemp("node")
    lines = ["##fileformat=VCFv4.3", '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    lines.append("##contig=<ID=chr1,length=248956422>")
    names = [f"P{n}" for n in range(PERSONS)]
    lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(names))
    for pos in SITES:
        own = "\t".join(calls[pos, n] for n in range(PERSONS))
        lines.append(f"chr1\t{pos}\t.\tA\tC\t.\tPASS\t.\tGT\t{own}")
    (folder / "a.vcf").write_text("\n".join(lines) + "\n")
    (folder / "samples.tsv").write_text("sample_id\n" + "\n".join(names) + "\n")
    (folder / "node.toml").write_text(
        '[node]\ncountry = "EE"\nassembly = "GRCh38"\nlake = "lake"\n'
        '[[genotypes]]\nfiles = ["a.vcf"]\nabsent_sites = "hom_ref"\nformat_fields = []\n'
        '[samples]\nfile = "samples.tsv"\n'
    )
    config = read_node(folder / "node.toml")
    ingest(config, min_label_persons=1, progress=None)
    return open_snapshot(config.lake)


@pytest.fixture(scope="module")
def site_list(snapshot: Snapshot) -> SiteList:
    """The sites of the lake, all listed."""
    engine = NodeEngine("NODE", snapshot, Policy(protection="off"))
    listed = unite([engine.offer_sites()])
    engine.close()
    return listed


@pytest.mark.parametrize(("text", "kinds"), QUESTIONS.items(), ids=range(len(QUESTIONS)))
def test_comparisons_tell_sites_apart(snapshot: Snapshot, site_list: SiteList, text: str, kinds: int) -> None:
    """Ranges make a few kinds of sites; arithmetic and many comparisons one kind of each site."""
    session = open_session(snapshot, site_list, None)
    reading = Reading(prepare(text, snapshot.catalog).releases[0], session)
    sites = select_sites(reading)
    assert (len(sites), len(np.unique(sites.alike))) == (len(SITES), kinds)


def test_sites_that_are_alike_are_counted_each(
    snapshot: Snapshot, site_list: SiteList, calls: dict[tuple[int, int], str]
) -> None:
    """Alleles within a range, and persons who carry one there, by the genotypes as they were written."""
    engine = NodeEngine("NODE", snapshot, Policy(protection="off"))
    engine.lay(site_list)
    text = (
        f"SELECT {RANGE} AS inside, sum(dosage) AS alleles, count(dosage) AS called, "
        "count(DISTINCT sample_id) FILTER (WHERE dosage = 2) AS homozygous FROM genotypes GROUP BY 1"
    )
    cells = engine.answer(prepare(text, snapshot.catalog).releases[0], "any", "query").cells
    engine.close()
    found = {row["k0"]: [int(row[f"m{n}"]) for n in range(3)] for row in cells.to_pylist()}
    for inside in (False, True):
        own = [(n, call) for (pos, n), call in calls.items() if (1_100 <= pos <= 1_190) is inside]
        alleles = sum(call.count("1") for _, call in own)
        called = sum(call != "./." for _, call in own)
        homozygous = len({n for n, call in own if call == "1/1"})
        assert found[inside] == [alleles, called, homozygous]
