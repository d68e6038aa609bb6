"""The conditions and filters of a release as trees of and, or and leaves; and the release without some parts.

However a condition is written, its tree is the same: NOT is pushed inwards, IN is a choice of values, and
a truth that is hidden in CASE, in a comparison of truths or in a number is taken out of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import duckdb

from goe_lake.catalog import is_public
from goe_lake.disclosure.effects import Junction, Leaf, LeftOut, Part, Path, ordered, paths
from goe_lake.engine.blueprint import is_not_missing
from goe_lake.engine.duck import one_row
from goe_lake.engine.folding import COMPARED, TRUTHS, UNKNOWN, given, joined
from goe_lake.engine.relation import Reading
from goe_lake.engine.sql import may_fail, safe_sql
from goe_lake.errors import ReleaseRefused
from goe_lake.release import Call, ColumnRef, Expr, Literal, LiteralType, Release, columns_in, expr_to_json

#: Beyond these a condition is refused: its parts could not all be looked at.
MOST_LEAVES: Final = 256
MOST_STEPS: Final = 2_000
BOOLEAN: Final = frozenset(COMPARED) | {
    "and", "or", "not", "is_null", "is_true", "is_false", "is_not_distinct", "in", "like", "ilike",
    "starts_with",
}  # fmt: skip
NEVER_NULL: Final = frozenset({"is_null", "is_true", "is_false", "is_not_distinct"})
# NULL wherever an operand is
PASSES_NULL: Final = frozenset(COMPARED) | {
    "not", "like", "ilike", "starts_with", "add", "sub", "mul", "div", "int_div", "mod", "neg", "abs",
    "floor",
    "ceil", "round", "sign", "to_integer", "to_double", "to_boolean", "to_text", "lower", "upper", "length",
    "substring", "year", "month", "exp", "ln", "sqrt", "pow",
}  # fmt: skip


@dataclass(frozen=True)
class Filters:
    """The trees of a release: its conditions, then each of its filters in the order of `Reading.filters`.

    *leaves* are the conditions that the leaves' columns stand for. *anywhere* is the part of the conditions
    that says that a site may be listed or not, None where that is not asked.
    """

    reading: Reading
    roots: tuple[Junction, ...]
    leaves: tuple[Expr, ...]
    anywhere: Junction | None = None

    def without(self, state: tuple[LeftOut, ...]) -> Release:
        """The release without the parts that *state* leaves out."""
        release, reading = self.reading.release, self.reading
        kept = [*reading.site_conditions, *reading.public_conditions]
        rest = [self.rest(root, left_out) for root, left_out in zip(self.roots, state, strict=True)]
        conditions = tuple(part for part in rest[0] if part != TRUTHS[True])
        filters = dict(zip(reading.filters, (joined("and", parts) for parts in rest[1:]), strict=True))
        measures = []
        for measure in release.measures:
            where = filters[measure.where] if measure.where is not None else None
            measures.append(replace(measure, where=None if where == TRUTHS[True] else where))
        return replace(release, conditions=(*kept, *conditions), measures=tuple(measures))

    def approximate(self, state: tuple[LeftOut, ...]) -> tuple[bool, ...]:
        """For each measure whether *state* leaves out a part that it is taken under."""
        places = {where: place for place, where in enumerate(self.reading.filters, 1)}
        return tuple(
            bool(state[0]) or (measure.where is not None and bool(state[places[measure.where]]))
            for measure in self.reading.release.measures
        )

    def rest(self, root: Junction, without: LeftOut) -> list[Expr]:
        """The parts of *root*, without those that are left out."""
        parts = [(part, (number,)) for number, part in enumerate(ordered(root))]
        return [
            self._part(part, without, path, every=True)
            for part, path in parts
            # where nothing of it is left out it says nothing
            if part != self.anywhere or any(gone[:1] == path for gone in without)
        ]

    def _part(self, part: Part, without: LeftOut, path: Path, *, every: bool) -> Expr:
        if path in without:
            return self._known(part) if every else TRUTHS[False]
        if isinstance(part, Leaf):
            return self.leaves[part.column]
        parts = [
            self._part(inner, without, (*path, number), every=part.every)
            for number, inner in enumerate(ordered(part))
        ]
        return joined("and" if part.every else "or", parts)

    def _known(self, part: Part) -> Expr:
        """True for whoever has the values that *part* reads; NULL for others."""
        leaves = [self.leaves[column] for column in _columns_of(part)]
        nullable = [leaf for leaf in leaves if not self._never_null(leaf)]
        if not nullable or self._is_open_to_none(part):
            return TRUTHS[True]
        read = set().union(*(columns_in(leaf) for leaf in leaves))
        if len(read) == 1 and len(nullable) == len(leaves) and all(_passes_null(leaf) for leaf in leaves):
            (column,) = read
            return Call("not", (Call("is_null", (column,)),))
        said = self._strict(part)
        return Call("or", (said, Call("not", (said,))))

    def _strict(self, part: Part) -> Expr:
        """*part* with leaves that are NULL only where their one column is missing."""
        if isinstance(part, Junction):
            parts = tuple(self._strict(inner) for inner in ordered(part))
            return parts[0] if len(parts) == 1 else Call("and" if part.every else "or", parts)
        leaf = self.leaves[part.column]
        otherwise = Call("coalesce", (leaf, TRUTHS[False]))
        columns = set(columns_in(leaf))
        if len(columns) != 1 or not self.reading.is_technical(columns):
            return otherwise
        if is_not_missing(leaf):
            return Call("case", (leaf, TRUTHS[True]))
        return Call("case", (Call("is_null", (columns.pop(),)), leaf, otherwise))

    def _is_open_to_none(self, part: Part) -> bool:
        """Whether no missing value leaves *part* open, whatever the values are that are there.

        Else who is asked, `x IS NOT NULL`, would follow from what leaves without missing values say.
        """
        if isinstance(part, Junction):
            return (all if part.every else any)(map(self._is_open_to_none, part.parts))
        return self._never_null(self.leaves[part.column])

    def _never_null(self, leaf: Expr) -> bool:
        """Whether a leaf counts as no where it is NULL, or never is.

        It reads several columns, or one that a sub-aggregate makes NULL by choice, or asks what is missing.
        """
        columns = set(columns_in(leaf))
        if len(columns) != 1 or not self.reading.is_technical(columns):
            return True
        return isinstance(leaf, Call) and leaf.op in NEVER_NULL


def filters_of(reading: Reading) -> Filters | None:
    """The trees of *reading*'s release; None where no part of them is ever left out.

    Raises ReleaseRefused where a condition has too many parts.
    """
    grower = Grower(reading)
    conditions = (*reading.person_conditions, *reading.genotype_conditions)
    anywhere = grower.anywhere()
    roots = [grower.root(conditions, anywhere), *(grower.root((part,)) for part in reading.filters)]
    if not any(True for root in roots for _ in paths(root)):
        return None
    return Filters(reading, tuple(roots), tuple(grower.leaves), anywhere)


def least_parts(release: Release) -> int:
    """How many parts the conditions and filters of *release* have at least, by the release alone.

    They are all of them where no truth is hidden in CASE, in a comparison of truths or in a number.
    """
    tables = {scan.alias: scan.table for scan in release.relation.scans}
    chosen = [
        condition
        for condition in release.conditions
        if not all(is_public(tables.get(column.table, ""), column.column) for column in columns_in(condition))
    ]
    filters = [measure.where for measure in release.measures if measure.where is not None]
    return len({leaf for part in (*chosen, *filters) for leaf in _plain_leaves(part, negated=False)})


def _plain_leaves(expression: Expr, *, negated: bool) -> Iterator[Expr]:
    match expression:
        case Literal():
            return
        case Call("not", (inner,)):
            yield from _plain_leaves(inner, negated=not negated)
        case Call("and" | "or", args):
            for part in args:
                yield from _plain_leaves(part, negated=negated)
        case Call("in", (value, *choices)) if len(choices) > 1:
            for choice in choices:
                yield from _plain_leaves(Call("eq", (value, choice)), negated=negated)
        case _ if any(True for _ in columns_in(expression)):
            yield _opposite(expression) if negated else _one_way(expression)


class Grower:
    """Grows the trees of one release, which share their leaves."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.leaves: dict[Expr, int] = {}
        self.steps = 0

    def anywhere(self) -> Junction | None:
        """The choice of listed sites and others, of which the others may be left out; None for no choice."""
        listed = self.reading.listed
        if listed is None:
            return None
        unlisted = replace(self._leaf(Call("not", (listed,))), tried=True)
        return Junction(False, (self._leaf(listed, tried=False), unlisted), whole=False)

    def root(self, conditions: tuple[Expr, ...], *further: Junction | None) -> Junction:
        """The conjunction of *conditions*."""
        known = [part for part in further if part is not None]
        part = self._junction(True, [*(self.grow(condition) for condition in conditions), *known])
        if isinstance(part, Junction) and part.every:
            return part
        return Junction(True, (part if not isinstance(part, bool) else self._leaf(TRUTHS[part]),))

    def grow(self, expression: Expr, *, negated: bool = False) -> Part | bool:
        """The tree of *expression*, or of its negation; a truth where it is constant."""
        self.steps += 1
        if self.steps > MOST_STEPS or len(self.leaves) > MOST_LEAVES:
            raise ReleaseRefused("R214", f"conditions and filters have at most {MOST_LEAVES} parts together")
        match expression:
            case Literal(LiteralType.BOOLEAN, value):
                return (value == "true") != negated
            case Literal(LiteralType.NULL, _):
                return False  # never true, nor is its negation
            case Call("not", (inner,)):
                return self.grow(inner, negated=not negated)
            case Call("and" | "or" as op, args):
                return self._junction((op == "and") != negated, [self.grow(a, negated=negated) for a in args])
            case Call("in", (value, *choices)) if len(choices) > 1:
                same = [self.grow(Call("eq", (value, choice)), negated=negated) for choice in choices]
                return self._junction(negated, same)
            case Call("case", args):
                return self._case(args, negated=negated)
        if not any(True for _ in columns_in(expression)):
            return self._constant(Call("not", (expression,)) if negated else expression)
        hidden = self._hidden(expression)
        if hidden is not None:
            return self._split(expression, hidden, negated=negated)
        return self._leaf(_opposite(expression) if negated else _one_way(expression))

    def _constant(self, expression: Expr) -> bool:
        """Whether a condition that reads nothing is true."""
        text = safe_sql(expression, self.reading.resolve)
        try:
            (value,) = one_row(self.reading.session.connection, f"SELECT TRY_CAST({text} AS BOOLEAN)")
        except duckdb.Error:
            # what DuckDB does not even bind is not true
            return False
        return bool(value)

    def _case(self, args: tuple[Expr, ...], *, negated: bool) -> Part | bool:
        """CASE as (condition and value) or (condition not true and the rest)."""
        if len(args) < 2:
            return self.grow(args[0], negated=negated) if args else False
        condition, value, *rest = args
        met = self._junction(True, [self.grow(condition), self.grow(value, negated=negated)])
        later = self._case(tuple(rest), negated=negated)
        if later is False:
            return met
        unmet = self._junction(False, [self.grow(condition, negated=True), self._missing(condition)])
        return self._junction(False, [met, self._junction(True, [unmet, later])])

    def _split(self, expression: Expr, hidden: Expr, *, negated: bool) -> Part | bool:
        """*expression* by what the condition *hidden* in it says: true, false or nothing."""
        values = (TRUTHS[True], TRUTHS[False], UNKNOWN)
        rest = [self.grow(given(expression, hidden, value), negated=negated) for value in values]
        said = [self.grow(hidden), self.grow(hidden, negated=True), self._missing(hidden)]
        return self._junction(
            False, [self._junction(True, [one, other]) for one, other in zip(said, rest, strict=True)]
        )

    def _missing(self, condition: Expr) -> Part | bool:
        """Whether *condition* is NULL: not a part that is ever left out where only missing values make it."""
        if isinstance(condition, Call) and condition.op in NEVER_NULL:
            return False
        if isinstance(condition, Literal):
            return condition.type is LiteralType.NULL
        return self._leaf(Call("is_null", (condition,)), tried=not self._null_by_missing(condition))

    def _null_by_missing(self, condition: Expr) -> bool:
        """Whether *condition* is NULL where a column that it reads is missing, and nowhere else."""
        technical = self.reading.is_technical(columns_in(condition))
        return technical and _passes_null(condition) and not may_fail(condition)

    def _hidden(self, expression: Expr) -> Expr | None:
        """A condition within *expression* that is not all of it: the first that holds no other."""
        columns = set(columns_in(expression))
        for part in _within(expression):
            inner = isinstance(part, Call) and part.op in BOOLEAN
            truth = isinstance(part, ColumnRef) and len(columns) > 1 and self.reading.is_truth(part)
            if (inner or truth) and not self.reading.is_public(part):
                return part
        return None

    def _leaf(self, expression: Expr, *, tried: bool = True) -> Leaf:
        tried = tried and not is_not_missing(expression) and not self.reading.is_public_condition(expression)
        place = self.leaves.setdefault(expression, len(self.leaves))
        return Leaf(json.dumps(expr_to_json(expression), sort_keys=True), place, tried)

    def _junction(self, every: bool, parts: list[Part | bool]) -> Part | bool:
        """The parts of one junction, each once, those of its kind within it among them; no constants."""
        kept: list[Part] = []
        for part in parts:
            if isinstance(part, bool):
                if part is not every:
                    return part
            elif isinstance(part, Junction) and part.every is every:
                kept += part.parts
            else:
                kept.append(part)
        if not kept:
            return every
        parted = ordered(Junction(every, tuple(kept)))
        return parted[0] if len(parted) == 1 else Junction(every, tuple(parted))


def _within(expression: Expr) -> Iterator[Expr]:
    """Everything within *expression*, without itself, innermost first."""
    if isinstance(expression, Call):
        for argument in expression.args:
            yield from _within(argument)
            yield argument


def _columns_of(part: Part) -> list[int]:
    if isinstance(part, Leaf):
        return [part.column]
    return [column for inner in part.parts for column in _columns_of(inner)]


def _passes_null(expression: Expr) -> bool:
    if isinstance(expression, Call):
        return expression.op in PASSES_NULL and all(_passes_null(argument) for argument in expression.args)
    return isinstance(expression, ColumnRef) or expression.type is not LiteralType.NULL


def _one_way(expression: Expr) -> Expr:
    """A comparison with its constant on the right; anything else as it is."""
    if isinstance(expression, Call) and expression.op in COMPARED:
        left, right = expression.args
        if isinstance(left, Literal) and not isinstance(right, Literal):
            return Call(COMPARED[expression.op][0], (right, left))
    return expression


def _opposite(expression: Expr) -> Expr:
    """The negation of *expression*."""
    expression = _one_way(expression)
    if isinstance(expression, Call) and expression.op in COMPARED:
        return Call(COMPARED[expression.op][1], expression.args)
    return Call("not", (expression,))
