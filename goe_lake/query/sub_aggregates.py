"""Queries that give one row a person: what a node aggregates before it aggregates over persons.

`SELECT sample_id, sum(dosage) AS burden FROM genotypes GROUP BY sample_id` becomes a `PerPerson` with plain
columns o0, o1, …, and each of its columns an expression over these, which what reads it works with.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Final

from sqlglot import exp

from goe_lake.catalog import PUBLIC_COLUMNS, Catalog, Column, Table, is_public, is_site_key
from goe_lake.errors import QueryRefused, ReleaseRefused
from goe_lake.per_person import per_person_table
from goe_lake.query.aggregates import finish
from goe_lake.query.arguments import form_of
from goe_lake.query.checks import group_keys, is_person
from goe_lake.query.expressions import both, convert
from goe_lake.query.forms import Product
from goe_lake.query.language import aggregates_in, over_persons
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.relation import plan_relation
from goe_lake.query.subset import check_cast_types, check_subset, refused_aggregate
from goe_lake.query.sums import Measures
from goe_lake.release import (
    PRESENT,
    Call,
    ColumnRef,
    Expr,
    MeasureFunction,
    Output,
    OutputFunction,
    PerPerson,
    Weight,
    fixed_columns,
)

#: What the columns of a sub-aggregate are called until it is read under a name.
OWN: Final = "_own"
#: Columns of genotypes that are not read by person.
QUALITY: Final = frozenset({"gq", "dp"})
#: Stands for a number of a list that an earlier round will release.
LISTED: Final = Decimal("1.4")
EXTREMES: Final[Mapping[type[exp.Expr], OutputFunction]] = {
    exp.Min: OutputFunction.MIN,
    exp.Max: OutputFunction.MAX,
}
FINISHED: Final = frozenset({"count", "count_if", "sum", "fsum", "kahan_sum", "avg", "bool_and", "bool_or"})


@dataclass(frozen=True)
class PersonQuery:
    """A query of one row a person.

    *columns* gives each output column as an expression over the columns o0, o1, … of the table `_own`,
    None for the person; *having* is what else a person must fulfil to have a row, and *raw* the same
    query with a column `present`.
    """

    part: PerPerson
    table: Table
    columns: Mapping[str, exp.Expr | None]
    having: exp.Expr | None
    raw: exp.Select


def is_per_person(query: exp.Select) -> bool:
    """Whether *query*, in full names, groups by the person."""
    return any(is_person(key) for key in group_keys(query))


def person_query(query: exp.Select, catalog: Catalog, listed: AbstractSet[str] = frozenset()) -> PersonQuery:
    """What *query*, in full names and grouped by the person, asks of each person.

    The marks *listed* stand for rows that an earlier round releases, and are gone once it has.
    """
    _check_clauses(query, listed)
    return aggregated_by_person(query, catalog)


def aggregated_by_person(query: exp.Select, catalog: Catalog) -> PersonQuery:
    """The same of a *query* whose clauses were checked; marks in WHERE are constants of earlier rounds."""
    tables = {table.alias_or_name: table.name for table in query.find_all(exp.Table)}
    _check_quality(query, tables)
    _check_keys(query, tables)
    relation, conditions = plan_relation(query, catalog, tables)
    outputs = Outputs(catalog, tables, is_site_key(fixed_columns(conditions)))
    columns: dict[str, exp.Expr | None] = {}
    for item in query.expressions:
        value = item.unalias()
        columns[item.alias] = None if is_person(value) else outputs.expression(value)
    clause = query.args.get("having")
    having = outputs.expression(clause.this) if clause is not None else None
    try:
        part = PerPerson(OWN, relation, conditions, tuple(outputs.found))
    except ReleaseRefused as error:
        hint = "join the tables in one nested query"
        raise refusal(Code.NESTED_QUERY, query, error.message, hint) from None
    raw = query.copy()
    raw.append("expressions", exp.alias_(exp.true(), PRESENT))
    return PersonQuery(part, per_person_table(part, catalog), columns, having, raw)


def renamed(query: PersonQuery, names: tuple[str, ...]) -> PersonQuery:
    """*query* with its columns called *names*."""
    raw = query.raw.copy()
    for item, name in zip(raw.expressions, names, strict=False):
        item.set("alias", exp.to_identifier(name, quoted=True))
    return replace(query, columns=dict(zip(names, query.columns.values(), strict=True)), raw=raw)


def _check_clauses(query: exp.Select, listed: AbstractSet[str]) -> None:
    """A row a person is not cut, ordered or numbered, and reads each table once."""
    seen: set[str] = set()
    for table in query.find_all(exp.Table):
        if table.name in seen and table.name in PUBLIC_COLUMNS:
            hint = "read several sites at once: max(CASE WHEN variant_id = '…' THEN dosage END)"
            raise refusal(Code.TABLE_TWICE, table, f"{table.name} stands twice by person", hint)
        seen.add(table.name)
    for name in ("limit", "offset", "qualify", "order"):
        clause = query.args.get(name)
        if clause is not None and name != "order":
            hint = "persons are chosen by conditions: HAVING, or WHERE around the query"
            raise refusal(Code.NESTED_QUERY, clause, f"{name.upper()} stands over rows about persons", hint)
    where = query.args.get("where")
    constants = set(where.find_all(exp.Placeholder)) if where is not None else set()
    for mark in query.find_all(exp.Placeholder):
        if mark.name in listed or mark in constants:
            continue
        hint = "compare with it around the query: … JOIN … WHERE b.x > (SELECT …)"
        raise refusal(Code.NESTED_QUERY, query, "a nested query stands in one of one row a person", hint)
    window = query.find(exp.Window)
    if window is not None:
        hint = "aggregate first; windows may stand over the groups"
        raise refusal(Code.WINDOW, window, "a window function stands over rows about persons", hint)


def _check_keys(query: exp.Select, tables: dict[str, str]) -> None:
    """Further keys are the person's own: else a person has several rows."""
    for key in group_keys(query):
        for column in [] if is_person(key) else key.find_all(exp.Column):
            if tables[column.table] != "samples":
                raise _several_rows(column)


