"""Cells answered without the parts of conditions that change too few persons.

Cells of which the same parts are left out are computed together, as if the release had been asked
without those parts: its values and all evidence follow from that. Mostly nothing is left out, or the
same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from goe_lake.disclosure import Evidence, Policy
from goe_lake.disclosure.effects import Kinds, LeftOut, Truths, left_out
from goe_lake.disclosure.families import Counts, Mask
from goe_lake.engine.bins import with_intervals
from goe_lake.engine.blueprint import Blueprint
from goe_lake.engine.evidence import gather
from goe_lake.engine.filters import Filters, filters_of
from goe_lake.engine.genotypes import one_chunk
from goe_lake.engine.relation import Reading, is_bin
from goe_lake.errors import ReleaseRefused
from goe_lake.release import Release

#: What a leaf says of a row: no, NULL or yes.
TRUTH_VALUES: Final = 3
#: With so many leaves each pattern of what they say has a bit of its own.
MOST_IN_BITS: Final = 3
State = tuple[LeftOut, ...]
Computed = tuple[pa.Table, Evidence]


@dataclass(frozen=True, eq=False)
class Part:
    """Cells with their evidence; *approximate* says of each measure whether a condition was left out."""

    cells: pa.Table
    evidence: Evidence
    approximate: tuple[bool, ...]

    def marked(self, everything: bool) -> Part:
        """The same cells, marked all over where *everything* was computed without a condition."""
        return replace(self, approximate=(True,) * len(self.approximate)) if everything else self

    def marked_where(self, approximate: tuple[bool, ...]) -> Part:
        """The same cells, with the measures marked that *approximate* says."""
        marks = tuple(one or other for one, other in zip(self.approximate, approximate, strict=True))
        return replace(self, approximate=marks)

    def of_keys(self, own: pa.Table) -> Part:
        """Those of the cells whose keys are among *own*."""
        keys = [name for name in own.column_names if name in self.cells.column_names]
        if not keys:
            return self
        number = numbered([self.cells.select(keys), own.select(keys)])
        chosen: Mask = np.isin(number[: len(self.cells)], number[len(self.cells) :])
        return replace(self, cells=self.cells.filter(pa.array(chosen)), evidence=self.evidence.only(chosen))


def gather_parts(blueprint: Blueprint, policy: Policy, least: int) -> list[Part]:
    """The cells of *blueprint*, without what changes fewer than *least* persons of a cell.

    Intervals are laid by *policy* around those who are left.
    """
    reading = blueprint.reading
    filters = filters_of(reading) if least > 1 else None
    states = _states_of_rows(blueprint, filters, least) if filters is not None else None
    if filters is None or states is None:
        return [whole(gather(_laid(blueprint, reading, policy)), reading.release)]

    def compute(state: State, _: pa.Table) -> Iterator[Computed]:
        again = Reading(filters.without(state), reading.session)
        yield gather(replace(_laid(blueprint, again, policy), reduced=True))

    return parts_of(filters, states, compute)


def _laid(blueprint: Blueprint, reading: Reading, policy: Policy) -> Blueprint:
    return replace(blueprint, reading=with_intervals(reading, policy))


def whole(computed: Computed, release: Release) -> Part:
    """Cells of which nothing was left out."""
    return Part(*computed, (False,) * len(release.measures))


def parts_of(
    filters: Filters,
    states: Sequence[tuple[State, pa.Table]],
    compute: Callable[[State, pa.Table], Iterator[Computed]],
) -> list[Part]:
    """The cells of each of *states* (what is left out, and the keys of the cells of which it is)."""
    reading = filters.reading
    parts = []
    for state, own in states:
        for computed in compute(state, own):
            part = Part(*computed, filters.approximate(state))
            parts.append(part if len(states) == 1 else part.of_keys(own))
    return grouped(parts, list(reading.public_keys), reading.release.margins) if len(states) > 1 else parts


def grouped(parts: list[Part], keys: list[str], margins: tuple[tuple[str, ...], ...]) -> list[Part]:
    """The same with groups, by the keys that are public, and margins numbered alike over all parts."""
    lengths = [len(part.cells) for part in parts]
    ends = np.cumsum(lengths)[:-1]

    def number(by: Sequence[str]) -> list[Counts]:
        return np.split(numbered([part.cells.select(list(by)) for part in parts], lengths), ends)

    groups, around = number(keys), [number(margin) for margin in margins]
    return [
        replace(
            part, evidence=replace(part.evidence, group=group, margins=tuple(one[place] for one in around))
        )
        for place, (part, group) in enumerate(zip(parts, groups, strict=True))
    ]


def judged_by(release: Release) -> list[str]:
    """The keys by which it is judged how many persons a condition changes: those of the cells, or fewer.

    Beside margins that of the coarsest, so that a margin and the cells beneath it leave out the same and
    nobody is found in their difference; of intervals that of the group which they part.

    Raises ReleaseRefused where margins have no common one.
    """
    if not release.margins:
        return [key.name for key in release.keys if not is_bin(key.expression)]
    common = set.intersection(*(set(margin) for margin in release.margins))
    if common not in [set(margin) for margin in release.margins]:
        raise ReleaseRefused("R213", "margins under a condition have a common one, e.g. the total")
    return [key.name for key in release.keys if key.name in common]


def numbered(tables: Sequence[pa.Table], lengths: Sequence[int] | None = None) -> Counts:
    """A number for each row of *tables*, which have the same columns: equal where the rows are."""
    rows = sum(lengths if lengths is not None else [len(table) for table in tables])
    number = np.zeros(rows, dtype=np.int64)
    for name in tables[0].column_names:
        columns = pa.concat_tables([table.select([name]) for table in tables], promote_options="permissive")
        encoded: Any = pc.dictionary_encode(one_chunk(columns.column(name)), null_encoding="encode")
        code = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        _, number = np.unique(number * (int(code.max(initial=0)) + 1) + code, return_inverse=True)
    return number.astype(np.int64)


def changed_states(
    filters: Filters, kinds: Kinds, keys: Callable[[Counts], pa.Table], cells: int, least: int
) -> list[tuple[State, pa.Table]] | None:
    """What is left out of which cells; None where that is nothing anywhere."""
    states = left_out(filters.roots, kinds, cells, least)
    if not any(any(state) for state, _ in states):
        return None
    return [(state, keys(some)) for state, some in states]


def _states_of_rows(
    blueprint: Blueprint, filters: Filters, least: int
) -> list[tuple[State, pa.Table]] | None:
    """The same from a release's rows, of which a person may have several in a cell."""
    reading, leaves = blueprint.reading, len(filters.leaves)
    keys, said = judged_by(reading.release), [f"l{place}" for place in range(leaves)]
    by = tuple(key for key in reading.release.keys if key.name in keys)
    rows = blueprint.patterns_sql(by, "p.person AS person", reading.source(), filters.leaves)
    has = ["has"]
    if blueprint.single and len(by) == len(reading.release.keys):
        persons, has = rows, said
    elif leaves <= MOST_IN_BITS:
        code = " + ".join(f"{name}::BIGINT * {TRUTH_VALUES**place}" for place, name in enumerate(said))
        who = ", ".join([*keys, "person"])
        persons = f"SELECT {who}, bit_or(1::BIGINT << ({code})) AS has FROM ({rows}) GROUP BY {who}"
    else:
        who, pattern = ", ".join([*keys, "person"]), ", ".join(said)
        distinct = f"SELECT DISTINCT {who}, {pattern} FROM ({rows})"
        persons = f"SELECT {who}, list_sort(list([{pattern}])) AS has FROM ({distinct}) GROUP BY {who}"
    counted = f"SELECT {', '.join([*keys, *has])}, count(*) AS n FROM ({persons}) GROUP BY ALL"
    table = reading.session.connection.sql(counted).to_arrow_table()
    if not len(table):
        return None
    cell = numbered([table.select(keys)], [len(table)])
    named, first = np.unique(cell, return_index=True)
    truths, kind, sets = _patterns(table.select(has), leaves)
    kinds = Kinds(truths, cell, kind, table.column("n").to_numpy().astype(np.int64), sets)
    return changed_states(
        filters, kinds, lambda some: table.select(keys).take(first[some]), len(named), least
    )


