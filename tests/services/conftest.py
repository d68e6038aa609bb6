"""One small simulated federation, in this process and as services, for all tests of the wire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import goe_lake
from goe_lake.config import read_node
from goe_lake.demo import make_cohort
from goe_lake.federation import Federation
from goe_lake.federation.client import Client
from goe_lake.lake import ingest
from tests.services.running import Running, prepare


@pytest.fixture(scope="session")
def node_tomls(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The node.toml of three built lakes."""
    tomls = make_cohort(tmp_path_factory.mktemp("cohort"), countries=("EE", "FI", "LV"), persons=130)
    for toml in tomls:
        ingest(read_node(toml), min_label_persons=10)
    return tomls


@pytest.fixture(scope="session")
def embedded(node_tomls: list[Path]) -> Federation:
    """The federation in this process."""
    return goe_lake.open_federation(node_tomls)


@pytest.fixture(scope="session")
def services(node_tomls: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The same federation as services; a test that stops one starts it again."""
    with prepare(tmp_path_factory.mktemp("services"), node_tomls).all_started() as running:
        yield running


@pytest.fixture(scope="session")
def client(services: Running) -> Iterator[Client]:
    """An analyst's connection to the gateway."""
    with goe_lake.connect(services.url, ca=services.keys.ca) as client:
        yield client
