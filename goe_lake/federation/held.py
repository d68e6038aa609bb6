"""Tables of the workspace, and what their values are worth.

A value column `c` may have companions: `c$s` its level (`query.taint`), `c$lo` and `c$hi` its bounds.
`$maybe` tells of a row whether it may be absent: 0 surely there, 1 a group that its nodes do not show,
2 a condition on it read a value that is not known. A table without companions is wholly known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import duckdb

from goe_lake.engine.duck import one_row
from goe_lake.engine.sql import identifier
from goe_lake.query.taint import APPROX, OK, Traced

HIDDEN: Final = 1
UNDECIDED: Final = 2
MAYBE: Final = identifier("$maybe")


@dataclass(frozen=True)
class Worth:
    """Which companions a value column has; bounds are of a whole number, unless it is a *real* one."""

    tainted: bool = False
    bounded: bool = False
    real: bool = False


@dataclass(frozen=True)
class Held:
    """A table: its columns in order, their companions, and whether rows of it may be absent.

    *name* reads its values alone, without rows that may be absent; *store* has everything. *rough* tells
    that approximate values chose or parted the rows: by the exact ones there may be others.
    """

    name: str
    store: str
    columns: tuple[str, ...]
    worth: Mapping[str, Worth] = field(default_factory=dict)
    maybe: bool = False
    rough: bool = False

    @property
    def clean(self) -> bool:
        """Whether every value is known, and every row surely there."""
        unsure = self.maybe or self.rough
        return not unsure and not any(worth.tainted for worth in self.worth.values())

    def column(self, name: str | None) -> str:
        """The column *name*, however it is spelt; the first one where none is named."""
        if name is None:
            return self.columns[0]
        return next(column for column in self.columns if column.lower() == name.lower())

    def of(self, column: str) -> Worth:
        """The companions of *column*."""
        return self.worth.get(column, Worth())


@dataclass(frozen=True)
class Ordered:
    """The rows of the last step: SQL of them in their order, and whether all rows that belong there are."""

    held: Held
    sql: str
    partial: bool


def level_of(column: str) -> str:
    """The companion that holds the level of *column*, quoted."""
    return identifier(f"{column}$s")


def lower_of(column: str) -> str:
    """The companion that holds the lower bound of *column*, quoted."""
    return identifier(f"{column}$lo")


def upper_of(column: str) -> str:
    """The companion that holds the upper bound of *column*, quoted."""
    return identifier(f"{column}$hi")


def read(column: str, worth: Worth) -> Traced:
    """A stored column as an expression."""
    return Traced(
        identifier(column),
        level_of(column) if worth.tainted else None,
        lower_of(column) if worth.bounded else None,
        upper_of(column) if worth.bounded else None,
        whole=worth.bounded and not worth.real,
    )


def shown(column: str, traced: Traced) -> list[str]:
    """SQL of a column and its companions."""
    parts = [f"{traced.guarded} AS {identifier(column)}"]
    if traced.level is not None:
        parts.append(f"({traced.level})::TINYINT AS {level_of(column)}")
        if traced.lower is not None or traced.upper is not None:
            kind = "HUGEINT" if traced.whole else "DOUBLE"
            parts.append(f"({traced.lower or 'NULL'})::{kind} AS {lower_of(column)}")
            parts.append(f"({traced.upper or 'NULL'})::{kind} AS {upper_of(column)}")
    return parts


def worth_of(traced: Traced) -> Worth:
    """The companions that `shown` gives."""
    bounded = traced.level is not None and (traced.lower is not None or traced.upper is not None)
    return Worth(traced.level is not None, bounded, bounded and not traced.whole)


def looked_at(
    connection: duckdb.DuckDBPyConnection,
    store: str,
    worth: Mapping[str, Worth],
    *,
    maybe: bool,
) -> tuple[dict[str, Worth], bool]:
    """What of *store* is tainted after all: companions that say nothing are forgotten."""
    tainted = [column for column, its in worth.items() if its.tainted]
    asked = [f"coalesce(max({level_of(column)}), 0)" for column in tainted]
    asked.append(f"coalesce(max({MAYBE}), 0)" if maybe else "max(0)")
    *levels, most = one_row(connection, f"SELECT {', '.join(asked)} FROM {identifier(store)}")
    kept = {column: its for column, its in worth.items() if not its.tainted}
    kept |= {column: worth[column] for column, level in zip(tainted, levels, strict=True) if level > 0}
    kept |= {column: Worth() for column, level in zip(tainted, levels, strict=True) if level == 0}
    return kept, bool(most)


def any_level(
    connection: duckdb.DuckDBPyConnection,
    store: str,
    levels: Iterable[str],
    where: str = "TRUE",
    above: int = APPROX,
) -> bool:
    """Whether one of *levels* is *above* that, on some row of *store*: by default, a value is not known."""
    asked = " OR ".join(f"{level} > {above}" for level in levels)
    return bool(asked) and any_row(
        connection, f"SELECT 1 FROM {identifier(store)} WHERE ({asked}) AND {where}"
    )


def holds_approximate(connection: duckdb.DuckDBPyConnection, held: Held) -> bool:
    """Whether a value of *held* is approximate, or not known at all."""
    levels = [level_of(name) for name, worth in held.worth.items() if worth.tainted]
    return any_level(connection, held.store, levels, above=OK)


def any_row(connection: duckdb.DuckDBPyConnection, rows: str) -> bool:
    """Whether *rows* are any."""
    (found,) = one_row(connection, f"SELECT EXISTS ({rows})")
    return bool(found)
