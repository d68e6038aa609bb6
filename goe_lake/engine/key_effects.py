"""Keys without conditions that change too few persons.

A key that is computed (`ldl > 9`, CASE) holds conditions too: which of its cells a person is in. One that
decides for fewer than k persons of the node is replaced by what it is for the others, so that a cell of
few persons looks like none to its neighbours. Conditions on genotypes stay: which classes are empty is
public.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from goe_lake.engine.duck import one_row
from goe_lake.engine.filters import BOOLEAN, NEVER_NULL
from goe_lake.engine.folding import TRUTHS, given
from goe_lake.engine.relation import Reading
from goe_lake.engine.sql import safe_sql
from goe_lake.release import Call, ColumnRef, Expr, Key, expr_to_json


def without_rare_keys(reading: Reading, least: int) -> tuple[Reading, bool]:
    """*reading* with keys in which no condition decides for fewer than *least* persons; whether any did."""
    if least <= 1:
        return reading, False
    keys = tuple(_reduced(reading, key, least) for key in reading.release.keys)
    if keys == reading.release.keys:
        return reading, False
    return Reading(replace(reading.release, keys=keys), reading.session), True


def _reduced(reading: Reading, key: Key, least: int) -> Key:
    if isinstance(key.expression, ColumnRef) or reading.is_public(key.expression):
        return key
    whole = now = _choices_apart(key.expression)
    for part in _parts(reading, now):
        for value in (False, True):
            then = given(now, part, _known(part, value))
            if then != now and _changed(reading, now, then) < least:
                now = then
                break
    return key if now == whole else replace(key, expression=now)


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


def _changed(reading: Reading, now: Expr, then: Expr) -> int:
    """How many persons of the node are in another cell by *then* than by *now*; of one pgs_id the fewest."""
    before, after = (safe_sql(expression, reading.resolve) for expression in (now, then))
    source, group = "samples p", ""
    if reading.scans("scores"):
        source = f"{source} JOIN scores c USING (s)"
        by_score = ("scores", "pgs_id") in {
            column for key in reading.release.keys for column in reading.where_from(key.expression)
        }
        group = " GROUP BY c.pgs_id" if by_score else ""
    source = " ".join([source, *reading.derived_joins()])
    # conditions that read sites beside the country say nothing of who is asked
    about = tuple(part for part in reading.public_conditions if not reading.read_of_sites(part))
    public = reading.condition(about)
    counted = (
        f"SELECT count(DISTINCT p.person) FILTER ({before} IS DISTINCT FROM {after}) AS n "
        f"FROM {source} WHERE {public}{group}"
    )
    (fewest,) = one_row(reading.session.connection, f"SELECT coalesce(min(n), 0) FROM ({counted})")
    return int(fewest)