def _several_rows(column: exp.Column) -> QueryRefused:
    hint = (
        f"a person has several rows: aggregate it, count by FILTER (WHERE {column.name} = '…'), or name its "
        f"values: WHERE {column.name} IN ('…', '…') … GROUP BY sample_id, {column.name}"
    )
    name = column.sql("duckdb")
    return refusal(
        Code.NOT_AGGREGATED, column, f"{name} is neither the person nor aggregated by person", hint
    )


def _check_quality(query: exp.Select, tables: dict[str, str]) -> None:
    """Quality is there only where a node's own files have a site: by person it would tell who brought it."""
    for column in query.find_all(exp.Column):
        if tables.get(column.table) == "genotypes" and column.name in QUALITY:
            hint = "read gq and dp in a SELECT over genotypes, e.g. avg(dp) by sex"
            raise refusal(Code.NESTED_QUERY, column, f"{column.name} is read by person", hint)


@dataclass
class Outputs:
    """The columns of one sub-aggregate, each asked for once; *one_site* says that it reads one site."""

    catalog: Catalog
    tables: dict[str, str]
    one_site: bool = False
    found: list[Output] = field(default_factory=list)

    def expression(self, node: exp.Expr) -> exp.Expr:
        """*node* with its aggregates replaced by columns of the sub-aggregate."""
        if node in aggregates_in(node):
            return self._aggregate(node)
        if isinstance(node, exp.Column):
            return self._key(node)
        copy = node.copy()
        for child, replaced in zip(list(copy.iter_expressions()), list(node.iter_expressions()), strict=True):
            child.replace(self.expression(replaced))
        return copy

    def column(self, output: Output) -> exp.Column:
        """The column of *output*, which is asked for once."""
        for known in self.found:
            if replace(known, name=output.name) == output:
                return exp.column(known.name, table=OWN)
        self.found.append(replace(output, name=f"o{len(self.found)}"))
        return exp.column(self.found[-1].name, table=OWN)

    def _key(self, node: exp.Column) -> exp.Expr:
        """A further key: of `samples` it is the same on all rows of a person."""
        if self.tables[node.table] != "samples":
            raise _several_rows(node)
        reference = ColumnRef(node.table, node.name)
        return self.column(Output("o0", OutputFunction.MAX, reference))

    def _aggregate(self, node: exp.Expr) -> exp.Expr:
        inner, where, condition = node, None, None
        if isinstance(node, exp.Filter):
            inner, condition = node.this, node.expression.this
            self._check(condition)
            where = convert(condition)
        nested = next((part for part in inner.find_all(exp.AggFunc) if part is not inner), None)
        if nested is not None:
            raise refusal(
                Code.MISPLACED_AGGREGATE, nested, "an aggregate stands inside another", "use one of them"
            )
        for argument in inner.iter_expressions():
            self._check(argument)
        if type(inner) in EXTREMES:
            return self._extreme(inner, where)
        if isinstance(inner, exp.Sum):
            return self._sum(inner, where)
        if isinstance(inner, exp.Count | exp.ApproxDistinct):
            self._check_distinct(inner)
        if over_persons(inner) in FINISHED:
            return self._finished(node)
        raise refused_aggregate(inner)

    def _check_distinct(self, node: exp.Expr) -> None:
        """What is counted once is in one row a person: variant_id of genotypes, pgs_id of scores."""
        argument = node.this.unnest()
        if isinstance(node, exp.Count) and not isinstance(argument, exp.Distinct):
            return
        counted = argument.expressions if isinstance(argument, exp.Distinct) else [argument]
        once = {"genotypes": "variant_id", "scores": "pgs_id"}
        tables = set(self.tables.values()) - {"samples", "variants"}
        (value,) = counted if len(counted) == 1 else (None,)
        if (
            not isinstance(value, exp.Column)
            or len(tables) > 1
            or value.name != once.get(next(iter(tables), ""))
            or self.tables[value.table] == "samples"
        ):
            hint = "count what is in one row a person, or add up (count_if(gene = '…') > 0)::INT"
            raise refusal(Code.AGGREGATE, node, "different values are not counted by person", hint)

    def _check(self, node: exp.Expr) -> None:
        check_subset(node, self.catalog)
        check_cast_types(node, self.catalog)

    def _finished(self, node: exp.Expr) -> exp.Expr:
        """As an aggregate over persons is made of sums and counts, so is one over a person's rows."""
        measures = _OutputsAsMeasures(_without_steps(self.catalog), self.tables, outputs=self)
        return _without_casts(finish(node, measures))

    def rows(self, where: Expr | None) -> exp.Column:
        """For how many rows *where* holds."""
        return self.column(Output("o0", OutputFunction.ROWS, None, where))

    def _extreme(self, node: exp.Expr, where: Expr | None) -> exp.Expr:
        """The least or largest of a column, or of it where a condition holds."""
        function, argument, default = EXTREMES[type(node)], node.this.unnest(), None
        chosen = None
        if isinstance(argument, exp.If):
            argument = exp.Case(ifs=[argument.copy()], default=argument.args.get("false"))
        if isinstance(argument, exp.Case) and argument.this is None and len(argument.args["ifs"]) == 1:
            branch, default = argument.args["ifs"][0], argument.args.get("default")
            chosen = Call("is_true", (convert(branch.this),))
            argument = branch.args["true"].unnest()
        if not isinstance(argument, exp.Column) or is_person(argument):
            hint = "write max(column), or max(CASE WHEN … THEN column END)"
            raise refusal(Code.ARGUMENT_FORM, node, f"{node.key} by person is taken of a column", hint)
        of_sites = self._of_site(argument) and self.tables[argument.table] in ("genotypes", "variants")
        if of_sites and not self.one_site:
            hint = "choose sites by conditions: max(CASE WHEN pos = … THEN dosage END)"
            raise refusal(Code.ARGUMENT_FORM, node, f"{node.key} by person is taken of a place", hint)
        reference = ColumnRef(argument.table, argument.name)
        kept = both(where, chosen)
        value = self.column(Output("o0", function, reference, kept))
        if default is None or isinstance(default, exp.Null):
            return value
        if not isinstance(default, exp.Literal):
            hint = "write ELSE with a number, or leave it out"
            raise refusal(Code.ARGUMENT_FORM, default, "ELSE is not a constant", hint)
        assert chosen is not None
        others = self.rows(both(where, Call("not", (chosen,))))
        extreme = exp.Greatest if function is OutputFunction.MAX else exp.Least
        together = extreme(this=value.copy(), expressions=[default.copy()])
        return exp.Case(ifs=[exp.If(this=_above_none(others), true=together)], default=value.copy())

    def _sum(self, node: exp.Sum, where: Expr | None) -> exp.Expr:
        weighted = self._weighted(node.this)
        if weighted is not None:
            column, weights = weighted
            reference = ColumnRef(column.table, column.name)
            return self.column(Output("o0", OutputFunction.SUM, reference, where, weights))
        form = form_of(node.this, self.catalog, self.tables)
        told = [branch for branch in form.branches if any(value for _, value in branch.terms)]
        # a person has a row at least, so that a sum of ones and zeros is the number of ones
        constant_only = all(not branch.columns for branch in form.branches)
        if where is None and form.covers and constant_only and [branch.intercept for branch in told] == [1]:
            return self.rows(told[0].where)
        return self._finished(node if where is None else node.parent or node)

    def _weighted(self, argument: exp.Expr) -> tuple[exp.Column, tuple[Weight, ...]] | None:
        """A column times numbers that depend on the site alone; None for any other argument."""
        argument = argument.unnest()
        if isinstance(argument, exp.Mul):
            for one, other in ((argument.left, argument.right), (argument.right, argument.left)):
                column, weights = one.unnest(), self._weights(other.unnest())
                if isinstance(column, exp.Column) and weights is not None:
                    return column, weights
            return None
        if isinstance(argument, exp.Case) and argument.this is None:
            return self._weighted_by_case(argument)
        return None

    def _weights(self, node: exp.Expr) -> tuple[Weight, ...] | None:
        """A constant, or a CASE of constants over the site."""
        number = constant(node)
        if number is not None:
            return (Weight(None, number),)
        if not isinstance(node, exp.Case):
            return None
        weights: list[Weight] = []
        for branch in node.args["ifs"]:
            test = (
                branch.this
                if node.this is None
                else exp.EQ(this=node.this.copy(), expression=branch.this.copy())
            )
            factor = constant(branch.args["true"])
            if test == exp.false():  # a list without rows weighs nothing
                weights.append(Weight(convert(test), Decimal(1)))
                continue
            if factor is None or not self._of_site(test):
                return None
            weights.append(Weight(convert(test), factor))
        default = node.args.get("default")
        if default is not None and not isinstance(default, exp.Null):
            factor = constant(default)
            if factor is None:
                return None
            weights.append(Weight(None, factor))
        return tuple(weights)

    def _weighted_by_case(self, node: exp.Case) -> tuple[exp.Column, tuple[Weight, ...]] | None:
        """CASE of the site with a number times one column in every branch."""
        columns: set[exp.Column] = set()
        weights: list[Weight] = []
        default = node.args.get("default")
        pairs = [(branch.this, branch.args["true"]) for branch in node.args["ifs"]]
        for test, value in [*pairs, *([(None, default)] if default is not None else [])]:
            if test is not None and not self._of_site(test):
                return None
            where = convert(test) if test is not None else None
            column: exp.Expr = value.unnest()
            factor: Decimal | None = Decimal(1)
            if isinstance(column, exp.Mul):
                left, right = column.left.unnest(), column.right.unnest()
                column, factor = (
                    (left, constant(right)) if isinstance(left, exp.Column) else (right, constant(left))
                )
            if not isinstance(column, exp.Column) or factor is None:
                return None
            columns.add(column)
            weights.append(Weight(where, factor))
        return (columns.pop(), tuple(weights)) if len(columns) == 1 else None

    def _of_site(self, node: exp.Expr) -> bool:
        read = list(node.find_all(exp.Column))
        return bool(read) and all(is_public(self.tables[column.table], column.name) for column in read)


