"""What lies beneath a release: the joined rows, the conditions on them, and the keys that group them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from goe_lake.catalog import PUBLIC_COLUMNS, Catalog, TableKind, is_public, is_site_key
from goe_lake.query.checks import group_keys
from goe_lake.query.expressions import convert
from goe_lake.query.refusals import Code, refusal
from goe_lake.release import (
    ColumnRef,
    Expr,
    Join,
    Key,
    KeyDomain,
    PerPerson,
    Relation,
    Scan,
    columns_in,
    conjuncts,
)

SITE_TABLES = frozenset({"genotypes", "variants"})


def plan_relation(
    query: exp.Select, catalog: Catalog, tables: Mapping[str, str], derived: tuple[PerPerson, ...] = ()
) -> tuple[Relation, tuple[Expr, ...]]:
    """The joined scans beneath the release, with *derived* beside them, and the conditions on their rows."""
    scans = [Scan(name, alias) for alias, name in tables.items() if name in PUBLIC_COLUMNS]
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
    return Relation(first, tuple(joins), derived), tuple(conditions)


def _personal_first(scans: list[Scan], catalog: Catalog) -> list[Scan]:
    """The scans with those about persons first; the order of inner joins does not change their rows."""
    return sorted(scans, key=lambda scan: catalog.tables[scan.table].kind is not TableKind.PERSONAL)


def _row_conditions(query: exp.Select) -> list[exp.Expr]:
    """The parts of every ON and of WHERE; of inner joins they are one conjunction."""
    parts: list[exp.Expr] = []
    for join in query.args.get("joins") or ():
        on = join.args.get("on")
        if on is not None:
            parts += and_parts(on)
    where = query.args.get("where")
    return parts + (and_parts(where.this) if where is not None else [])


def and_parts(node: exp.Expr) -> list[exp.Expr]:
    """The parts of a conjunction as written, brackets aside."""
    node = node.unnest()
    if isinstance(node, exp.And):
        return [*and_parts(node.left), *and_parts(node.right)]
    return [node]


def conditions_of(select: exp.Select) -> list[exp.Expr]:
    """The parts of what WHERE and the ON of joins say in *select*."""
    where = select.args.get("where")
    joins = select.args.get("joins") or ()
    found = [where.this if where is not None else None, *(join.args.get("on") for join in joins)]
    return [part for condition in found if condition is not None for part in and_parts(condition)]


def reached_by(alias: str, equalities: Sequence[exp.Expr]) -> frozenset[str]:
    """The tables that *equalities* of columns lead to from *alias*, itself among them."""
    reached = frozenset({alias})
    for _ in equalities:
        for part in equalities:
            ends = {column.table for column in part.find_all(exp.Column)}
            if ends & reached:
                reached |= ends
    return reached


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
    if len({is_public(table, column) and column != "country" for table, column in read}) > 1:
        hint = "group by each of them by itself; of ntile() ask one score, WHERE pgs_id = '…'"
        raise refusal(Code.MIXED_KEY, node, "a group key mixes persons with sites or scores", hint)


def key_domain(expression: Expr, catalog: Catalog, tables: Mapping[str, str]) -> KeyDomain:
    """Whether the values of *expression* can be listed from the catalogue or the site list."""
    columns = [(tables[column.table], column.column) for column in columns_in(expression)]
    if all(table in SITE_TABLES and is_public(table, column) for table, column in columns):
        return KeyDomain.SITES
    known = all(table in PUBLIC_COLUMNS for table, _ in columns)
    if known and all(catalog.column(table, column).domain() is not None for table, column in columns):
        return KeyDomain.LABELS
    return KeyDomain.OPEN
