"""What may cross a border: the release that a node is asked for, its cells, and the envelope of an answer.

A release is the step at which person-level rows become aggregate cells; it is the only thing that a
node ever computes for others. It travels as JSON (`release/1`): expressions are nested operators
from the table below, never SQL text. Whatever is not written here cannot be asked.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from goe_lake.computed import computed_column, stored_columns
from goe_lake.errors import ReleaseRefused

RELEASE_VERSION: Final = "release/1"
ENVELOPE_VERSION: Final = "envelope/1"
MOST_DEPTH: Final = 60
MOST_NODES: Final = 5_000
LEAST_RESOLUTION: Final = Decimal("1E-12")
MOST_FACTORS: Final = 4
MOST_MARGINS: Final = 32
MOST_RESOLUTION: Final = Decimal("1E9")
MOST_PLACES: Final = 12


class LiteralType(StrEnum):
    """The type of a constant; its value travels as text, exact as written."""

    NULL = "null"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    TEXT = "text"
    DATE = "date"
    PENDING = "pending"  # a value that an earlier round will release: it stands in plans, never in a request


_SPELLING: Final[Mapping[LiteralType, re.Pattern[str]]] = MappingProxyType(
    {
        LiteralType.NULL: re.compile(""),
        LiteralType.BOOLEAN: re.compile("true|false"),
        LiteralType.INTEGER: re.compile(r"-?[0-9]{1,38}"),
        LiteralType.DECIMAL: re.compile(
            r"-?([0-9]{1,20}(\.[0-9]{0,18})?|\.[0-9]{1,18})([eE][+-]?[0-9]{1,3})?"
        ),
        LiteralType.TEXT: re.compile(r"[^\x00]{0,1000}", re.DOTALL),
        LiteralType.DATE: re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
        LiteralType.PENDING: re.compile(r"n[0-9]{1,3}"),
    }
)


@dataclass(frozen=True)
class Operator:
    """How many operands an operator takes; *most* is None where there is no limit."""

    least: int
    most: int | None


def _takes(least: int, most: int | None = -1) -> Operator:
    return Operator(least, least if most == -1 else most)


# Everything that may be computed from a person's row. Each operator means what DuckDB's means,
# except that a failure (cast, overflow, division by zero) is NULL.
OPERATORS: Final[Mapping[str, Operator]] = MappingProxyType(
    {
        "and": _takes(2, None), "or": _takes(2, None), "not": _takes(1),
        "eq": _takes(2), "ne": _takes(2), "lt": _takes(2), "le": _takes(2), "gt": _takes(2), "ge": _takes(2),
        "is_null": _takes(1), "is_true": _takes(1), "is_false": _takes(1), "is_not_distinct": _takes(2),
        "in": _takes(2, None),
        "add": _takes(2), "sub": _takes(2), "mul": _takes(2), "div": _takes(2), "int_div": _takes(2),
        "mod": _takes(2), "neg": _takes(1),
        "abs": _takes(1), "floor": _takes(1), "ceil": _takes(1), "round": _takes(1, 2), "sign": _takes(1),
        "exp": _takes(1), "ln": _takes(1), "sqrt": _takes(1), "pow": _takes(2),
        "least": _takes(1, None), "greatest": _takes(1, None),
        "coalesce": _takes(1, None), "nullif": _takes(2), "case": _takes(2, None),
        "to_integer": _takes(1), "to_double": _takes(1), "to_boolean": _takes(1), "to_text": _takes(1),
        "lower": _takes(1), "upper": _takes(1), "concat": _takes(2, None), "length": _takes(1),
        "year": _takes(1), "month": _takes(1),  # of a date
        "like": _takes(2), "ilike": _takes(2), "starts_with": _takes(2), "substring": _takes(3),
        # the two last keys of a release: first and last step of the interval that a node counts a value in,
        # of a column, its lower bound, step, number of steps, and steps between two edges of the grid
        "bin_first": _takes(5), "bin_last": _takes(5),
    }
)  # fmt: skip


#: The ends of an interval that a node chooses.
INTERVALS: Final = ("bin_first", "bin_last")


@dataclass(frozen=True)
class ColumnRef:
    """A column of one of the release's scans, by the scan's alias.

    A factor of a sum may be a computed column (`computed.Computed`), by its name.
    """

    table: str
    column: str


@dataclass(frozen=True)
class Literal:
    """A constant."""

    type: LiteralType
    value: str

    def __post_init__(self) -> None:
        if not _SPELLING[self.type].fullmatch(self.value):
            raise ReleaseRefused("R101", f"a constant of type {self.type} is not written as one")


@dataclass(frozen=True)
class Call:
    """An operator of `OPERATORS` and its operands; `case` takes condition, value, …, perhaps a last else."""

    op: str
    args: tuple[Expr, ...]

    def __post_init__(self) -> None:
        operator = OPERATORS.get(self.op)
        if operator is None:
            raise ReleaseRefused("R102", f"operator {self.op!r} is not known")
        count = len(self.args)
        if count < operator.least or (operator.most is not None and count > operator.most):
            raise ReleaseRefused("R103", f"operator {self.op!r} does not take {count} operands")


Expr = ColumnRef | Literal | Call


@dataclass(frozen=True)
class Scan:
    """One use of a personal table, or of the site catalogue beneath a release."""

    table: str
    alias: str


@dataclass(frozen=True)
class Join:
    """An inner join of everything before with one more scan, on equal columns (earlier, joined)."""

    scan: Scan
    on: tuple[tuple[ColumnRef, ColumnRef], ...]


class OutputFunction(StrEnum):
    """What a per-person sub-aggregate makes of a person's rows."""

    ROWS = "rows"  # rows whose argument is not NULL; all rows without an argument
    SUM = "sum"
    MIN = "min"
    MAX = "max"