def _patterns(table: pa.Table, leaves: int) -> tuple[Truths, Counts, Mask | None]:
    """The distinct patterns, the kind of each row of *table*, and the patterns that each kind has.

    A row is one pattern, or says which patterns a person's rows have: as bits, or as a list.
    """
    if table.column_names != ["has"]:
        said = np.column_stack([table.column(place).to_numpy() for place in range(leaves)])
        truths, kind = np.unique(said, axis=0, return_inverse=True)
        return truths, kind.reshape(-1).astype(np.int64), None
    column: Any = one_chunk(table.column("has"))
    if pa.types.is_integer(column.type):
        bits, kind = np.unique(column.to_numpy(), return_inverse=True)
        codes = np.arange(TRUTH_VALUES**leaves)
        digits = [codes // TRUTH_VALUES**place % TRUTH_VALUES for place in range(leaves)]
        sets: Mask = (bits[:, None] >> codes) & 1 == 1
        return np.column_stack(digits).astype(np.int8), kind.astype(np.int64), sets
    lengths = pc.list_value_length(column).to_numpy().astype(np.int64)
    said = column.flatten().flatten().to_numpy().reshape(int(lengths.sum()), leaves)
    truths, pattern = np.unique(said, axis=0, return_inverse=True)
    has = np.zeros((len(table), len(truths)), dtype=bool)
    has[np.repeat(np.arange(len(table)), lengths), pattern.reshape(-1)] = True
    sets, kind = np.unique(has, axis=0, return_inverse=True)
    return truths, kind.reshape(-1).astype(np.int64), sets
