"""The evidence of a release's cells, assembled from what was counted of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from goe_lake.disclosure import ClassEvidence, Evidence, Family, FilterEvidence, MeasureEvidence
from goe_lake.disclosure.families import Counts, Mask
from goe_lake.engine.blueprint import Blueprint
from goe_lake.engine.value_cuts import cuts_values
from goe_lake.release import Measure

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Groups:
    """For each cell its group, the persons of the group, and whether the group's cells share none."""

    group: Counts
    union: Counts
    disjoint: Mask
    margins: tuple[Counts, ...]


def assemble(
    blueprint: Blueprint,
    columns: Columns,
    groups: Groups,
    families: Iterable[Family],
    classes: Iterable[ClassEvidence],
) -> Evidence:
    """The evidence of cells from their *columns*, named as in `Blueprint.cells_sql`."""

    def counts(name: str) -> Counts:
        return columns[name].astype(np.int64, copy=False)

    return Evidence(
        persons=counts("persons"),
        outside=counts("outside"),
        known_persons=counts("known_persons"),
        known_outside=counts("known_outside"),
        unknown_persons=counts("unknown_persons"),
        unknown_outside=counts("unknown_outside"),
        group=groups.group,
        union=groups.union,
        disjoint=groups.disjoint,
        margins=groups.margins,
        measures=tuple(_measure(blueprint, columns, measure) for measure in blueprint.measures),
        filters=tuple(
            FilterEvidence(
                outside=counts(f"outside{place}"),
                known_inside=counts(f"known_persons{place}"),
                known_outside=counts(f"known_outside{place}"),
                unknown_inside=counts(f"unknown_persons{place}"),
                unknown_outside=counts(f"unknown_outside{place}"),
            )
            for place in range(len(blueprint.reading.filters))
        ),
        families=tuple(
            replace(family, least=kinds.least)
            for family, kinds in zip(families, blueprint.kinds, strict=True)
        ),
        classes=tuple(classes),
        cell_classes=blueprint.cell_classes(),
        tangled=_cell_is_tangled(blueprint),
    )


def _measure(blueprint: Blueprint, columns: Columns, measure: Measure) -> MeasureEvidence:
    filters = blueprint.reading.filters
    read = (*measure.factors, *((measure.where,) if measure.where is not None else ()))
    tangled = measure.where is not None and blueprint.tangled((measure.where,))
    participants, commonest, carriers = (
        columns[f"{measure.name}_{name}"].astype(np.int64, copy=False)
        for name in ("participants", "commonest", "carriers")
    )
    return MeasureEvidence(
        rule=blueprint.rule_of(measure),
        participants=participants,
        commonest=commonest,
        carriers=carriers,
        largest_share=columns[f"{measure.name}_share"].astype(np.float64, copy=False),
        smallest_class=columns[f"{measure.name}_smallest"].astype(np.int64, copy=False),
        unlike=columns[f"{measure.name}_unlike"].astype(np.int64, copy=False),
        values=columns[f"{measure.name}_values"].astype(np.int64, copy=False),
        rarest=columns[f"{measure.name}_rarest"].astype(np.int64, copy=False),
        least_values=blueprint.least_values(measure),
        cut=cuts_values(blueprint, measure),
        filter=filters.index(measure.where) if measure.where is not None else None,
        classes=blueprint.classes_of(measure),
        tangled=tangled or (blueprint.hidden_quality and blueprint.reads_quality(read)),
    )


def _cell_is_tangled(blueprint: Blueprint) -> bool:
    reading = blueprint.reading
    parts = (*reading.release.conditions, *(key.expression for key in reading.release.keys))
    hidden = blueprint.hidden_quality and blueprint.reads_quality(parts)
    return hidden or blueprint.tangled(reading.genotype_conditions)