@dataclass(frozen=True)
class Weight:
    """What the argument is multiplied by on the rows of *where* (None: on all others)."""

    where: Expr | None
    factor: Decimal

    def __post_init__(self) -> None:
        if not self.factor.is_finite() or self.factor.adjusted() > 12 or _places(self.factor) > MOST_PLACES:
            raise ReleaseRefused("R104", f"a weight has at most {MOST_PLACES} decimal places")


@dataclass(frozen=True)
class Output:
    """One column of a per-person sub-aggregate: *function* of *argument* over the rows that *where* keeps.

    *weights*, of a sum, are tried in order, and the first whose condition holds counts; a row for which
    none does is left out.
    """

    name: str
    function: OutputFunction
    argument: ColumnRef | None = None
    where: Expr | None = None
    weights: tuple[Weight, ...] = ()

    def __post_init__(self) -> None:
        if self.function is not OutputFunction.ROWS and self.argument is None:
            raise ReleaseRefused("R104", f"{self.function} needs an argument")
        if self.weights and self.function is not OutputFunction.SUM:
            raise ReleaseRefused("R104", "only sums are weighted")
        if not re.fullmatch(r"o[0-9]{1,3}", self.name):
            raise ReleaseRefused("R105", "columns of a sub-aggregate are named o0, o1, …")


