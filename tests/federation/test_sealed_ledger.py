"""Sealed sums are recorded, and spend of a project's budget, at every node that has a part in them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import goe_lake
from goe_lake.cli import main
from goe_lake.config import read_node
from goe_lake.errors import QueryRefused
from goe_lake.federation.ledger import Ledger
from tests.federation.nodes import build_nodes

COUNTS = "SELECT sex, population, count(*) AS n FROM samples GROUP BY sex, population"
#: F, M and not recorded, by Alpha and Beta
CELLS = 6


@pytest.fixture
def tomls(tmp_path: Path) -> list[Path]:
    """Three nodes."""
    return build_nodes(tmp_path, dict.fromkeys(("AT", "EE", "FI"), (9,)))


def test_each_node_counts_every_cell_that_can_be_told(tomls: list[Path]):
    """A node that seals does not learn what is told of the sum; all have it in their log before it leaves."""
    federation = goe_lake.open_federation(tomls)
    assert "cells: sealed" in federation.explain(COUNTS)
    answer = federation.sql(COUNTS)
    left = answer.envelope.budget_left
    assert left is not None
    assert (left.queries, left.cells) == (499, 1_000_000 - CELLS)
    for node in federation._members:
        node.node.close()
    for toml in tomls:
        config = read_node(toml)
        ledger = Ledger.open(config.ledger, config.lake, config.node_id)
        entries = [entry for entry in ledger.entries() if entry.query_id == answer.envelope.query_id]
        assert [(entry.kind, entry.cells) for entry in entries] == [("answer", CELLS)]
        assert json.loads(entries[0].body)["sealed"] is True
        ledger.close()


def test_the_officer_sees_that_a_sum_was_sealed(tomls: list[Path], capsys: pytest.CaptureFixture[str]):
    """`goe audit show` lists it; how much was told is not the node's to know."""
    federation = goe_lake.open_federation(tomls)
    federation.sql(COUNTS)
    for node in federation._members:
        node.node.close()
    main(["audit", "show", str(tomls[0]), "--kind", "answer"])
    assert "sealed: what is told of the sum" in " ".join(capsys.readouterr().out.split())


def test_a_spent_budget_of_one_node_refuses_the_sum(tomls: list[Path]):
    """Nothing is asked openly in its place."""
    policy = tomls[1].parent / "policy.toml"
    policy.write_text(f"{policy.read_text()}[budget]\ncells_per_day = {CELLS - 1}\n")
    with pytest.raises(QueryRefused) as refused:
        goe_lake.open_federation(tomls).sql(COUNTS)
    assert refused.value.code == "G802"
    assert "NODE-EE" in str(refused.value)


def remembered(toml: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that the ledger of a node holds, times and chained digests aside."""
    config = read_node(toml)
    with sqlite3.connect(config.ledger / "ledger.sqlite") as connection:
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        ]
        held = {
            name: connection.execute(f"SELECT * FROM {name} ORDER BY rowid").fetchall()
            for name in names
            if name.startswith("overlap_")
        }
        columns = "kind, project, cells, rare_sites, body"
        held["log"] = connection.execute(f"SELECT {columns} FROM log WHERE kind = 'answer'").fetchall()
    connection.close()
    return held


@pytest.mark.usefixtures("audited")
def test_nothing_of_a_sum_is_on_disk_where_it_was_opened(tmp_path: Path):
    """Whoever opened it: a node's ledger is the same whether another country has one carrier more or not."""
    by_site = "SELECT pos, sum(dosage) AS ac FROM genotypes GROUP BY contig, pos, ref, alt"
    found = []
    for world, others in enumerate((1, 2)):
        carriers = {"AT": (1, 12), "EE": (1, 12), "FI": (others, 12)}
        tomls = build_nodes(tmp_path / str(world), carriers, k=10)
        federation = goe_lake.open_federation(tomls, public_sites=one_site(tmp_path))
        for _ in range(4):  # AT and EE open some of them
            assert {row["pos"]: row["ac"] for row in federation.sql(by_site).table.to_pylist()} == {
                1000: None, 2000: 36,
            }  # fmt: skip
        for member in federation._members:
            member.node.close()
        found.append([remembered(toml) for toml in tomls])
    one, other = found
    assert any(rows for rows in one[0].values())
    assert one[:2] == other[:2]
    assert one[2] != other[2]


def one_site(folder: Path) -> Path:
    """A public catalogue of the allele at 1000, which no country has often enough."""
    file = folder / "public.parquet"
    site = {"contig": "chr1", "pos": 1000, "ref": "A", "alt": "C"}
    pq.write_table(pa.Table.from_pylist([site]), file)
    return file
