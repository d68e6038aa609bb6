"""The checks of a snapshot's quality: one row a check, with the number that it looks at and its bounds.

Dagster shows the newest verdict of a check, and a run is about one node. So each asset notes its numbers,
and a verdict is over the newest numbers of every node: one node's fault is not hidden by the next node's run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import dagster as dg

from dagster_project.events import Facts
from dagster_project.nodes import Nodes
from dagster_project.place import HERE

#: Numbers of one node by name; None where too little is there to be judged.
Numbers = Mapping[str, float | None]
Range = tuple[float, float]
NUMBERS: Final = "numbers"
SAMPLE_QC: Final = "sample_qc"
SITE_QC: Final = "site_qc"


@dataclass(frozen=True)
class Bound:
    """One check: *accepted* are the values of *number* that pass, beyond *tolerated* it is an error.

    Between the two it is a warning. Without *tolerated* it is never more. An error blocks what is made
    from the lake; a warning does not.
    """

    asset: str
    name: str
    number: str
    accepted: Range
    tolerated: Range | None
    description: str

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """The check as Dagster knows it."""
        return dg.AssetCheckSpec(
            self.name,
            asset=HERE.key(self.asset),
            blocking=self.tolerated is not None,
            description=self.description,
        )


BOUNDS: Final = (
    Bound(
        SAMPLE_QC, "sample_call_rate", "low_call_rate_share", (0, 0), (0, 0.05),
        "Nobody has called alleles at less than 90 % of the autosomal sites of their batch.",
    ),
    Bound(
        SAMPLE_QC, "sex_check", "other_sex_share", (0, 0), (0, 0.02),
        "On chrX outside PAR no male is heterozygous like a female, and no female has one allele only: "
        "the samples table and the VCF are about the same persons.",
    ),
    Bound(
        SAMPLE_QC, "heterozygosity", "far_out_share", (0, 0.01), None,
        "At most 1 % of persons lie far from the median heterozygosity of their population, as contaminated "
        "samples do.",
    ),
    Bound(
        SITE_QC, "ti_tv", "ti_tv", (1.5, 3.7), None,
        "There are 1.5 to 3.7 transitions for each transversion: about 2 in a genome, 3 in an exome, 0.5 in "
        "noise. Judged from 1,000 substitutions on.",
    ),
    Bound(
        SITE_QC, "hwe_departure", "hwe_share", (0, 0.05), (0, 0.2),
        "At most 5 % of common autosomal sites depart from Hardy-Weinberg at p < 1e-6. Judged from 100 on.",
    ),
    Bound(
        SITE_QC, "frequency_drift", "moved_share", (0, 0.001), (0, 0.01),
        "At most 0.1 % of the sites that the snapshot before had moved by more than 0.1 in allele frequency.",
    ),
    Bound(
        SITE_QC, "annotation_coverage", "annotated_share", (0.05, 1), None,
        "At least 5 % of the sites have a gene or a consequence, where node.toml names an annotation: less "
        "means another assembly or other names of contigs.",
    ),
)  # fmt: skip


def specs_of(asset: str) -> list[dg.AssetCheckSpec]:
    """The checks of *asset*."""
    return [bound.spec for bound in BOUNDS if bound.asset == asset]


def noted(numbers: Numbers) -> Facts:
    """The metadata by which the verdicts of later runs know *numbers*."""
    return {NUMBERS: dict(numbers), **{name: value for name, value in numbers.items() if value is not None}}


def numbers_of(
    instance: dg.DagsterInstance, nodes: Nodes, asset: str, node: str, fresh: Numbers
) -> dict[str, Numbers]:
    """The newest numbers that *asset* noted about every configured node; of *node* they are *fresh*."""
    found: dict[str, Numbers] = {}
    for key in nodes.found().nodes:
        numbers = fresh if key == node else _earlier(instance, asset, key)
        if numbers is not None:
            found[key] = numbers
    return found


def _earlier(instance: dg.DagsterInstance, asset: str, node: str) -> Numbers | None:
    wanted = dg.AssetRecordsFilter(HERE.key(asset), asset_partitions=[node])
    for record in instance.fetch_materializations(wanted, limit=1).records:
        made = record.asset_materialization
        value = made.metadata.get(NUMBERS) if made is not None else None
        if isinstance(value, dg.JsonMetadataValue):
            return dict(json.loads(json.dumps(value.data)))
    return None


def verdicts(
    asset: str, node: str, numbers: Mapping[str, Numbers], plots: Mapping[str, str]
) -> Iterator[dg.AssetCheckResult]:
    """What the checks of *asset* say in the run of *node*; *plots* are Markdown by the name of the check.

    A node that is beyond its bounds is told in every run, and fails its own run only.
    """
    for bound in BOUNDS:
        if bound.asset == asset:
            values = {node: of_node.get(bound.number) for node, of_node in numbers.items()}
            yield _verdict(bound, node, values, plots.get(bound.name))


def _verdict(
    bound: Bound, node: str, values: Mapping[str, float | None], plot: str | None
) -> dg.AssetCheckResult:
    judged = [value for value in values.values() if value is not None]
    own = [value for value in (values.get(node),) if value is not None]
    error = bound.tolerated is not None and not _all_within(own, bound.tolerated)
    metadata: Facts = {
        "accepted": f"{bound.accepted[0]:g} to {bound.accepted[1]:g}",
        "nodes_judged": len(judged),
    }
    if judged:
        metadata[bound.number] = max(judged, key=lambda value: _beyond(value, bound.accepted))
    if bound.tolerated is not None:
        metadata["blocks_outside"] = f"{bound.tolerated[0]:g} to {bound.tolerated[1]:g}"
    metadata["by_node"] = dg.MetadataValue.table(
        [dg.TableRecord({"node": node, bound.number: _told(value)}) for node, value in values.items()]
    )
    if plot is not None:
        metadata["plot"] = dg.MetadataValue.md(plot)
    return dg.AssetCheckResult(
        asset_key=HERE.key(bound.asset),
        check_name=bound.name,
        passed=_all_within(judged, bound.accepted),
        severity=dg.AssetCheckSeverity.ERROR if error else dg.AssetCheckSeverity.WARN,
        metadata=metadata,
    )


def _all_within(values: Sequence[float], accepted: Range) -> bool:
    return all(accepted[0] <= value <= accepted[1] for value in values)


def _beyond(value: float, accepted: Range) -> float:
    return max(accepted[0] - value, value - accepted[1])


def _told(value: float | None) -> str:
    return "too little to judge" if value is None else f"{value:.6g}"
