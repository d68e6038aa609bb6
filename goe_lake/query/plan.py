"""A checked query to a plan: one release for the nodes, and final SQL for the gateway."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from goe_lake.catalog import Catalog
from goe_lake.query.aggregates import Measures
from goe_lake.query.checks import group_keys
from goe_lake.query.final import Condition, Finisher, Ordering, OutputColumn
from goe_lake.query.relation import and_parts, plan_keys, plan_relation
from goe_lake.release import CellKind, MeasureFunction, Release


@dataclass(frozen=True)
class Plan:
    """What is asked of the nodes, and what is made of their cells.

    The final SQL reads one table, `cells`: keys k0, k1, … and measures m0, m1, …
    """

    release: Release
    outputs: tuple[OutputColumn, ...]
    having: tuple[Condition, ...]
    order: tuple[Ordering, ...]
    limit: int | None
    offset: int
    source: str

    def final_sql(self) -> str:
        """The final SQL as one readable statement, for `explain`; the gateway runs its guarded form."""
        columns = ", ".join(f"{output.sql} AS {_quoted(output.name)}" for output in self.outputs)
        parts = [f"SELECT {columns} FROM cells"]
        if self.having:
            parts.append(f"WHERE {' AND '.join(condition.sql for condition in self.having)}")
        if self.order:
            parts.append(f"ORDER BY {', '.join(item.sql + item.suffix for item in self.order)}")
        if self.limit is not None:
            parts.append(f"LIMIT {self.limit}")
        if self.offset:
            parts.append(f"OFFSET {self.offset}")
        return " ".join(parts)


def plan(query: exp.Select, catalog: Catalog, names: tuple[str, ...], source: str) -> Plan:
    """The plan of a checked *query*; *names* are the names of its output columns."""
    tables = {table.alias_or_name: table.name for table in query.find_all(exp.Table)}
    relation, conditions = plan_relation(query, catalog, tables)
    keys = plan_keys(query, catalog, tables)
    measures = Measures(catalog, tables)
    columns = {key: exp.column(f"k{place}") for place, key in enumerate(group_keys(query))}
    finished = Finisher(columns, measures, {item.alias: item.unalias() for item in query.expressions})
    outputs = tuple(
        finished.output(item.unalias(), name) for item, name in zip(query.expressions, names, strict=True)
    )
    having = query.args.get("having")
    order = query.args.get("order")
    conditions_after = tuple(finished.condition(part) for part in and_parts(having.this)) if having else ()
    ordering = tuple(finished.ordering(item) for item in order.expressions) if order is not None else ()
    if not measures.asked:  # keys alone: which groups there are is itself a count of persons
        measures.column(MeasureFunction.PERSONS)
    release = Release(relation, conditions, keys, tuple(measures.asked.values()), CellKind.OPEN)
    return Plan(
        release,
        outputs,
        conditions_after,
        ordering,
        _number(query, "limit"),
        _number(query, "offset") or 0,
        source,
    )


def _number(query: exp.Select, clause: str) -> int | None:
    node = query.args.get(clause)
    return int(node.expression.name) if node is not None else None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
