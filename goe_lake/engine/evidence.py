"""The evidence of a release's cells, read from the tables that its blueprint's SQL fills."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.disclosure import ClassEvidence, Evidence, Family, FilterEvidence, MeasureEvidence
from goe_lake.disclosure.families import Counts, Mask
from goe_lake.engine.behind import rows_behind
from goe_lake.engine.blueprint import Blueprint, Kinds
from goe_lake.release import Measure

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Groups:
    """For each cell its group, the persons of the group, and whether the group's cells share none."""

    group: Counts
    union: Counts
    disjoint: Mask
    margins: tuple[Counts, ...]


def gather(blueprint: Blueprint) -> tuple[pa.Table, Evidence]:
    """The cells (keys and values, everything told) and their evidence, in the order of the keys."""
    connection = blueprint.reading.session.connection
    connection.execute(f"CREATE OR REPLACE TEMP TABLE totals AS {blueprint.totals_sql()}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE cells AS {blueprint.cells_sql()}")
    cells = connection.sql("SELECT * FROM cells ORDER BY cell").to_arrow_table()
    shown = [*blueprint.keys, *(measure.name for measure in blueprint.measures)]
    columns = {name: cells.column(name).to_numpy() for name in cells.column_names if name not in shown}
    groups = connection.sql(blueprint.groups_sql()).to_arrow_table()
    evidence = assemble(
        blueprint,
        columns,
        Groups(
            _counts(groups, "g"),
            _counts(groups, "union_persons"),
            np.asarray(groups.column("disjoint").to_numpy(), dtype=bool),
            tuple(
                _counts(connection.sql(blueprint.margin_sql(margin)).to_arrow_table(), "margin")
                for margin in blueprint.reading.release.margins
            ),
        ),
        [_family(blueprint, kinds, connection) for kinds in blueprint.kinds],
        [_classes(blueprint, place) for place in range(len(blueprint.classes))],
    )
    if blueprint.reading.session.audited:
        evidence = replace(evidence, behind=rows_behind(blueprint), places=np.arange(len(cells)))
    return cells.select(shown), evidence


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
        families=tuple(families),
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
        filter=filters.index(measure.where) if measure.where is not None else None,
        classes=blueprint.classes_of(measure),
        tangled=tangled or (blueprint.hidden_quality and blueprint.reads_quality(read)),
    )


def _cell_is_tangled(blueprint: Blueprint) -> bool:
    reading = blueprint.reading
    parts = (*reading.release.conditions, *(key.expression for key in reading.release.keys))
    hidden = blueprint.hidden_quality and blueprint.reads_quality(parts)
    return hidden or blueprint.tangled(reading.genotype_conditions)


def _family(blueprint: Blueprint, kinds: Kinds, connection: duckdb.DuckDBPyConnection) -> Family:
    table = connection.sql(blueprint.kinds_sql(kinds)).to_arrow_table()
    width = len(kinds.known) + len(kinds.vectors)
    kind = _counts(table, "kind")
    _, first = np.unique(kind, return_index=True)
    return Family(
        measures=kinds.measures,
        known=len(kinds.known),
        vectors=np.column_stack([_counts(table, f"v{place}")[first] for place in range(width)]),
        excused=np.asarray(table.column("excused").to_numpy(), dtype=bool)[first],
        cell=_counts(table, "cell"),
        kind=kind,
        persons=_counts(table, "n"),
    )


def _classes(blueprint: Blueprint, place: int) -> ClassEvidence:
    kind = blueprint.classes[place]
    sizes = blueprint.reading.session.connection.sql(blueprint.classes_sql(place)).to_arrow_table()
    by_keys = bool(kind.aside) and kind.carriers is None
    return ClassEvidence(_counts(sizes, "smallest"), _counts(sizes, "others") if by_keys else None)


def _counts(table: pa.Table, name: str) -> Counts:
    return table.column(name).to_numpy().astype(np.int64)
