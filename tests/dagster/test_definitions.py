"""What Dagster loads, and how the assets hang together."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.definitions import defs
from dagster_project.partitions import CONTIG_BY_NODE, Cell
from goe_lake.errors import ConfigError, InputError, LakeError

GRAPH = Path(__file__).parent / "asset_graph.json"


def graph_of(definitions: dg.Definitions) -> dict[str, object]:
    """Assets with group, kinds, dependencies, partitions and checks; then jobs and sensors."""
    graph = definitions.resolve_asset_graph()
    checks: dict[dg.AssetKey, dict[str, str]] = {}
    for key in graph.asset_check_keys:
        kind = "blocking" if graph.get_check_spec(key).blocking else "tells"
        checks.setdefault(key.asset_key, {})[key.name] = kind
    assets = {
        node.key.to_user_string(): {
            "group": node.group_name,
            "kinds": sorted(node.kinds),
            "made_by": "dagster" if node.is_materializable else "others",
            "partitions": _dimensions(node.partitions_def),
            "needs": sorted(parent.to_user_string() for parent in node.parent_keys),
            "checks": dict(sorted(checks.get(node.key, {}).items())),
            "pools": sorted(node.pools or ()),
            "follows": node.automation_condition is not None,
        }
        for node in graph.asset_nodes
    }
    jobs = sorted(job.name for job in definitions.resolve_all_job_defs() if not job.name.startswith("__"))
    sensors = {
        sensor.name: sorted(target.job_name for target in sensor.targets if target.job_name)
        for sensor in definitions.sensors or []
    }
    schedules = {schedule.name: schedule.cron_schedule for schedule in definitions.schedules or []}
    return {
        "assets": dict(sorted(assets.items())),
        "jobs": jobs,
        "schedules": schedules,
        "sensors": dict(sorted(sensors.items())),
    }


def _dimensions(partitions: dg.PartitionsDefinition[str] | None) -> list[str]:
    if isinstance(partitions, dg.MultiPartitionsDefinition):
        return partitions.partition_dimension_names
    return (
        [partitions.name.removeprefix("goe_")]
        if isinstance(partitions, dg.DynamicPartitionsDefinition)
        else []
    )


def test_definitions_load_without_a_configured_node(monkeypatch: pytest.MonkeyPatch):
    """A fresh installation opens in Dagster before any node is set up, and without a warning."""
    monkeypatch.delenv("GOE_NODES", raising=False)
    definitions = defs()
    dg.Definitions.validate_loadable(definitions)
    assert definitions.resources["nodes"].paths == ""


def test_the_asset_graph_is_the_reviewed_one(definitions: dg.Definitions):
    """A change of assets, dependencies, partitions or checks is made on purpose: see asset_graph.json."""
    assert graph_of(definitions) == json.loads(GRAPH.read_text())


def test_every_asset_says_what_it_is(definitions: dg.Definitions):
    """Whoever opens an asset sees what one row or partition is, who keeps it, and whether it is personal."""
    for node in definitions.resolve_asset_graph().asset_nodes:
        assert node.description, node.key
        assert len(node.description) > 40, node.key
        keeper = "reporting" if node.group_name == "reports" else "data-engineering"
        assert node.owners == [f"team:{keeper}"], node.key
        assert node.tags["goe/data"] in ("personal", "counts", "released"), node.key


@pytest.mark.parametrize("key", ["chr20|EE", dg.MultiPartitionKey({"contig": "chr20", "node": "EE"})])
def test_a_partition_key_is_read_as_text_and_as_dagster_gives_it(key: str):
    """A run started over GraphQL may carry the key as plain text; it means the same cell."""
    assert Cell.of(key) == Cell("chr20", "EE")
    assert Cell.of(key).partition_key == "chr20|EE"
    assert CONTIG_BY_NODE.partition_dimension_names == ["contig", "node"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            InputError("/data/ee/vcf/chr2.vcf.gz", "has no samples", "Take another file", "line 7"),
            "vcf/chr2.vcf.gz, line 7: has no samples. Take another file",
        ),
        (ConfigError("/data/ee/node.toml", "node.country", "is missing", "Give it"),
         "node.toml, node.country: is missing. Give it"),
        (LakeError("/data/ee/lake", "is not a lake yet", "Build it"), "lake: is not a lake yet. Build it"),
    ],
)  # fmt: skip
def test_a_failure_names_the_place_and_the_mend(error: Exception, told: str):
    """Bad input is told with its file as node.toml names it, and is never tried again."""
    from dagster_project.failures import explained

    with pytest.raises(dg.Failure) as failure, explained(Path("/data/ee")):
        raise error
    assert failure.value.description == told
    assert failure.value.allow_retries is False
    assert failure.value.metadata["mend"].value in told


def test_only_an_error_that_may_pass_is_tried_again():
    """A network mount that stutters is worth another try; a missing file is not."""
    import errno

    from dagster_project.failures import explained

    with pytest.raises(dg.RetryRequested), explained():
        raise OSError(errno.ESTALE, "Stale file handle")
    with pytest.raises(FileNotFoundError), explained():
        raise FileNotFoundError(errno.ENOENT, "No such file")
