"""Columns that are computed from the columns of a person: logarithms, roots, reciprocals and ratios.

Such a column is rounded to at most 4,096 levels of its public interval, so that it tells no more of a person
than a measured one. Which there are is fixed: a function with a number of the asker's choice (`exp(a * x)`)
would be as many functions as numbers, and their sums could be solved for the persons.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from enum import StrEnum
from typing import Final

from goe_lake.catalog import Column, ColumnType

#: The most levels that a computed column is rounded to.
LEVELS: Final = 4096
#: Stands between a function and the columns it is of; no column's own name holds it.
MARK: Final = "$"
NAME: Final = re.compile(r"[a-z_]{1,20}(\$[a-z_][a-z0-9_]{0,62}){1,2}")
_CONTEXT: Final = Context(prec=30)
_MEASURED: Final = frozenset({ColumnType.DOUBLE, ColumnType.INTEGER})


class Function(StrEnum):
    """What may be computed of a person's columns."""

    LN = "ln"
    LN_OF_ONE_MORE = "ln_of_one_more"  # ln(x + 1)
    SQRT = "sqrt"
    INVERSE = "inverse"  # 1 / x
    RATIO = "ratio"  # x / y
    RATIO_TO_SQUARE = "ratio_to_square"  # x / (y * y)
    RATIO_BY_PERSON = "ratio_by_person"  # of sums and differences of a sub-aggregate's columns


#: How many columns each function reads.
_READS: Final[Mapping[Function, int]] = {
    **dict.fromkeys(Function, 1),
    Function.RATIO: 2,
    Function.RATIO_TO_SQUARE: 2,
    Function.RATIO_BY_PERSON: 2,
}
#: What is added up in a ratio by person: `o0_o2_mo1` is o0 + o2 - o1.
_SIDE: Final = re.compile(r"m?o[0-9]{1,3}(_m?o[0-9]{1,3}){0,3}")
#: Ratios by person are whole numbers of this step, within so much, of so many binary digits.
RATIO_STEP: Final = Decimal("1E-9")
MOST_RATIO: Final = Decimal("1E5")
RATIO_DIGITS: Final = 11
_SQL: Final[Mapping[Function, str]] = {
    Function.LN: "ln({0})",
    Function.LN_OF_ONE_MORE: "ln({0} + 1)",
    Function.SQRT: "sqrt({0})",
    Function.INVERSE: "1 / {0}",
    Function.RATIO: "{0} / {1}",
    Function.RATIO_TO_SQUARE: "{0} / ({1} * {1})",
    Function.RATIO_BY_PERSON: "{0} / nullif({1}, 0)",
}


class Unbounded(ValueError):
    """A function has no finite interval over the public bounds of its columns; the text names the bound."""


