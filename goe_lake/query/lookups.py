"""Released and public rows that are joined with rows about persons: each becomes a constant to match.

`samples s JOIN means m USING (country)` is asked in two rounds. What it reads of `means` is a table by
itself, which is made first; its rows then stand in the query as if the analyst had written them as VALUES
(`query.lists`), and the rest is planned with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from goe_lake.query.clauses import set_where
from goe_lake.query.lists import SITE, Row
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.relation import SITE_TABLES, and_parts, conditions_of
from goe_lake.query.rounds import Value, constant_of
from goe_lake.query.steps import named_table


@dataclass(frozen=True)
class Lookup:
    """The rows of *step*, of *columns*, stand in what is asked in later rounds."""

    step: str
    columns: tuple[str, ...]


#: The rows of lookups by their number, once they are known.
Known = Mapping[int, Sequence[Sequence[Value]]]


def as_listed(rows: Sequence[Sequence[Value]], at: exp.Expr) -> tuple[Row, ...]:
    """Released rows as rows of VALUES."""
    return tuple(tuple(constant_of(value, at) for value in row) for row in rows)


def taken_apart(node: exp.Select, alias: str, table: str) -> tuple[exp.Select, exp.Select]:
    """*node*, in full names, without what it asks of *alias* alone; and the SELECT of that of *table*.

    These are conditions that read no other table, and values that are computed from its columns alone.
    Of an outer join only the conditions in ON: what stands elsewhere is asked of rows without a match too.
    """
    node = node.copy()
    outer = any(
        join.alias_or_name == alias and join.args.get("side") for join in node.args.get("joins") or ()
    )
    own = _own_conditions(node, alias, outer=outer)
    if not outer:
        own += _implied(node, alias)
    made: dict[exp.Expr, str] = {}
    if not outer:
        for division in list(node.find_all(exp.Div)):
            _divide_there(division, alias)
        _compute_there(node, alias, made)
    read = dict.fromkeys(
        column.name
        for column in node.find_all(exp.Column)
        if column.table == alias and column.name not in made.values()
    )
    if not read and not made:
        hint = "join it on a label or a site: … ON m.country = s.country"
        at = next((table for table in node.find_all(exp.Table) if table.alias_or_name == alias), None)
        raise refusal(Code.MIXED_TABLES, at, f"{alias} is joined with every person", hint)
    shown = [exp.alias_(exp.column(name, table=alias), name, quoted=True) for name in read]
    shown += [exp.alias_(value, name, quoted=True) for value, name in made.items()]
    query = exp.select(*shown).from_(named_table(table, alias))
    set_where(query, own)
    return node, query


def _own_conditions(node: exp.Select, alias: str, *, outer: bool) -> list[exp.Expr]:
    """Take the conditions that read *alias* alone out of *node*."""
    found: list[exp.Expr] = []
    for join in node.args.get("joins") or ():
        on, side = join.args.get("on"), join.args.get("side")
        if on is None or (join.alias_or_name != alias if outer else side):
            continue
        own, rest = _split(on, alias)
        found += own
        join.set("on", rest)
        if rest is None and not side:
            join.set("kind", "CROSS")
    where = node.args.get("where")
    if where is not None and not outer:
        own, rest = _split(where.this, alias)
        found += own
        node.set("where", exp.Where(this=rest) if rest is not None else None)
    return found


def _implied(node: exp.Select, alias: str) -> list[exp.Expr]:
    """What equalities say of *alias* where a condition compares the other side with constants.

    Of `g.contig = 'chr19'` and `g.contig = f.contig` follows `f.contig = 'chr19'`; where the variant_id is
    equal, so are the columns of the site.
    """
    tables = {table.alias_or_name: table.name for table in node.find_all(exp.Table)}
    parts = conditions_of(node)
    equal: dict[tuple[str, str], str] = {}
    for part in parts:
        sides = (part.left.unnest(), part.right.unnest()) if isinstance(part, exp.EQ) else ()
        columns = [side for side in sides if isinstance(side, exp.Column)]
        for own, other in (columns, columns[::-1]) if len(columns) == 2 else ():
            if own.table == alias and other.table != alias:
                equal[other.table, other.name] = own.name
                sites = tables[alias] == "allele_frequencies" and tables.get(other.table) in SITE_TABLES
                if sites and own.name == other.name == "variant_id":
                    equal |= {(other.table, name): name for name in SITE}
    found: list[exp.Expr] = []
    for part in parts:
        columns = list(part.find_all(exp.Column))
        known = all((column.table, column.name) in equal for column in columns)
        if columns and known and part.find(exp.Placeholder, exp.Query, exp.AggFunc) is None:
            implied = exp.Paren(this=part.copy())
            for column in list(implied.find_all(exp.Column)):
                column.replace(exp.column(equal[column.table, column.name], table=alias))
            found.append(implied)
    return found


def _split(clause: exp.Expr, alias: str) -> tuple[list[exp.Expr], exp.Expr | None]:
    """The parts of *clause* that read *alias* alone, and the rest of it."""
    parts = and_parts(clause)
    own = [part for part in parts if _reads_alone(part, alias)]
    rest = [part for part in parts if not any(part is its for its in own)]
    return own, exp.and_(*rest, copy=True) if rest else None


def _reads_alone(node: exp.Expr, alias: str) -> bool:
    """Whether *node* is computed from columns of *alias* alone."""
    columns = list(node.find_all(exp.Column))
    alone = bool(columns) and all(column.table == alias for column in columns)
    return alone and node.find(exp.AggFunc, exp.Anonymous, exp.Window, exp.Placeholder, exp.Query) is None


def _divide_there(node: exp.Div, alias: str) -> None:
    """`x / f(y)` as `x * (1 / f(y))`, so that the divisor is computed with the rows of *alias*."""
    if _reads_alone(node.right, alias) and not _reads_alone(node.left, alias):
        inverse = exp.Div(this=exp.Literal.number(1), expression=node.right.copy(), typed=False, safe=False)
        node.replace(exp.Mul(this=node.left.copy(), expression=exp.Paren(this=inverse)))


def _compute_there(node: exp.Expr, alias: str, made: dict[exp.Expr, str]) -> None:
    """Read what is computed from *alias* alone as columns of it."""
    for child in list(node.iter_expressions()):
        plain = isinstance(child, exp.Column | exp.Alias) or not isinstance(child, exp.Condition)
        if plain or not _reads_alone(child, alias):
            _compute_there(child, alias, made)
            continue
        name = made.setdefault(child.copy(), f"_value{len(made) + 1}")
        child.replace(exp.column(name, table=alias))
