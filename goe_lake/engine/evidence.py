"""The evidence of a release's cells, read from the tables that its blueprint's SQL fills."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa

from goe_lake.disclosure import ClassEvidence, Evidence, Family
from goe_lake.disclosure.families import Counts
from goe_lake.engine.assembled import Groups, assemble
from goe_lake.engine.behind import rows_behind
from goe_lake.engine.blueprint import Blueprint, Kinds
from goe_lake.engine.few_totals import gather_few


def gather(blueprint: Blueprint) -> tuple[pa.Table, Evidence]:
    """The cells (keys and values, everything told) and their evidence, in the order of the keys."""
    return gather_few(blueprint) or gather_many(blueprint)


def gather_many(blueprint: Blueprint) -> tuple[pa.Table, Evidence]:
    """The same from tables of DuckDB, however many totals there are."""
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


def _family(blueprint: Blueprint, kinds: Kinds, connection: duckdb.DuckDBPyConnection) -> Family:
    table = connection.sql(blueprint.kinds_sql(kinds)).to_arrow_table()
    width = len(kinds.sql)
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
