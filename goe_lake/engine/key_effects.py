"""Keys without conditions that change too few persons.

A key that is computed (`ldl > 9`, CASE) holds conditions too: which of its cells a person is in. One that
decides for fewer than k persons of the node is replaced by what it is for the others, so that a cell of
few persons looks like none to its neighbours. Conditions on genotypes stay: which classes are empty is
public.

A computed part that is no truth (`floor(bmi / 50)`, `sign(ldl - 9)`) is a condition in other words where all
but fewer than k persons have one value of it; so it becomes that value. Parts of several values that k
persons have, as bins do, stay.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from goe_lake.engine.duck import one_row
from goe_lake.engine.filters import BOOLEAN, NEVER_NULL
from goe_lake.engine.folding import TRUTHS, UNKNOWN, given
from goe_lake.engine.relation import Reading, is_bin
from goe_lake.engine.sql import safe_sql
from goe_lake.errors import ReleaseRefused
from goe_lake.release import Call, ColumnRef, Expr, Key, Literal, LiteralType, columns_in, expr_to_json


def without_rare_keys(reading: Reading, least: int) -> tuple[Reading, bool]:
    """*reading* with keys in which no condition decides for fewer than *least* persons; whether any did."""
    if least <= 1:
        return reading, False
    keys = tuple(_reduced(reading, key, least) for key in reading.release.keys)
    if keys == reading.release.keys:
        return reading, False
    return Reading(replace(reading.release, keys=keys), reading.session), True


def _reduced(reading: Reading, key: Key, least: int) -> Key:
    expression = key.expression
    if isinstance(expression, ColumnRef) or is_bin(expression) or reading.is_public(expression):
        return key
    whole = now = _choices_apart(key.expression)
    now = _without_conditions(reading, now, least)
    for part in _numbers_and_texts(reading, now):
        value_of_all = _value_of_all(reading, part, least)
        now = now if value_of_all is None else given(now, part, value_of_all)
    return key if now == whole else replace(key, expression=now)


def _without_conditions(reading: Reading, now: Expr, least: int) -> Expr:
    """*now* without the conditions on persons that decide for fewer than *least*, each tried in its turn."""
    waiting = _parts(reading, now)
    while waiting:
        # mostly none is left out: all are tried at once against what there is before each other
        tried = [
            (place, then)
            for place, part in enumerate(waiting)
            for then in (given(now, part, _known(part, value)) for value in (False, True))
            if then != now
        ]
        changed = _changed(reading, now, [then for _, then in tried])
        few = next((one for one, persons in zip(tried, changed, strict=True) if persons < least), None)
        if few is None:
            break
        place, now = few
        waiting = waiting[place + 1 :]
    return now


def _choices_apart(expression: Expr) -> Expr:
    """*expression* with IN written as a choice of values, each a condition of its own."""
    if not isinstance(expression, Call):
        return expression
    args = tuple(_choices_apart(argument) for argument in expression.args)
    if expression.op == "in" and len(args) > 2:
        return Call("or", tuple(Call("eq", (args[0], choice)) for choice in args[1:]))
    return Call(expression.op, args)


def _parts(reading: Reading, expression: Expr) -> list[Expr]:
    """The conditions on persons in a key: the whole before its parts, and by their text."""
    found: dict[Expr, tuple[int, str]] = {}
    for depth, part in _with_depth(expression, 0):
        if isinstance(part, ColumnRef):
            table = reading.tables[part.table]
            column = reading.session.column(table, part.column)
            condition = column is not None and column.type.value == "boolean"
        else:
            condition = isinstance(part, Call) and part.op in BOOLEAN
        if condition and not reading.is_public(part) and not _reads_genotypes(reading, part):
            text = json.dumps(expr_to_json(part), sort_keys=True)
            found[part] = min(found.get(part, (depth, text)), (depth, text))
    return sorted(found, key=found.__getitem__)


def _numbers_and_texts(reading: Reading, expression: Expr) -> list[Expr]:
    """The computed parts on persons that are no truths: the whole before its parts, and by their text."""
    found: dict[Expr, tuple[int, str]] = {}
    for depth, part in _with_depth(expression, 0):
        computed = isinstance(part, Call) and part.op not in BOOLEAN and any(True for _ in columns_in(part))
        if computed and not reading.is_public(part) and not _reads_genotypes(reading, part):
            text = json.dumps(expr_to_json(part), sort_keys=True)
            found[part] = min(found.get(part, (depth, text)), (depth, text))
    return sorted(found, key=found.__getitem__)


def _value_of_all(reading: Reading, part: Expr, least: int) -> Expr | None:
    """The value that *part* has for all but fewer than *least* persons who have one; None without such a one.

    It stays missing for whoever lacks it, and has its type.
    """
    source, _, public = _persons(reading)
    each = f"SELECT {safe_sql(part, reading.resolve)} AS v, p.person AS person FROM {source} WHERE {public}"
    counted = f"SELECT v, count(DISTINCT person) AS n FROM ({each}) WHERE v IS NOT NULL GROUP BY v"
    found = reading.session.connection.execute(
        f"SELECT v, sum(n) OVER () - n AS others FROM ({counted}) ORDER BY n DESC, v LIMIT 1"
    ).fetchall()
    if not found or found[0][1] >= least:
        return None
    return Call("case", (Call("is_null", (part,)), part, _constant(found[0][0])))


def _constant(value: object) -> Expr:
    """*value* as a constant; NULL where none is written so."""
    match value:
        case bool():
            return TRUTHS[value]
        case int():
            written = LiteralType.INTEGER, str(value)
        case float() if not math.isfinite(value):
            return _not_finite(value)
        case float():  # with an exponent, as DuckDB writes what is no decimal number
            written = LiteralType.DECIMAL, f"{Decimal(repr(value)):e}"
        case Decimal():
            written = LiteralType.DECIMAL, f"{value:f}"
        case str():
            written = LiteralType.TEXT, value
        case date():
            written = LiteralType.DATE, value.isoformat()
        case _:
            return UNKNOWN
    try:
        return Literal(*written)
    except ReleaseRefused:
        return UNKNOWN


def _not_finite(value: float) -> Expr:
    endless = Call("exp", (Literal(LiteralType.INTEGER, "1000"),))
    if math.isnan(value):
        return Call("mul", (endless, Literal(LiteralType.INTEGER, "0")))
    return endless if value > 0 else Call("neg", (endless,))


def _reads_genotypes(reading: Reading, part: Expr) -> bool:
    return any(table == "genotypes" for table, _ in reading.where_from(part))


def _with_depth(expression: Expr, depth: int) -> Iterator[tuple[int, Expr]]:
    yield depth, expression
    if isinstance(expression, Call):
        for argument in expression.args:
            yield from _with_depth(argument, depth + 1)


def _known(part: Expr, value: bool) -> Expr:
    """*value* for whoever has what *part* reads, NULL for others."""
    if isinstance(part, Call) and part.op in NEVER_NULL:
        return TRUTHS[value]
    return Call("case", (Call("not", (Call("is_null", (part,)),)), TRUTHS[value]))


def _changed(reading: Reading, now: Expr, others: Sequence[Expr]) -> list[int]:
    """How many persons of the node are in another cell by each of *others* than by *now*.

    Where each pgs_id is counted by itself, those of the one with the fewest.
    """
    if not others:
        return []
    forms = (safe_sql(expression, reading.resolve) for expression in (now, *others))
    source, group, public = _persons(reading)
    persons = "count(*)" if reading.has_row_a_person() else "count(DISTINCT person)"
    rows = ", ".join([*(f"{form} AS v{place}" for place, form in enumerate(forms)), "p.person AS person"])
    counts, places = [], range(1, len(others) + 1)
    for place in places:
        counts.append(f"{persons} FILTER (v0 IS DISTINCT FROM v{place}) AS n{place}")
    by = f", {group} AS part" if group else ""
    counted = (
        f"SELECT {', '.join(counts)} FROM (SELECT {rows}{by} FROM {source} WHERE {public})"
        f"{' GROUP BY part' if group else ''}"
    )
    fewest = ", ".join(f"coalesce(min(n{place}), 0)" for place in places)
    return [int(n) for n in one_row(reading.session.connection, f"SELECT {fewest} FROM ({counted})")]


def _persons(reading: Reading) -> tuple[str, str, str]:
    """SQL of the rows that keys are read from, of what groups them (nothing: ""), and of who is asked."""
    source, group = "samples p", ""
    if reading.scans("scores"):
        source = f"{source} JOIN scores c USING (s)"
        by_score = ("scores", "pgs_id") in {
            column for key in reading.release.keys for column in reading.where_from(key.expression)
        }
        group = "c.pgs_id" if by_score else ""
    source = " ".join([source, *reading.derived_joins()])
    # conditions that read sites beside the country say nothing of who is asked
    about = tuple(part for part in reading.public_conditions if not reading.read_of_sites(part))
    return source, group, reading.condition(about)
