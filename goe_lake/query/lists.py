"""VALUES and ranges that are joined with rows about persons: each row of them is a constant to match.

A list never multiplies a person's rows: of its rows at most one may match. It becomes a CASE over what it
is matched with, and a condition, so that a node reads a choice of values as if it had been written out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from sqlglot import exp

from goe_lake.errors import QueryRefused
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.relation import and_parts

MOST_LISTED = 1_000
Row = tuple[exp.Expr, ...]
SITE = ("contig", "pos", "ref", "alt")


def listed_rows(item: exp.Expr) -> tuple[Row, ...]:
    """The rows of VALUES or of a range of numbers; none where there are too many, or not of constants."""
    if isinstance(item, exp.Values):
        rows = tuple(tuple(row.expressions) for row in item.expressions)
        plain = all(_is_constant(value) for row in rows for value in row)
        return rows if plain and len(rows) <= MOST_LISTED else ()
    series = item.this
    numbers = [_number(series.args.get(name)) for name in ("start", "end", "step")]
    start, end, step = numbers[0], numbers[1], numbers[2] or 1
    if start is None:
        return ()
    if end is None:
        start, end = 0, start
    last = end if series.args.get("is_end_exclusive") else end + (1 if step > 0 else -1)
    values = range(int(start), int(last), int(step))
    if len(values) > MOST_LISTED:
        return ()
    return tuple((exp.cast(_literal(value), "BIGINT"),) for value in values)


def _literal(value: int) -> exp.Expr:
    return exp.Neg(this=exp.Literal.number(-value)) if value < 0 else exp.Literal.number(value)


def _is_constant(value: exp.Expr) -> bool:
    value = value.unnest()
    inner = value.this if isinstance(value, exp.Neg) else value
    return isinstance(inner, exp.Literal | exp.Boolean | exp.Null)


@dataclass(frozen=True)
class _Match:
    """How one row of a list is matched: the conditions on a person's row, and its values by column."""

    conditions: tuple[exp.Expr, ...]
    values: Mapping[str, exp.Expr]

    @property
    def is_none(self) -> bool:
        """Whether no row is matched, since NULL equals nothing."""
        equal = [part for part in self.conditions if isinstance(part, exp.EQ)]
        return any(isinstance(side.unnest(), exp.Null) for part in equal for side in (part.left, part.right))


def without_list(select: exp.Select, alias: str, names: Sequence[str], rows: Sequence[Row]) -> exp.Select:
    """*select*, in full names, with the columns of the list *alias* as choices of constants."""
    select = select.copy()
    holder, outer = _take_out(select, alias)
    on = and_parts(holder.args["on"]) if isinstance(holder, exp.Join) and holder.args.get("on") else []
    rest: list[exp.Expr] = []
    for part in [] if outer else _parts(select):
        (on if _reads(part, alias) else rest).append(part)
    if not any(column.table != alias for part in on for column in part.find_all(exp.Column)):
        hint = "join it on a label or a site: … ON v.population = s.population"
        raise refusal(Code.MIXED_TABLES, holder, f"{alias} is joined with every person", hint)
    if not _may_be_apart(on):
        raise _several(alias, holder)
    matches = [_matched(on, alias, dict(zip(names, row, strict=True))) for row in rows]
    matches = [match for match in matches if not match.is_none]
    key = _key(on, alias, matches)
    if key is None:
        _check_apart(on, alias, matches, holder)
    else:
        _check_once(key)
    if not outer:
        rest.append(_any_of(key, matches))
        select.set("where", exp.Where(this=exp.and_(*rest, copy=True)))
    for column in [c for c in select.find_all(exp.Column) if c.table == alias]:
        column.replace(exp.Paren(this=_choice(key, matches, column.name)))
    return select


def _take_out(select: exp.Select, alias: str) -> tuple[exp.Expr, bool]:
    """Take the list out of FROM; what held it, and whether rows without a match stay."""
    joins: list[exp.Join] = list(select.args.get("joins") or ())
    first = select.args["from_"]
    found = next((join for join in joins if join.this.alias_or_name == alias), None)
    if found is not None:
        joins.remove(found)
        select.set("joins", joins)
        return found, bool(found.args.get("side"))
    entry = joins.pop(0)
    first.set("this", entry.this)
    select.set("joins", joins)
    if entry.args.get("on") is not None:
        where = select.args.get("where")
        parts = [entry.args["on"], *([where.this] if where is not None else [])]
        select.set("where", exp.Where(this=exp.and_(*parts, copy=True)))
    return first, False


