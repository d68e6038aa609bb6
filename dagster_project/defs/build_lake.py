"""The whole build of one node as one run.

A run of assets has one kind of partition, and a build spans two, node and contig by node. So this job
does the steps of the assets in `ingest.py` by the same functions, and reports to the same assets.
"""

from collections.abc import Iterator

import dagster as dg

from dagster_project import contigs, snapshots
from dagster_project.contigs import ContigReport
from dagster_project.defs.ingest import DECODE
from dagster_project.delivery import checked_result, observations
from dagster_project.events import evaluations, materialization
from dagster_project.executors import chosen_executor
from dagster_project.failures import explained
from dagster_project.nodes import Nodes
from dagster_project.partitions import NODES, Cell, add_contigs
from dagster_project.progress import Logged
from dagster_project.rules import SPECS, judge_rules
from dagster_project.stock import inventory_of
from goe_lake.lake import publish

Event = dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation
Events = Iterator[Event | dg.Output[object] | dg.DynamicOutput[str]]


@dg.op(pool=DECODE, out=dg.DynamicOut(str, description="A contig that the node's files have."))
def check_input(context: dg.OpExecutionContext, nodes: Nodes) -> Events:
    """Read and check every input of the node; one output for each contig to convert."""
    node = context.partition_key
    with explained(nodes.folder(node)):
        plan = nodes.plan(node, Logged(context.log.info))
    found = contigs.contigs_in(plan)
    add_contigs(context.instance, found)
    yield from observations(plan, node)
    yield materialization(checked_result(plan), node)
    for contig in found:
        yield dg.DynamicOutput(contig, mapping_key=contig)


@dg.op(pool=DECODE, out=dg.Out(ContigReport))
def convert_contig(context: dg.OpExecutionContext, contig: str, nodes: Nodes) -> Events:
    """Convert one contig; what an earlier run converted from the same files stands."""
    cell = Cell(contig, context.partition_key)
    with explained(nodes.folder(cell.node)):
        told = Logged(context.log.info)
        report = contigs.convert_contig(nodes.plan(cell.node), contig, told, resume=True)
    if not report.sound:
        yield from evaluations(contigs.contig_checks([report]), contigs.CHECKS)
        raise contigs.unsound(report)
    yield materialization(contigs.contig_result(report), cell.partition_key)
    yield dg.Output(report)


@dg.op(out=dg.Out(dg.Nothing))
def publish_snapshot(context: dg.OpExecutionContext, reports: list[ContigReport], nodes: Nodes) -> Events:
    """Make what was converted the current snapshot, and show its tables."""
    node = context.partition_key
    yield from evaluations(contigs.contig_checks(reports), contigs.CHECKS)
    with explained(nodes.folder(node)):
        plan = nodes.plan(node)
        snapshot = publish(plan, Logged(context.log.info))
    yield materialization(snapshots.snapshot_result(snapshot, plan.warnings), node)
    for result in snapshots.table_results(snapshot):
        yield materialization(result, node)
    yield dg.Output(None)


@dg.op(ins={"published": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing))
def take_stock(context: dg.OpExecutionContext, nodes: Nodes) -> Events:
    """Check the snapshots of all nodes, and bring the inventory up to date."""
    with explained():
        lakes = snapshots.lakes_of(nodes)
        verdicts = list(judge_rules(lakes))
        yield from evaluations(verdicts, SPECS)
        yield materialization(inventory_of(context.instance, lakes, verdicts), None)
    yield dg.Output(None)


@dg.graph
def lake_of_a_node() -> None:
    """Check the input, convert every contig, publish, take stock."""
    take_stock(publish_snapshot(check_input().map(convert_contig).collect()))


build_lake = lake_of_a_node.to_job(
    name="build_lake",
    partitions_def=NODES,
    executor_def=dg.in_process_executor,
    description="Builds the lake of one node in one process, contig after contig.",
)
build_lake_in_parallel = lake_of_a_node.to_job(
    name="build_lake_in_parallel",
    partitions_def=NODES,
    executor_def=chosen_executor(parallel=True),
    description=(
        "Builds the lake of one node with a process for each contig, as many at a time as the execution "
        "config allows; on a cluster where GOE_EXECUTOR names one. Starting one takes seconds, so it pays "
        "where a contig takes minutes."
    ),
)
