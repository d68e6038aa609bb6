"""A checked query to a plan: one release for the nodes, and final SQL for the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from goe_lake.catalog import PUBLIC_COLUMNS, Catalog, TableKind
from goe_lake.query.aggregates import Measures, finish
from goe_lake.query.checks import AGGREGATES, group_keys, is_site_key
from goe_lake.query.expressions import conjuncts, convert
from goe_lake.query.refusals import Code, refusal
from goe_lake.release import (
    CellKind,
    ColumnRef,
    Expr,
    Join,
    Key,
    KeyDomain,
    MeasureFunction,
    Relation,
    Release,
    Scan,
    columns_in,
)


@dataclass(frozen=True)
class OutputColumn:
    """One column of the answer: its SQL over the merged cells, and the measures that it reads.

    *count* names the measure where the column is that count of rows or persons and nothing else;
    *unit* is that of the one column that it shows, sums or averages, "" where there is none.
    """

    name: str
    sql: str
    measures: tuple[str, ...]
    count: str | None
    unit: str


@dataclass(frozen=True)
class Condition:
    """A part of HAVING over the merged cells, and the measures that it reads.

    Where it compares one count with a constant, *certain* and *impossible* are SQL over the count's
    bounds: the condition holds if *certain* does, and fails if *impossible* does.
    """

    sql: str
    measures: tuple[str, ...]
    certain: str | None = None
    impossible: str | None = None


@dataclass(frozen=True)
class Ordering:
    """One ORDER BY item over the merged cells, and the measures that it reads."""

    sql: str
    suffix: str
    measures: tuple[str, ...]


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
    finished = _Finisher(columns, measures, {item.alias: item.unalias() for item in query.expressions})
    outputs = tuple(
        finished.output(item.unalias(), name) for item, name in zip(query.expressions, names, strict=True)
    )
    having = query.args.get("having")
    order = query.args.get("order")
    conditions_after = tuple(finished.condition(part) for part in _and_parts(having.this)) if having else ()
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


def plan_relation(
    query: exp.Select, catalog: Catalog, tables: Mapping[str, str]
) -> tuple[Relation, tuple[Expr, ...]]:
    """The joined scans beneath the release, and the conditions on their rows."""
    scans = [Scan(name, alias) for alias, name in tables.items()]
    equalities: list[tuple[ColumnRef, ColumnRef]] = []
    conditions: list[Expr] = []
    for part in _row_conditions(query):
        equality = _join_equality(part)
        if equality is not None and _links(equality, tables):
            equalities.append(equality)
        else:
            conditions += conjuncts(convert(part))
    first, *rest = _personal_first(scans, catalog)
    joins: list[Join] = []
    joined = {first.alias}
    while rest:
        scan = next((scan for scan in rest if _pairs(scan, joined, equalities)), rest[0])
        pairs = _pairs(scan, joined, equalities)
        _check_join(query, scan, pairs, catalog)
        joins.append(Join(scan, pairs))
        joined.add(scan.alias)
        rest.remove(scan)
    return Relation(first, tuple(joins)), tuple(conditions)


def _personal_first(scans: list[Scan], catalog: Catalog) -> list[Scan]:
    """The scans with those about persons first; the order of inner joins does not change their rows."""
    return sorted(scans, key=lambda scan: catalog.tables[scan.table].kind is not TableKind.PERSONAL)


def _row_conditions(query: exp.Select) -> list[exp.Expr]:
    """The parts of every ON and of WHERE; of inner joins they are one conjunction."""
    parts: list[exp.Expr] = []
    for join in query.args.get("joins") or ():
        on = join.args.get("on")
        if on is not None:
            parts += _and_parts(on)
    where = query.args.get("where")
    return parts + (_and_parts(where.this) if where is not None else [])


def _and_parts(node: exp.Expr) -> list[exp.Expr]:
    node = node.unnest()
    if isinstance(node, exp.And):
        return [*_and_parts(node.left), *_and_parts(node.right)]
    return [node]


def _join_equality(node: exp.Expr) -> tuple[ColumnRef, ColumnRef] | None:
    if not isinstance(node, exp.EQ):
        return None
    left, right = node.left.unnest(), node.right.unnest()
    if isinstance(left, exp.Column) and isinstance(right, exp.Column) and left.table != right.table:
        return ColumnRef(left.table, left.name), ColumnRef(right.table, right.name)
    return None


def _links(equality: tuple[ColumnRef, ColumnRef], tables: Mapping[str, str]) -> bool:
    """Whether an equality joins two tables: on the person, or on a column of the site."""
    left, right = equality
    if left.column != right.column:
        return False
    if left.column == "sample_id":
        return True
    return {tables[left.table], tables[right.table]} == {"genotypes", "variants"}


def _pairs(
    scan: Scan, joined: set[str], equalities: list[tuple[ColumnRef, ColumnRef]]
) -> tuple[tuple[ColumnRef, ColumnRef], ...]:
    """The equalities between *scan* and what is joined already, earlier side first."""
    pairs = []
    for left, right in equalities:
        if right.table == scan.alias and left.table in joined:
            pairs.append((left, right))
        elif left.table == scan.alias and right.table in joined:
            pairs.append((right, left))
    return tuple(pairs)


def _check_join(
    query: exp.Select,
    scan: Scan,
    pairs: tuple[tuple[ColumnRef, ColumnRef], ...],
    catalog: Catalog,
) -> None:
    """A table about persons joins on sample_id; the site list joins on the whole site."""
    columns = frozenset(right.column for _, right in pairs)
    if catalog.tables[scan.table].kind is TableKind.PERSONAL:
        if "sample_id" not in columns:
            hint = f"write JOIN {scan.table} USING (sample_id)"
            raise refusal(
                Code.PERSON_JOIN, _table(query, scan), f"{scan.table} is not joined on sample_id", hint
            )
    elif not is_site_key(columns):
        message = f"{scan.table} is joined on {', '.join(sorted(columns)) or 'nothing'}"
        raise refusal(
            Code.SITE_JOIN,
            _table(query, scan),
            message,
            "write genotypes JOIN variants USING (contig, pos, ref, alt)",
        )


def _table(query: exp.Select, scan: Scan) -> exp.Expr | None:
    return next((table for table in query.find_all(exp.Table) if table.alias_or_name == scan.alias), None)


def plan_keys(query: exp.Select, catalog: Catalog, tables: Mapping[str, str]) -> tuple[Key, ...]:
    """The grouping expressions as keys of the cells, with the kind of their domain."""
    keys = []
    for place, node in enumerate(group_keys(query)):
        expression = convert(node)
        _check_unmixed(node, expression, tables)
        keys.append(Key(f"k{place}", expression, key_domain(expression, catalog, tables)))
    return tuple(keys)


def _check_unmixed(node: exp.Expr, expression: Expr, tables: Mapping[str, str]) -> None:
    """A key that chooses sites for some persons and others for the rest makes cells that overlap."""
    read = [(tables[column.table], column.column) for column in columns_in(expression)]
    if len({column in PUBLIC_COLUMNS[table] and column != "country" for table, column in read}) > 1:
        hint = "group by each of them by itself"
        raise refusal(Code.MIXED_KEY, node, "a group key mixes persons with sites or scores", hint)


def key_domain(expression: Expr, catalog: Catalog, tables: Mapping[str, str]) -> KeyDomain:
    """Whether the values of *expression* can be listed from the catalogue or the site list."""
    columns = [(tables[column.table], column.column) for column in columns_in(expression)]
    if all(table in SITE_TABLES and column in PUBLIC_COLUMNS[table] for table, column in columns):
        return KeyDomain.SITES
    if all(catalog.column(table, column).domain() is not None for table, column in columns):
        return KeyDomain.LABELS
    return KeyDomain.OPEN


SITE_TABLES = frozenset({"genotypes", "variants"})


@dataclass(frozen=True)
class _Finisher:
    """Rewrites expressions of the query into expressions over the merged cells."""

    keys: dict[exp.Expr, exp.Column]
    measures: Measures
    outputs: dict[str, exp.Expr]

    def final(self, node: exp.Expr) -> exp.Expr:
        """*node* with its keys and aggregates replaced by columns of the cells."""
        if node in self.keys:
            return self.keys[node].copy()
        if isinstance(node, (*AGGREGATES, exp.Filter)):
            return finish(node, self.measures)
        if isinstance(node, exp.Column) and not node.table and node.name in self.outputs:
            return exp.Paren(this=self.final(self.outputs[node.name]))
        node = node.copy()
        for child in list(node.iter_expressions()):
            child.replace(self.final(child))
        return node

    def output(self, node: exp.Expr, name: str) -> OutputColumn:
        final = self.final(node)
        return OutputColumn(
            name, final.sql("duckdb"), _measures_in(final), self._count(final), self._unit(node)
        )

    def _unit(self, node: exp.Expr) -> str:
        shown = node.this if isinstance(node, exp.Filter) else node
        shown = shown.this if isinstance(shown, exp.Sum | exp.Avg) else shown
        if not isinstance(shown, exp.Column) or shown.table not in self.measures.tables:
            return ""
        return self.measures.catalog.column(self.measures.tables[shown.table], shown.name).unit

    def condition(self, node: exp.Expr) -> Condition:
        final = self.final(node)
        certain, impossible = self._by_bounds(final)
        return Condition(f"({final.sql('duckdb')})", _measures_in(final), certain, impossible)

    def ordering(self, item: exp.Expr) -> Ordering:
        assert isinstance(item, exp.Ordered)
        final = self.final(item.this)
        nulls = item.args.get("nulls_first")
        direction = " DESC" if item.args.get("desc") else ""
        return Ordering(
            final.sql("duckdb"), f"{direction} NULLS {'FIRST' if nulls else 'LAST'}", _measures_in(final)
        )

    def _count(self, final: exp.Expr) -> str | None:
        """The count that *final* is, casts aside."""
        while isinstance(final, exp.Paren | exp.Cast):
            final = final.this
        counts = {
            measure.name
            for measure in self.measures.asked.values()
            if measure.function is not MeasureFunction.SUM
        }
        return final.name if isinstance(final, exp.Column) and final.name in counts else None

    def _by_bounds(self, final: exp.Expr) -> tuple[str | None, str | None]:
        """What makes a comparison of one count with a constant certain, and what makes it impossible."""
        final = final.unnest()
        rule = BY_BOUNDS.get(type(final))
        if rule is None or not isinstance(final, exp.Binary):
            return None, None
        left, right = final.left, final.right
        if isinstance(left.unnest(), exp.Literal):
            left, right, rule = right, left, BY_BOUNDS[MIRRORED[type(final)]]
        count = self._count(left)
        if count is None or not isinstance(right.unnest(), exp.Literal) or right.unnest().is_string:
            return None, None
        parts = {"lower": f"{count}_lower", "upper": f"{count}_upper", "constant": right.sql("duckdb")}
        certain, impossible = rule
        return certain.format(**parts), impossible.format(**parts)


# For a comparison of a count with a constant: when it surely holds, and when it surely does not.
BY_BOUNDS: Final[Mapping[type[exp.Expr], tuple[str, str]]] = MappingProxyType(
    {
        exp.GT: ("{lower} > {constant}", "{upper} <= {constant}"),
        exp.GTE: ("{lower} >= {constant}", "{upper} < {constant}"),
        exp.LT: ("{upper} < {constant}", "{lower} >= {constant}"),
        exp.LTE: ("{upper} <= {constant}", "{lower} > {constant}"),
    }
)
MIRRORED: Final[Mapping[type[exp.Expr], type[exp.Expr]]] = MappingProxyType(
    {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE}
)


def _measures_in(final: exp.Expr) -> tuple[str, ...]:
    names = (column.name for column in final.find_all(exp.Column))
    return tuple(dict.fromkeys(name for name in names if name.startswith("m")))


def _number(query: exp.Select, clause: str) -> int | None:
    node = query.args.get(clause)
    return int(node.expression.name) if node is not None else None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