def _parts(select: exp.Select) -> list[exp.Expr]:
    """The parts of WHERE and of the ON of inner joins, all taken out of *select*."""
    parts: list[exp.Expr] = []
    for join in select.args.get("joins") or ():
        if join.args.get("on") is not None and not join.args.get("side"):
            parts += and_parts(join.args["on"])
            join.set("on", None)
            join.set("kind", "CROSS")
    where = select.args.get("where")
    return parts + (and_parts(where.this) if where is not None else [])


def _reads(part: exp.Expr, alias: str) -> bool:
    return any(column.table == alias for column in part.find_all(exp.Column))


def _matched(on: Sequence[exp.Expr], alias: str, values: Mapping[str, exp.Expr]) -> _Match:
    conditions = []
    for part in on:
        holder = exp.Paren(this=part.copy())
        for column in list(holder.find_all(exp.Column)):
            if column.table == alias:
                column.replace(values[column.name].copy())
        conditions.append(holder.this)
    return _Match(tuple(conditions), values)


@dataclass(frozen=True)
class _Key:
    """What a list is matched with by equality, and the constant of each of its rows."""

    operand: exp.Expr
    constants: tuple[exp.Expr, ...]


def _key(on: Sequence[exp.Expr], alias: str, matches: Sequence[_Match]) -> _Key | None:
    """The one column, or the site, that decides which row matches; None where there is no such."""
    columns: dict[str, exp.Column] = {}
    for part in on:
        sides = (part.left.unnest(), part.right.unnest()) if isinstance(part, exp.EQ) else ()
        mine = [side for side in sides if isinstance(side, exp.Column) and side.table == alias]
        others = [side for side in sides if isinstance(side, exp.Column) and side.table != alias]
        if len(mine) != 1 or len(others) != 1:
            return None
        columns[mine[0].name] = others[0]
    if len(columns) == 1:
        ((name, operand),) = columns.items()
        return _Key(operand, tuple(match.values[name] for match in matches))
    by_name = {operand.name: name for name, operand in columns.items()}
    tables = {operand.table for operand in columns.values()}
    if set(by_name) != set(SITE) or len(tables) != 1:
        return None
    ids = [_variant_id([match.values[by_name[part]] for part in SITE]) for match in matches]
    if None in ids:
        return None
    operand = exp.column("variant_id", table=tables.pop())
    return _Key(operand, tuple(exp.Literal.string(name) for name in ids if name is not None))


def _variant_id(values: Sequence[exp.Expr]) -> str | None:
    """The variant_id of a site of plain alleles; that of a symbolic one carries its end."""
    contig, pos, ref, alt = (value.name for value in values)
    return None if alt.startswith("<") or not pos.isdigit() else f"{contig}-{int(pos)}-{ref}-{alt}"


def _check_apart(on: Sequence[exp.Expr], alias: str, matches: Sequence[_Match], at: exp.Expr) -> None:
    """No person's row matches two rows of the list: equalities differ, or ranges are disjoint."""
    same = [place for place, part in enumerate(on) if isinstance(part, exp.EQ | exp.NullSafeEQ)]
    by_text: dict[tuple[str, ...], list[_Match]] = {}
    for match in matches:
        text = tuple(_text(match.conditions[place]) for place in same)
        by_text.setdefault(text, []).append(match)
    if not all(len(alike) == 1 or _are_apart(alike) for alike in by_text.values()):
        raise _several(alias, at)


def _may_be_apart(on: Sequence[exp.Expr]) -> bool:
    """Whether there is an equality or a range in *on*, so that different rows can match different persons."""
    ends = sum(isinstance(part, exp.GTE | exp.LTE | exp.GT | exp.LT) for part in on)
    return ends > 1 or any(isinstance(part, exp.EQ | exp.NullSafeEQ | exp.Between) for part in on)


def _several(alias: str, at: exp.Expr) -> QueryRefused:
    hint = "name each label or site once, or use ranges that do not overlap: x BETWEEN low AND high"
    return refusal(Code.MIXED_TABLES, at, f"a person may match several rows of {alias}", hint)


