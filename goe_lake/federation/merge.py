"""The cells of all nodes as one table: sums where every part is known, bounds where one is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from goe_lake.catalog import Catalog
from goe_lake.engine.node import NodeAnswer
from goe_lake.federation.domains import Combination, Domain
from goe_lake.federation.node import NodeDescription
from goe_lake.per_person import per_person_table
from goe_lake.release import (
    ColumnRef,
    Measure,
    MeasureFunction,
    Release,
    approx_column,
    lower_column,
    withheld_column,
)


@dataclass(frozen=True)
class Part:
    """What one node contributed: its public facts, its domain for the release, and its cells."""

    description: NodeDescription
    domain: Domain
    answer: NodeAnswer


def merge(
    release: Release,
    parts: Sequence[Part],
    catalog: Catalog,
    connection: duckdb.DuckDBPyConnection,
    domain: Sequence[Combination] = (),
) -> None:
    """Fill the table `merged` of *connection* with the union over *parts*.

    Columns: the keys, and for each measure m its value (NULL where not known), `m_held` (whether a
    part of it is not known), `m_approx` (whether a part left a condition out), `m_lower` and `m_upper`
    (bounds of the value, NULL where not known);
    and `shown`, whether a node named the group. A release without keys gives exactly one row. The
    combinations of *domain* have a row even where no node named them. Rows are in the order of the keys.
    """
    keys = [key.name for key in release.keys]
    _load(release, parts, connection)
    groups = f"SELECT DISTINCT {', '.join(keys)} FROM answered" if keys else "SELECT 1 AS one"
    if keys and domain:
        connection.register("domain", combinations_table(keys, domain))
        groups = f"{groups} UNION SELECT * FROM domain"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE groups AS {groups}")
    _load_expected(keys, parts, connection)
    join = " AND ".join([*(f"a.{key} IS NOT DISTINCT FROM e.{key}" for key in keys), "a.node = e.node"])
    columns = [f"e.{key}" for key in keys]
    one_sample = all(part.description.one_sample_a_person for part in parts)
    for measure in release.measures:
        bounded_above = at_most_one_a_person(measure, release, one_sample=one_sample)
        told = _in_all(parts, lower_column(measure.name))
        marked = _in_all(parts, approx_column(measure.name))
        bounded_below = never_negative(measure, release, catalog)
        columns += _measure_columns(measure, bounded_below, bounded_above, told, marked)
    columns.append("coalesce(bool_or(a.node IS NOT NULL), FALSE) AS shown" if keys else "TRUE AS shown")
    group = f" GROUP BY {', '.join(f'e.{key}' for key in keys)}" if keys else ""
    order = f" ORDER BY {', '.join(f'{key} NULLS LAST' for key in keys)}" if keys else ""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE merged AS SELECT {', '.join(columns)} "
        f"FROM expected e LEFT JOIN answered a ON {join}{group}{order}"
    )


def _load(release: Release, parts: Sequence[Part], connection: duckdb.DuckDBPyConnection) -> None:
    """Fill `answered`: every node's cells, numbered by node."""
    tables = [
        part.answer.cells.append_column(
            "node", pa.repeat(pa.scalar(place, pa.int32()), part.answer.cells.num_rows)
        )
        for place, part in enumerate(parts)
    ]
    # a key that is NULL at every row of a node has no type there
    connection.register("incoming", pa.concat_tables(tables, promote_options="permissive"))
    connection.execute("CREATE OR REPLACE TEMP TABLE answered AS SELECT * FROM incoming")
    connection.unregister("incoming")


def _load_expected(keys: list[str], parts: Sequence[Part], connection: duckdb.DuckDBPyConnection) -> None:
    """Fill `expected`: each group with each node that can have it, and how many persons it may hide there."""
    pieces = []
    for place, part in enumerate(parts):
        hidden = part.description.min_persons - 1 if part.description.protects else 0
        columns = ", ".join([*(f"g.{key}" for key in keys), f"{place} AS node", f"{hidden} AS hidden"])
        pieces.append(f"SELECT {columns} FROM groups g WHERE {_possible(place, part.domain, connection)}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE expected AS {' UNION ALL '.join(pieces)}")
    if not keys:
        # a node that can have no row counts as an empty part, so that the one row stays
        connection.execute(
            "INSERT INTO expected SELECT -1 AS node, 0 AS hidden WHERE NOT EXISTS (SELECT 1 FROM expected)"
        )


