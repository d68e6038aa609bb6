"""The whole way from published snapshots to a European release as one run.

As for lakes, a run of assets has one kind of partition and this way spans three: so this job does the
steps of the assets in `reference.py` by the same functions, and reports to the same assets what is new.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from dagster_project.defs.build_lake import Event
from dagster_project.events import Result, evaluations, materialization, stands
from dagster_project.failures import explained
from dagster_project.nodes import Nodes
from dagster_project.partitions import Cell, add_contigs
from dagster_project.place import HERE
from dagster_project.progress import Logged
from dagster_project.reference import cells, european, made
from dagster_project.reference.bench import ELSEWHERE, Bench, history_of
from goe_lake.federation.node import FrequencyRelease

Events = Iterator[Event | dg.Output[object] | dg.DynamicOutput[str]]


@dataclass(frozen=True)
class NodeReleased:
    """A node whose release is up to date."""

    node: str
    release: FrequencyRelease


@dg.op(out=dg.DynamicOut(str, description="A node that releases."))
def lay_site_list(context: dg.OpExecutionContext, nodes: Nodes, bench: Bench) -> Events:
    """Unite what the nodes may list; one output for each node."""
    with explained():
        sites = made.lay_site_list(nodes, bench)
        found = made.configs_of(nodes)
    add_contigs(context.instance, made.listed_contigs(sites))
    if not stands(context.instance, european.SITE_LIST, european.site_list_version(sites), None):
        yield materialization(european.site_list_result(sites, bench), None)
    for number, node in enumerate(found):
        yield dg.DynamicOutput(node, mapping_key=f"node_{number}")


@dg.op(out=dg.Out(NodeReleased))
def release_of_node(context: dg.OpExecutionContext, node: str, nodes: Nodes, bench: Bench) -> Events:
    """Make a node's release, or leave the standing one."""
    with explained(nodes.folder(node)):
        release = made.release_node(nodes.node(node), bench)
    result = european.node_release_result(release)
    yield from _where_new(context, result, node)
    yield dg.Output(NodeReleased(node, release))


@dg.op(out=dg.DynamicOut(str, description="A listed contig."))
def judge_releases(
    context: dg.OpExecutionContext, released: list[NodeReleased], nodes: Nodes, bench: Bench
) -> Events:
    """Judge what is new in the nodes' releases, cell by cell; one output for each contig."""
    contigs = made.listed_contigs(bench.site_list())
    with explained():
        history = history_of(made.configs_of(nodes))
        judged = [
            cells.released_cell(history, cell)
            for cell in (Cell(contig, part.node) for contig in contigs for part in released)
            if not stands(
                context.instance,
                cells.RELEASED,
                dg.DataVersion(cells.version_of_cell(history, cell)),
                cell.partition_key,
            )
        ]
    if judged:
        yield from evaluations(cells.cell_checks(judged), cells.CHECKS)
    for cell in judged:
        if not cell.sound:
            raise cells.unsound(cell)
        yield materialization(cells.cell_result(cell), cell.cell.partition_key)
    for contig in contigs:
        yield dg.DynamicOutput(contig, mapping_key=contig)


@dg.op(out=dg.Out(str))
def unite_contig(context: dg.OpExecutionContext, contig: str, nodes: Nodes, bench: Bench) -> Events:
    """Unite what the nodes have released of one contig, where it is not united yet."""
    with explained():
        part = made.unite_contig(nodes, bench, contig)
    if not stands(context.instance, european.UNION, european.union_version(part), contig):
        yield materialization(european.union_result(part, bench), contig)
    yield dg.Output(contig)


@dg.op(out=dg.Out(str))
def write_european_release(
    context: dg.OpExecutionContext, contigs: list[str], nodes: Nodes, bench: Bench
) -> Events:
    """Write the European release, its notes and checksums, where anything changed."""
    with explained():
        release = made.release_all(nodes, bench, Logged(context.log.info))
        if not stands(context.instance, european.EUROPEAN, european.european_version(release), None):
            result = european.european_result(release, bench)
            yield from evaluations(result.check_results or (), european.CHECKS)
            yield materialization(result, None)
    yield dg.Output(str(release.root))


def _where_new(context: dg.OpExecutionContext, result: Result, partition: str) -> Iterator[Event]:
    assert result.asset_key is not None
    assert result.data_version is not None
    if not stands(context.instance, result.asset_key, result.data_version, partition):
        yield materialization(result, partition)


@dg.graph
def european_reference() -> None:
    """List sites, release at each node, judge, unite each contig, and write the release."""
    judged = judge_releases(lay_site_list().map(release_of_node).collect())
    write_european_release(judged.map(unite_contig).collect())


build_reference = european_reference.to_job(
    name="build_reference",
    executor_def=dg.in_process_executor,
    description="Makes the next European release of allele frequencies; what has not changed stays.",
)


@dg.definitions
def reference_job() -> dg.Definitions:
    """The job, in a location of several nodes."""
    return dg.Definitions(jobs=[] if ELSEWHERE or HERE.node is not None else [build_reference])
