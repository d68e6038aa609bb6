"""A small federation for the SQL that people read."""

from __future__ import annotations

import pytest

import goe_lake
from goe_lake.config import read_node
from goe_lake.demo import make_cohort
from goe_lake.federation import Federation
from goe_lake.lake import ingest


@pytest.fixture(scope="session")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    """Three small countries with lakes."""
    nodes = make_cohort(tmp_path_factory.mktemp("cohort"), countries=("EE", "FI", "LV"), persons=240)
    for node in nodes:
        ingest(read_node(node), min_label_persons=10)
    return goe_lake.open_federation(nodes)
