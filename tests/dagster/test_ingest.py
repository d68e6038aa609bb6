"""The assets and the build of a node, run in process on a simulated node."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from dagster_project import contigs
from dagster_project.defs.build_lake import build_lake
from dagster_project.nodes import Nodes
from dagster_project.rules import SPECS
from goe_lake.lake import current_id, open_snapshot

Materialize = Callable[..., dg.ExecuteInProcessResult]
CELLS = {"chr2|EE", "chrX|EE"}
TABLES = ("samples", "scores", "variants", "strata")


def build(instance: dg.DagsterInstance, nodes: Nodes) -> dg.ExecuteInProcessResult:
    """One run of the job that builds a node."""
    return build_lake.execute_in_process(
        instance=instance, partition_key="EE", resources={"nodes": nodes}, raise_on_error=False
    )


def metadata_of(instance: dg.DagsterInstance, asset: str, partition: str | None = None) -> dict[str, object]:
    """What Dagster shows of the newest materialization of an asset or partition."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=dg.AssetKey(asset), asset_partitions=[partition] if partition else None
        ),
        limit=1,
    ).records
    assert records, (asset, partition)
    shown = records[0].asset_materialization
    assert shown is not None
    return {name: value.value for name, value in shown.metadata.items()}


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """The verdict of each check that a run evaluated, by asset and name."""
    return {
        f"{check.asset_key.to_user_string()}.{check.check_name}": check.passed
        for check in result.get_asset_check_evaluations()
    }


def test_the_assets_lead_from_files_to_tables(
    materialize: Materialize, instance: dg.DagsterInstance, nodes: Nodes
):
    """Each asset can be started by hand, cell by cell, with partition keys as plain text."""
    assert materialize("checked_input", partition="EE").success
    assert instance.get_dynamic_partitions("goe_contig") == ["chr2", "chrX"]
    for cell in CELLS:
        assert all(checks_of(materialize("contig_parquet", partition=cell)).values())
    assert materialize("published_snapshot", *TABLES, partition="EE").success
    assert materialize("lake_inventory").success
    assert instance.get_materialized_partitions(dg.AssetKey("contig_parquet")) == CELLS
    snapshot = nodes.snapshot("EE")
    manifest = snapshot.manifest
    assert metadata_of(instance, "published_snapshot", "EE")["snapshot"] == snapshot.snapshot_id
    assert metadata_of(instance, "samples", "EE")["dagster/partition_row_count"] == manifest.samples == 120
    sites = {counts.contig: counts.sites for counts in manifest.contigs}
    assert metadata_of(instance, "contig_parquet", "chrX|EE")["dagster/partition_row_count"] == sites["chrX"]
    assert metadata_of(instance, "variants", "EE")["dagster/partition_row_count"] == sum(sites.values())
    schema = metadata_of(instance, "samples", "EE")["dagster/column_schema"]
    bmi = next(column for column in schema.columns if column.name == "bmi")
    assert "kg/m2" in bmi.description
    counted = metadata_of(instance, "strata", "EE")
    named = {column.name for column in counted["dagster/column_schema"].columns}
    assert set(counted["dagster/column_lineage"].deps_by_column) == named - {"n_persons"}
    listed = metadata_of(instance, "variants", "EE")
    named = {column.name for column in listed["dagster/column_schema"].columns}
    assert {"pos", "variant_id"} <= set(listed["dagster/column_lineage"].deps_by_column) <= named


def test_the_build_of_a_node_is_one_run_that_reports_to_the_assets(
    instance: dg.DagsterInstance, nodes: Nodes
):
    """After it every partition is materialized, every check evaluated, and the files are versions of data."""
    result = build(instance, nodes)
    assert result.success
    assert instance.get_materialized_partitions(dg.AssetKey("contig_parquet")) == CELLS
    for asset in ("checked_input", "published_snapshot", *TABLES):
        assert instance.get_materialized_partitions(dg.AssetKey(asset)) == {"EE"}, asset
    assert metadata_of(instance, "lake_inventory")["nodes_published"] == 1
    evaluated = checks_of(result)
    assert len(evaluated) == len(contigs.CHECKS) + len(SPECS)
    assert all(evaluated.values())
    observed = instance.fetch_observations(dg.AssetKey("vcf_files"), limit=1).records[0].event_log_entry
    assert observed.asset_observation is not None
    assert observed.asset_observation.data_version is not None


def test_the_checks_carry_numbers(instance: dg.DagsterInstance, nodes: Nodes):
    """Who looks at a passed check sees what was counted, and that it is what the node's files hold."""
    result = build(instance, nodes)
    parity = next(
        check for check in result.get_asset_check_evaluations() if check.check_name == "record_parity"
    )
    records = sum(nodes.plan("EE").file_records.values())
    assert (
        parity.metadata["records_in_files"].value == parity.metadata["records_decoded"].value == records > 0
    )
    assert parity.blocking


def test_building_again_converts_nothing_and_publishes_the_same(
    instance: dg.DagsterInstance, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
):
    """A build that was stopped goes on where it was: what is converted from these files stands."""
    assert build(instance, nodes).success
    first = nodes.snapshot("EE").snapshot_id

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing is to be converted")

    monkeypatch.setattr(contigs, "convert", refuse)
    assert build(instance, nodes).success
    assert nodes.snapshot("EE").snapshot_id == first


