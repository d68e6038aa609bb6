"""Constants that stand in the query itself: numbers, VALUES, and ranges of numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from goe_lake.query.refusals import Code, refusal
from goe_lake.query.steps import DIALECT, PlainStep

MOST_NUMBERS = 1_000_000


def constant_rows(item: exp.Expr, name: str, columns: tuple[str, ...]) -> PlainStep:
    """The step of VALUES or of range() in FROM."""
    if isinstance(item, exp.Values):
        width = len(item.expressions[0].expressions)
        made = tuple(f"col{place}" for place in range(width))
        for part in item.find_all(exp.Column, exp.Query, exp.AggFunc, exp.Window):
            if part is not item:
                raise refusal(Code.CONSTANT, part, "VALUES holds something else than constants", "use SELECT")
        rows = ", ".join(row.sql(DIALECT) for row in item.expressions)
        text = f"VALUES {rows}"
    else:
        series = item.this
        _check_range(series)
        word = "range" if series.args.get("is_end_exclusive") else "generate_series"
        made = (word,)
        text = f"FROM {series.sql(DIALECT)}"
    names = (*columns, *made[len(columns) :])
    if len(names) != len(made):
        raise refusal(Code.UNKNOWN_COLUMN, item, "there are more names than columns", "name each column once")
    listed = ", ".join(exp.to_identifier(part, quoted=True).sql(DIALECT) for part in names)
    return PlainStep(
        name, f"SELECT * FROM ({text}) AS t({listed})", frozenset(), names, tuple("" for _ in names)
    )


def _check_range(series: exp.GenerateSeries) -> None:
    """A range runs between whole numbers that stand in the text, and is not endless."""
    values = [series.args.get(part) for part in ("start", "end", "step")]
    numbers = [_whole(value) for value in values if value is not None]
    if None in numbers:
        raise refusal(Code.CONSTANT, series, "the range is not of whole numbers", "e.g. range(0, 100, 10)")
    start, end, step = (
        (*(number or 0 for number in numbers), 1)[:3] if len(numbers) != 1 else (0, numbers[0] or 0, 1)
    )
    if step == 0 or abs(end - start) // max(abs(step), 1) > MOST_NUMBERS:
        message = f"the range holds more than {MOST_NUMBERS:,} numbers"
        raise refusal(Code.TOO_MUCH_WORK, series, message, "use a shorter one")


def written_number(node: exp.Expr) -> Decimal | None:
    """The number that *node* writes; None where it writes none."""
    node = node.unnest()
    if isinstance(node, exp.Neg):
        value = written_number(node.this)
        return None if value is None else -value
    return Decimal(node.name) if isinstance(node, exp.Literal) and not node.is_string else None


def computed_number(node: exp.Expr) -> Decimal | None:
    """The number that *node* writes or computes of such, exactly and below 10^15; None for any other."""
    node = node.unnest()
    if type(node) not in _EXACT:
        return written_number(node)
    left, right = computed_number(node.this), computed_number(node.args["expression"])
    if left is None or right is None:
        return None
    value = _EXACT[type(node)](left, right)
    return value if abs(value) < _LARGEST else None


_LARGEST: Final = 10**15
_EXACT: Final[Mapping[type[exp.Expr], Callable[[Decimal, Decimal], Decimal]]] = MappingProxyType(
    {exp.Add: Decimal.__add__, exp.Sub: Decimal.__sub__, exp.Mul: Decimal.__mul__}
)


def _whole(value: exp.Expr) -> int | None:
    sign = 1
    while isinstance(value, exp.Neg | exp.Paren):
        sign = -sign if isinstance(value, exp.Neg) else sign
        value = value.this
    if isinstance(value, exp.Literal) and not value.is_string and value.name.isdigit():
        return sign * int(value.name)
    return None
