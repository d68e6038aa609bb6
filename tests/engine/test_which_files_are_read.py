"""A question about strata opens no file of calls; one about other traits of persons needs them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from goe_lake.config import read_node
from goe_lake.disclosure import Policy
from goe_lake.engine.node import NodeEngine
from goe_lake.engine.sites import unite
from goe_lake.errors import NodeFailed
from goe_lake.lake import Snapshot, ingest, open_snapshot
from goe_lake.query.pipeline import prepare

PERSONS = 60
GENOTYPES = ("0/0", "0/1", "1/1", "./.", "0/.", "1/.", "0/0")
FREQUENCIES = """
SELECT v.contig, v.pos, v.ref, v.alt, {key} sum(g.dosage) AS ac, sum(g.called_alleles) AS an,
       count(*) FILTER (WHERE g.dosage = 2) AS hom_alt, count(DISTINCT g.sample_id) AS persons
FROM genotypes g JOIN samples s USING (sample_id) JOIN variants v USING (contig, pos, ref, alt)
WHERE {where} GROUP BY {key} v.contig, v.pos, v.ref, v.alt
"""
STRATA = FREQUENCIES.format(key="s.sex,", where="s.population = 'North' OR s.sex IS NULL")
PHENOTYPE = FREQUENCIES.format(key="", where="s.bmi > 25")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of two batches; the second has no site on chrX."""
    tmp_path = tmp_path_factory.mktemp("node")
    for batch, contigs in (("a", ("chr1", "chrX")), ("b", ("chr1",))):
        names = [f"{batch}{number}" for number in range(PERSONS // 2)]
        lines = ["##fileformat=VCFv4.3", '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
        lines += ["##contig=<ID=chr1,length=248956422>", "##contig=<ID=chrX,length=156040895>"]
        lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(names))
        for contig in contigs:
            for pos in (5_000_000, 5_000_100, 5_000_200):
                calls = [GENOTYPES[(place * pos // 100 + place) % 7] for place in range(len(names))]
                lines.append(f"{contig}\t{pos}\t.\tA\tC\t.\tPASS\t.\tGT\t" + "\t".join(calls))
        (tmp_path / f"{batch}.vcf").write_text("\n".join(lines) + "\n")
    rows = ["sample_id\tpopulation\tsex\tbmi"]
    for number in range(PERSONS):
        name = f"{'ab'[number % 2]}{number // 2}"
        population, sex = ("North", "South")[number % 3 == 0], ("F", "M", "")[number % 5 % 3]
        rows.append(f"{name}\t{population}\t{sex}\t{18 + number % 20}")
    (tmp_path / "samples.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "node.toml").write_text(
        '[node]\ncountry = "EE"\nassembly = "GRCh38"\nlake = "lake"\n'
        '[[genotypes]]\nfiles = ["a.vcf"]\nabsent_sites = "hom_ref"\nformat_fields = []\n'
        '[[genotypes]]\nfiles = ["b.vcf"]\nabsent_sites = "hom_ref"\nformat_fields = []\n'
        '[samples]\nfile = "samples.tsv"\n[samples.columns.bmi]\ntype = "integer"\nbounds = [10, 80]\n'
    )
    config = read_node(tmp_path / "node.toml")
    ingest(config, min_label_persons=1, progress=None)
    return config.lake


@pytest.fixture
def snapshot(built: Path, tmp_path: Path) -> Snapshot:
    """A copy of the lake that a test may spoil."""
    return open_snapshot(shutil.copytree(built, tmp_path / "lake"))


@pytest.fixture
def ask(snapshot: Snapshot) -> Callable[[str], pa.Table]:
    """Asks a fresh engine over the lake; everything is told."""

    def answer(text: str) -> pa.Table:
        engine = NodeEngine("NODE", snapshot, Policy(protection="off"))
        engine.lay(unite([engine.offer_sites()]))
        cells = engine.answer(prepare(text, snapshot.catalog).releases[0], "any", "query").cells
        engine.close()
        return cells

    return answer


def files(snapshot: Snapshot, table: str) -> list[Path]:
    """The files of *table*."""
    found = list(snapshot.files(table))
    assert found
    return found


def test_strata_answer_without_calls(snapshot: Snapshot, ask: Callable[[str], pa.Table]) -> None:
    """With every file of calls gone, a question about strata has the same answer, and another has none."""
    before = ask(STRATA)
    assert before.num_rows == 6 * 3
    for path in files(snapshot, "calls"):
        path.unlink()
    assert ask(STRATA) == before
    with pytest.raises(NodeFailed):
        ask(PHENOTYPE)


def test_calls_answer_without_strata(snapshot: Snapshot, ask: Callable[[str], pa.Table]) -> None:
    """A question about phenotypes reads no strata."""
    before = ask(PHENOTYPE)
    assert before.num_rows == 6
    for path in files(snapshot, "strata"):
        path.unlink()
    assert ask(PHENOTYPE) == before


def test_strata_of_other_persons_are_not_used(snapshot: Snapshot, ask: Callable[[str], pa.Table]) -> None:
    """Where the strata count other persons than the node has, its calls answer."""
    before = ask(STRATA)
    for path in files(snapshot, "strata"):
        table = pq.read_table(path)
        place = table.column_names.index("n_persons")
        more = pc.add(table.column("n_persons"), pa.scalar(1, pa.int32()))
        pq.write_table(table.set_column(place, table.schema.field("n_persons"), more), path)
    assert ask(STRATA) == before


def test_strata_are_found_across_row_groups(
    snapshot: Snapshot, ask: Callable[[str], pa.Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A site's strata may lie in two row groups, also where only the row groups needed are read."""
    before = ask(STRATA)
    some = STRATA.replace("WHERE s.", "WHERE v.pos <> 5000100 AND (s.").replace("GROUP BY", ") GROUP BY", 1)
    before_some = ask(some)
    assert before_some.num_rows == 4 * 3
    for path in files(snapshot, "strata"):
        pq.write_table(pq.read_table(path), path, row_group_size=4)
    for path in files(snapshot, "calls"):
        path.unlink()
    monkeypatch.setattr("goe_lake.engine.strata.MOST_KEPT", 0)
    assert ask(STRATA) == before
    assert ask(some) == before_some
