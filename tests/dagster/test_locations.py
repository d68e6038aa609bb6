"""Code locations of one node: what stands in them, and two of them side by side in one workspace."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget

from dagster_project.place import Place, node_name, place_of
from goe_lake.errors import ConfigError
from tests.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
WORKSPACE = REPOSITORY / "deploy" / "workspace-nodes.yaml"
READY_WITHIN = 600

#: Builds the lake of the location's node and prints what was made, in a process whose setting is GOE_NODE.
BUILD = """
import json, sys, warnings
warnings.simplefilter("error", category=__import__("dagster").BetaWarning)
import dagster as dg
from dagster_project.definitions import defs
from dagster_project.defs.build_lake import build_lake
from dagster_project.nodes import configured_nodes
from dagster_project.partitions import CONTIGS, NODES, add_nodes
found = defs()
dg.Definitions.validate_loadable(found)
def words(keys):
    return sorted({key.to_user_string() for key in keys})
keys = words(found.resolve_asset_graph().get_all_asset_keys())
with dg.DagsterInstance.ephemeral() as instance:
    add_nodes(instance, configured_nodes().found().nodes)
    run = build_lake.execute_in_process(
        instance=instance, partition_key=sys.argv[1], resources={"nodes": configured_nodes()}
    )
    job = found.resolve_implicit_global_asset_job_def()
    judged = job.execute_in_process(
        instance=instance, asset_selection=[dg.AssetKey(["ee", "sample_qc"]), dg.AssetKey(["ee", "site_qc"])],
        partition_key=sys.argv[1],
    )
    print(json.dumps({
        "keys": keys,
        "nodes": list(configured_nodes().found().nodes),
        "partitions": {by.name: list(instance.get_dynamic_partitions(by.name)) for by in (NODES, CONTIGS)},
        "made": words(event.asset_key for event in run.all_events if event.is_step_materialization),
        "judged": words(check.asset_key for check in run.get_asset_check_evaluations()),
        "quality": words(check.asset_key for check in judged.get_asset_check_evaluations()),
    }))
"""


def test_a_location_of_one_node_makes_its_own_assets_and_sees_no_other(node: Path, tmp_path: Path):
    """Assets, partitions, checks and runs carry the node's name, and the node beside it does not exist."""
    shutil.copytree(node.parent, tmp_path / "fi")
    surroundings = {name: value for name, value in os.environ.items() if name != "GOE_NODES"}
    told = subprocess.run(
        [sys.executable, "-c", BUILD, "EE"],
        cwd=REPOSITORY,
        env=surroundings | {"GOE_NODE": str(node)},
        check=True,
        capture_output=True,
        text=True,
    )
    seen = json.loads(told.stdout.splitlines()[-1])
    assert {key.split("/")[0] for key in seen["keys"]} == {"ee"}
    assert seen["nodes"] == ["EE"]
    assert seen["partitions"] == {"goe_node_ee": ["EE"], "goe_contig_ee": ["chr2", "chrX"]}
    assert {"ee/contig_parquet", "ee/published_snapshot", "ee/strata", "ee/lake_inventory"} <= set(
        seen["made"]
    )
    assert all(key.startswith("ee/") for key in seen["judged"])
    assert {"ee/contig_parquet", "ee/published_snapshot", "ee/samples", "ee/strata"} <= set(seen["judged"])
    assert seen["quality"] == ["ee/sample_qc", "ee/site_qc"]


def test_the_place_is_told_by_the_settings_of_one_node_alone(node: Path, tmp_path: Path):
    """Before the first delivery the files are not there yet; the location stands all the same."""
    shutil.rmtree(node.parent / "vcf")
    for named in (node, node.parent):
        assert place_of({"GOE_NODE": str(named)}) == Place("EE", node)
    assert place_of({}) == place_of({"GOE_NODES": str(tmp_path), "GOE_NODE": ""}) == Place()


def test_both_settings_at_once_are_refused(node: Path):
    """Nobody has to guess which of two settings is meant."""
    with pytest.raises(ConfigError, match="GOE_NODES: is set as well"):
        place_of({"GOE_NODE": str(node), "GOE_NODES": str(node)})


def test_a_setting_that_names_no_settings_file_is_refused(tmp_path: Path):
    """The location does not load, and says which file it looked for."""
    with pytest.raises(ConfigError, match="cannot be read"):
        place_of({"GOE_NODE": str(tmp_path / "node.toml")})


def test_two_nodes_of_one_country_have_names_of_their_own():
    """A second node of a country goes by its id, in words that Dagster takes."""
    second = Place(node_name("EE", "GOE-EE-NODE-2"))
    assert second.key("samples") == dg.AssetKey(["goe_ee_node_2", "samples"])
    assert second.name("goe_contig") == "goe_contig_goe_ee_node_2"


@contextmanager
def code_server(node: Path, name: str, log: Path) -> Iterator[int]:
    """A code location's server for one node, as the example says to start it; gives its port."""
    port = free_port()
    command = [sys.executable, "-m", "dagster", "api", "grpc", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--module-name", "dagster_project.definitions", "--location-name", name]
    surroundings = {key: value for key, value in os.environ.items() if key != "GOE_NODES"}
    with log.open("w") as told:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=surroundings | {"GOE_NODE": str(node)}, stdout=told, stderr=told
        )
    try:
        # the first server makes the instance's tables: a second that starts meanwhile would make them too
        listening(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(60)
    assert "Warning" not in log.read_text(), log.read_text()


def listening(port: int, process: subprocess.Popen[str]) -> None:
    """Wait until somebody listens on *port*."""
    end = time.monotonic() + READY_WITHIN
    while time.monotonic() < end:
        assert process.poll() is None, "the code server has ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("the code server does not listen")


@pytest.mark.slow
def test_two_locations_stand_side_by_side(node: Path, cohort: Path, tmp_path: Path):
    """The example workspace loads two nodes, with no asset, and no list of partitions, in common."""
    other = Path(shutil.copytree(cohort, tmp_path / "fi")) / "node.toml"
    other.write_text(other.read_text().replace('"EE"', '"FI"').replace("GOE-EE-NODE-1", "GOE-FI-NODE-1"))
    workspace = yaml.safe_load(WORKSPACE.read_text())
    names = [entry["grpc_server"]["location_name"] for entry in workspace["load_from"]]
    with ExitStack() as stack:
        for entry, (toml, name) in zip(
            workspace["load_from"], zip((node, other), names, strict=True), strict=True
        ):
            port = stack.enter_context(code_server(toml, name, tmp_path / f"{name}.log"))
            entry["grpc_server"] |= {"host": "127.0.0.1", "port": port}
        file = tmp_path / "workspace.yaml"
        file.write_text(yaml.safe_dump(workspace))
        instance = stack.enter_context(dg.DagsterInstance.get())
        context = stack.enter_context(WorkspaceProcessContext(instance, WorkspaceFileTarget([str(file)])))
        seen = context.create_request_context()
        assert seen.code_location_errors() == []
        assert sorted(seen.code_location_names) == names
        keys = {
            location.name: {
                snap.asset_key.to_user_string()
                for repository in location.get_repositories().values()
                for snap in repository.get_asset_node_snaps()
            }
            for location in seen.code_locations
        }
    assert {name.rpartition("_")[2] for name in names} == {"ee", "fi"}
    for name, held in keys.items():
        prefix = name.rpartition("_")[2]
        assert held
        assert all(key.startswith(f"{prefix}/") for key in held)
