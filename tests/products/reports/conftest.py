"""Two small countries that reports are run on."""

from __future__ import annotations

from pathlib import Path

import pytest

import goe_lake
from goe_lake.config import read_node
from goe_lake.demo import make_cohort
from goe_lake.federation import Federation
from goe_lake.lake import ingest


@pytest.fixture(scope="session")
def node_tomls(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The node.toml of two built lakes."""
    tomls = make_cohort(tmp_path_factory.mktemp("reports"), countries=("EE", "FI"), persons=150)
    for toml in tomls:
        ingest(read_node(toml), min_label_persons=10)
    return tomls


@pytest.fixture(scope="session")
def federation(node_tomls: list[Path]) -> Federation:
    """The two nodes, asked for the purpose of reports."""
    return goe_lake.open_federation(node_tomls, project="reporting")
