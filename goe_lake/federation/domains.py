"""Which groups a node can have at all, from public facts alone.

A group that a node does not name holds 0..k-1 of its persons, unless the node's catalogue says that
it can hold none: no Estonian node declares the label, or the condition is never true there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import prod
from typing import Final

import duckdb

from goe_lake.catalog import Catalog, Column, LabelValue
from goe_lake.engine.relation import is_bin
from goe_lake.engine.sql import identifier, quoted, safe_sql
from goe_lake.release import ColumnRef, Expr, Key, Release, columns_in

MOST_COMBINATIONS: Final = 100_000
Combination = tuple[LabelValue, ...]


@dataclass(frozen=True)
class Domain:
    """The values that the keys *keys* can take at a node; None where that is not known."""

    keys: tuple[str, ...]
    combinations: frozenset[Combination] | None

    @property
    def empty(self) -> bool:
        """Whether the node can have no row at all."""
        return self.combinations is not None and not self.combinations


def node_domain(release: Release, catalog: Catalog, connection: duckdb.DuckDBPyConnection) -> Domain:
    """The public domain of *release* at the node with *catalog*.

    Only keys and conditions whose every column has listed values take part; the others may be
    anything, so that the domain is never too small.
    """
    tables = {scan.alias: scan.table for scan in release.relation.scans}
    conditions = [part for part in release.conditions if _listed(part, catalog, tables)]
    # where the intervals of a quantile lie depends on the persons, also where the column has labels
    plain = (key for key in release.keys if not is_bin(key.expression))
    keys = [key for key in plain if _listed(key.expression, catalog, tables)]
    read = {
        column for part in (*conditions, *(key.expression for key in keys)) for column in columns_in(part)
    }
    names = tuple(key.name for key in keys)
    columns = sorted(read, key=lambda column: (column.table, column.column))
    values = [_values(column, catalog, tables) for column in columns]
    if prod(map(len, values)) > MOST_COMBINATIONS:
        return Domain(names, None)
    plain_keys = [key.expression for key in keys if isinstance(key.expression, ColumnRef)]
    if not conditions and len(set(plain_keys)) == len(keys):
        # columns as they are take every combination of their values
        of = dict(zip(columns, values, strict=True))
        return Domain(names, frozenset(product(*(of[key] for key in plain_keys))))
    return Domain(names, _evaluate(columns, values, keys, conditions, connection))


def _listed(expression: Expr, catalog: Catalog, tables: Mapping[str, str]) -> bool:
    return all(_domain(column, catalog, tables) is not None for column in columns_in(expression))


def _domain(column: ColumnRef, catalog: Catalog, tables: Mapping[str, str]) -> tuple[LabelValue, ...] | None:
    table = tables.get(column.table)
    if table is None:  # a sub-aggregate: what occurs depends on persons
        return None
    known: Column | None = catalog.tables[table].by_name.get(column.column)
    if known is None and table == "variants":
        # a site has what the federation's list says, also where this node adds no such column
        return None
    return (None,) if known is None else known.domain()  # a column that the node lacks is NULL there


def _values(column: ColumnRef, catalog: Catalog, tables: Mapping[str, str]) -> tuple[LabelValue, ...]:
    domain = _domain(column, catalog, tables)
    assert domain is not None
    return domain


def _evaluate(
    columns: Sequence[ColumnRef],
    values: Sequence[tuple[LabelValue, ...]],
    keys: Sequence[Key],
    conditions: Sequence[Expr],
    connection: duckdb.DuckDBPyConnection,
) -> frozenset[Combination]:
    """The combinations of key values for which no condition is untrue."""
    names = {column: f"d{place}" for place, column in enumerate(columns)}
    source = " CROSS JOIN ".join(
        f"(SELECT unnest([{', '.join(_literal(value) for value in listed)}]) AS {identifier(names[column])})"
        for column, listed in zip(columns, values, strict=True)
    )
    where = " AND ".join(f"coalesce({safe_sql(part, names.__getitem__)}, false)" for part in conditions)
    shown = ", ".join(safe_sql(key.expression, names.__getitem__) for key in keys) or "1"
    rows = connection.execute(
        f"SELECT DISTINCT {shown}{f' FROM {source}' if source else ''} WHERE {where or 'TRUE'}"
    ).fetchall()
    return frozenset(row if keys else () for row in rows)


def _literal(value: LabelValue) -> str:
    if value is None:
        return "NULL"
    return ("true" if value else "false") if isinstance(value, bool) else quoted(value)


def not_shown(domains: Sequence[Domain], keys: Sequence[Key], shown: set[Combination]) -> list[Combination]:
    """The combinations of all nodes' domains that an answer does not show.

    None where not all keys have listed values.
    """
    every = tuple(key.name for key in keys)
    if not keys or any(domain.keys != every or domain.combinations is None for domain in domains):
        return []
    union = frozenset().union(*(domain.combinations or frozenset() for domain in domains))
    ordered = sorted(union - shown, key=lambda combination: tuple(map(str, combination)))
    return list(islice(ordered, MOST_COMBINATIONS))


__all__ = ["Combination", "Domain", "node_domain", "not_shown"]
