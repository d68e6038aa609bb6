"""All nodes at one look: what their lakes hold, whether it is sound, and whether it is what was delivered."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from dagster_project.defs.ingest import COUNTS, ONWARDS, OWNERS, SCAN, published_snapshot
from dagster_project.defs.quality import sample_qc, site_qc
from dagster_project.events import Result
from dagster_project.failures import explained
from dagster_project.nodes import Nodes
from dagster_project.place import HERE
from dagster_project.rules import SPECS, judge_rules
from dagster_project.snapshots import lakes_of
from dagster_project.stock import inventory_of

#: A node that was never built, or not judged yet, does not keep the others out of the inventory.
ALSO_WITHOUT_SOME = ONWARDS.without(~dg.AutomationCondition.any_deps_missing())


@dg.asset(
    key_prefix=HERE.prefix,
    deps=[published_snapshot, sample_qc, site_qc],
    automation_condition=ALSO_WITHOUT_SOME,
    freshness_policy=dg.FreshnessPolicy.time_window(
        fail_window=timedelta(hours=50), warn_window=timedelta(hours=26)
    ),
    group_name="overview",
    kinds={"markdown"},
    owners=OWNERS,
    tags=COUNTS,
)
def lake_inventory(context: dg.AssetExecutionContext, nodes: Nodes) -> Result:
    """Sites, bytes and durations by node and contig, totals, and the newest verdict of every check."""
    with explained():
        return inventory_of(context.instance, lakes_of(nodes))


@dg.multi_asset_check(
    name="snapshot_checks",
    specs=SPECS,
    can_subset=True,
    pool=SCAN,
    description="Reads the published snapshot of every node, and tells of all of them at once.",
)
def snapshot_checks(context: dg.AssetCheckExecutionContext, nodes: Nodes) -> Iterator[dg.AssetCheckResult]:
    """The published snapshots of all nodes against the rules that every lake keeps."""
    with explained():
        yield from judge_rules(lakes_of(nodes), context.selected_asset_check_keys)


daily_stock = dg.ScheduleDefinition(
    name="daily_stock",
    cron_schedule="30 4 * * *",
    execution_timezone="UTC",
    target=dg.AssetSelection.assets(lake_inventory) | dg.AssetSelection.checks(snapshot_checks),
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every morning: judges what is published anew, since disks and files change without a run.",
)
automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Starts what follows a published snapshot: its tables, its quality, the inventory.",
)
