"""A plan in words: what each node would be asked, and what is made of its cells. Never a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from goe_lake.catalog import is_public
from goe_lake.computed import computed_column
from goe_lake.engine.sql import to_sql
from goe_lake.federation.node import NodeDescription
from goe_lake.query import Plan
from goe_lake.query.plan import cells_name
from goe_lake.query.rounds import DIGITS
from goe_lake.query.steps import Nested, Use
from goe_lake.release import (
    CellKind,
    ColumnRef,
    Expr,
    Measure,
    PerPerson,
    Release,
    columns_in,
    pending_in,
    value_of,
)

CONSTANTS: Final = (
    f": constants are what earlier rounds released, doubles with {DIGITS} significant digits; "
    "one that is withheld refuses the query"
)


def explained(plan: Plan, nodes: Sequence[NodeDescription], why_open: Sequence[str | None]) -> str:
    """The plan as lines of text; *why_open* says of each release why its cells are not sealed."""
    return "\n".join(_lines(plan, nodes, why_open))


def _lines(plan: Plan, nodes: Sequence[NodeDescription], why_open: Sequence[str | None]) -> Iterator[str]:
    for number in range(1, plan.last_round + 1):
        if plan.waiting:
            yield f"round {number} of {plan.last_round}{CONSTANTS if number > 1 else ''}"
        for place in plan.asked_in(number):
            yield from _release(plan, place, why_open[place])
    if None in why_open:
        yield "of sealed cells, one node opens the sums over all, and sends what the rules of all let out"
    if plan.releases:
        yield "each node sends the keys and measures of each group that its rules let out:"
        for node in nodes:
            rule = f"at least {node.min_persons} persons" if node.protects else "PROTECTION OFF"
            yield f"  {node.node_id:<20} {rule}, snapshot {node.snapshot_id[:12]}"
        if any(node.protects for node in nodes) and any(map(_has_conditions, plan.releases)):
            yield "  ≈ where a part of a condition changes fewer persons than that: it is left out there"
    else:
        yield "no node is asked"
    for table, contigs in plan.tables.items():
        where = f", rows on {', '.join(contigs)}" if contigs is not None else ""
        yield f"public table {table}{where}"
    yield "then, at the gateway:"
    *earlier, last = plan.steps
    for step in earlier:
        yield f"  {step.name} = {plan.step_sql(step)}"
    yield f"  {plan.step_sql(last)}"


def _release(plan: Plan, place: int, why_open: str | None) -> Iterator[str]:
    release, waiting = plan.releases[place], plan.waiting.get(place)
    # what is not known yet has no digest
    open_ended = waiting is not None or any(
        mark for expression in release.expressions() for mark in pending_in(expression)
    )
    digest = "waits for values" if open_ended else release.digest()[:16]
    number = f"release {place + 1} of {len(plan.releases)}"
    kind = CellKind.SEALED if why_open is None else CellKind.OPEN
    yield f"{number}   {digest}   cells: {kind}, as {cells_name(place)}"
    if why_open is not None:
        yield f"  open        because {why_open}"
    for mark, use in waiting.constants.items() if waiting is not None else ():
        yield f"  constant    ${mark} = {_constant(use)}"
    yield from _asked(release)
    for quantile, bins in plan.quantiles.get(place, ()):
        chance = float(quantile.probability)
        source = f"from the intervals of release {bins + 1}"
        yield f"  quantile {quantile.name:<2} {quantile.text} at {chance:g}, {source}"


def _has_conditions(release: Release) -> bool:
    """Whether a condition, a filter or a computed key of it reads what is not public, and may be left out.

    So may parts of a query of one row a person.
    """
    if release.relation.derived:
        return True
    tables = {scan.alias: scan.table for scan in release.relation.scans}
    keys = [key.expression for key in release.keys if not isinstance(key.expression, ColumnRef)]
    filters = [measure.where for measure in release.measures if measure.where is not None]
    return any(
        not is_public(tables.get(column.table, ""), column.column)
        for expression in (*release.conditions, *keys, *filters)
        for column in columns_in(expression)
    )


def _constant(use: Nested) -> str:
    if use.use is Use.EXISTS:
        return f"whether {use.step} has a row"
    column = f"{use.column} of {use.step}" if use.column is not None else f"the column of {use.step}"
    kind = "the values in" if use.use is Use.IN else "the value of"
    return f"{kind} {column}"


def _asked(release: Release) -> Iterator[str]:
    scans = release.relation.scans
    joined = [
        f"{join.scan.table} on {', '.join(sorted({right.column for _, right in join.on}))}"
        for join in release.relation.joins
    ]
    yield f"  rows        {scans[0].table}{''.join(f', joined with {part}' for part in joined)}"
    for part in release.relation.derived:
        yield from _per_person(part)
    for condition in release.conditions:
        yield f"  where       {_text(condition)}"
    for key in release.keys:
        yield f"  key {key.name:<7} {_text(key.expression)}   (domain: {key.domain})"
    for measure in release.measures:
        yield f"  measure {measure.name:<3} {_measure(measure)}"


def _per_person(part: PerPerson) -> Iterator[str]:
    scans = ", ".join(scan.table for scan in part.relation.scans)
    where = " and ".join(_text(condition) for condition in part.conditions)
    yield f"  {part.alias} = by person, of {scans}{f' where {where}' if where else ''}"
    for output in part.outputs:
        argument = _text(output.argument) if output.argument is not None else ""
        kept = f" over rows where {_text(output.where)}" if output.where is not None else ""
        weights = f", {len(output.weights)} weights" if output.weights else ""
        yield f"    {part.alias}.{output.name} = {output.function}({argument}){kept}{weights}"


def _measure(measure: Measure) -> str:
    argument = " * ".join(_text(factor) for factor in measure.factors)
    where = f" over rows where {_text(measure.where)}" if measure.where is not None else ""
    step = f" in steps of {measure.resolution}" if measure.resolution != 1 else ""
    return f"{measure.function}({argument}){where}{step}"


def _text(expression: Expr) -> str:
    return to_sql(expression, _name)


def _name(column: ColumnRef) -> str:
    made = computed_column(column.column)
    if made is not None and made.by_person:
        return to_sql(value_of(column), _name)
    if made is not None:
        return made.sql(*(f"{column.table}.{name}" for name in made.columns))
    return f"{column.table}.{column.column}"
