"""What follows a published snapshot without anybody asking, and what does not."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from dagster_project.definitions import defs
from dagster_project.defs.build_lake import build_lake
from dagster_project.nodes import Nodes


@pytest.fixture
def definitions_of_the_node(node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dg.Definitions:
    """The definitions for the one node of the test."""
    monkeypatch.setenv("GOE_NODES", str(node))
    monkeypatch.setenv("GOE_RELEASES", str(tmp_path / "releases"))
    return defs()


def requested(result: dg.EvaluateAutomationConditionsResult) -> set[tuple[str, str | None]]:
    """The assets, and partitions of them, that are to be made."""
    keys = [evaluation.key for evaluation in result.results]
    return {
        (key.to_user_string(), partition)
        for key in keys
        if isinstance(key, dg.AssetKey)
        for partition in result.get_requested_partitions(key)
    }


#: What follows a build up to the European release.
REFERENCE = {
    ("site_list", None),
    ("frequency_release", "EE"),
    *(("released_frequencies", f"{contig}|EE") for contig in ("chr2", "chrX")),
    *(("union_frequencies", contig) for contig in ("chr2", "chrX")),
    ("european_release", None),
}


def test_quality_inventory_and_release_follow_a_build_and_then_nothing_does(
    definitions_of_the_node: dg.Definitions, instance: dg.DagsterInstance, nodes: Nodes
):
    """A build asks for the quality of its node, that for the inventory, its counts for a European release.

    There it ends; and a build that gives the same tables asks for no release again.
    """
    job = definitions_of_the_node.resolve_implicit_global_asset_job_def()

    def look(cursor: object = None) -> dg.EvaluateAutomationConditionsResult:
        return dg.evaluate_automation_conditions(
            definitions_of_the_node, instance, asset_selection=dg.AssetSelection.all(), cursor=cursor
        )

    def make(what: set[tuple[str, str | None]]) -> None:
        for partition in {partition for _, partition in what}:
            assets = [dg.AssetKey(name) for name, of in what if of == partition]
            ran = job.execute_in_process(instance=instance, asset_selection=assets, partition_key=partition)
            assert ran.success

    first = look()
    assert requested(first) == set()
    assert build_lake.execute_in_process(
        instance=instance, partition_key="EE", resources={"nodes": nodes}
    ).success
    second = look(first.cursor)
    asked = requested(second)
    assert {("sample_qc", "EE"), ("site_qc", "EE")} <= asked
    assert not {name for name, _ in asked} & {"checked_input", "contig_parquet", "published_snapshot"}
    make(asked)

    def follow(cursor: object) -> tuple[list[set[tuple[str, str | None]]], object]:
        seen = []
        for _ in range(7):
            result = look(cursor)
            cursor = result.cursor
            seen.append(requested(result))
            make(seen[-1])
        return seen, cursor

    seen, cursor = follow(second.cursor)
    made = [what for asked_at_once in (asked, *seen) for what in asked_at_once]
    assert set(made) >= REFERENCE
    assert set().union(*seen) <= {("lake_inventory", None), *REFERENCE}
    assert [what for what in REFERENCE if made.count(what) > 1] == []
    assert seen[-1] == set()
    assert build_lake.execute_in_process(
        instance=instance, partition_key="EE", resources={"nodes": nodes}
    ).success
    again, _ = follow(cursor)
    assert set().union(*again) & REFERENCE == set()


def test_the_inventory_shows_the_newest_verdicts(
    definitions_of_the_node: dg.Definitions, instance: dg.DagsterInstance, nodes: Nodes
):
    """Every check stands in its table with its verdict; durations and bytes stand in the matrix."""
    job = definitions_of_the_node.resolve_implicit_global_asset_job_def()
    build_lake.execute_in_process(instance=instance, partition_key="EE", resources={"nodes": nodes})

    def shown() -> dict[str, object]:
        made = instance.get_latest_materialization_event(dg.AssetKey("lake_inventory"))
        assert made is not None
        assert made.asset_materialization is not None
        return {name: value.value for name, value in made.asset_materialization.metadata.items()}

    assert "| sex_check | sample_qc | never judged | yes |" in str(shown()["checks"])
    assert "| record_parity | contig_parquet | passed | yes |" in str(shown()["checks"])
    assert "| files_as_listed | published_snapshot | passed | yes |" in str(shown()["checks"])
    for asset, partition in (("sample_qc", "EE"), ("lake_inventory", None)):
        job.execute_in_process(
            instance=instance, asset_selection=[dg.AssetKey(asset)], partition_key=partition
        )
    assert "| sex_check | sample_qc | passed | yes |" in str(shown()["checks"])
    assert shown()["checks_not_passed"] == 0
    for name in ("bytes_by_node_and_contig", "seconds_by_node_and_contig", "sites_by_node_and_contig"):
        assert "| node | chr2 | chrX | all |" in str(shown()[name]), name
        assert "data:image/svg+xml" in str(shown()[name]), name
