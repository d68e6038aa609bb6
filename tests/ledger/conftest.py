"""One small node with persons and no genotypes, and what tests ask of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

import goe_lake
from goe_lake.config import read_node
from goe_lake.federation import Federation
from goe_lake.federation.ledger import Entry, Ledger
from goe_lake.federation.ledger.store import FILE
from goe_lake.lake import ingest

NODE = """[node]
country = "{country}"
policy = "policy.toml"

[samples]
file = "samples.tsv"

[samples.columns.sex]
values = ["F", "M"]
nullable = false

[samples.columns.bmi]
type = "double"
bounds = [10, 80]
resolution = 0.01
"""
PERSONS = 200
COUNTS = "SELECT sex, count(*) AS n FROM samples GROUP BY sex ORDER BY sex"


@dataclass
class World:
    """One node's files, and short ways to its ledger."""

    node: Path

    @property
    def folder(self) -> Path:
        """The folder of the ledger."""
        return self.node.parent / "ledger"

    @property
    def lake(self) -> Path:
        """The folder of the lake."""
        return self.node.parent / "lake"

    @property
    def file(self) -> Path:
        """The ledger's file."""
        return self.folder / FILE

    def policy(self, text: str) -> None:
        """Hold the node to the policy that *text* writes."""
        (self.node.parent / "policy.toml").write_text(text)

    def federation(self, project: str = "demo", analyst: str = "anna") -> Federation:
        """The node as a federation of one."""
        return goe_lake.open_federation([self.node], project=project, analyst=analyst)

    def ledger(self) -> Ledger:
        """The node's ledger, opened as the node opens it."""
        config = read_node(self.node)
        return Ledger.open(config.ledger, config.lake, config.node_id)

    def entries(self) -> list[Entry]:
        """The whole log."""
        ledger = self.ledger()
        entries = ledger.entries()
        ledger.close()
        return entries

    def kinds(self) -> list[str]:
        """The kinds of all entries."""
        return [entry.kind for entry in self.entries()]


def make_world(folder: Path, country: str = "EE") -> World:
    """A built lake of 100 women and 100 men, under the default policy."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "node.toml").write_text(NODE.format(country=country))
    (folder / "policy.toml").write_text("version = 1\n")
    lines = [f"S{n:04}\t{'FM'[n % 2]}\t{20 + n % 17 + n % 100 / 100}" for n in range(PERSONS)]
    (folder / "samples.tsv").write_text("\n".join(["sample_id\tsex\tbmi", *lines]) + "\n")
    ingest(read_node(folder / "node.toml"), min_label_persons=10)
    return World(folder / "node.toml")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A node that nobody has asked."""
    return make_world(tmp_path_factory.mktemp("built") / "ee")


@pytest.fixture(scope="session")
def answered(built: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A node that answered the same question with five different literals."""
    world = copy_of(built, tmp_path_factory.mktemp("answered") / "ee")
    federation = world.federation()
    for low in range(5):
        text = f"SELECT sex, count(*) AS n, sum(bmi) AS s FROM samples WHERE bmi > {low} GROUP BY sex"
        federation.sql(text)
    return world


@pytest.fixture
def world(built: World, tmp_path: Path) -> World:
    """A node that nobody has asked, of its own for each test."""
    return copy_of(built, tmp_path / "ee")


@pytest.fixture
def asked(answered: World, tmp_path: Path) -> World:
    """A node with six entries, of its own for each test."""
    return copy_of(answered, tmp_path / "ee")


def copy_of(world: World, folder: Path) -> World:
    """The same node, files, lake and ledger, in *folder*."""
    return World(Path(shutil.copytree(world.node.parent, folder)) / "node.toml")


def project_text(world: World, **changes: object) -> Path:
    """A project.toml beside the node, with *changes*."""
    values: dict[str, object] = {
        "id": "cardio",
        "title": "Lipids",
        "purpose": "cardiovascular",
        "members": ["anna"],
        "expires": "2999-12-31",
        **changes,
    }
    path = world.node.parent / f"{values['id']}.toml"
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items() if value is not None]
    path.write_text("\n".join(["[project]", *lines]) + "\n")
    return path
