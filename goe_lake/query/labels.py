"""Aggregates of labels over persons: how many there are, which, the commonest, their entropy and histogram.

Persons are counted by label in a release of its own, and a step above makes the aggregate of these counts.
A label of too few persons is withheld there, and what read it is marked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sqlglot import exp, parse_one

from goe_lake.query.clauses import is_given, set_where
from goe_lake.query.language import aggregates_in
from goe_lake.query.personal import ABOVE
from goe_lake.query.steps import DIALECT

# What is made of the label l and its number n of rows, group by group; and what it is of no label
_MADE: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "count": ("count(*)", "0"),
        "mode": ("arg_max(_v.l, _v.n)", "NULL"),
        "entropy": ("log2(sum(_v.n)) - sum(_v.n * log2(_v.n)) / sum(_v.n)", "0"),
        "histogram": (
            "map(array_agg(_v.l ORDER BY _v.l), array_agg(CAST(_v.n AS UBIGINT) ORDER BY _v.l))",
            "NULL",
        ),
        "list": ("array_agg(_v.l)", "NULL"),
        "text": ("string_agg(_v.l, ',')", "NULL"),
    }
)


@dataclass(frozen=True)
class LabelAggregate:
    """An aggregate of *labels*, over the rows that *where* keeps: a column, what is made of such, or several.

    Labels that are listed stand in the *order* that is written, and between them the text *between*.
    """

    name: str
    labels: tuple[exp.Expr, ...]
    where: exp.Expr | None
    order: exp.Ordered | None = None
    between: exp.Expr | None = None

    @property
    def counts_missing(self) -> bool:
        """Whether rows without a label count: a list of labels has NULL among them, and (a, b) is none."""
        return self.name == "list" or len(self.labels) > 1

    @property
    def given(self) -> exp.Expr | None:
        """The column of which rows without a label are left out at the nodes; None where none are."""
        only = self.labels[0]
        return only if isinstance(only, exp.Column) and not self.counts_missing else None


def label_aggregate(node: exp.Expr, is_label: Callable[[exp.Column], bool]) -> LabelAggregate | None:
    """*node* as an aggregate of labels; None for anything else."""
    where = node.expression.this if isinstance(node, exp.Filter) else None
    head = node.this if isinstance(node, exp.Filter) else node
    name, arguments = "", []
    if isinstance(head, exp.Count) and isinstance(head.this, exp.Distinct):
        name, arguments = "count", head.this.expressions
    elif isinstance(head, exp.Mode):
        name, arguments = "mode", [head.this]
    elif isinstance(head, exp.Anonymous) and head.name.lower() in ("entropy", "histogram"):
        name, arguments = head.name.lower(), head.expressions
    elif isinstance(head, exp.ArrayAgg | exp.GroupConcat):
        return _listed(head, where, is_label)
    only = arguments[0].unnest() if len(arguments) == 1 else exp.null()
    labels = tuple(only.expressions) if name == "count" and isinstance(only, exp.Tuple) else (only,)
    fits = bool(labels) and all(_is_of(part, is_label) for part in labels)
    return LabelAggregate(name, labels, where) if fits else None


_NO_LABELS: Final = (exp.Query, exp.Placeholder, exp.AggFunc, exp.Window, exp.Distinct, exp.Tuple)


def _is_of(value: exp.Expr, is_label: Callable[[exp.Column], bool]) -> bool:
    """Whether *value* is made of labels alone."""
    columns = list(value.find_all(exp.Column))
    return bool(columns) and all(map(is_label, columns)) and value.find(*_NO_LABELS) is None


def _listed(
    head: exp.ArrayAgg | exp.GroupConcat, where: exp.Expr | None, is_label: Callable[[exp.Column], bool]
) -> LabelAggregate | None:
    """`list(DISTINCT l ORDER BY l)` and `string_agg(DISTINCT l, ', ' ORDER BY l)`; None for anything else."""
    ordered = head.this.expressions if isinstance(head.this, exp.Order) else []
    distinct = head.this.this if isinstance(head.this, exp.Order) else head.this
    column = distinct.expressions[0] if isinstance(distinct, exp.Distinct) else None
    between = head.args.get("separator")
    if (
        not isinstance(column, exp.Column)
        or not is_label(column)
        or len(distinct.expressions) > 1
        or [item.this for item in ordered] not in ([], [column])
        or not (between is None or between.is_string)
    ):
        return None
    name = "list" if isinstance(head, exp.ArrayAgg) else "text"
    return LabelAggregate(name, (column,), where, ordered[0] if ordered else None, between)


def counts_by_label(query: exp.Select, keys: Sequence[exp.Expr], asked: LabelAggregate) -> exp.Select:
    """The rows of each group of *query* by label: k0, k1, …, the labels l, l1, …, and how many rows n."""
    inner = _groups_alone(query)
    shown = [exp.alias_(key.copy(), f"k{place}") for place, key in enumerate(keys)]
    shown += [
        exp.alias_(label.copy(), f"l{place or ''}", copy=False) for place, label in enumerate(asked.labels)
    ]
    shown.append(exp.alias_(exp.Count(this=exp.Star()), "n"))
    inner.set("expressions", shown)
    where = inner.args.get("where")
    given = is_given(asked.given) if asked.given is not None else None
    parts = (where.this if where is not None else None, asked.where, given)
    set_where(inner, [part for part in parts if part is not None])
    inner.set("group", exp.Group(expressions=[part.copy() for part in (*keys, *asked.labels)]))
    return inner


def margins_by_label(
    keys: Sequence[exp.Expr], asked: LabelAggregate, margins: Sequence[tuple[str, ...]]
) -> tuple[tuple[str, ...], ...]:
    """The *margins* of the groups as those of `counts_by_label`: each by label too."""
    every = list(dict.fromkeys((*keys, *asked.labels)))
    labels = [f"k{every.index(label)}" for label in asked.labels]
    by_label = (tuple(dict.fromkeys((*margin, *labels))) for margin in margins)
    return tuple(margin for margin in by_label if len(margin) < len(every))


def made_of(counts: str, keys: int, asked: LabelAggregate) -> exp.Select:
    """The aggregate v of each group k0, k1, …, from the table *counts* of `counts_by_label`."""
    text, _ = _MADE[asked.name]
    names = [f"_v.k{place}" for place in range(keys)]
    listed = "".join(f"{name} AS k{place}, " for place, name in enumerate(names))
    group = f" GROUP BY {', '.join(names)}" if names else ""
    where = "" if asked.counts_missing or asked.given is not None else " WHERE _v.l IS NOT NULL"
    made = parse_one(f"SELECT {listed}{text} AS v FROM {counts} AS _v{where}{group}", dialect=DIALECT)
    assert isinstance(made, exp.Select)
    for head in made.find_all(exp.ArrayAgg, exp.GroupConcat) if asked.name in ("list", "text") else ():
        _put_in_order(head, asked)
    return made


def _put_in_order(head: exp.Expr, asked: LabelAggregate) -> None:
    """Let *head*, which lists labels, do so in the order that is written; in theirs where none is."""
    order = asked.order.copy() if asked.order is not None else exp.Ordered(nulls_first=False)
    order.set("this", head.this.copy())
    head.set("this", exp.Order(this=head.this.copy(), expressions=[order]))
    if asked.between is not None:
        head.set("separator", asked.between.copy())


def read_back(asked: LabelAggregate, table: str) -> exp.Expr:
    """The aggregate in the table that it was made in; a group without any label is not there."""
    _, nothing = _MADE[asked.name]
    column = exp.column("v", table=table)
    if nothing == "NULL":
        return column
    return exp.Coalesce(this=column, expressions=[exp.Literal.number(nothing)])


def may_aggregate_labels(query: exp.Select) -> bool:
    """Whether *query* has an aggregate that can be one of labels."""
    return any(
        label_aggregate(item, lambda column: column.name != "sample_id") for item in _aggregates(query)
    )


def labels_in(query: exp.Select, is_label: Callable[[exp.Column], bool]) -> dict[exp.Expr, LabelAggregate]:
    """The aggregates of labels in *query*, each once."""
    found = {item: label_aggregate(item, is_label) for item in _aggregates(query)}
    return {item: asked for item, asked in found.items() if asked is not None}


def other_aggregates(query: exp.Select, labels: Mapping[exp.Expr, LabelAggregate]) -> list[exp.Expr]:
    """The aggregates of *query* that are not in *labels*, each once."""
    return [item for item in dict.fromkeys(_aggregates(query)) if item not in labels]


def _aggregates(query: exp.Select) -> list[exp.Expr]:
    clauses = [*query.expressions, *(query.args.get(name) for name in ABOVE)]
    return [item for clause in clauses if clause is not None for item in aggregates_in(clause)]


def plain_part(query: exp.Select, keys: Sequence[exp.Expr], others: Sequence[exp.Expr]) -> exp.Select:
    """The groups of *query*, k0, k1, …, with its *others*, a0, a1, …; without any the number of rows."""
    part = _groups_alone(query)
    shown = [exp.alias_(key.copy(), f"k{place}") for place, key in enumerate(keys)]
    aggregates = list(others) or [exp.Count(this=exp.Star())]
    shown += [exp.alias_(item.copy(), f"a{place}") for place, item in enumerate(aggregates)]
    part.set("expressions", shown)
    return part


def _groups_alone(query: exp.Select) -> exp.Select:
    part = query.copy()
    for name in (*ABOVE, "limit", "offset", "distinct"):
        part.set(name, None)
    return part


def whole_part(
    query: exp.Select,
    names: Sequence[str],
    by: Mapping[exp.Expr, exp.Expr],
    tables: Mapping[str, exp.Expr],
    keys: int,
) -> exp.Select:
    """*query* over the joined *tables* that have its keys and aggregates, which *by* says where."""
    whole = query.copy()
    first, *further = tables
    for item, name in zip(list(whole.expressions), names, strict=True):
        item.replace(exp.alias_(replaced(item.unalias(), by), name, quoted=True))
    for clause in ("qualify", "order"):
        if whole.args.get(clause) is not None:
            whole.set(clause, replaced(whole.args[clause], by))
    having = whole.args.get("having")
    whole.set("where", exp.Where(this=replaced(having.this, by)) if having is not None else None)
    whole.set("having", None)
    whole.set("group", None)
    whole.set("from_", exp.From(this=tables[first]))
    whole.set("joins", [_joined(alias, tables[alias], first, keys) for alias in further])
    return whole


def _joined(alias: str, table: exp.Expr, first: str, keys: int) -> exp.Join:
    """A table of the same groups, of which it may lack some."""
    if not keys:
        return exp.Join(this=table, kind="CROSS")
    equal = [
        exp.NullSafeEQ(
            this=exp.column(f"k{place}", table=first), expression=exp.column(f"k{place}", table=alias)
        )
        for place in range(keys)
    ]
    return exp.Join(this=table, side="LEFT", on=exp.and_(*equal))


def replaced(node: exp.Expr, by: Mapping[exp.Expr, exp.Expr]) -> exp.Expr:
    """*node* with each expression of *by* replaced, outermost ones first."""
    if node in by:
        return by[node].copy()
    copy = node.copy()
    for child, original in zip(list(copy.iter_expressions()), list(node.iter_expressions()), strict=True):
        child.replace(replaced(original, by))
    return copy