def _possible(place: int, domain: Domain, connection: duckdb.DuckDBPyConnection) -> str:
    """SQL of whether the node can have group g."""
    if domain.combinations is None:
        return "TRUE"
    if domain.empty:
        return "FALSE"
    if not domain.keys:
        return "TRUE"
    connection.register("listed", combinations_table(domain.keys, domain.combinations))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE domain{place} AS SELECT * FROM listed")
    connection.unregister("listed")
    on = " AND ".join(f"d.{key} IS NOT DISTINCT FROM g.{key}" for key in domain.keys)
    return f"EXISTS (SELECT 1 FROM domain{place} d WHERE {on})"


def combinations_table(keys: Sequence[str], combinations: Iterable[Combination]) -> pa.Table:
    """Combinations of key values as a table."""
    listed = list(combinations)
    columns: dict[str, pa.Array[Any]] = {}
    for index, key in enumerate(keys):
        values: list[Any] = [combination[index] for combination in listed]
        columns[key] = pa.array(values)
    return pa.table(columns)


def _in_all(parts: Sequence[Part], name: str) -> str | None:
    """The column *name* of cells, where all of *parts* have it."""
    return name if all(name in part.answer.cells.column_names for part in parts) else None


def _measure_columns(
    measure: Measure, bounded_below: bool, bounded_above: bool, told: str | None, marked: str | None
) -> list[str]:
    """SQL of one merged measure over the parts of a group.

    A node without a row hides 0..k-1 persons; one whose value is withheld hides any number. *told* is the
    column of opened cells with a lower bound, *marked* that of open ones that says where `≈` is.
    """
    name = measure.name
    missing = "a.node IS NULL AND e.hidden > 0"
    withheld = f"coalesce(a.{withheld_column(name)}, false)"
    held = f"coalesce(bool_or(({missing}) OR {withheld}), false)"
    released = f"sum(a.{name})::HUGEINT"
    value = f"coalesce({released}, 0)" if measure.function is not MeasureFunction.SUM else released
    bound = f"{released}, sum(a.{told})::HUGEINT" if told is not None else released
    lower = f"coalesce({bound}, 0)" if bounded_below else "NULL::HUGEINT"
    upper = "NULL::HUGEINT"
    if bounded_above:
        hidden = f"coalesce(sum(e.hidden) FILTER ({missing}), 0)::HUGEINT"
        upper = (
            f"CASE WHEN NOT coalesce(bool_or({withheld}), false) THEN coalesce({released}, 0) + {hidden} END"
        )
    approx = f"coalesce(bool_or(a.{marked}), false)" if marked is not None else "false"
    # what was computed without a condition bounds nothing
    return [
        f"CASE WHEN NOT {held} THEN {value} END AS {name}",
        f"{held} AS {name}_held",
        f"{approx} AS {name}_approx",
        f"CASE WHEN NOT {approx} THEN {lower} END AS {name}_lower",
        f"CASE WHEN NOT {approx} THEN {upper} END AS {name}_upper",
    ]


def never_negative(measure: Measure, release: Release, catalog: Catalog) -> bool:
    """Whether no part of the measure can be below 0, by public bounds."""
    if measure.function is not MeasureFunction.SUM:
        return True
    tables = {scan.alias: catalog.tables[scan.table] for scan in release.relation.scans}
    tables |= {part.alias: per_person_table(part, catalog) for part in release.relation.derived}

    def never(factor: ColumnRef) -> bool:
        column = tables[factor.table].by_name[factor.column]
        return column.type.value == "boolean" or (column.bounds is not None and column.bounds[0] >= 0)

    powers = Counter(measure.factors)
    return all(power % 2 == 0 or never(factor) for factor, power in powers.items())


def at_most_one_a_person(measure: Measure, release: Release, *, one_sample: bool) -> bool:
    """Whether a person adds at most 1 to the measure."""
    if measure.function is MeasureFunction.PERSONS:
        return one_sample
    tables = {scan.table for scan in release.relation.scans}
    return measure.function is MeasureFunction.ROWS and tables == {"samples"} and one_sample