@dataclass(frozen=True)
class PerPerson:
    """Rows about persons brought down to one row a sample, which a release reads as *alias*.

    Its columns are those of *outputs*, NULL for a person without rows, and `present`: whether a row of
    the person meets the conditions (a conjunction).
    """

    alias: str
    relation: Relation
    conditions: tuple[Expr, ...] = ()
    outputs: tuple[Output, ...] = ()

    def __post_init__(self) -> None:
        if self.relation.derived:
            raise ReleaseRefused("R109", "a sub-aggregate reads no other sub-aggregate")
        names = [output.name for output in self.outputs]
        if len(set(names)) != len(names):
            raise ReleaseRefused("R105", "two columns of a sub-aggregate have one name")
        aliases = [scan.alias for scan in self.relation.scans]
        if len(set(aliases)) != len(aliases):
            raise ReleaseRefused("R105", "two scans have one alias")
        _check_expressions(self.expressions(), aliases)
        _check_stored(self.expressions())

    def expressions(self) -> Iterator[Expr]:
        """Every expression that reads a person's values."""
        yield from self.conditions
        for output in self.outputs:
            if output.where is not None:
                yield output.where
            yield from (weight.where for weight in output.weights if weight.where is not None)
            if output.argument is not None and output.argument.column != "sample_id":
                yield output.argument

    def digest(self) -> str:
        """What it computes, whatever it is called: sha256 of its canonical JSON."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return digest_of({**_per_person_to_json(self), "alias": ""})


#: The column of a sub-aggregate that says whether a person has a row.
PRESENT: Final = "present"


@dataclass(frozen=True)
class Relation:
    """The person-level rows beneath a release: a first scan, the joins to it, in order, and sub-aggregates.

    Each of *derived* adds its columns to every row of the person, and neither rows nor persons.
    """

    first: Scan
    joins: tuple[Join, ...] = ()
    derived: tuple[PerPerson, ...] = ()

    @property
    def scans(self) -> tuple[Scan, ...]:
        """Every scan, in the order of writing."""
        return (self.first, *(join.scan for join in self.joins))


class KeyDomain(StrEnum):
    """Whether the values of a key can be listed without looking at persons."""

    SITES = "sites"  # columns of the site list
    LABELS = "labels"  # public labels and expressions over them
    OPEN = "open"  # neither: which values occur depends on the persons


@dataclass(frozen=True)
class Key:
    """One grouping expression; its column in the cells is *name*."""

    name: str
    expression: Expr
    domain: KeyDomain


class MeasureFunction(StrEnum):
    """What is counted or summed over the rows of a cell; every result is a whole number."""

    ROWS = "rows"  # rows of which no factor is NULL; all rows without one
    PERSONS = "persons"  # distinct samples of such rows: one a person, mostly
    SUM = "sum"  # sum of the product of the factors, columns at their resolutions


@dataclass(frozen=True)
class Measure:
    """One number a cell: *function* of the product of *factors* over the rows that *where* keeps.

    The factors are at most four, of at most two columns (a column times itself stands twice), in the
    order of their names. A row of which one is NULL has no value. The cell holds a whole number: the
    value divided by *resolution*, which is the product of those of the factors.
    """

    name: str
    function: MeasureFunction
    factors: tuple[ColumnRef, ...] = ()
    where: Expr | None = None
    resolution: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        if self.function is MeasureFunction.SUM and not self.factors:
            raise ReleaseRefused("R104", "a sum needs an argument")
        if len(self.factors) > MOST_FACTORS or len(set(self.factors)) > 2:
            raise ReleaseRefused("R104", f"a product has at most {MOST_FACTORS} factors, of two columns")
        if self.factors != in_order(self.factors):
            raise ReleaseRefused("R104", "the factors of a product stand in the order of their names")
        if len(self.factors) > 1 and any(factor.column == "sample_id" for factor in self.factors):
            raise ReleaseRefused("R107", "sample_id joins and counts, and nothing else")
        self._check_computed()
        least, most = (limit ** max(1, len(self.factors)) for limit in (LEAST_RESOLUTION, MOST_RESOLUTION))
        if not least <= self.resolution <= most:
            raise ReleaseRefused("R104", f"a resolution lies within {least} and {most} here")

    def _check_computed(self) -> None:
        """A computed column is summed, squared, or multiplied with one that is made of other columns."""
        if not any(computed_column(factor.column) for factor in self.factors):
            return
        if self.function is not MeasureFunction.SUM:
            raise ReleaseRefused("R110", "a computed column is summed, and nothing else")
        if too_involved(self.factors):
            raise ReleaseRefused(
                "R110", "a computed column is multiplied with itself once, or with another column"
            )

    @property
    def values(self) -> tuple[ColumnRef, ...]:
        """The columns whose values the measure reads, each once; counting samples reads none."""
        return tuple(dict.fromkeys(factor for factor in self.factors if factor.column != "sample_id"))

    @property
    def conditions(self) -> tuple[Expr, ...]:
        """The parts of its filter; none where it has none."""
        return conjuncts(self.where) if self.where is not None else ()


def too_involved(factors: tuple[ColumnRef, ...]) -> bool:
    """Whether a product with a computed column has more than two factors, or two forms of one column."""
    if not any(computed_column(factor.column) for factor in factors):
        return False
    read = [column for factor in set(factors) for column in stored_in(factor)]
    return len(factors) > 2 or len(set(read)) < len(read)


def stored_in(column: ColumnRef) -> tuple[ColumnRef, ...]:
    """The stored columns that *column* is made of: itself, where it is one."""
    return tuple(ColumnRef(column.table, name) for name in stored_columns(column.column))


def stored_below(ratio: ColumnRef) -> tuple[ColumnRef, ...]:
    """The columns that the ratio by person *ratio* divides by."""
    made = computed_column(ratio.column)
    assert made is not None
    return tuple(ColumnRef(ratio.table, name) for _, name in made.sides[1])


def value_of(column: ColumnRef) -> Expr:
    """*column* as an expression over stored columns, where it is a ratio by person; else itself."""
    made = computed_column(column.column)
    if made is None or not made.by_person:
        return column
    top, bottom = (_added(column.table, side) for side in made.sides)
    return Call("div", (top, Call("nullif", (bottom, Literal(LiteralType.INTEGER, "0")))))


def _added(table: str, terms: tuple[tuple[int, str], ...]) -> Expr:
    parts = [(sign, Call("to_double", (ColumnRef(table, name),))) for sign, name in terms]
    (sign, first), *rest = parts
    made: Expr = first if sign > 0 else Call("neg", (first,))
    for sign, part in rest:
        made = Call("add" if sign > 0 else "sub", (made, part))
    return made


def in_order(factors: Iterable[ColumnRef]) -> tuple[ColumnRef, ...]:
    """The factors of a product in the one order in which they are written."""
    return tuple(sorted(factors, key=lambda column: (column.table, column.column)))


class CellKind(StrEnum):
    """Whether a cell can be read on arrival, or only the sum of all nodes' cells."""

    OPEN = "open"
    SEALED = "sealed"


