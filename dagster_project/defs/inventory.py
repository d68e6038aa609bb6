"""All nodes at one look: what their lakes hold, and whether it is sound."""

from collections.abc import Iterator

import dagster as dg

from dagster_project.defs.ingest import COUNTS, OWNERS, published_snapshot
from dagster_project.events import Result
from dagster_project.failures import explained
from dagster_project.inventory import inventory_result
from dagster_project.nodes import Nodes
from dagster_project.rules import SPECS, judge_rules
from dagster_project.snapshots import lakes_of


@dg.asset(deps=[published_snapshot], group_name="overview", kinds={"markdown"}, owners=OWNERS, tags=COUNTS)
def lake_inventory(nodes: Nodes) -> Result:
    """Sites by node and contig, with totals of persons, records and bytes over all lakes."""
    with explained():
        return inventory_result(lakes_of(nodes))


@dg.multi_asset_check(
    name="snapshot_checks",
    specs=SPECS,
    can_subset=True,
    description="Reads the published snapshot of every node, and tells of all of them at once.",
)
def snapshot_checks(context: dg.AssetCheckExecutionContext, nodes: Nodes) -> Iterator[dg.AssetCheckResult]:
    """The published snapshots of all nodes against the rules that every lake keeps."""
    with explained():
        yield from judge_rules(lakes_of(nodes), context.selected_asset_check_keys)
