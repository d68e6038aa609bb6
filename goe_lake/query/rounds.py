"""Constants that an earlier round releases: where a SELECT over persons reads them, and how they go in.

A nested query in a WHERE, a group key or an aggregate over persons, and a one-row table that is joined
with persons, is one value for everybody. It is asked first; what it released then stands in the next
release as a constant, as if the analyst had written it there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import isfinite

from sqlglot import exp

from goe_lake.errors import QueryRefused
from goe_lake.query.expressions import convert
from goe_lake.query.gateway import with_names
from goe_lake.query.language import aggregates_in
from goe_lake.query.lowering import Lowered
from goe_lake.query.personal import beneath, release_of
from goe_lake.query.quantiles import Quantile, bins_release
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.steps import DIALECT, Nested, SelectStep, Use, marks_of
from goe_lake.release import (
    Call,
    ColumnRef,
    Expr,
    Literal,
    LiteralType,
    PerPerson,
    Release,
    pending_in,
)

MOST_ROUNDS = 4
MOST_VALUES = 2_000  # constants of one set
DIGITS = 12  # significant digits of a constant that is not a whole number
Value = bool | int | float | Decimal | str | None


@dataclass(frozen=True)
class Waiting:
    """A SELECT over persons that becomes a release once its *constants* are known, by their marks.

    *cells* is the table of its cells, *step* the step that finishes it, *names* its output columns.
    """

    select: Lowered
    constants: Mapping[str, Nested]
    cells: str
    step: str
    names: tuple[str, ...]

    def computes(self) -> bool:
        """Whether a constant stands in what is summed or averaged, and not in conditions and keys alone."""
        heads = [
            item.this if isinstance(item, exp.Filter) else item
            for part in (
                *self.select.query.expressions,
                self.select.query.args.get("having"),
                self.select.query.args.get("order"),
            )
            if part is not None
            for item in aggregates_in(part)
        ]
        return any(mark in self.constants for head in heads for mark in marks_of(head))

    def resolved(self, values: Mapping[str, Sequence[Value]]) -> Finishing:
        """The release and its step with *values* in the place of the constants; a set has several."""
        typed = with_values(self.select.typed, values) if self.select.typed is not None else None
        for mark, use in self.constants.items():
            if use.use is Use.ALLELE and len(values[mark]) > 1:
                raise self._several_alleles(mark)
        derived = tuple(with_constants(part, values) for part in self.select.derived)
        query = with_values(self.select.query, values)
        select = replace(self.select, query=query, derived=derived, typed=typed)
        return finishing(select, self.cells, self.step, self.names)

    def _several_alleles(self, mark: str) -> QueryRefused:
        """The refusal of a place at which persons may have several rows."""
        marks = self.select.typed.find_all(exp.Placeholder) if self.select.typed is not None else ()
        at = next((node for node in marks if node.name == mark), None)
        hint = "name ref and alt, or the variant_id"
        return refusal(Code.TABLE_TWICE, at, "several listed alleles lie at a place that is joined", hint)


@dataclass(frozen=True)
class Finishing:
    """A release, and the *step* over its cells, in which nested queries are left open.

    *marks* are the constants that the release needs; *quantiles* are columns of its cells that are
    read off counts by intervals, which *bins* ask for.
    """

    release: Release
    step: SelectStep
    marks: tuple[str, ...]
    quantiles: tuple[Quantile, ...]

    @property
    def bins(self) -> dict[tuple[ColumnRef, Expr | None], Release]:
        """The counts by intervals, each asked once."""
        return {quantile.binned: bins_release(self.release, quantile) for quantile in self.quantiles}


def finishing(select: Lowered, cells: str, step: str, names: tuple[str, ...]) -> Finishing:
    """The release of *select*, and the step called *step* over its *cells*."""
    release, final, query, units, quantiles = release_of(select.query, select.catalog, cells, select.derived)
    columns = with_names(final, names)
    keys = tuple(key.name for key in release.keys)
    typed = (select.typed or query).sql(DIALECT) if not list(marks_of(select.typed or query)) else None
    made = SelectStep(step, final, columns, units, {}, cells, typed, keys)
    return Finishing(release, made, _constant_marks(query, select.derived), quantiles)


def _constant_marks(select: exp.Select, derived: tuple[PerPerson, ...]) -> tuple[str, ...]:
    """The nested queries that *select*, in full names, compares or computes with persons, by their marks.

    Those in *derived* come first.
    """
    by_person = (mark for part in derived for item in part.expressions() for mark in pending_in(item))
    return tuple(dict.fromkeys([*by_person, *(mark for part in beneath(select) for mark in marks_of(part))]))


def gives_one_row(select: exp.Select, sources: Iterable[bool]) -> bool:
    """Whether *select* has exactly one row; *sources* tell of each table in its FROM whether that has."""
    if any(select.args.get(name) for name in ("group", "having", "qualify", "limit", "offset", "distinct")):
        return False
    if any(aggregates_in(item) for item in select.expressions):
        return True
    joins = select.args.get("joins") or ()
    plain = not any(join.args.get("side") or join.args.get("on") for join in joins)
    return plain and select.args.get("where") is None and all(sources)


def without_sources(select: exp.Select, marks: Mapping[str, Mapping[str, str]]) -> exp.Select:
    """*select*, in full names, without the one-row tables in *marks*: a mark stands for each column.

    Every join is an inner one, so that conditions may move into WHERE.
    """
    select = select.copy()
    for column in list(select.find_all(exp.Column)):
        named = marks.get(column.table)
        if named is not None:
            column.replace(exp.Placeholder(this=named[column.name.lower()]))
    joins: list[exp.Join] = list(select.args.get("joins") or ())
    conditions = []
    for join in list(joins):
        if join.this.alias_or_name in marks:
            joins.remove(join)
            conditions += [join.args["on"]] if join.args.get("on") is not None else []
    first = select.args["from_"]
    if first.this.alias_or_name in marks:
        entry = joins.pop(0)
        first.set("this", entry.this)
        conditions += [entry.args["on"]] if entry.args.get("on") is not None else []
    select.set("joins", joins)
    where = select.args.get("where")
    parts = [*conditions, *([where.this] if where is not None else [])]
    if parts:
        select.set("where", exp.Where(this=exp.and_(*parts, copy=True)))
    return select


def with_values(select: exp.Select, values: Mapping[str, Sequence[Value]]) -> exp.Select:
    """*select* with the marks of *values* replaced by constants; those of other nested queries stay."""
    select = select.copy()
    for mark in list(select.find_all(exp.Placeholder)):
        if mark.name not in values:
            continue
        found, parent = values[mark.name], mark.parent
        if isinstance(parent, exp.In) and mark in parent.expressions:
            parent.replace(_in_set(parent, found))
        else:
            mark.replace(constant_of(found[0], mark))
    return select


def with_constants(part: PerPerson, values: Mapping[str, Sequence[Value]]) -> PerPerson:
    """*part* with the constants in its conditions replaced by *values*."""
    return replace(part, conditions=tuple(_filled(condition, values) for condition in part.conditions))


def _filled(node: Expr, values: Mapping[str, Sequence[Value]]) -> Expr:
    if isinstance(node, Literal) and node.type is LiteralType.PENDING:
        return _literals(node, values)[0]
    if not isinstance(node, Call):
        return node
    if node.op != "in":
        return Call(node.op, tuple(_filled(item, values) for item in node.args))
    tested, *options = node.args
    members = [member for item in options for member in _members(item, values)]
    if not members:
        return Literal(LiteralType.BOOLEAN, "false")
    return Call("in", (_filled(tested, values), *members))


def _members(node: Expr, values: Mapping[str, Sequence[Value]]) -> Sequence[Expr]:
    waits = isinstance(node, Literal) and node.type is LiteralType.PENDING
    return _literals(node, values) if isinstance(node, Literal) and waits else (_filled(node, values),)


def _literals(node: Literal, values: Mapping[str, Sequence[Value]]) -> list[Expr]:
    """The values that *node* waits for, as constants of a release."""
    at = exp.Placeholder(this=node.value)
    return [convert(constant_of(value, at)) for value in values[node.value]]


def _in_set(node: exp.In, values: Sequence[Value]) -> exp.Expr:
    if not values:
        return exp.false()
    if len(values) > MOST_VALUES:
        message = f"the nested query gives more than {MOST_VALUES:,} values"
        raise refusal(Code.TOO_MUCH_WORK, node, message, "narrow it, or ask region by region")
    bare = [value if isinstance(value, bool | str | None) else _number(value, node) for value in values]
    made = [item if isinstance(item, exp.Expr) else _plain(item) for item in bare]
    return exp.In(this=node.this.copy(), expressions=made)


def constant_of(value: Value, at: exp.Expr) -> exp.Expr:
    """One value as a literal of its type."""
    if isinstance(value, bool | str | None):
        return _plain(value)
    number = _number(value, at)
    if isinstance(value, float):
        return exp.cast(number, "DOUBLE", dialect=DIALECT)
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return exp.cast(number, "BIGINT", dialect=DIALECT)
    return number


def _plain(value: bool | str | None) -> exp.Expr:
    if value is None:
        return exp.null()
    return exp.Literal.string(value) if isinstance(value, str) else exp.Boolean(this=value)


def _number(value: float | Decimal, at: exp.Expr) -> exp.Expr:
    text = spelling(value)
    if text is None:
        raise refusal(Code.CONSTANT, at, "the value of an earlier round is not a finite number", "guard it")
    if text.startswith("-"):
        return exp.Paren(this=exp.Neg(this=exp.Literal.number(text[1:])))
    return exp.Literal.number(text)


def spelling(value: float | Decimal) -> str | None:
    """The one way in which a number is written as a constant: doubles with 12 significant digits.

    None where it is infinite or no number. That a double is cut off makes the same answer give the
    same release, whatever its last bits are.
    """
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    return f"{value + 0.0:.{DIGITS}g}" if isfinite(value) else None
