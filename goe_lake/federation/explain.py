"""A plan in words: what each node would be asked, and what is made of its cells. Never a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from goe_lake.engine.sql import to_sql
from goe_lake.federation.node import NodeDescription
from goe_lake.query import Plan
from goe_lake.query.plan import cells_name
from goe_lake.release import ColumnRef, Expr, Measure, Release


def explained(plan: Plan, nodes: Sequence[NodeDescription]) -> str:
    """The plan as lines of text."""
    return "\n".join(_lines(plan, nodes))


def _lines(plan: Plan, nodes: Sequence[NodeDescription]) -> Iterator[str]:
    for place, release in enumerate(plan.releases):
        yield from _release(release, place, len(plan.releases))
    if plan.releases:
        yield "each node sends the keys and measures of each group that its rules let out:"
        for node in nodes:
            rule = f"at least {node.min_persons} persons" if node.protects else "PROTECTION OFF"
            yield f"  {node.node_id:<20} {rule}, snapshot {node.snapshot_id[:12]}"
    else:
        yield "no node is asked"
    for table, contigs in plan.tables.items():
        where = f", rows on {', '.join(contigs)}" if contigs is not None else ""
        yield f"public table {table}{where}"
    yield "then, at the gateway:"
    *earlier, last = plan.steps
    for step in earlier:
        yield f"  {step.name} = {step.sql()}"
    yield f"  {last.sql()}"


def _release(release: Release, place: int, count: int) -> Iterator[str]:
    number = f"release {place + 1} of {count}"
    yield f"{number}   {release.digest()[:16]}   cells: {release.cells}, as {cells_name(place)}"
    scans = release.relation.scans
    joined = [
        f"{join.scan.table} on {', '.join(sorted({right.column for _, right in join.on}))}"
        for join in release.relation.joins
    ]
    yield f"  rows        {scans[0].table}{''.join(f', joined with {part}' for part in joined)}"
    for condition in release.conditions:
        yield f"  where       {_text(condition)}"
    for key in release.keys:
        yield f"  key {key.name:<7} {_text(key.expression)}   (domain: {key.domain})"
    for measure in release.measures:
        yield f"  measure {measure.name:<3} {_measure(measure)}"


def _measure(measure: Measure) -> str:
    argument = _text(measure.argument) if measure.argument is not None else ""
    where = f" over rows where {_text(measure.where)}" if measure.where is not None else ""
    step = f" in steps of {measure.resolution}" if measure.resolution != 1 else ""
    return f"{measure.function}({argument}){where}{step}"


def _text(expression: Expr) -> str:
    return to_sql(expression, _name)


def _name(column: ColumnRef) -> str:
    return f"{column.table}.{column.column}"
