"""Which nodes exist, and noticing that one of them has new files."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.defs.deliveries import deliveries
from dagster_project.nodes import Nodes, configured_nodes, fingerprint, node_key
from dagster_project.watch import Memory, look
from goe_lake.config import read_node
from goe_lake.lake import ingest


def test_nodes_are_found_in_files_folders_and_folders_of_folders(node: Path, tmp_path: Path):
    """One setting names a node, or a folder that nodes are added to."""
    for paths in (str(node), str(node.parent), str(tmp_path), os.pathsep.join([str(node)])):
        assert list(Nodes(paths=paths).found().nodes) == ["EE"], paths
    assert Nodes(paths="").found().nodes == {}


def test_the_environment_names_the_nodes(node: Path, monkeypatch: pytest.MonkeyPatch):
    """GOE_NODES is the one setting."""
    monkeypatch.setenv("GOE_NODES", str(node))
    assert list(configured_nodes().found().nodes) == ["EE"]


def test_a_second_node_of_a_country_goes_by_its_id(node: Path, tmp_path: Path):
    """A node keeps its key whatever nodes are added later; the same id twice is told."""
    other = Path(shutil.copytree(node.parent, tmp_path / "other")) / "node.toml"
    found = Nodes(paths=str(tmp_path)).found()
    assert list(found.nodes) == ["EE"]
    assert "also the id" in str(found.complaints[0])
    other.write_text(other.read_text().replace("GOE-EE-NODE-1", "GOE-EE-NODE-2"))
    assert sorted(Nodes(paths=str(tmp_path)).found().nodes) == ["EE", "GOE-EE-NODE-2"]
    assert node_key(read_node(other)) == "GOE-EE-NODE-2"


def test_a_broken_node_does_not_hide_the_others(node: Path, tmp_path: Path):
    """A mistake in one country's settings is told, and the other countries go on."""
    broken = tmp_path / "fi" / "node.toml"
    broken.parent.mkdir()
    broken.write_text("[node\n")
    found = Nodes(paths=str(tmp_path)).found()
    assert list(found.nodes) == ["EE"]
    assert str(broken) in str(found.complaints[0])


def test_a_node_is_built_once_its_files_hold_still(node: Path):
    """A file that is still being copied is not read; a look later it is, and then not again."""
    nodes = {"EE": read_node(node)}
    first = look(nodes, Memory())
    assert first.changed == {}
    with (node.parent / "samples.tsv").open("a") as file:
        file.write("\n")
    second = look(nodes, first.memory)
    assert second.changed == {}
    third = look(nodes, second.memory)
    assert third.changed == {"EE": fingerprint(nodes["EE"])}
    assert look(nodes, third.memory).changed == {}
    assert Memory.from_json(third.memory.to_json()) == third.memory


def test_a_lake_that_is_up_to_date_is_left_alone(node: Path):
    """Opening Dagster on lakes that were built elsewhere builds nothing, until a file arrives."""
    config = read_node(node)
    ingest(config, min_label_persons=1)
    first = look({"EE": config}, Memory())
    assert look({"EE": config}, first.memory).changed == {}
    # a copy that keeps the times of an old file arrives now all the same
    time.sleep(0.01)
    arrived = node.parent / "vcf" / "chr2.vcf.gz"
    shutil.copy2(arrived, arrived.with_suffix(".new"))
    arrived.with_suffix(".new").replace(arrived)
    again = look({"EE": config}, Memory())
    assert set(look({"EE": config}, again.memory).changed) == {"EE"}


def test_the_sensor_names_the_nodes_and_asks_for_builds(nodes: Nodes):
    """It adds what is configured to the partitions, and asks for a node once its files are complete."""
    with dg.DagsterInstance.ephemeral() as instance:
        first = deliveries(dg.build_sensor_context(instance, resources={"nodes": nodes}))
        assert first.run_requests == []
        assert first.dynamic_partitions_requests[0].partition_keys == ["EE"]
        context = dg.build_sensor_context(instance, cursor=first.cursor, resources={"nodes": nodes})
        (request,) = deliveries(context).run_requests
        assert request.partition_key == "EE"


def test_the_sensor_waits_while_no_node_is_configured():
    """Without the setting it says so and fails nothing."""
    with dg.DagsterInstance.ephemeral() as instance:
        skipped = deliveries(dg.build_sensor_context(instance, resources={"nodes": Nodes(paths="")}))
    assert isinstance(skipped, dg.SkipReason)
    assert "GOE_NODES" in skipped.skip_message
