"""Which nodes exist, and noticing that one of them has new files."""

from __future__ import annotations

import gzip
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest

from dagster_project.defs.build_lake import build_lake
from dagster_project.defs.deliveries import deliveries
from dagster_project.nodes import Nodes, configured_nodes, fingerprint, inputs_of, node_key
from dagster_project.watch import Look, Memory, look
from goe_lake.config import NodeConfig, read_node
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
    assert set(third.changed) == {"EE"}
    assert third.changed["EE"].endswith(fingerprint(nodes["EE"]))
    assert look(nodes, third.memory).changed == {}
    assert Memory.from_json(third.memory.to_json()) == third.memory


def settled(nodes: Mapping[str, NodeConfig], memory: Memory) -> Look:
    """What the second of two looks at files that hold still says."""
    return look(nodes, look(nodes, memory).memory)


def test_the_same_content_delivered_again_starts_nothing(node: Path):
    """A copy of the same bytes has another time; content that was replaced and comes back is new again."""
    vcf = node.parent / "vcf" / "chr2.vcf.gz"
    nodes = {"EE": read_node(node)}
    first = settled(nodes, Memory())
    original = vcf.read_bytes()
    vcf.write_bytes(original)
    again = settled(nodes, first.memory)
    assert (again.changed, again.unchanged) == ({}, ("EE",))
    vcf.write_bytes(gzip.compress(gzip.decompress(original), 1))
    other = settled(nodes, again.memory)
    assert set(other.changed) == {"EE"}
    vcf.write_bytes(original)
    back = settled(nodes, other.memory)
    assert set(back.changed) == {"EE"}
    assert len({first.changed["EE"], other.changed["EE"], back.changed["EE"]}) == 3
    assert Memory.from_json(back.memory.to_json()) == back.memory


def test_a_file_that_takes_too_long_to_read_goes_by_its_size_and_time(node: Path):
    """A look ends in time whatever the files weigh: it reads on at the next, and in the end asks."""
    nodes = {"EE": read_node(node)}
    memory = look(nodes, Memory()).memory
    looks = 0
    while not (seen := look(nodes, memory, seconds=0)).changed:
        memory, looks = seen.memory, looks + 1
        assert looks < 50
    assert looks > 3
    assert set(seen.memory.files) == {str(path) for path in inputs_of(nodes["EE"])}
    assert look(nodes, seen.memory, seconds=0).changed == {}


def test_a_delivery_that_is_withdrawn_is_a_change(node: Path):
    """A file that is gone makes a lake without it, once; what is remembered of it is forgotten."""
    nodes = {"EE": read_node(node)}
    first = settled(nodes, Memory())
    gone = node.parent / "vcf" / "chrX.vcf.gz"
    gone.unlink()
    less = {"EE": read_node(node)}
    second = settled(less, first.memory)
    assert set(second.changed) == {"EE"}
    assert str(gone) not in second.memory.files
    assert look(less, second.memory).changed == {}


def test_a_person_who_is_withdrawn_is_not_in_the_next_snapshot(nodes: Nodes, node: Path):
    """From the files through the sensor and the run to the tables: the sample is in none of them."""
    withdrawn = "GOE-EE-000007"
    with dg.DagsterInstance.ephemeral() as instance:
        cursor = None
        for drop in (False, True):
            if drop:
                drop_sample(node, withdrawn)
            requests: list[dg.RunRequest] = []
            while not requests:
                context = dg.build_sensor_context(instance, cursor=cursor, resources={"nodes": nodes})
                seen = deliveries(context)
                requests, cursor = list(seen.run_requests), seen.cursor
                for added in seen.dynamic_partitions_requests:
                    instance.add_dynamic_partitions("goe_node", list(added.partition_keys))
            (request,) = requests
            run = build_lake.execute_in_process(
                instance=instance, partition_key=request.partition_key, resources={"nodes": nodes}
            )
            assert run.success
            snapshot = nodes.snapshot("EE")
            held = [
                sample
                for table in ("samples", "persons", "scores")
                for file in snapshot.files(table)
                for sample in pq.read_table(file, partitioning=None)["sample_id"].to_pylist()
            ]
            assert (withdrawn in held) is not drop
    assert snapshot.manifest.samples == 119


def drop_sample(node: Path, sample: str) -> None:
    """Take *sample* out of every file of the node, as `bcftools view -s ^ID` and an editor do."""
    for table in ("samples.tsv", "scores.tsv"):
        path = node.parent / table
        kept = [line for line in path.read_text().splitlines() if not line.startswith(f"{sample}\t")]
        path.write_text("\n".join(kept) + "\n")
    for vcf in (node.parent / "vcf").glob("*.vcf.gz"):
        lines = gzip.decompress(vcf.read_bytes()).decode().splitlines()
        head = next(line for line in lines if line.startswith("#CHROM")).split("\t")
        column = head.index(sample)
        rows = [line if line.startswith("##") else line.split("\t") for line in lines]
        text = [row if isinstance(row, str) else "\t".join(row[:column] + row[column + 1 :]) for row in rows]
        vcf.write_bytes(gzip.compress(("\n".join(text) + "\n").encode()))


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