@dataclass
class _OutputsAsMeasures(Measures):
    """Lets aggregates be taken apart into columns of a sub-aggregate, instead of measures of a release."""

    outputs: Outputs = field(default_factory=lambda: Outputs(Catalog({}, ""), {}))

    def column(
        self, function: MeasureFunction, factors: Product = (), where: Expr | None = None
    ) -> exp.Column:
        """The column that holds this sum or count."""
        if function is MeasureFunction.PERSONS:
            # one person is one person
            return self.outputs.rows(where)
        if len(factors) > 1:
            hint = "sum one column, or ask for the product over persons"
            raise refusal(Code.ARGUMENT_FORM, None, "a product of columns is summed by person", hint)
        kind = OutputFunction.SUM if function is MeasureFunction.SUM else OutputFunction.ROWS
        return self.outputs.column(Output("o0", kind, factors[0] if factors else None, where))


def _without_steps(catalog: Catalog) -> Catalog:
    """The catalogue as one of values, not of whole numbers of steps."""
    return catalog.with_tables(
        Table(table.name, table.kind, tuple(_plain(column) for column in table.columns), table.description)
        for table in catalog.tables.values()
    )


def _plain(column: Column) -> Column:
    return replace(column, resolution=None)


def _without_casts(node: exp.Expr) -> exp.Expr:
    """*node* without casts of counts and sums to the whole numbers that they are."""

    def bare(part: exp.Expr) -> exp.Expr:
        whole = isinstance(part, exp.Cast) and part.to.this in (exp.DType.INT128, exp.DType.BIGINT)
        return part.this if whole else part

    return node.transform(bare)


def _above_none(column: exp.Expr) -> exp.Expr:
    return exp.GT(this=column.copy(), expression=exp.Literal.number(0))


def constant(node: exp.Expr) -> Decimal | None:
    """The number that *node* writes; None where it is no number."""
    node = node.unnest()
    if isinstance(node, exp.Placeholder):
        return LISTED
    if isinstance(node, exp.Cast):
        return constant(node.this)
    if isinstance(node, exp.Neg):
        inner = constant(node.this)
        return -inner if inner is not None else None
    if isinstance(node, exp.Literal) and not node.is_string:
        try:
            return Decimal(node.name)
        except InvalidOperation:
            return None
    return None
