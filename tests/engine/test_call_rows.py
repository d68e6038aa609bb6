"""Stored calls are the same however they are read: whole row groups, or the rows that are wanted alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goe_lake.config import read_node
from goe_lake.engine import call_rows
from goe_lake.engine.calls import stored_calls
from goe_lake.engine.selection import Selection
from goe_lake.engine.session import Session, open_session, parquet
from goe_lake.engine.sites import offered_sites, unite
from goe_lake.lake import ingest, open_snapshot

PERSONS, SITES = 20, 300
CLASSES = ("het_l", "het_b", "hom_l", "hom_b", "hemi_l", "hemi_b", "nc_l", "nc_b", "ref1_l", "ref1_b")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A lake of one batch, with row groups of 128 rows, and nothing on chr3."""
    folder = tmp_path_factory.mktemp("node")
    names = [f"p{number}" for number in range(PERSONS)]
    draw = np.random.default_rng(7)
    lines = ["##fileformat=VCFv4.3", '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    lines += ['##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">']
    lines += [f"##contig=<ID=chr{number},length=242193529>" for number in (1, 2, 3)]
    lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(names))
    for contig in ("chr1", "chr2"):
        for number in range(SITES):
            common = number % 3 == 0
            calls = draw.choice(["0/0", "0/1", "1/1", "./."], PERSONS, p=[0.3, 0.4, 0.2, 0.1] if common else
                                [0.9, 0.08, 0.01, 0.01])  # fmt: skip
            cells = "\t".join(f"{call}:{draw.integers(5, 60)}" for call in calls)
            for alt in ("C", "G")[: 1 + number % 2]:
                lines.append(f"{contig}\t{1000 + 10 * number}\t.\tA\t{alt}\t.\tPASS\t.\tGT:DP\t{cells}")
    (folder / "a.vcf").write_text("\n".join(lines) + "\n")
    (folder / "samples.tsv").write_text("sample_id\tsex\n" + "".join(f"{name}\tF\n" for name in names))
    (folder / "node.toml").write_text(
        '[node]\ncountry = "EE"\nassembly = "GRCh38"\nlake = "lake"\n'
        '[[genotypes]]\nfiles = ["a.vcf"]\nabsent_sites = "hom_ref"\nformat_fields = ["DP"]\n'
        '[samples]\nfile = "samples.tsv"\n'
    )
    ingest(read_node(folder / "node.toml"), min_label_persons=0, progress=None)
    snapshot = open_snapshot(folder / "lake")
    for path in (folder / "lake" / "calls").rglob("*.parquet"):
        pq.write_table(pq.read_table(path, partitioning=None), path, row_group_size=128)
    return open_session(snapshot, unite([offered_sites(snapshot, 0)]), None)


def selected(session: Session, contig: str, every: int, least: int = 0) -> Selection:
    """Each site of *contig* whose number is divisible by *every*, from the *least* position on."""
    table = session.connection.sql(
        f"SELECT site, rank, pos, listed, par, place FROM sites "
        f"WHERE contig = '{contig}' AND site % {every} = 0 AND pos >= {least} ORDER BY site"
    ).to_arrow_table()
    columns = [table.column(name).to_numpy() for name in table.column_names]
    numbers = columns[0].astype(np.int64)
    return Selection(
        numbers, columns[1].astype(np.int64), columns[2].astype(np.int64), columns[3].astype(bool),
        columns[4].astype(bool), columns[5].astype(np.int64), numbers, pa.table({}), True,
    )  # fmt: skip


def joined(
    session: Session, contig: str, sites: Selection, columns: tuple[str, ...]
) -> list[tuple[object, ...]]:
    """The same by one join of the files and the sites."""
    (batch,) = session.batches
    files = session.snapshot.files("calls", contig, batch)
    numbers = ", ".join(map(str, sites.numbers)) or "NULL"
    return session.connection.execute(
        f"SELECT w.site, {', '.join(columns)}, file_index, file_row_number FROM {parquet(files)} c "
        f"JOIN (SELECT * FROM sites WHERE contig = '{contig}' AND site IN ({numbers})) w "
        "USING (pos, ref, alt, end_pos) ORDER BY file_index, file_row_number"
    ).fetchall()


@pytest.mark.parametrize("every", [1, 2, 7, 250])
@pytest.mark.parametrize(("dense", "most"), [(4, 8_000_000), (4, 1), (0, 1)])
@pytest.mark.parametrize("contig", ["chr1", "chr2"])
def test_stored_calls_are_those_of_one_join(
    session: Session, monkeypatch: pytest.MonkeyPatch, contig: str, every: int, dense: int, most: int
) -> None:
    """Whole row groups at once, one at a time, and single rows give what a join of keys gives."""
    monkeypatch.setattr(call_rows, "DENSE", dense)
    monkeypatch.setattr(call_rows, "MOST_BYTES", most)
    (batch,) = session.batches
    for least in (0, 2500):
        sites = selected(session, contig, every, least)
        stored, places = stored_calls(session, contig, batch, sites, ("dp",), located=True)
        rows = zip(sites.numbers[places].tolist(), *(stored.column(name).to_pylist() for name in
                   (*CLASSES, "dp", "file", "row")), strict=True)  # fmt: skip
        assert list(rows) == joined(session, contig, sites, (*CLASSES, "dp"))


def test_the_lake_has_several_row_groups(session: Session) -> None:
    """Else the test above would say nothing of them."""
    (batch,) = session.batches
    found = call_rows.rows_of(session, "chr1", batch)
    assert sum(len(file.ends) for file in found.files) > 2


def test_a_contig_without_files_has_no_calls(session: Session) -> None:
    """An empty table of the same columns, and no place."""
    (batch,) = session.batches
    sites = selected(session, "chr1", 1)
    stored, places = stored_calls(session, "chr3", batch, sites, located=True)
    assert stored.num_rows == 0
    assert stored.column_names == [*CLASSES, "file", "row"]
    assert len(places) == 0


def test_no_more_rows_are_kept_than_allowed(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read longest ago is forgotten first."""
    monkeypatch.setattr(call_rows, "MOST_ROWS", 1)
    (batch,) = session.batches
    for contig in ("chr1", "chr2"):
        stored_calls(session, contig, batch, selected(session, contig, 1))
    assert list(session.call_rows) == [("chr2", batch)]
