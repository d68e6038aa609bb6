"""From the files of a node to its published snapshot."""

from collections.abc import Iterator

import dagster as dg

from dagster_project import contigs, snapshots
from dagster_project.delivery import checked_result, observations
from dagster_project.events import Result
from dagster_project.failures import explained
from dagster_project.nodes import Nodes
from dagster_project.partitions import CONTIG_BY_NODE, NODES, Cell, add_contigs
from dagster_project.place import HERE
from dagster_project.progress import Logged
from goe_lake.lake import publish

OWNERS = ["team:data-engineering"]
PERSONAL = {"goe/data": "personal"}
COUNTS = {"goe/data": "counts"}
#: Runs that decode VCFs, and runs that scan a lake: how many at a time is said in dagster.yaml.
DECODE = "goe_decode"
SCAN = "goe_scan"
#: From the published snapshot on nobody has to ask: what is made of it follows it.
ONWARDS = dg.AutomationCondition.eager()

vcf_files = dg.AssetSpec(
    HERE.key("vcf_files"),
    group_name="delivery",
    kinds={"vcf"},
    owners=OWNERS,
    tags=PERSONAL,
    partitions_def=NODES,
    description=(
        "The VCF or BCF files that `[[genotypes]]` of the node's node.toml names. Made elsewhere: Dagster "
        "notes what it found, with a digest of the content as the data version."
    ),
)
person_tables = dg.AssetSpec(
    HERE.key("person_tables"),
    group_name="delivery",
    kinds={"csv"},
    owners=OWNERS,
    tags=PERSONAL,
    partitions_def=NODES,
    description=(
        "The samples table, the score files and the annotation that node.toml names. Made elsewhere: Dagster "
        "notes what it found, with a digest of the content as the data version."
    ),
)


@dg.asset(
    key_prefix=HERE.prefix,
    partitions_def=NODES,
    pool=DECODE,
    deps=[vcf_files, person_tables],
    group_name="ingest",
    kinds={"python"},
    owners=OWNERS,
    tags=PERSONAL,
)
def checked_input(context: dg.AssetExecutionContext, nodes: Nodes) -> Result:
    """Every input of a node, read once and checked, before hours of conversion begin.

    Fails about the first file that cannot become a lake, and names it, the record and the mend.
    """
    node = context.partition_key
    with explained(nodes.folder(node)):
        plan = nodes.plan(node, Logged(context.log.info))
    add_contigs(context.instance, contigs.contigs_in(plan))
    for observation in observations(plan, node):
        context.log_event(observation)
    return checked_result(plan)


@dg.asset(
    key_prefix=HERE.prefix,
    partitions_def=CONTIG_BY_NODE,
    pool=DECODE,
    deps=[checked_input],
    check_specs=contigs.CHECKS,
    metadata={"dagster/column_schema": contigs.COLUMNS},
    group_name="ingest",
    kinds={"vcf", "parquet"},
    owners=OWNERS,
    tags=PERSONAL,
)
def contig_parquet(context: dg.AssetExecutionContext, nodes: Nodes) -> Result:
    """One contig of one node as Parquet in staging: genotypes encoded for scanning.

    Nobody reads it before it is published; converting it again gives the same bytes.
    """
    cell = Cell.of(context.partition_key)
    with explained(nodes.folder(cell.node)):
        told = Logged(context.log.info)
        report = contigs.convert_contig(nodes.plan(cell.node), cell.contig, told, resume=False)
    return contigs.contig_result(report)


@dg.asset(
    key_prefix=HERE.prefix,
    partitions_def=NODES,
    pool=SCAN,
    deps=[contig_parquet],
    group_name="snapshot",
    kinds={"parquet"},
    owners=OWNERS,
    tags=PERSONAL,
)
def published_snapshot(context: dg.AssetExecutionContext, nodes: Nodes) -> Result:
    """The node's lake as queries see it from now on: all converted contigs, swapped in at once.

    Refuses while a contig is missing or damaged; the snapshot before stays current then.
    """
    node = context.partition_key
    with explained(nodes.folder(node)):
        plan = nodes.plan(node)
        snapshot = publish(plan, Logged(context.log.info))
    return snapshots.snapshot_result(snapshot, plan.warnings)


@dg.multi_asset(
    name="snapshot_tables",
    partitions_def=NODES,
    can_subset=True,
    specs=[
        dg.AssetSpec(
            HERE.key(table),
            deps=[published_snapshot],
            skippable=True,
            automation_condition=ONWARDS,
            description=description,
            group_name="snapshot",
            kinds={"parquet"},
            owners=OWNERS,
            tags=COUNTS if table in ("variants", "strata") else PERSONAL,
        )
        for table, description in snapshots.TABLES.items()
    ],
)
def snapshot_tables(context: dg.AssetExecutionContext, nodes: Nodes) -> Iterator[Result]:
    """What the published snapshot of a node holds, table by table."""
    node = context.partition_key
    with explained(nodes.folder(node)):
        for result in snapshots.table_results(nodes.snapshot(node)):
            if result.asset_key in context.selected_asset_keys:
                yield result
