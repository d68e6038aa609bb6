"""The evidence of a release's cells, read from the tables that its blueprint's SQL fills."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from goe_lake.disclosure import ClassEvidence, Evidence, Family, FilterEvidence, MeasureEvidence
from goe_lake.disclosure.families import Counts
from goe_lake.engine.blueprint import Blueprint, Kinds
from goe_lake.release import Measure


def gather(blueprint: Blueprint) -> tuple[pa.Table, Evidence]:
    """The cells (keys and values, everything told) and their evidence, in the order of the keys."""
    connection = blueprint.reading.session.connection
    connection.execute(f"CREATE OR REPLACE TEMP TABLE totals AS {blueprint.totals_sql()}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE cells AS {blueprint.cells_sql()}")
    cells = connection.sql("SELECT * FROM cells ORDER BY cell").to_arrow_table()
    groups = connection.sql(blueprint.groups_sql()).to_arrow_table()
    evidence = Evidence(
        persons=_counts(cells, "persons"),
        outside=_counts(cells, "outside"),
        known_persons=_counts(cells, "known_persons"),
        known_outside=_counts(cells, "known_outside"),
        unknown_persons=_counts(cells, "unknown_persons"),
        unknown_outside=_counts(cells, "unknown_outside"),
        group=_counts(groups, "g"),
        union=_counts(groups, "union_persons"),
        disjoint=np.asarray(groups.column("disjoint").to_numpy(), dtype=bool),
        measures=tuple(_measure(blueprint, cells, measure) for measure in blueprint.measures),
        filters=tuple(_filter(cells, place) for place in range(len(blueprint.reading.filters))),
        families=tuple(_family(blueprint, kinds, connection) for kinds in blueprint.kinds),
        classes=tuple(
            ClassEvidence(_counts(connection.sql(blueprint.classes_sql(place)).to_arrow_table(), "smallest"))
            for place in range(len(blueprint.classes))
        ),
        cell_classes=blueprint.cell_classes(),
        tangled=_cell_is_tangled(blueprint),
    )
    return cells.select([*blueprint.keys, *(measure.name for measure in blueprint.measures)]), evidence


def _measure(blueprint: Blueprint, cells: pa.Table, measure: Measure) -> MeasureEvidence:
    filters = blueprint.reading.filters
    read = tuple(part for part in (measure.argument, measure.where) if part is not None)
    tangled = measure.where is not None and blueprint.tangled((measure.where,))
    return MeasureEvidence(
        rule=blueprint.rule_of(measure),
        participants=_counts(cells, f"{measure.name}_participants"),
        commonest=_counts(cells, f"{measure.name}_commonest"),
        carriers=_counts(cells, f"{measure.name}_carriers"),
        largest_share=cells.column(f"{measure.name}_share").to_numpy().astype(np.float64),
        filter=filters.index(measure.where) if measure.where is not None else None,
        classes=blueprint.classes_of(measure),
        tangled=tangled or (blueprint.hidden_quality and blueprint.reads_quality(read)),
    )


def _cell_is_tangled(blueprint: Blueprint) -> bool:
    reading = blueprint.reading
    parts = (*reading.release.conditions, *(key.expression for key in reading.release.keys))
    hidden = blueprint.hidden_quality and blueprint.reads_quality(parts)
    return hidden or blueprint.tangled(reading.genotype_conditions)


def _filter(cells: pa.Table, place: int) -> FilterEvidence:
    return FilterEvidence(
        outside=_counts(cells, f"outside{place}"),
        known_inside=_counts(cells, f"known_persons{place}"),
        known_outside=_counts(cells, f"known_outside{place}"),
        unknown_inside=_counts(cells, f"unknown_persons{place}"),
        unknown_outside=_counts(cells, f"unknown_outside{place}"),
    )


def _family(blueprint: Blueprint, kinds: Kinds, connection: duckdb.DuckDBPyConnection) -> Family:
    table = connection.sql(blueprint.kinds_sql(kinds)).to_arrow_table()
    width = len(kinds.known) + len(kinds.vectors)
    return Family(
        measures=kinds.measures,
        known=len(kinds.known),
        cell=_counts(table, "cell"),
        vectors=np.column_stack([_counts(table, f"v{place}") for place in range(width)]),
        persons=_counts(table, "n"),
        excused=np.asarray(table.column("excused").to_numpy(), dtype=bool),
    )


def _counts(table: pa.Table, name: str) -> Counts:
    return table.column(name).to_numpy().astype(np.int64)
