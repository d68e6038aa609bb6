"""From the text of a value to what the lake stores: whole numbers of steps, labels, truths and dates.

Numbers are scaled in decimal from their text, so 24.565 at a step of 0.01 is 2456 and not what a
binary fraction would make of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from math import ceil, floor
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from goe_lake.catalog import Column, ColumnType
from goe_lake.config import NodeConfig
from goe_lake.errors import ConfigError, InputError
from goe_lake.lake.quarantine import RAISE_LIMIT
from goe_lake.vcf.arrow import Indexes, Vector, array

Stored = int | bool | str | date
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
LARGEST: Final = 2**63 - 1
_EPOCH: Final = date(1970, 1, 1)

ARROW_TYPES: Final[Mapping[ColumnType, pa.DataType]] = {
    ColumnType.DOUBLE: pa.int64(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.LABEL: pa.string(),
    ColumnType.DATE: pa.date32(),
    ColumnType.PERSON: pa.string(),
}


class Unfit(Exception):
    """A value cannot be stored; the text is the reason as the quarantine names it."""


@dataclass(frozen=True)
class Misfit:
    """A value that was put aside: *row* is its place in the input, from 0."""

    row: int
    reason: str
    value: str


@dataclass(frozen=True)
class Scale:
    """Numbers as whole multiples of *step*, inside *bounds* (both included) where these are given."""

    step: Fraction
    bounds: tuple[Decimal, Decimal] | None = None

    @cached_property
    def _ends(self) -> tuple[int, int] | None:
        """The lowest and the highest number of steps inside the bounds."""
        if self.bounds is None:
            return None
        return ceil(Fraction(self.bounds[0]) / self.step), floor(Fraction(self.bounds[1]) / self.step)

    @cached_property
    def _parts(self) -> tuple[int, int]:
        return self.step.numerator, self.step.denominator

    def read(self, text: str) -> int:
        """The number in *text* in steps, half to even.

        Raises Unfit where it is no number or lies outside the bounds, before or after rounding.

        >>> Scale(Fraction(1, 100)).read("24.565"), Scale(Fraction(1, 100)).read("24.575")
        (2456, 2458)
        """
        if not _NUMBER.fullmatch(text):
            raise Unfit("not_a_number")
        number = Decimal(text)
        if self.bounds is not None and not self.bounds[0] <= number <= self.bounds[1]:
            raise Unfit("out_of_bounds")
        top, bottom = number.as_integer_ratio()
        over, under = self._parts
        divisor = bottom * over
        steps, rest = divmod(top * under, divisor)
        steps += 2 * rest > divisor or (2 * rest == divisor and steps % 2)
        if self._ends is not None and not self._ends[0] <= steps <= self._ends[1]:
            raise Unfit("out_of_bounds")
        return steps


def reader_of(column: Column) -> Callable[[str], Stored]:
    """How values of *column* are read from text; the function raises Unfit."""
    if column.type is ColumnType.DOUBLE:
        return Scale(column.step, column.bounds).read
    if column.type is ColumnType.INTEGER:
        scale = Scale(column.step, column.bounds)
        return lambda text: _whole(text, scale)
    if column.type is ColumnType.BOOLEAN:
        return _truth
    if column.type is ColumnType.DATE:
        return lambda text: _day(text, column)
    return lambda text: _label(text, column)


def _whole(text: str, scale: Scale) -> int:
    if _NUMBER.fullmatch(text) and Fraction(Decimal(text)).denominator != 1:
        raise Unfit("not_a_whole_number")
    return scale.read(text)


def _truth(text: str) -> bool:
    lower = text.lower()
    if lower not in ("true", "false"):
        raise Unfit("not_true_or_false")
    return lower == "true"


def _day(text: str, column: Column) -> date:
    if not _DATE.fullmatch(text):
        raise Unfit("not_a_date")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Unfit("not_a_date") from None
    # dates are measured in days since 1970-01-01, and so are their bounds
    if column.bounds is not None and not column.bounds[0] <= (day - _EPOCH).days <= column.bounds[1]:
        raise Unfit("out_of_bounds")
    return day


def _label(text: str, column: Column) -> str:
    if column.values is not None and text not in column.values:
        raise Unfit("not_a_declared_value")
    return text


def check_fits(config: NodeConfig, setting: str, bounds: tuple[Decimal, Decimal], step: Fraction) -> None:
    """Raise ConfigError where a value inside *bounds* could have more steps than 64 bits hold."""
    if Fraction(max(map(abs, bounds))) / step > LARGEST:
        raise ConfigError(
            config.file,
            f"{setting}.resolution",
            "is too fine for the bounds: a value would not fit 64 bits",
            "give a coarser resolution, or narrower bounds",
        )


def check_share(
    config: NodeConfig, path: Path, name: str, misfits: Sequence[Misfit], filled: int, setting: str
) -> None:
    """Raise InputError where more of *filled* values of a column were put aside than the node allows."""
    if len(misfits) > config.max_quarantined * filled:
        first = misfits[0]
        raise InputError(
            path,
            f"{len(misfits)} of {filled} values of {name} cannot be used, "
            f"e.g. {first.value!r} ({first.reason})",
            f"mend them (a missing value is an empty field), change [{setting}], or {RAISE_LIMIT}",
            f"row {first.row + 1}",
        )


def read_column(texts: Vector, column: Column) -> tuple[Vector, list[Misfit]]:
    """The stored form of *texts*, NULL where empty or put aside, and what was put aside."""
    coded = texts.dictionary_encode()
    read = reader_of(column)
    stored: list[Stored | None] = []
    reasons: dict[int, str] = {}
    for code, text in enumerate(coded.dictionary.to_pylist()):
        try:
            stored.append(read(text))
        except Unfit as misfit:
            stored.append(None)
            reasons[code] = str(misfit)
    codes = coded.indices
    found = array(stored, ARROW_TYPES[column.type]).take(codes)
    return found, _misfits(codes, coded.dictionary, reasons)


def _misfits(codes: Vector, dictionary: Vector, reasons: Mapping[int, str]) -> list[Misfit]:
    if not reasons:
        return []
    numbers: Indexes = codes.fill_null(-1).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(np.isin(numbers, list(reasons)))
    return [
        Misfit(int(row), reasons[int(numbers[row])], dictionary[int(numbers[row])].as_py()) for row in rows
    ]