@dataclass(frozen=True)
class Release:
    """A request to one node: which rows, which cells, which numbers in each.

    *conditions* are a conjunction. *margins* are the coarser groupings by some of the keys, each a list of
    their names, whose cells are asked for as well. Raises ReleaseRefused where the parts do not fit together.
    """

    relation: Relation
    conditions: tuple[Expr, ...]
    keys: tuple[Key, ...]
    measures: tuple[Measure, ...]
    cells: CellKind = CellKind.OPEN
    margins: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        aliases = [scan.alias for scan in self.relation.scans]
        aliases += [part.alias for part in self.relation.derived]
        if len(set(aliases)) != len(aliases):
            raise ReleaseRefused("R105", "two scans have one alias")
        names = [*(key.name for key in self.keys), *(measure.name for measure in self.measures)]
        if len(set(names)) != len(names) or not all(re.fullmatch(r"[km][0-9]{1,3}", name) for name in names):
            raise ReleaseRefused("R105", "keys are named k0, k1, … and measures m0, m1, …, each once")
        if not self.measures:
            raise ReleaseRefused("R105", "a release without measures asks for nothing")
        keys = {key.name for key in self.keys}
        if len(self.margins) > MOST_MARGINS or not all(set(margin) < keys for margin in self.margins):
            raise ReleaseRefused("R105", "a margin is a grouping by some of the keys, and not by all")
        _check_expressions(self.expressions(), aliases)
        beside_sums = (self.conditions, (key.expression for key in self.keys), map(_where, self.measures))
        for expressions in beside_sums:
            _check_stored(part for part in expressions if part is not None)

    def cell_columns(self) -> tuple[str, ...]:
        """The columns of its cells: the keys, then each measure (a whole number), and whether it is withheld.

        So is whether it is `≈`; sealed cells, once opened, have a lower bound too.
        """
        of_measure = [withheld_column, approx_column]
        of_measure += [lower_column] if self.cells is CellKind.SEALED else []
        told = ((measure.name, *(column(measure.name) for column in of_measure)) for measure in self.measures)
        return (*(key.name for key in self.keys), *(name for columns in told for name in columns))

    def expressions(self) -> Iterator[Expr]:
        """Every expression that reads a person's values; identities of persons are in none."""
        yield from self.conditions
        yield from (key.expression for key in self.keys)
        for measure in self.measures:
            if measure.where is not None:
                yield measure.where
            yield from measure.values

    def to_json(self) -> dict[str, Any]:
        """The release as plain JSON values (`release/1`)."""
        return {
            "version": RELEASE_VERSION,
            "relation": _relation_to_json(self.relation),
            "conditions": [expr_to_json(condition) for condition in self.conditions],
            "keys": [
                {"name": key.name, "expression": expr_to_json(key.expression), "domain": key.domain.value}
                for key in self.keys
            ],
            "measures": [
                {
                    "name": measure.name,
                    "function": measure.function.value,
                    "factors": [expr_to_json(factor) for factor in measure.factors],
                    "where": expr_to_json(measure.where) if measure.where is not None else None,
                    "resolution": str(measure.resolution),
                }
                for measure in self.measures
            ],
            "cells": self.cells.value,
            **({"margins": [list(margin) for margin in self.margins]} if self.margins else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Release:
        """The release that *data* writes; ReleaseRefused for anything that is not one."""
        try:
            return _release_from_json(data)
        except ReleaseRefused:
            raise
        except (KeyError, TypeError, ValueError, ArithmeticError, RecursionError):
            raise ReleaseRefused("R100", f"this is not a {RELEASE_VERSION}") from None

    def digest(self) -> str:
        """The release's identity: sha256 of its canonical JSON."""
        return digest_of(self.to_json())


def digest_of(data: object) -> str:
    """sha256 of the canonical JSON of *data*, in hex."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def columns_in(expression: Expr) -> Iterator[ColumnRef]:
    """Every column that *expression* reads, in order, repeats included."""
    if isinstance(expression, ColumnRef):
        yield expression
    elif isinstance(expression, Call):
        for argument in expression.args:
            yield from columns_in(argument)


def calls_in(expression: Expr) -> Iterator[Call]:
    """Every operator in *expression*, repeats included."""
    if isinstance(expression, Call):
        yield expression
        for argument in expression.args:
            yield from calls_in(argument)


def pending_in(expression: Expr) -> Iterator[str]:
    """The names of the constants in *expression* that an earlier round must release first."""
    if isinstance(expression, Literal) and expression.type is LiteralType.PENDING:
        yield expression.value
    elif isinstance(expression, Call):
        for argument in expression.args:
            yield from pending_in(argument)


def fixed_columns(conditions: Iterable[Expr]) -> frozenset[str]:
    """The columns, by their bare names, that one of *conditions* says to equal a constant."""
    return frozenset(
        column.column
        for condition in conditions
        if isinstance(condition, Call) and condition.op == "eq"
        for column, value in (condition.args, condition.args[::-1])
        if isinstance(column, ColumnRef) and isinstance(value, Literal)
    )


def conjuncts(expression: Expr) -> tuple[Expr, ...]:
    """The parts of a conjunction, nested ones flattened."""
    if isinstance(expression, Call) and expression.op == "and":
        return tuple(part for argument in expression.args for part in conjuncts(argument))
    return (expression,)


def withheld_column(measure: str) -> str:
    """The column of cells that says whether *measure* is withheld there."""
    return f"{measure}_withheld"


def approx_column(measure: str) -> str:
    """The column of cells that says whether a condition of *measure* was left out there."""
    return f"{measure}_approx"


def _check_expressions(expressions: Iterator[Expr], aliases: list[str]) -> None:
    for expression in expressions:
        _check_size(expression)
        for column in columns_in(expression):
            if column.table not in aliases:
                raise ReleaseRefused("R106", f"no scan is called {column.table!r}")
            if column.column == "sample_id":
                raise ReleaseRefused("R107", "sample_id joins and counts, and nothing else")


def _check_stored(expressions: Iterable[Expr]) -> None:
    for expression in expressions:
        interval = isinstance(expression, Call) and expression.op in INTERVALS
        made = (computed_column(column.column) for column in columns_in(expression))
        if any(its is not None and not (interval and its.by_person) for its in made):
            raise ReleaseRefused("R110", "a computed column is summed, and nothing else")


def _where(measure: Measure) -> Expr | None:
    return measure.where


def _places(number: Decimal) -> int:
    """The decimal places of *number*."""
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def lower_column(measure: str) -> str:
    """The column of opened cells with a lower bound of a count, *measure*, where it is withheld."""
    return f"{measure}_lower"


def _check_size(expression: Expr) -> None:
    """Refuse expressions so large or deep that reading them is itself an attack."""
    level: list[Expr] = [expression]
    total = 0
    for _ in range(MOST_DEPTH):
        total += len(level)
        level = [argument for item in level if isinstance(item, Call) for argument in item.args]
        if not level:
            break
    if level or total > MOST_NODES:
        raise ReleaseRefused("R108", "an expression is too large")


def expr_to_json(expression: Expr) -> dict[str, Any]:
    """One expression as JSON values."""
    match expression:
        case ColumnRef(table, column):
            return {"column": [table, column]}
        case Literal(type_, value):
            _check_known(type_)
            return {"literal": [type_.value, value]}
        case Call(op, args):
            return {"op": op, "args": [expr_to_json(argument) for argument in args]}


def _check_known(kind: LiteralType) -> None:
    if kind is LiteralType.PENDING:
        raise ReleaseRefused("R101", "a constant has no value yet")


def expr_from_json(data: Mapping[str, Any], depth: int = 0) -> Expr:
    """The expression that *data* writes; ReleaseRefused or KeyError for anything else."""
    if depth > MOST_DEPTH:
        raise ReleaseRefused("R108", "an expression is too large")
    if set(data) == {"column"}:
        table, column = data["column"]
        return ColumnRef(_identifier(table), column if _is_computed(column) else _identifier(column))
    if set(data) == {"literal"}:
        kind, value = data["literal"]
        _check_known(LiteralType(kind))
        return Literal(LiteralType(kind), _text(value))
    if set(data) == {"op", "args"}:
        return Call(_text(data["op"]), tuple(expr_from_json(item, depth + 1) for item in data["args"]))
    raise ReleaseRefused("R100", "an expression is a column, a literal or an operator")


def _release_from_json(data: Mapping[str, Any]) -> Release:
    optional = {"margins"} & set(data)
    _fields(data, {"version", "relation", "conditions", "keys", "measures", "cells"} | optional)
    if data["version"] != RELEASE_VERSION:
        raise ReleaseRefused("R100", f"this node reads {RELEASE_VERSION}")
    return Release(
        _relation_from_json(data["relation"]),
        tuple(expr_from_json(condition) for condition in data["conditions"]),
        tuple(_key_from_json(key) for key in data["keys"]),
        tuple(_measure_from_json(measure) for measure in data["measures"]),
        CellKind(data["cells"]),
        tuple(tuple(_text(name) for name in _list(margin)) for margin in _list(data.get("margins", []))),
    )


def _relation_to_json(relation: Relation) -> dict[str, Any]:
    return {
        "first": _scan_to_json(relation.first),
        "joins": [
            {
                "scan": _scan_to_json(join.scan),
                "on": [[expr_to_json(left), expr_to_json(right)] for left, right in join.on],
            }
            for join in relation.joins
        ],
        "derived": [_per_person_to_json(part) for part in relation.derived],
    }


def _relation_from_json(data: Mapping[str, Any], depth: int = 0) -> Relation:
    _fields(data, {"first", "joins", "derived"})
    if depth and data["derived"]:
        raise ReleaseRefused("R109", "a sub-aggregate reads no other sub-aggregate")
    return Relation(
        _scan_from_json(data["first"]),
        tuple(_join_from_json(join) for join in data["joins"]),
        tuple(_per_person_from_json(part) for part in data["derived"]),
    )


def _per_person_to_json(part: PerPerson) -> dict[str, Any]:
    return {
        "alias": part.alias,
        "relation": _relation_to_json(part.relation),
        "conditions": [expr_to_json(condition) for condition in part.conditions],
        "outputs": [_output_to_json(output) for output in part.outputs],
    }


def _per_person_from_json(data: Mapping[str, Any]) -> PerPerson:
    _fields(data, {"alias", "relation", "conditions", "outputs"})
    return PerPerson(
        _identifier(data["alias"]),
        _relation_from_json(data["relation"], depth=1),
        tuple(expr_from_json(condition) for condition in data["conditions"]),
        tuple(_output_from_json(output) for output in data["outputs"]),
    )


def _output_to_json(output: Output) -> dict[str, Any]:
    return {
        "name": output.name,
        "function": output.function.value,
        "argument": expr_to_json(output.argument) if output.argument else None,
        "where": _optional_to_json(output.where),
        "weights": [[_optional_to_json(weight.where), f"{weight.factor:f}"] for weight in output.weights],
    }


def _output_from_json(data: Mapping[str, Any]) -> Output:
    _fields(data, {"name", "function", "argument", "where", "weights"})
    return Output(
        _text(data["name"]),
        OutputFunction(data["function"]),
        _column(data["argument"]) if data["argument"] is not None else None,
        _optional_from_json(data["where"]),
        tuple(
            Weight(_optional_from_json(where), Decimal(_text(factor))) for where, factor in data["weights"]
        ),
    )


def _optional_to_json(expression: Expr | None) -> dict[str, Any] | None:
    return expr_to_json(expression) if expression is not None else None


def _optional_from_json(data: Mapping[str, Any] | None) -> Expr | None:
    return expr_from_json(data) if data is not None else None


def _scan_to_json(scan: Scan) -> dict[str, str]:
    return {"table": scan.table, "alias": scan.alias}


def _scan_from_json(data: Mapping[str, Any]) -> Scan:
    _fields(data, {"table", "alias"})
    return Scan(_identifier(data["table"]), _identifier(data["alias"]))


def _join_from_json(data: Mapping[str, Any]) -> Join:
    _fields(data, {"scan", "on"})
    pairs = tuple((_column(left), _column(right)) for left, right in data["on"])
    return Join(_scan_from_json(data["scan"]), pairs)


def _key_from_json(data: Mapping[str, Any]) -> Key:
    _fields(data, {"name", "expression", "domain"})
    return Key(_text(data["name"]), expr_from_json(data["expression"]), KeyDomain(data["domain"]))


def _measure_from_json(data: Mapping[str, Any]) -> Measure:
    _fields(data, {"name", "function", "factors", "where", "resolution"})
    return Measure(
        _text(data["name"]),
        MeasureFunction(data["function"]),
        tuple(_column(factor) for factor in _list(data["factors"])),
        expr_from_json(data["where"]) if data["where"] is not None else None,
        Decimal(_text(data["resolution"])),
    )


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ReleaseRefused("R100", "a list is wanted here")
    return value


def _column(data: Mapping[str, Any]) -> ColumnRef:
    column = expr_from_json(data)
    if not isinstance(column, ColumnRef):
        raise ReleaseRefused("R100", "a column is wanted here")
    return column


def _fields(data: Mapping[str, Any], names: set[str]) -> Mapping[str, Any]:
    if not isinstance(data, dict) or set(data) != names:
        raise ReleaseRefused("R100", f"this is not a {RELEASE_VERSION}")
    return data


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ReleaseRefused("R100", "a text is wanted here")
    return value


def _is_computed(value: object) -> bool:
    return isinstance(value, str) and computed_column(value) is not None


def _identifier(value: object) -> str:
    text = _text(value)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", text):
        raise ReleaseRefused("R100", "a name is made of letters, digits and _")
    return text


class Status(StrEnum):
    """What a value in an answer is worth."""

    OK = "ok"  # equal to the pooled value
    WITHHELD = "withheld"  # not shown: too few persons behind it, or it would tell such a number
    BOUNDED = "bounded"  # not shown, but a lower bound is known, and perhaps an upper one
    APPROX = "approx"  # a value near the pooled one; the envelope says why
    PARTIAL = "partial"  # read a withheld value on its way


@dataclass(frozen=True)
class Receipt:
    """What a node says of the release it answered; no number in it comes from persons."""

    node_id: str
    snapshot_id: str
    release_digest: str
    cells_digest: str
    min_persons: int

    def to_json(self) -> dict[str, Any]:
        """The receipt as plain JSON values."""
        return dict(vars(self))


@dataclass(frozen=True)
class NodeReport:
    """How one node took part in an answer."""

    node_id: str
    country: str
    status: str  # answered, failed, refused or not_asked
    snapshot_id: str | None
    min_persons: int | None
    protection: str = "on"


@dataclass(frozen=True)
class ColumnReport:
    """One output column: its type, its unit, and the worst status of its cells."""

    name: str
    type: str
    unit: str
    status: Status


@dataclass(frozen=True)
class BudgetLeft:
    """What is left of a project's day at a node; *renews* is when the next day begins (UTC)."""

    queries: int
    cells: int
    rare_sites: int
    renews: str

    def least(self, other: BudgetLeft) -> BudgetLeft:
        """What is left at both of two nodes."""
        return BudgetLeft(
            min(self.queries, other.queries),
            min(self.cells, other.cells),
            min(self.rare_sites, other.rare_sites),
            max(self.renews, other.renews),
        )

    def to_json(self) -> dict[str, Any]:
        """What is left as plain JSON values."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, data: object) -> BudgetLeft | None:
        """What `to_json` wrote, None for None; ValueError or TypeError for anything else."""
        if data is None:
            return None
        if not isinstance(data, dict):
            raise ValueError("this is no budget")
        left = cls(**data)
        if not all(type(value) is int for value in (left.queries, left.cells, left.rare_sites)):
            raise ValueError("this is no budget")
        return left


@dataclass(frozen=True)
class Spread:
    """How far the numbers of a node's answer may be from the exact ones, by the names of their measures.

    *rounded*: every number, at most so many steps of the measure's resolution. *noisy*: discrete
    Laplace noise of such a scale, in the same steps.
    """

    kind: str
    by_measure: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """The spread as plain JSON values."""
        return {"kind": self.kind, "by_measure": dict(self.by_measure)}

    @classmethod
    def from_json(cls, data: object) -> Spread | None:
        """What `to_json` wrote, None for None; ValueError for anything else."""
        if data is None:
            return None
        if not isinstance(data, dict) or set(data) != {"kind", "by_measure"}:
            raise ValueError("this is no spread")
        by_measure = {str(name): float(value) for name, value in dict(data["by_measure"]).items()}
        if data["kind"] not in ("rounded", "noisy") or not all(value >= 0 for value in by_measure.values()):
            raise ValueError("this is no spread")
        return cls(data["kind"], by_measure)


@dataclass(frozen=True)
class Margin:
    """How far a column may be from the exact values, in its own unit, with at least *confidence* (0..1).

    *column* is the output column, or None where the number of the nodes is computed with further.
    """

    column: str | None
    number: str
    within: str
    confidence: float


@dataclass(frozen=True)
class Bound:
    """The known bounds of one value that is not shown, or approximate; *row* counts from 0."""

    row: int
    column: str
    lower: str
    upper: str | None


@dataclass(frozen=True)
class Envelope:
    """What comes with every answer: who answered from which snapshots, and what each value is worth.

    *rows* is 'partial' where a condition, ORDER BY or LIMIT read a withheld value, so that rows may be
    missing or others may stand in their place; 'approx' where one read an approximate value, so that the
    exact ones may choose other rows. *budget_left* is the smallest over the nodes that keep one.
    """

    query_id: str
    nodes: tuple[NodeReport, ...]
    columns: tuple[ColumnReport, ...]
    rows: Status
    bounds: tuple[Bound, ...] = ()
    not_shown: tuple[Mapping[str, str | bool | None], ...] = ()
    notices: tuple[str, ...] = field(default=())
    budget_left: BudgetLeft | None = None
    margins: tuple[Margin, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The envelope as plain JSON values (`envelope/1`)."""
        return {
            "version": ENVELOPE_VERSION,
            "query_id": self.query_id,
            "nodes": [dict(vars(node)) for node in self.nodes],
            "columns": [{**vars(column), "status": column.status.value} for column in self.columns],
            "rows": self.rows.value,
            "bounds": [dict(vars(bound)) for bound in self.bounds],
            "not_shown": [dict(combination) for combination in self.not_shown],
            "notices": list(self.notices),
            "budget_left": self.budget_left.to_json() if self.budget_left else None,
            "margins": [dict(vars(margin)) for margin in self.margins],
        }
