"""Dagster's own server on these definitions, asked as its pages ask it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dagster_project.build import build_lakes
from tests.ports import free_port

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
READY_WITHIN = 600
QUESTION = """{
  assetNodes { assetKey { path } partitionStats { numMaterialized numPartitions numFailed } staleStatus }
  runsOrError { ... on Runs { results { jobName status } } }
  assetNodeOrError(assetKey: {path: ["contig_parquet"]}) {
    ... on AssetNode {
      partitionKeysByDimension { name partitionKeys }
      assetChecksOrError {
        ... on AssetChecks { checks { name executionForLatestMaterialization { status } } }
      }
    }
  }
  repositoriesOrError {
    ... on RepositoryConnection { nodes { location { name } sensors { name sensorState { status } } } }
  }
}"""


@pytest.fixture
def server(node: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a webserver that shows the history of one build, started as the project says."""
    home = tmp_path / "home"
    (built,) = build_lakes([node], home)
    assert built.failure is None
    port = free_port()
    surroundings = os.environ | {"DAGSTER_HOME": str(home), "GOE_NODES": str(node)}
    command = [sys.executable, "-m", "dagster_webserver", "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "webserver.log").open("w") as log:
        process = subprocess.Popen(command, cwd=REPOSITORY, env=surroundings, stdout=log, stderr=log)
    try:
        yield _ready(f"http://127.0.0.1:{port}", process)
    finally:
        process.terminate()
        process.wait(60)
    told = (tmp_path / "webserver.log").read_text()
    assert "WARNING" not in told, told
    assert "Warning:" not in told, told


def _ready(address: str, process: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + READY_WITHIN
    while time.monotonic() < end:
        assert process.poll() is None, "the webserver has ended"
        try:
            httpx.get(f"{address}/server_info", trust_env=False).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.5)
        else:
            return address
    raise AssertionError("the webserver does not answer")


def test_the_webserver_shows_the_matrix_and_the_run(server: str):
    """Every cell of contig by node is materialized and fresh, its checks passed, and the run is there."""
    answer = httpx.post(f"{server}/graphql", json={"query": QUESTION}, timeout=120, trust_env=False).json()
    assert "errors" not in answer
    data = answer["data"]
    stats = {"/".join(node["assetKey"]["path"]): node["partitionStats"] for node in data["assetNodes"]}
    assert stats["contig_parquet"] == {"numMaterialized": 2, "numPartitions": 2, "numFailed": 0}
    assert stats["published_snapshot"] == {"numMaterialized": 1, "numPartitions": 1, "numFailed": 0}
    fresh = {"/".join(node["assetKey"]["path"]): node["staleStatus"] for node in data["assetNodes"]}
    # what follows a snapshot (quality, reference, reports) is made by the daemon, which does not run here
    built = {
        "checked_input",
        "contig_parquet",
        "published_snapshot",
        "samples",
        "scores",
        "strata",
        "variants",
    }
    assert {name: fresh[name] for name in built} == dict.fromkeys(built, "FRESH")
    dimensions = {
        item["name"]: item["partitionKeys"] for item in data["assetNodeOrError"]["partitionKeysByDimension"]
    }
    assert dimensions == {"contig": ["chr2", "chrX"], "node": ["EE"]}
    checks = data["assetNodeOrError"]["assetChecksOrError"]["checks"]
    assert {check["executionForLatestMaterialization"]["status"] for check in checks} == {"SUCCEEDED"}
    assert data["runsOrError"]["results"] == [{"jobName": "build_lake", "status": "SUCCESS"}]
    (repository,) = data["repositoriesOrError"]["nodes"]
    assert repository["location"]["name"] == "goe_lake"
    assert sorted(sensor["name"] for sensor in repository["sensors"]) == [
        "alerts",
        "automation",
        "deliveries",
    ]
    assert {sensor["sensorState"]["status"] for sensor in repository["sensors"]} == {"RUNNING"}