@dataclass(frozen=True)
class Computed:
    """A *function* of *columns* of the table `samples`; or, by person, of columns of a sub-aggregate.

    By person the two *columns* each write what is added up: `m` says that the one after it is taken off.
    """

    function: Function
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.columns) != _READS[self.function] or len(set(self.columns)) != len(self.columns):
            raise ValueError(f"{self.function} does not take {len(self.columns)} columns")
        if self.by_person and not all(map(_SIDE.fullmatch, self.columns)):
            raise ValueError(f"{self.columns} are no sums of columns by person")

    @property
    def by_person(self) -> bool:
        """Whether it is of columns of a sub-aggregate."""
        return self.function is Function.RATIO_BY_PERSON

    @property
    def sides(self) -> tuple[tuple[tuple[int, str], ...], ...]:
        """The columns that are added up (1) and taken off (-1), by person above and below the line."""
        return tuple(
            tuple((-1 if term[0] == "m" else 1, term.removeprefix("m")) for term in side.split("_"))
            for side in self.columns
        )

    @property
    def stored(self) -> tuple[str, ...]:
        """The stored columns, each once."""
        if not self.by_person:
            return self.columns
        return tuple(dict.fromkeys(name for side in self.sides for _, name in side))

    @property
    def name(self) -> str:
        """What the column is called in a release."""
        return MARK.join((self.function.value, *self.columns))

    def sql(self, *columns: str) -> str:
        """The function of SQL *columns*, before it is rounded."""
        return _SQL[self.function].format(*columns)

    def describe(self, columns: Mapping[str, Column]) -> Column:
        """The public facts of the column: its interval, and the step that it is rounded to.

        Raises Unbounded where a column has no bounds, or bounds of which the function has no value.
        """
        if self.by_person:
            return self._describe_by_person(columns)
        read = [columns[name] for name in self.columns]
        for column in read:
            if column.type not in _MEASURED or column.bounds is None:
                raise Unbounded(f"{column.name} has no public bounds")
        low, high = self._interval(*read)
        step = _step(low, high)
        edges = tuple(
            (end / step).to_integral_value(rounding) * step
            for end, rounding in ((low, ROUND_FLOOR), (high, ROUND_CEILING))
        )
        name = "_".join((self.function.value, *self.columns))
        text = self.sql(*self.columns)
        nullable = any(column.nullable for column in read)
        return Column(
            name, ColumnType.DOUBLE, text, bounds=(edges[0], edges[1]), resolution=step, nullable=nullable
        )

    def _describe_by_person(self, columns: Mapping[str, Column]) -> Column:
        for name in self.stored:
            if columns[name].type not in _MEASURED:
                raise Unbounded(f"{name} is not a number")
        name = "_".join((self.function.value, *self.columns))
        ends = (-MOST_RATIO, MOST_RATIO)
        return Column(name, ColumnType.DOUBLE, "a ratio by person", bounds=ends, resolution=RATIO_STEP)

    def _interval(self, *read: Column) -> tuple[Decimal, Decimal]:
        """The least and largest value over the bounds of the columns."""
        low, high = _bounds(read[-1])
        least = Decimal(-1 if self.function is Function.LN_OF_ONE_MORE else 0)
        if low < least or (low == least and self.function is not Function.SQRT):
            compared = "is below" if self.function is Function.SQRT else "is not above"
            raise Unbounded(f"the public lower bound of {read[-1].name}, {low}, {compared} {least}")
        match self.function:
            case Function.LN:
                return low.ln(_CONTEXT), high.ln(_CONTEXT)
            case Function.LN_OF_ONE_MORE:
                return (low + 1).ln(_CONTEXT), (high + 1).ln(_CONTEXT)
            case Function.SQRT:
                return low.sqrt(_CONTEXT), high.sqrt(_CONTEXT)
            case Function.INVERSE:
                return _over(Decimal(1), high), _over(Decimal(1), low)
        divisors = (low, high) if self.function is Function.RATIO else (low * low, high * high)
        corners = [_over(top, divisor) for top in _bounds(read[0]) for divisor in divisors]
        return min(corners), max(corners)


def computed_column(name: str) -> Computed | None:
    """The computed column that is called *name*; None for one that is stored, or for no such function."""
    if not NAME.fullmatch(name):
        return None
    function, *columns = name.split(MARK)
    try:
        return Computed(Function(function), tuple(columns))
    except ValueError:
        return None


def column_of(columns: Mapping[str, Column], name: str) -> Column:
    """The column *name* of `samples` or another table: one of *columns*, or what is computed of them.

    Raises KeyError for a column that there is not, Unbounded as `Computed.describe` does.
    """
    made = computed_column(name)
    return columns[name] if made is None else made.describe(columns)


def stored_columns(name: str) -> tuple[str, ...]:
    """The stored columns that the column *name* is made of: itself, where it is one."""
    made = computed_column(name)
    return (name,) if made is None else made.stored


def _bounds(column: Column) -> tuple[Decimal, Decimal]:
    assert column.bounds is not None
    return column.bounds


def _over(top: Decimal, bottom: Decimal) -> Decimal:
    return _CONTEXT.divide(top, bottom)


def _step(low: Decimal, high: Decimal) -> Decimal:
    """The least of 1, 2 and 5 times a power of ten that makes at most `LEVELS` steps of the interval."""
    width = high - low
    if width <= 0:
        raise Unbounded("the public bounds hold one value")
    exponent = (width / LEVELS).adjusted()
    return next(
        step
        for power in (exponent, exponent + 1)
        for digit in (1, 2, 5)
        if width <= (step := Decimal(digit).scaleb(power)) * (LEVELS - 2)
    )