def _are_apart(matches: Sequence[_Match]) -> bool:
    """Whether the ranges of *matches*, of one column, have nothing in common."""
    found = [_range(match) for match in matches]
    ranges = [its for its in found if its is not None]
    if len(ranges) < len(found) or len({column for column, _, _ in ranges}) > 1:
        return False
    ends = sorted((low, high) for _, low, high in ranges)
    return all(one[1] < other[0] for one, other in pairwise(ends))


#: The end of a range: a number, and where beside it the range ends: 0 at it, 1 just above, -1 just below.
_End = tuple[float, int]
_ENDS: Final[Mapping[type[exp.Expr], tuple[type[exp.Expr], int, int]]] = {
    exp.GTE: (exp.LTE, 0, 0),
    exp.GT: (exp.LT, 0, 1),
    exp.LTE: (exp.GTE, 1, 0),
    exp.LT: (exp.GT, 1, -1),
}


def _range(match: _Match) -> tuple[str, _End, _End] | None:
    """The column that *match* holds between two numbers, and these; `x >= low AND x < high` is such."""
    ends: dict[str, list[_End | None]] = {}
    for part in match.conditions:
        if isinstance(part, exp.Between) and isinstance(part.this, exp.Column):
            low, high = _end(part.args["low"], 0), _end(part.args["high"], 0)
            ends[part.this.sql("duckdb")] = [low, high]
        for kind, (flipped, place, beside) in _ENDS.items():
            if not isinstance(part, exp.Binary) or not isinstance(part, kind | flipped):
                continue
            column, number = (part.left, part.right) if isinstance(part, kind) else (part.right, part.left)
            if isinstance(column, exp.Column):
                ends.setdefault(column.sql("duckdb"), [None, None])[place] = _end(number, beside)
    for name, (low, high) in ends.items():
        if low is not None and high is not None:
            return name, low, high
    return None


def _end(node: exp.Expr, beside: int) -> _End | None:
    number = _number(node)
    return None if number is None else (number, beside)


def _text(node: exp.Expr) -> str:
    """*node* with each number in its one spelling, so that 1 and 1.0 are the same."""

    def plain(part: exp.Expr) -> exp.Expr:
        if isinstance(part, exp.Cast) and isinstance(part.this.unnest(), exp.Literal | exp.Neg):
            part = part.this.unnest()
        number = isinstance(part, exp.Literal) and not part.is_string
        return exp.Literal.number(f"{float(part.name):.17g}") if number else part

    return node.transform(plain).sql("duckdb")


def _number(node: exp.Expr | None) -> float | None:
    """The value of a number, or of sums and differences of numbers."""
    match node:
        case exp.Paren() | exp.Cast():
            return _number(node.this)
        case exp.Neg():
            inner = _number(node.this)
            return None if inner is None else -inner
        case exp.Literal() if not node.is_string:
            return float(node.name)
        case exp.Add() | exp.Sub():
            left, right = _number(node.left), _number(node.right)
            if left is None or right is None:
                return None
            return left + right if isinstance(node, exp.Add) else left - right
    return None


def _check_once(key: _Key) -> None:
    seen = [_text(constant) for constant in key.constants]
    if len(set(seen)) != len(seen):
        hint = "name each once, with all that belongs to it in one row"
        raise refusal(Code.MIXED_TABLES, key.operand, "a list names the same twice", hint)


def _any_of(key: _Key | None, matches: Sequence[_Match]) -> exp.Expr:
    if not matches:
        return exp.false()
    if key is not None:
        return exp.In(this=key.operand.copy(), expressions=[constant.copy() for constant in key.constants])
    return exp.Paren(this=exp.or_(*(exp.and_(*match.conditions, copy=True) for match in matches)))


def _choice(key: _Key | None, matches: Sequence[_Match], name: str) -> exp.Expr:
    if not matches:
        return exp.Case(ifs=[exp.If(this=exp.false(), true=exp.null())])
    if key is not None:
        ifs = [
            exp.If(this=constant.copy(), true=match.values[name].copy())
            for constant, match in zip(key.constants, matches, strict=True)
        ]
        return exp.Case(this=key.operand.copy(), ifs=ifs)
    return exp.Case(
        ifs=[
            exp.If(this=exp.and_(*match.conditions, copy=True), true=match.values[name].copy())
            for match in matches
        ]
    )
