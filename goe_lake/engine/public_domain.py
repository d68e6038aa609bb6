"""What can be said of persons by public labels alone: every combination of them as a row of `samples`.

A sealed sum has a number for every kind of row that anybody could have, so that no node tells by the
length of what it sends whom it holds. The kinds follow from the release and the labels that the
federation's nodes declare, and not from persons: `PublicSession` stands in for a node's own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import pyarrow as pa

from goe_lake.catalog import Catalog, Column, ColumnType, LabelValue
from goe_lake.engine.duck import in_memory
from goe_lake.engine.session import Session
from goe_lake.engine.sql import identifier
from goe_lake.errors import ReleaseRefused
from goe_lake.lake import Snapshot

#: Combinations of labels in one release; with the genotype classes they stay within `MOST_KINDS`.
MOST_COMBINATIONS: Final = 150
#: Sessions that are kept open; questions of one kind read the same labels.
MOST_KEPT: Final = 4


@dataclass(frozen=True)
class PublicColumn:
    """A column of `samples` and every value that it has at some node; None stands for not recorded."""

    name: str
    type: ColumnType
    values: tuple[LabelValue, ...]


@dataclass(frozen=True)
class PublicDomain:
    """The columns of `samples` that a release reads, in the order of their names."""

    columns: tuple[PublicColumn, ...]

    @property
    def combinations(self) -> int:
        """How many combinations of values there are."""
        return prod(len(column.values) for column in self.columns)

    def to_json(self) -> list[Any]:
        """The domain as plain JSON values."""
        return [[column.name, column.type.value, list(column.values)] for column in self.columns]

    @classmethod
    def from_json(cls, data: Iterable[Any]) -> PublicDomain:
        """The domain that `to_json` wrote; ReleaseRefused for anything else."""
        try:
            columns = tuple(
                PublicColumn(_text(name), ColumnType(kind), tuple(_label(value) for value in values))
                for name, kind, values in data
            )
        except (TypeError, ValueError):
            raise ReleaseRefused("R221", "the labels of a sealed release are not written as such") from None
        names = [column.name for column in columns]
        if names != sorted(set(names)) or any(len(set(c.values)) != len(c.values) for c in columns):
            raise ReleaseRefused("R221", "the labels of a sealed release are not written as such")
        return cls(columns)

    def check(self, catalog: Catalog) -> None:
        """Raise ReleaseRefused unless every value that the node with *catalog* may have is listed."""
        if self.combinations > MOST_COMBINATIONS:
            raise ReleaseRefused("R222", f"a sealed release has at most {MOST_COMBINATIONS} combinations")
        own = catalog.tables["samples"].by_name
        for column in self.columns:
            known = own.get(column.name)
            values: tuple[LabelValue, ...] | None = (None,) if known is None else known.domain()
            same = known is None or known.type is column.type
            if values is None or not same or not set(values) <= set(column.values):
                raise ReleaseRefused("R221", f"the labels of {column.name} are not all listed")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isidentifier():
        raise TypeError
    return value


def _label(value: object) -> LabelValue:
    if value is not None and not isinstance(value, str | bool):
        raise TypeError
    return value


class PublicSession(Session):
    """A session whose `samples` are the combinations of public labels, each once."""

    def __init__(self, snapshot: Snapshot, domain: PublicDomain) -> None:
        few = frozenset(("samples", c.name) for c in domain.columns if c.type is ColumnType.BOOLEAN)
        super().__init__(snapshot, in_memory(), few, one_sample_a_person=True)
        self.domain = domain
        self._columns: Mapping[str, Column] = {
            column.name: Column(column.name, column.type) for column in domain.columns
        }
        self.connection.register("combinations", combinations_of(domain))
        whole = "".join(
            f", {identifier(c.name)}::BIGINT AS {identifier('q$' + c.name)}"
            for c in domain.columns
            if c.type is ColumnType.BOOLEAN
        )
        self.connection.execute(
            f"CREATE TABLE samples AS SELECT *, s AS person{whole} FROM combinations ORDER BY s"
        )
        self.connection.unregister("combinations")

    def column(self, table: str, name: str) -> Column | None:
        """The column as the federation knows it."""
        return self._columns.get(name) if table == "samples" else super().column(table, name)


class PublicSessions:
    """The public sessions of the last domains asked for; opening a database takes longer than asking it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._kept: OrderedDict[PublicDomain, PublicSession] = OrderedDict()

    def of(self, domain: PublicDomain) -> PublicSession:
        """The session of *domain*, which stays open until others take its place."""
        if domain not in self._kept:
            while len(self._kept) >= MOST_KEPT:
                self._kept.popitem(last=False)[1].connection.close()
            self._kept[domain] = PublicSession(self._snapshot, domain)
        self._kept.move_to_end(domain)
        return self._kept[domain]

    def close(self) -> None:
        """Close every session; what is asked next is opened again."""
        for session in self._kept.values():
            session.connection.close()
        self._kept.clear()


def combinations_of(domain: PublicDomain) -> pa.Table:
    """Every combination of the values of *domain*, numbered by `s` from 0."""
    count = domain.combinations
    columns: dict[str, pa.Array[Any]] = {"s": pa.array(range(count), pa.int32())}
    each = count
    for column in domain.columns:
        each //= len(column.values)
        kind = pa.bool_() if column.type is ColumnType.BOOLEAN else pa.string()
        values: list[Any] = [column.values[place // each % len(column.values)] for place in range(count)]
        columns[column.name] = pa.array(values, kind)
    return pa.table(columns)
