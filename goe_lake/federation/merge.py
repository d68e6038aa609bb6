"""The cells of all nodes as one table: sums where every part is known, bounds where one is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import pyarrow as pa

from goe_lake.catalog import Catalog
from goe_lake.computed import column_of
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

#: Nodes in one word of a set; the sign is left out.
BITS: Final = 63


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
    _load(parts, connection)
    groups = f"SELECT DISTINCT {', '.join(keys)} FROM answered" if keys else "SELECT 1 AS one"
    if keys and domain:
        connection.register("domain", combinations_table(keys, domain))
        groups = f"{groups} UNION SELECT * FROM domain"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE groups AS {groups}")
    labels = sorted({key for part in parts for key in part.domain.keys if key in keys})
    _load_possible(labels, parts, connection)
    nodes = Nodes.of(parts)
    one_sample = all(part.description.one_sample_a_person for part in parts)
    told, columns = list[str](), [f"g.{key}" for key in keys]
    for measure in release.measures:
        bounds = Bounds(
            never_negative(measure, release, catalog),
            at_most_one_a_person(measure, release, one_sample=one_sample),
            _in_all(parts, lower_column(measure.name)),
        )
        approx = _in_all(parts, approx_column(measure.name))
        told += _told_columns(measure, bounds, approx)
        columns += _measure_columns(measure, bounds, nodes)
    columns.append("t.one IS NOT NULL AS shown" if keys else "TRUE AS shown")
    group = f" GROUP BY {', '.join(f'a.{key}' for key in keys)}" if keys else ""
    order = f" ORDER BY {', '.join(f'g.{key} NULLS LAST' for key in keys)}" if keys else ""
    named = [f"a.{key}" for key in keys]
    # what a node that cannot have the group says of it is not heard
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE told AS "
        f"SELECT {', '.join([*named, '1 AS one', *nodes.masks('a.node', 'telling'), *told])} "
        f"FROM answered a JOIN possible p ON {_same(labels, 'a', 'p', 'a.node = p.node')}{group}"
    )
    possible = ", ".join([*labels, *nodes.masks("node", "hiding", "hidden > 0")])
    by = f" GROUP BY {', '.join(labels)}" if labels else ""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE merged AS SELECT {', '.join(columns)} FROM groups g "
        # a node that can have no row counts as an empty part, so that the one row stays
        f"{'JOIN' if keys else 'LEFT JOIN'} (SELECT {possible} FROM possible{by} HAVING count(*) > 0) h "
        f"ON {_same(labels, 'g', 'h')} LEFT JOIN told t ON {_same(keys, 'g', 't')}{order}"
    )


@dataclass(frozen=True)
class Nodes:
    """Sets of nodes as SQL, in words of 63 bits; *hidden* is how many persons each may hide in a group."""

    hidden: tuple[int, ...]

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Nodes:
        """The nodes of *parts*."""
        return cls(tuple(_hidden(part) for part in parts))

    @property
    def words(self) -> range:
        """The numbers of the words."""
        return range(-(-len(self.hidden) // BITS))

    def masks(self, node: str, name: str, condition: str = "TRUE") -> list[str]:
        """Aggregates of the set *name* of the nodes numbered *node*, of rows for which *condition* holds."""
        return [
            f"bit_or(CASE WHEN {condition} AND {node} // {BITS} = {word} "
            f"THEN 1::BIGINT << ({node} % {BITS}) ELSE 0 END) AS {name}{word}"
            for word in self.words
        ]

    def missing(self, word: int) -> str:
        """SQL of the nodes that may hide persons in a group, and do not name it."""
        return f"(coalesce(h.hiding{word}, 0) & ~coalesce(t.telling{word}, 0))"

    @property
    def some_missing(self) -> str:
        """SQL of whether there are such nodes."""
        return f"({' OR '.join(f'{self.missing(word)} <> 0' for word in self.words)})"

    @property
    def most_hidden(self) -> str:
        """SQL of how many persons these may hide together."""
        each = (
            f"{hidden} * (({self.missing(place // BITS)} >> {place % BITS}) & 1)"
            for place, hidden in enumerate(self.hidden)
            if hidden
        )
        return f"({' + '.join(['0', *each])})::HUGEINT"


@dataclass(frozen=True)
class Bounds:
    """What is known of a measure's parts: that none is *below* 0, that a person adds at most 1 (*above*).

    *told* is the column of opened cells with a lower bound.
    """

    below: bool
    above: bool
    told: str | None


def _hidden(part: Part) -> int:
    return part.description.min_persons - 1 if part.description.protects else 0


def _load(parts: Sequence[Part], connection: duckdb.DuckDBPyConnection) -> None:
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


def _load_possible(
    labels: Sequence[str], parts: Sequence[Part], connection: duckdb.DuckDBPyConnection
) -> None:
    """Fill `possible`: which node can have which combination of *labels*, and how many persons it may hide.

    Keys whose values nobody lists are left out: sites are many, and any node can have each.
    """
    named = ", ".join(labels)
    source = f"(SELECT DISTINCT {named} FROM groups)" if labels else "(SELECT 1)"
    pieces, listed = list[str](), dict[tuple[str, ...], list[pa.Table]]()
    for place, part in enumerate(parts):
        keys, combinations = part.domain.keys, part.domain.combinations
        if keys and combinations:
            table = combinations_table(keys, combinations)
            for name, value in (("node", place), ("hidden", _hidden(part))):
                table = table.append_column(name, pa.repeat(pa.scalar(value, pa.int32()), len(table)))
            listed.setdefault(keys, []).append(table)
        else:
            node = [f"{place} AS node", f"{_hidden(part)} AS hidden"]
            can = "FALSE" if part.domain.empty else "TRUE"
            pieces.append(f"SELECT {', '.join([*labels, *node])} FROM {source} g WHERE {can}")
    for number, (keys, tables) in enumerate(listed.items()):
        connection.register("listed", pa.concat_tables(tables, promote_options="permissive"))
        connection.execute(f"CREATE OR REPLACE TEMP TABLE domain{number} AS SELECT * FROM listed")
        connection.unregister("listed")
        shown = ", ".join([*(f"g.{label}" for label in labels), "d.node", "d.hidden"])
        pieces.append(f"SELECT {shown} FROM {source} g JOIN domain{number} d ON {_same(keys, 'd', 'g')}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE possible AS {' UNION ALL '.join(pieces)}")


def _same(keys: Sequence[str], one: str, other: str, *further: str) -> str:
    """SQL of whether two rows have the same *keys*."""
    same = [f"{one}.{key} IS NOT DISTINCT FROM {other}.{key}" for key in keys]
    return " AND ".join([*same, *further]) or "TRUE"


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


def _told_columns(measure: Measure, bounds: Bounds, marked: str | None) -> list[str]:
    """SQL of what the nodes that name a group tell of one measure; *marked* says where a part is `≈`."""
    name = measure.name
    return [
        f"sum(a.{name})::HUGEINT AS {name}",
        f"sum(a.{bounds.told})::HUGEINT AS {name}_told" if bounds.told else f"NULL::HUGEINT AS {name}_told",
        f"coalesce(bool_or(a.{withheld_column(name)}), false) AS {name}_withheld",
        f"coalesce(bool_or(a.{marked}), false) AS {name}_marked" if marked else f"false AS {name}_marked",
    ]


def _measure_columns(measure: Measure, bounds: Bounds, nodes: Nodes) -> list[str]:
    """SQL of one merged measure over the parts of a group.

    A node without a row hides 0..k-1 persons; one whose value is withheld hides any number.
    """
    name = measure.name
    withheld, approx = (f"coalesce(t.{name}_{what}, false)" for what in ("withheld", "marked"))
    held = f"({nodes.some_missing} OR {withheld})"
    value = f"coalesce(t.{name}, 0)" if measure.function is not MeasureFunction.SUM else f"t.{name}"
    lower = f"coalesce(t.{name}, t.{name}_told, 0)" if bounds.below else "NULL::HUGEINT"
    upper = "NULL::HUGEINT"
    if bounds.above:
        upper = f"CASE WHEN NOT {withheld} THEN coalesce(t.{name}, 0) + {nodes.most_hidden} END"
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
        column = column_of(tables[factor.table].by_name, factor.column)
        return column.type.value == "boolean" or (column.bounds is not None and column.bounds[0] >= 0)

    powers = Counter(measure.factors)
    return all(power % 2 == 0 or never(factor) for factor, power in powers.items())


def at_most_one_a_person(measure: Measure, release: Release, *, one_sample: bool) -> bool:
    """Whether a person adds at most 1 to the measure."""
    if measure.function is MeasureFunction.PERSONS:
        return one_sample
    tables = {scan.table for scan in release.relation.scans}
    return measure.function is MeasureFunction.ROWS and tables == {"samples"} and one_sample
