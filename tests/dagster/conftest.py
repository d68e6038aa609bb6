"""A tiny node for each test, and Dagster instances that leave nothing behind."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.definitions import defs
from dagster_project.nodes import Nodes
from dagster_project.partitions import add_nodes
from goe_lake.demo import make_cohort

#: Two contigs are enough, one of them with males who have one copy.
CONTIGS = ("chr2", "chrX")


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a simulated Estonian node of 120 persons on two contigs; not to be changed."""
    folder = tmp_path_factory.mktemp("cohort")
    make_cohort(folder, countries=("EE",), persons=120)
    for file in (folder / "ee" / "vcf").iterdir():
        if file.name.split(".")[0] not in CONTIGS:
            file.unlink()
    return folder / "ee"


@pytest.fixture
def node(cohort: Path, tmp_path: Path) -> Path:
    """The node.toml of a node of its own for one test."""
    return Path(shutil.copytree(cohort, tmp_path / "ee")) / "node.toml"


@pytest.fixture
def nodes(node: Path) -> Nodes:
    """The resource that finds that node."""
    return Nodes(paths=str(node))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance in memory that knows the node EE."""
    with dg.DagsterInstance.ephemeral() as instance:
        add_nodes(instance, ["EE"])
        yield instance


@pytest.fixture(scope="session")
def definitions() -> dg.Definitions:
    """The definitions, loaded as Dagster loads them."""
    return defs()


Materialize = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def materialize(
    node: Path, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Materialize:
    """A function that materializes assets of the node; the partition key is plain text, as over GraphQL."""
    monkeypatch.setenv("GOE_NODES", str(node))
    monkeypatch.setenv("GOE_RELEASES", str(tmp_path / "releases"))
    job = defs().resolve_implicit_global_asset_job_def()

    def run(*assets: str, partition: str | None = None) -> dg.ExecuteInProcessResult:
        return job.execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(asset) for asset in assets],
            partition_key=partition,
            raise_on_error=False,
        )

    return run


@pytest.fixture
def spoil() -> Callable[[Path], None]:
    """A function that makes the third record of a VCF unreadable."""

    def run(vcf: Path) -> None:
        lines = gzip.decompress(vcf.read_bytes()).decode().splitlines(keepends=True)
        place = next(n for n, line in enumerate(lines) if not line.startswith("#")) + 2
        fields = lines[place].split("\t")
        lines[place] = "\t".join([fields[0], "not-a-position", *fields[2:]])
        vcf.write_bytes(gzip.compress("".join(lines).encode()))

    return run
