"""The allele-frequency reference: what each node releases, the union of all, and the European release."""

from datetime import timedelta

import dagster as dg

from dagster_project.defs.ingest import COUNTS, ONWARDS, OWNERS, SCAN
from dagster_project.events import Result
from dagster_project.failures import explained
from dagster_project.nodes import Nodes
from dagster_project.partitions import CONTIG_BY_NODE, CONTIGS, NODES, Cell, add_contigs
from dagster_project.place import HERE
from dagster_project.progress import Logged
from dagster_project.reference import cells, european, made
from dagster_project.reference.bench import ELSEWHERE, Bench, history_of

RELEASED = {"goe/data": "released"}
#: An asset of the reference is made again only where what it is made of has another content.
WHERE_CHANGED = ONWARDS.replace(
    dg.AutomationCondition.any_deps_updated(),
    dg.AutomationCondition.any_deps_match(
        dg.AutomationCondition.data_version_changed() | dg.AutomationCondition.will_be_requested()
    ),
)
AND_SOUND = WHERE_CHANGED & dg.AutomationCondition.all_deps_blocking_checks_passed()


@dg.asset(
    key_prefix=HERE.prefix,
    deps=[HERE.key("variants")],
    automation_condition=WHERE_CHANGED,
    pool=SCAN,
    group_name="reference",
    kinds={"parquet"},
    owners=OWNERS,
    tags=RELEASED,
    metadata={"dagster/column_schema": european.SITE_COLUMNS},
)
def site_list(context: dg.AssetExecutionContext, nodes: Nodes, bench: Bench) -> Result:
    """The sites that every node answers at: what nodes may list, and all that was listed before.

    A site is listed where its carriers reach the threshold at some node.
    """
    with explained():
        sites = made.lay_site_list(nodes, bench)
    add_contigs(context.instance, made.listed_contigs(sites))
    return european.site_list_result(sites, bench)


@dg.asset(
    key_prefix=HERE.prefix,
    partitions_def=NODES,
    deps=[site_list, HERE.key("strata")],
    automation_condition=WHERE_CHANGED,
    pool=SCAN,
    group_name="reference",
    kinds={"duckdb", "parquet"},
    owners=OWNERS,
    tags=COUNTS,
)
def frequency_release(context: dg.AssetExecutionContext, nodes: Nodes, bench: Bench) -> Result:
    """A node's release of allele frequencies, in its own lake: from strata, under the node's policy.

    Rows of which too few contributors joined or left stay as they were; contigs of which nothing changed are
    taken over, and where nothing changed at all the standing release stays.
    """
    node = context.partition_key
    with explained(nodes.folder(node)):
        return european.node_release_result(made.release_node(nodes.node(node), bench))


@dg.asset(
    key_prefix=HERE.prefix,
    partitions_def=CONTIG_BY_NODE,
    deps=[frequency_release],
    check_specs=cells.CHECKS,
    automation_condition=WHERE_CHANGED,
    pool=SCAN,
    group_name="reference",
    kinds={"parquet"},
    owners=OWNERS,
    tags=RELEASED,
    metadata={"dagster/column_schema": cells.COLUMNS},
)
def released_frequencies(context: dg.AssetExecutionContext, nodes: Nodes) -> Result:
    """One contig of a node's release: AC, AN and genotype classes of every listed site and group.

    Judged before any union is made of it: no number below the threshold, alone or by subtraction.
    """
    cell = Cell.of(context.partition_key)
    with explained(nodes.folder(cell.node)):
        released = cells.released_cell(history_of(nodes.found().nodes), cell)
    return cells.cell_result(released, list(cells.cell_checks([released])))


@dg.asset(
    key=european.UNION,
    partitions_def=CONTIGS,
    deps=[released_frequencies],
    automation_condition=AND_SOUND,
    pool=SCAN,
    group_name="reference",
    kinds={"duckdb", "parquet"},
    owners=OWNERS,
    tags=RELEASED,
    metadata={"dagster/column_schema": european.COLUMNS},
)
def union_frequencies(context: dg.AssetExecutionContext, nodes: Nodes, bench: Bench) -> Result:
    """The union of one contig over all nodes: allele frequencies by country, and of all countries together.

    Made when every node has released the contig. Where a node withholds its part, AC is NULL with bounds.
    """
    contig = context.partition_key
    with explained():
        history = history_of(made.configs_of(nodes))
        for node in history:
            released = cells.released_cell(history, Cell(contig, node))
            if not released.sound:
                raise cells.unsound(released)
        return european.union_result(made.unite_contig(nodes, bench, contig), bench)


@dg.asset(
    key=european.EUROPEAN,
    deps=[] if ELSEWHERE else [union_frequencies, site_list],
    check_specs=european.CHECKS,
    automation_condition=None if ELSEWHERE else WHERE_CHANGED,
    freshness_policy=dg.FreshnessPolicy.time_window(
        fail_window=timedelta(days=100), warn_window=timedelta(days=40)
    ),
    pool=SCAN,
    group_name="reference",
    kinds={"parquet", "html"},
    owners=OWNERS,
    tags=RELEASED,
    metadata={"dagster/column_schema": european.COLUMNS},
)
def european_release(context: dg.AssetExecutionContext, nodes: Nodes, bench: Bench) -> Result:
    """A European release of the allele-frequency reference: a folder with manifest, checksums and notes.

    Of every contig what its union holds; where nothing changed the newest release stays the newest.
    """
    told = Logged(context.log.info)
    with explained():
        release = made.release_elsewhere(bench, told) if ELSEWHERE else made.release_all(nodes, bench, told)
        return european.european_result(release, bench)


@dg.definitions
def reference() -> dg.Definitions:
    """The assets of this location: of several nodes all, of one its own part, of none the release."""
    own = [site_list, frequency_release, released_frequencies]
    if ELSEWHERE:
        return dg.Definitions(assets=[european_release])
    return dg.Definitions(
        assets=own if HERE.node is not None else [*own, union_frequencies, european_release]
    )
