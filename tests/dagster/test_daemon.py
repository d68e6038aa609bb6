"""Dagster's webserver and daemon at work: a delivery flows, a backfill runs, a killed run is mended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
import yaml

from goe_lake.lake import current_id, open_snapshot
from tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

REPOSITORY = Path(__file__).resolve().parents[2]
WITHIN = 400.0

BACKFILL = """mutation($keys: [String!]!) {
  launchPartitionBackfill(
    backfillParams: {assetSelection: [{path: ["contig_parquet"]}], partitionNames: $keys}
  ) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""
STATE = """query($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
}"""


@dataclass(frozen=True)
class Running:
    """A webserver's address, the home that it shares with a daemon, and the node's settings."""

    address: str
    home: Path
    node: Path

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        """The answer of GraphQL to *query*."""
        body = {"query": query, "variables": variables}
        answer = httpx.post(f"{self.address}/graphql", json=body, timeout=120, trust_env=False).json()
        assert "errors" not in answer, answer
        return dict(answer["data"])


@pytest.fixture
def running(node: Path, tmp_path: Path) -> Iterator[Running]:
    """Webserver and daemon, with deploy/dagster.yaml on SQLite, started as the guide says."""
    home = tmp_path / "home"
    home.mkdir()
    settings = yaml.safe_load((REPOSITORY / "deploy" / "dagster.yaml").read_text())
    del settings["storage"]
    (home / "dagster.yaml").write_text(yaml.safe_dump(settings))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.get_runs() == []
    port = free_port()
    surroundings = os.environ | {"DAGSTER_HOME": str(home), "GOE_NODES": str(node)}
    commands = {
        "webserver": ["dagster_webserver", "--host", "127.0.0.1", "--port", str(port)],
        "daemon": ["dagster._daemon", "run"],
    }
    with ExitStack() as stack:
        for name, (module, *arguments) in commands.items():
            log = stack.enter_context((tmp_path / f"{name}.log").open("w"))
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=REPOSITORY,
                env=surroundings,
                stdout=log,
                stderr=log,
            )
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
        address = f"http://127.0.0.1:{port}"
        until(lambda: answers(address))
        yield Running(address, home, node)


def answers(address: str) -> bool:
    """Whether the webserver is there."""
    try:
        return httpx.get(f"{address}/server_info", trust_env=False).is_success
    except httpx.HTTPError:
        return False


def until(reached: Callable[[], object], within: float = WITHIN) -> None:
    """Wait until *reached* is true."""
    end = time.monotonic() + within
    while not reached():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.5)


def test_a_delivery_flows_a_killed_run_is_mended_and_a_backfill_runs(running: Running):
    """Nobody asks for anything but the backfill; the daemon does the rest."""
    lake = running.node.parent / "lake"
    with dg.DagsterInstance.from_config(str(running.home)) as instance:

        def made(asset: str) -> int:
            return len(instance.fetch_materializations(dg.AssetKey(asset), limit=50).records)

        def builds() -> list[dg.DagsterRun]:
            return list(instance.get_runs(dg.RunsFilter(job_name="build_lake")))

        until(lambda: current_id(lake))
        first = current_id(lake)
        until(lambda: made("sample_qc") and made("site_qc"))
        until(lambda: made("lake_inventory") > 1)
        assert [run.status for run in builds()] == [dg.DagsterRunStatus.SUCCESS]

        # a person's label is mended in the samples table; the run is killed as it begins
        samples = running.node.parent / "samples.tsv"
        samples.write_text(samples.read_text().replace("\tEST\t", "\tFIN\t", 1))
        until(lambda: len(builds()) == 2 and worker(instance, builds()[0]))
        killed = builds()[0]
        os.kill(int(worker(instance, killed) or 0), signal.SIGKILL)
        until(lambda: instance.get_run_by_id(killed.run_id).status is dg.DagsterRunStatus.FAILURE)  # type: ignore[union-attr]
        assert current_id(lake) == first
        open_snapshot(lake).verify()
        until(lambda: current_id(lake) != first)
        open_snapshot(lake).verify()
        again = builds()[0]
        assert again.parent_run_id == killed.run_id

        launched = running.ask(BACKFILL, keys=["chr2|EE", "chrX|EE"])["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        ended = {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "COMPLETED", "FAILED", "CANCELED"}
        until(lambda: status(running, launched["backfillId"]) in ended)
        assert status(running, launched["backfillId"]) == "COMPLETED_SUCCESS"
    told = (running.home.parent / "daemon.log").read_text()
    assert "Traceback" not in told, told


def status(running: Running, backfill: str) -> str:
    """How a backfill is."""
    return str(running.ask(STATE, id=backfill)["partitionBackfillOrError"]["status"])


def worker(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """The process id of a run, as Dagster's own log of it says."""
    for entry in instance.all_logs(run.run_id):
        event = entry.dagster_event
        data = event.event_specific_data if event is not None else None
        pid = getattr(data, "metadata", {}).get("pid") if data is not None else None
        if pid is not None and event is not None and event.event_type_value == "ENGINE_EVENT":
            return str(pid.value)
    return None
