"""The kinds of rows that persons can have at a site: who differs in nothing that a release reads is one.

At one site a person has one genotype class. What a release makes of a person's row there follows from
the class and from what it reads of the person, so it is worked out once for each person (or stratum)
and class, and every site then needs only the number of persons of each kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from goe_lake.engine.blueprint import Blueprint
from goe_lake.engine.genotypes import CLASS_VALUES, CLASSES, Indexes, one_chunk
from goe_lake.release import Expr

# beyond these, expanding rows costs less
MOST_KINDS: Final = 1024
MOST_GROUPS: Final = 256
# questions whose kinds are kept; each is some bytes a person
MOST_KEPT: Final = 32
NONE: Final = -1
# what identifies a person's row in a class
_MEMBER: Final = f"p.s * {len(CLASSES)} + g.class"


@dataclass(frozen=True, eq=False)
class RowKinds:
    """*table* has a row a kind, as `Blueprint.row_kinds_sql` makes them, in the order of the keys.

    *groups* gives the kind of each group of persons in each class (groups x classes), -1 where such a
    row counts for nothing; *group_of* the group of each person or stratum, -1 for one in no group.
    """

    table: pa.Table
    groups: Indexes
    group_of: Indexes

    def numbers(self, name: str) -> Indexes:
        """A whole-numbered column, 0 where missing."""
        column = one_chunk(self.table.column(name)).fill_null(0)
        return column.to_numpy(zero_copy_only=False).astype(np.int64)

    def given(self, name: str) -> npt.NDArray[np.bool_]:
        """Where a column is not missing."""
        valid = one_chunk(self.table.column(name)).is_valid()
        return valid.to_numpy(zero_copy_only=False).astype(bool)


def row_kinds(blueprint: Blueprint, persons: str, size: int) -> RowKinds | None:
    """The kinds of rows of the *size* persons or strata in the table *persons*; None for too many kinds.

    They do not depend on the sites: the same question about other sites finds them kept.
    """
    sql = blueprint.row_kinds_sql(blueprint.reading.person_keys, _with_classes(persons), _MEMBER)
    return _kinds_of(blueprint, sql, size)


def pattern_kinds(blueprint: Blueprint, leaves: tuple[Expr, ...], persons: str, size: int) -> RowKinds | None:
    """The same, where rows are told apart by the keys and by what *leaves* say of them (l0, l1, …)."""
    keys = blueprint.reading.person_keys
    rows = blueprint.patterns_sql(keys, f"{_MEMBER} AS member", _with_classes(persons), leaves)
    told = ", ".join([*(key.name for key in keys), *(f"l{place}" for place in range(len(leaves)))])
    sql = f"SELECT {told}, list(member) AS members FROM ({rows}) GROUP BY ALL ORDER BY {told}"
    return _kinds_of(blueprint, sql, size)


def _kinds_of(blueprint: Blueprint, sql: str, size: int, classes: int = len(CLASSES)) -> RowKinds | None:
    """The kinds that *sql* finds, kept for the next question."""
    kept = blueprint.reading.session.kinds
    if sql not in kept:
        while len(kept) >= MOST_KEPT:
            kept.popitem(last=False)
        kept[sql] = _kinds(blueprint.reading.session.connection.sql(sql).to_arrow_table(), size, classes)
    kept.move_to_end(sql)
    return kept[sql]


def public_kinds(blueprint: Blueprint, size: int, *, genotypes: bool) -> RowKinds | None:
    """The kinds of rows of every combination of public labels, the *size* rows of the session's `samples`.

    Whoever knows the labels finds the same kinds in the same order. Without *genotypes* there is one class.
    """
    keys = blueprint.reading.person_keys
    source, member = (_with_classes("samples"), _MEMBER) if genotypes else ("samples p", "p.s")
    order = ", ".join([*(key.name for key in keys), "list_min(members)"])
    sql = f"SELECT * FROM ({blueprint.row_kinds_sql(keys, source, member)}) ORDER BY {order}"
    return _kinds_of(blueprint, sql, size, len(CLASSES) if genotypes else 1)


def _with_classes(persons: str) -> str:
    """SQL of every person with every genotype class."""
    classes = ", ".join(
        f"({place}, {called}::TINYINT, {dosage if called else 'NULL'}::TINYINT)"
        for place, (dosage, called) in enumerate(CLASS_VALUES.values())
    )
    return f"{persons} p CROSS JOIN (VALUES {classes}) g (class, called_alleles, dosage)"


def _kinds(table: pa.Table, size: int, classes: int = len(CLASSES)) -> RowKinds | None:
    if len(table) > MOST_KINDS:
        return None
    members = cast("pa.ListArray[Any]", one_chunk(table.column("members")))
    kind_of = np.full(size * classes, NONE, dtype=np.int64)
    lengths = pc.list_value_length(members).to_numpy(zero_copy_only=False)
    kind_of[members.flatten().to_numpy(zero_copy_only=False)] = np.repeat(np.arange(len(table)), lengths)
    groups, group_of = np.unique(kind_of.reshape(size, classes), axis=0, return_inverse=True)
    # whoever counts for nothing is the first group, if there is anybody
    nobody = int(len(groups) > 0 and bool((groups[0] == NONE).all()))
    if len(groups) - nobody > MOST_GROUPS:
        return None
    return RowKinds(table.drop(["members"]), groups[nobody:], group_of.reshape(-1) - nobody)
