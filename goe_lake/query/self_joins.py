"""Genotypes and scores joined with themselves on the person: each use at one site is one column of it.

`genotypes a JOIN genotypes b USING (sample_id)` would be a row for each pair of sites. Where conditions fix
each use to one allele, a person has one row in it, and it becomes a query of one row a person. A use of
scores is fixed by its pgs_id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from sqlglot import exp

from goe_lake.catalog import PUBLIC_COLUMNS, SITE_KEY, Catalog
from goe_lake.query.clauses import set_where
from goe_lake.query.language import over_persons
from goe_lake.query.quantiles import QUANTILES
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.relation import and_parts
from goe_lake.query.steps import named_table
from goe_lake.query.sub_aggregates import QUALITY, PersonQuery, aggregated_by_person

GENOTYPES: Final = "genotypes"
MOST_USES: Final = 3
SITE_COLUMNS: Final = PUBLIC_COLUMNS[GENOTYPES]
SCORES: Final = "scores"
FIX: Final = "a condition that fixes it: {0}.variant_id = '…', or {0}.contig, {0}.pos, {0}.ref and {0}.alt"


@dataclass(frozen=True)
class SiteUse:
    """One use of genotypes, at one place.

    *site* are the conditions on the place and *read* what else is read of the rows; *alleles* selects the
    variant_id of the place where the conditions alone do not name one allele.
    """

    table: exp.Table
    site: tuple[exp.Expr, ...]
    read: tuple[exp.Column, ...]
    alleles: exp.Select | None

    @property
    def alias(self) -> str:
        """What the query calls it."""
        return str(self.table.alias_or_name)

    def query(self, catalog: Catalog, mark: str | None) -> PersonQuery:
        """The use as a query of one row a person; *mark* stands for the allele that *alleles* gives."""
        person = exp.column("sample_id", table=self.alias)
        conditions: Iterable[exp.Expr] = self.site
        if mark is not None:
            allele = exp.Placeholder(this=mark)
            allele.meta.update(_meta(self.site[0]))
            conditions = (exp.EQ(this=exp.column("variant_id", table=self.alias), expression=allele),)
        values = [exp.alias_(exp.Max(this=column.copy()), column.name, quoted=True) for column in self.read]
        select = exp.select(exp.alias_(person.copy(), "sample_id"), *values)
        select = select.from_(named_table(self.table.name, self.alias)).where(
            exp.and_(*conditions, copy=True)
        )
        select.set("group", exp.Group(expressions=[person]))
        return aggregated_by_person(select, catalog)


def uses_of(query: exp.Select, name: str) -> list[exp.Table]:
    """The uses of the table *name* in the FROM of *query*."""
    holders = [query.args.get("from_"), *(query.args.get("joins") or ())]
    return [holder.this for holder in holders if holder is not None and holder.this.name == name]


def site_uses(query: exp.Select) -> tuple[SiteUse, ...]:
    """The uses of genotypes in *query*, in full names, where there are several; and those of scores.

    One use of genotypes at one place, beside quantiles of persons, is one as well.
    QueryRefused where there are too many, or one is not fixed to a place or a score.
    """
    scores = uses_of(query, SCORES)
    tables = uses_of(query, GENOTYPES)
    fixed = tuple(_score(query, table) for table in scores) if len(scores) > 1 else ()
    several = len(tables) > 1 or (has_quantiles(query) and _is_at_one_place(query, tables))
    return (*fixed, *(_genotypes(query, tables) if several else ()))


def has_quantiles(query: exp.Select) -> bool:
    """Whether *query* asks for a quantile."""
    return any(over_persons(part) in QUANTILES for part in query.walk())


def _is_at_one_place(query: exp.Select, tables: Sequence[exp.Table]) -> bool:
    """Whether *tables* are one use of genotypes, of which but the alleles at one fixed place are read."""
    names = [table.alias_or_name for table in tables]
    if len(names) != 1 or any(table.name == "variants" for table in query.find_all(exp.Table)):
        return False
    site = _own_conditions(query, names[0], SITE_COLUMNS)
    read = {column.name for column in _read(query, names[0], site)}
    fixed = {column for part in site for column, _ in fixed_by(part)}
    return _is_place(fixed) and not read & (SITE_COLUMNS | QUALITY)


def _is_place(fixed: AbstractSet[str]) -> bool:
    return "variant_id" in fixed or {"contig", "pos"} <= fixed


def _genotypes(query: exp.Select, tables: list[exp.Table]) -> tuple[SiteUse, ...]:
    if len(tables) > MOST_USES:
        hint = "ask for them in pairs"
        message = f"genotypes stands {len(tables)} times, and may {MOST_USES} times"
        raise refusal(Code.TABLE_TWICE, tables[MOST_USES], message, hint)
    for table in query.find_all(exp.Table):
        if table.name == "variants":
            hint = "choose each site by a constant: a.variant_id = (SELECT min(variant_id) FROM variants …)"
            raise refusal(Code.SITE_JOIN, table, "variants is joined with several sites", hint)
    return tuple(_use(query, table) for table in tables)


def without_uses(query: exp.Select, names: dict[str, str], uses: tuple[SiteUse, ...]) -> exp.Select:
    """*query* with each of *uses* read from the query of one row a person that *names* gives."""
    query = query.copy()
    gone = {part for use in uses for part in use.site}
    for table in [table for name in (GENOTYPES, SCORES) for table in uses_of(query, name)]:
        if table.alias_or_name not in names:
            continue
        read = named_table(names[table.alias_or_name], table.alias_or_name)
        read.this.meta.update(_meta(table))
        table.replace(read)
    parts = [part for clause in _clauses(query) for part in and_parts(clause) if part not in gone]
    for join in query.args.get("joins") or ():
        if not join.args.get("side"):
            join.set("on", None)
    set_where(query, parts)
    return query


def _clauses(query: exp.Select) -> list[exp.Expr]:
    """Every ON of an inner join, and WHERE: they are one conjunction."""
    joins = query.args.get("joins") or ()
    clauses = [join.args.get("on") for join in joins if not join.args.get("side")]
    where = query.args.get("where")
    return [clause for clause in (*clauses, where.this if where is not None else None) if clause is not None]


def _use(query: exp.Select, table: exp.Table) -> SiteUse:
    alias = table.alias_or_name
    site = _own_conditions(query, alias, SITE_COLUMNS)
    fixed = {column: value for part in site for column, value in fixed_by(part)}
    if not _is_place(fixed.keys()):
        message = f"{alias} is not fixed to one site: a person would have a row for each pair of sites"
        raise refusal(Code.TABLE_TWICE, table, message, f"add {FIX.format(alias)}")
    read = _read(query, alias, site)
    return SiteUse(table, site, read, None if names_allele(fixed) else _alleles(alias, site))


def _score(query: exp.Select, table: exp.Table) -> SiteUse:
    alias = table.alias_or_name
    own = _own_conditions(query, alias, PUBLIC_COLUMNS[SCORES])
    if "pgs_id" not in {column for part in own for column, _ in fixed_by(part)}:
        message = f"{alias} is not fixed to one score: a person would have a row for each pair of scores"
        raise refusal(Code.TABLE_TWICE, table, message, f"add {alias}.pgs_id = '…'")
    return SiteUse(table, own, _read(query, alias, own), None)


def _own_conditions(query: exp.Select, alias: str, columns: AbstractSet[str]) -> tuple[exp.Expr, ...]:
    """The conditions on *columns* of *alias* alone."""
    parts = [part for clause in _clauses(query) for part in and_parts(clause)]
    return tuple(part for part in parts if _is_of(part, alias, columns))


def _read(query: exp.Select, alias: str, told: Iterable[exp.Expr]) -> tuple[exp.Column, ...]:
    """The columns of *alias* that *query* reads elsewhere than in *told*, the person aside."""
    known = {id(column) for part in told for column in part.find_all(exp.Column)}
    read: dict[str, exp.Column] = {}
    for column in query.find_all(exp.Column):
        if column.table == alias and column.name != "sample_id" and id(column) not in known:
            read.setdefault(column.name, column)
    return tuple(read.values())


def _is_of(part: exp.Expr, alias: str, columns: AbstractSet[str]) -> bool:
    """Whether *part* is a condition on *columns* of *alias* alone."""
    read = list(part.find_all(exp.Column))
    return bool(read) and all(column.table == alias and column.name in columns for column in read)


def fixed_by(part: exp.Expr) -> Iterable[tuple[str, exp.Expr]]:
    """The column that *part* makes equal to a constant, and the constant."""
    if not isinstance(part, exp.EQ):
        return
    left, right = part.left.unnest(), part.right.unnest()
    for column, value in ((left, right), (right, left)):
        if isinstance(column, exp.Column) and value.find(exp.Column) is None:
            yield column.name, value


def names_allele(fixed: dict[str, exp.Expr]) -> bool:
    """Whether the equalities name one allele: symbolic ones of one place differ in their end."""
    if "variant_id" in fixed:
        return True
    alt = fixed.get("alt")
    plain = isinstance(alt, exp.Literal) and alt.is_string and not alt.name.startswith("<")
    return plain and fixed.keys() >= frozenset(SITE_KEY)


def _alleles(alias: str, site: tuple[exp.Expr, ...]) -> exp.Select:
    """The listed alleles of the place."""
    shown = exp.alias_(exp.column("variant_id", table=alias), "variant_id")
    return exp.select(shown).from_(named_table("variants", alias)).where(exp.and_(*site, copy=True))


def _meta(node: exp.Expr) -> dict[str, Any]:
    """Where *node* begins in the text."""
    marked = [part.meta for part in node.walk() if "start" in part.meta]
    return dict(min(marked, key=lambda meta: meta["start"])) if marked else {}
