"""The quality of what was published: by person and by site."""

import dagster as dg

from dagster_project.defs.ingest import ONWARDS, OWNERS, PERSONAL, SCAN, published_snapshot
from dagster_project.events import Facts, Result
from dagster_project.failures import explained
from dagster_project.nodes import Nodes
from dagster_project.partitions import NODES
from dagster_project.place import HERE
from dagster_project.quality import report
from dagster_project.quality.persons import count_persons
from dagster_project.quality.sites import contig_qualities, drift_of
from dagster_project.quality.verdicts import (
    SAMPLE_QC,
    SITE_QC,
    Numbers,
    noted,
    numbers_of,
    specs_of,
    verdicts,
)


@dg.asset(
    key_prefix=HERE.prefix,
    partitions_def=NODES,
    deps=[published_snapshot],
    check_specs=specs_of(SAMPLE_QC),
    automation_condition=ONWARDS,
    pool=SCAN,
    group_name="quality",
    kinds={"duckdb", "parquet"},
    owners=OWNERS,
    tags=PERSONAL,
)
def sample_qc(context: dg.AssetExecutionContext, nodes: Nodes) -> Result:
    """Call rate, heterozygosity and sex from chrX of all genotyped persons of a node, as counts and drawings.

    No sample is named: `python -m dagster_project.quality node.toml` does that, at the node.
    """
    node = context.partition_key
    with explained(nodes.folder(node)):
        snapshot = nodes.snapshot(node)
        persons = count_persons(snapshot)
    numbers = report.person_numbers(persons)
    facts = report.person_facts(persons) | {"snapshot": snapshot.snapshot_id}
    return _result(context, nodes, SAMPLE_QC, numbers, facts, report.person_plots(persons))


@dg.asset(
    key_prefix=HERE.prefix,
    partitions_def=NODES,
    deps=[published_snapshot],
    check_specs=specs_of(SITE_QC),
    automation_condition=ONWARDS,
    pool=SCAN,
    group_name="quality",
    kinds={"duckdb", "parquet"},
    owners=OWNERS,
    tags=PERSONAL,
)
def site_qc(context: dg.AssetExecutionContext, nodes: Nodes) -> Result:
    """Ti/Tv, Hardy-Weinberg, frequencies against the snapshot before, and annotation, contig by contig."""
    node = context.partition_key
    with explained(nodes.folder(node)):
        snapshot, annotation = nodes.snapshot(node), nodes.node(node).annotation
        contigs, drift = contig_qualities(snapshot), drift_of(snapshot)
    numbers = report.site_numbers(
        contigs, drift, annotated=annotation.genes is not None or annotation.variants is not None
    )
    facts = report.site_facts(contigs, drift) | {"snapshot": snapshot.snapshot_id}
    return _result(context, nodes, SITE_QC, numbers, facts, report.site_plots(contigs, drift))


def _result(
    context: dg.AssetExecutionContext,
    nodes: Nodes,
    asset: str,
    numbers: Numbers,
    facts: Facts,
    plots: dict[str, str],
) -> Result:
    by_node = numbers_of(context.instance, nodes, asset, context.partition_key, numbers)
    drawings = {f"plot_{name}": dg.MetadataValue.md(plot) for name, plot in plots.items()}
    return dg.MaterializeResult(
        asset_key=HERE.key(asset),
        metadata={**noted(numbers), **facts, **drawings},
        check_results=list(verdicts(asset, context.partition_key, by_node, plots)),
        data_version=dg.DataVersion(str(facts["snapshot"])),
    )