def test_a_contig_can_be_converted_again_after_it_was_published(
    instance: dg.DagsterInstance, nodes: Nodes, materialize: Materialize
):
    """By hand a cell is always made anew; the published lake does not change by it."""
    assert build(instance, nodes).success
    first = nodes.snapshot("EE").snapshot_id
    assert materialize("contig_parquet", partition="chrX|EE").success
    assert materialize("published_snapshot", partition="EE").success
    assert nodes.snapshot("EE").snapshot_id == first


def test_a_corrupt_vcf_fails_naming_file_record_and_mend_and_leaves_the_lake_as_it_was(
    instance: dg.DagsterInstance, nodes: Nodes, node: Path, spoil: Callable[[Path], None]
):
    """The data engineer reads what to mend; analysts go on with the snapshot before."""
    assert build(instance, nodes).success
    before = nodes.snapshot("EE").snapshot_id
    spoil(node.parent / "vcf" / "chrX.vcf.gz")
    result = build(instance, nodes)
    assert not result.success
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    told = failed.step_failure_data.user_failure_data
    assert told.metadata["file"].value == "vcf/chrX.vcf.gz"
    assert "line" in told.metadata["record"].value
    assert told.metadata["mend"].value
    assert str(node.parent) not in told.description
    assert not [event for event in result.all_events if event.is_step_up_for_retry]
    assert current_id(node.parent / "lake") == before
    open_snapshot(node.parent / "lake").verify()


def test_a_contig_that_is_not_sound_is_not_published(
    instance: dg.DagsterInstance, nodes: Nodes, node: Path, monkeypatch: pytest.MonkeyPatch
):
    """A blocking check that fails stops the build, and the contig cannot be published by hand either."""
    monkeypatch.setattr(contigs, "disordered_sites", lambda _: 3)
    result = build(instance, nodes)
    assert not result.success
    assert checks_of(result) == {
        "contig_parquet.record_parity": True,
        "contig_parquet.sorted_unique_keys": False,
        "contig_parquet.ac_within_an": True,
        "contig_parquet.call_rate": True,
    }
    assert current_id(node.parent / "lake") is None
    assert instance.get_materialized_partitions(dg.AssetKey("contig_parquet")) == set()


def test_publishing_by_hand_waits_for_every_contig(materialize: Materialize, node: Path):
    """A snapshot without a contig that the files have would be a wrong lake."""
    assert materialize("checked_input", partition="EE").success
    assert materialize("contig_parquet", partition="chr2|EE").success
    result = materialize("published_snapshot", partition="EE")
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert "chrX" in failed.step_failure_data.user_failure_data.description
    assert current_id(node.parent / "lake") is None


def test_a_node_that_is_not_configured_is_named(instance: dg.DagsterInstance, node: Path):
    """Somebody who takes a node out of the setting and starts its build reads why it fails."""
    result = build(instance, Nodes(paths=""))
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    told = failed.step_failure_data.user_failure_data.description
    assert told.startswith("GOE_NODES, EE: is not a configured node")


def test_metadata_names_no_folder_of_the_host(instance: dg.DagsterInstance, nodes: Nodes, node: Path):
    """What Dagster keeps can be shown to others: it says nothing about the machine."""
    build(instance, nodes)
    shown = [metadata_of(instance, asset, "EE") for asset in ("checked_input", "published_snapshot", *TABLES)]
    assert str(node.parent) not in repr(shown)


def test_after_the_mend_the_cells_go_through_one_by_one(
    instance: dg.DagsterInstance, nodes: Nodes, node: Path, materialize: Materialize
):
    """A contig fails with its file and record; mended, the cells are made by hand, and published."""
    vcf = node.parent / "vcf" / "chrX.vcf.gz"
    whole = vcf.read_bytes()
    text = gzip.decompress(whole).decode()
    last = text.rstrip("\n").rsplit("\n", 1)[1].split("\t")
    other = [call.replace("0", "1", 1) if call[:1] == "0" else "0" + call[1:] for call in last[9:]]
    vcf.write_bytes(gzip.compress((text + "\t".join([*last[:9], *other]) + "\n").encode()))
    failed = build(instance, nodes)
    (event,) = [event for event in failed.all_events if event.is_step_failure]
    assert event.step_key == "convert_contig[chrX]"
    told = event.step_failure_data.user_failure_data
    assert told.metadata["file"].value == "vcf/chrX.vcf.gz"
    assert last[1] in told.description
    assert told.metadata["mend"].value
    assert instance.get_materialized_partitions(dg.AssetKey("contig_parquet")) == {"chr2|EE"}
    vcf.write_bytes(whole)
    # all files of a delivery make its digest, so with another file all its contigs are converted again
    assert materialize("checked_input", partition="EE").success
    for cell in sorted(CELLS):
        assert materialize("contig_parquet", partition=cell).success
    assert materialize("published_snapshot", partition="EE").success
    nodes.snapshot("EE").verify()
