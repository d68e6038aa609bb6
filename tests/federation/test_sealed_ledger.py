"""Sealed sums are recorded, and spend of a project's budget, at every node that has a part in them."""

from __future__ import annotations

import json
from pathlib import Path

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
