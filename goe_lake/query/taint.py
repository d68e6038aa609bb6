"""Withheld is a taint, not a NULL: what each expression above the releases is worth, row by row.

Every value has a level: 0 known, 1 approximate, 3 read a value that is not known on its way, 4 not
known. `trace` rewrites an expression over columns that carry levels, and perhaps bounds, into SQL of
its value, its level and its bounds. A level may be None: then the value is known on every row.

The rule that everything rests on: where the level is 0, the value is the one that the expression has
whatever the unknown values are, and whatever the approximate ones are exactly. A comparison whose
bounds decide it is known; so is a conjunction of which one part is known to be false. Everything that
is not listed takes the worst level it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from sqlglot import exp

from goe_lake.query.language import is_aggregate
from goe_lake.query.steps import DIALECT

OK, APPROX, PARTIAL, WITHHELD = 0, 1, 3, 4
MOST_TEXT: Final = 50_000  # characters of SQL of one level
# Parts of an expression that are no values themselves
_CLAUSES: Final = (exp.Order, exp.Ordered, exp.Distinct, exp.Where, exp.Tuple, exp.PropertyEQ, exp.Slice)
WHOLE_TYPES: Final = frozenset(
    {exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT, exp.DType.INT128}
)


@dataclass(frozen=True)
class Traced:
    """SQL of a value, its level (None: known), and its inclusive bounds (None: there are none).

    *whole* tells that the value is a whole number, so that arithmetic on its bounds is exact.
    """

    value: str
    level: str | None = None
    lower: str | None = None
    upper: str | None = None
    whole: bool = False

    @property
    def guarded(self) -> str:
        """The value, NULL where it is not known."""
        return (
            self.value if self.level is None else f"CASE WHEN {self.level} <= {APPROX} THEN {self.value} END"
        )


def worst(levels: Iterable[str | None]) -> str | None:
    """The highest of several levels."""
    found = list(dict.fromkeys(level for level in levels if level is not None))
    if not found:
        return None
    return found[0] if len(found) == 1 else f"greatest({', '.join(found)})"


@dataclass(frozen=True)
class Tracer:
    """Traces the expressions of one SELECT.

    *columns* gives each column that is read; *keys* what stands for whole expressions (group keys);
    *nested* the marks of nested queries. *maybe* is SQL, over the rows, of whether a row may be absent
    (None: all are surely there); *wild* tells that rows of any group may be absent or added, *rough*
    that approximate values chose or parted the rows.
    """

    columns: Callable[[exp.Column], Traced]
    keys: Mapping[exp.Expr, Traced] = field(default_factory=dict)
    nested: Mapping[str, Callable[[Traced | None], Traced]] = field(default_factory=dict)
    maybe: str | None = None
    wild: bool = False
    rough: bool = False

    def trace(self, node: exp.Expr) -> Traced:
        """What *node* is worth."""
        if node in self.keys:
            return self.keys[node]
        if isinstance(node, exp.Column):
            return self.columns(node)
        if isinstance(node, exp.Placeholder):
            return self.nested[node.name](None)
        if isinstance(node, exp.Window):
            return self._window(node)
        if is_aggregate(node) or (isinstance(node, exp.Filter | exp.IgnoreNulls) and _is_aggregation(node)):
            return self._aggregate(node)
        special = _SPECIAL.get(type(node))
        if special is not None:
            return special(self, node)
        return self._plain(node)

    def _plain(self, node: exp.Expr) -> Traced:
        """Any expression: known where all that it reads is known."""
        value, level = self._rewritten(node)
        return Traced(value, level)

    def _rewritten(self, node: exp.Expr) -> tuple[str, str | None]:
        """*node* with everything that it reads replaced by its value, and the worst level of that."""
        copy = node.copy()
        levels: list[str | None] = []
        self._rewrite(copy, node, levels)
        return copy.sql(DIALECT), worst(levels)

    def _rewrite(self, copy: exp.Expr, node: exp.Expr, levels: list[str | None]) -> None:
        for child, original in zip(list(copy.iter_expressions()), list(node.iter_expressions()), strict=True):
            if not self._reads(original):
                continue
            if isinstance(original, _CLAUSES):
                self._rewrite(child, original, levels)
                continue
            traced = self.trace(original)
            levels.append(traced.level)
            child.replace(_raw(traced.value, original))

    def _reads(self, node: exp.Expr) -> bool:
        """Whether *node* has anything of which this tracer must give the value."""
        return any(
            isinstance(part, exp.Column | exp.Placeholder | exp.AggFunc | exp.Window) or part in self.keys
            for part in node.walk()
        )

    # ------------------------------------------------------------------ aggregates and windows

    def _aggregate(self, node: exp.Expr) -> Traced:
        """An aggregate is known where every row that it counts is known and surely there."""
        value, aside, level = self._counted(node)
        if self.wild:
            return Traced(value, str(PARTIAL))
        row, least = worst([level, _maybe_level(self.maybe)]), str(APPROX) if self.rough else None
        if row is None:
            return Traced(value, least)
        counted = f"CASE {aside} ELSE {row} END" if aside is not None else row
        return Traced(value, worst([_partial(f"coalesce(max({counted}), 0)"), least]))

    def _counted(self, node: exp.Expr) -> tuple[str, str | None, str | None]:
        """SQL of an aggregate, the level of a row that a FILTER leaves out (WHEN … THEN …), and of others."""
        if not isinstance(node, exp.Filter):
            return self._head(node)
        value, _, level = self._counted(node.this)
        condition = self.trace(node.expression.this)
        kept = f"coalesce({condition.value}, FALSE)"
        known = f"{condition.level} <= {APPROX} AND " if condition.level is not None else ""
        aside = f"WHEN {known}NOT {kept} THEN {condition.level or 0}"
        return f"{value} FILTER (WHERE {kept})", aside, worst([level, condition.level])

    def _window(self, node: exp.Window) -> Traced:
        """A window function is known where its whole partition is known and surely there."""
        head, spec = node.this, node.args.get("spec")
        partition = [self.trace(part) for part in node.args.get("partition_by") or ()]
        order = node.args.get("order")
        value, _, level = self._head(head)
        items, levels = [], [level]
        for item in order.expressions if order is not None else ():
            traced = self.trace(item.this)
            levels.append(traced.level)
            direction = " DESC" if item.args.get("desc") else ""
            items.append(
                f"{traced.value}{direction} NULLS {'FIRST' if item.args.get('nulls_first') else 'LAST'}"
            )
        by = f"PARTITION BY {', '.join(part.value for part in partition)}" if partition else ""
        ordered = f" ORDER BY {', '.join(items)}" if items else ""
        frame = f" {spec.sql(DIALECT)}" if spec is not None else ""
        over = f"{value} OVER ({by}{ordered}{frame})"
        if self.wild:
            return Traced(over, str(PARTIAL))
        row = worst([*levels, _maybe_level(self.maybe)])
        parts = [f"max({row}) OVER ({by})"] if row is not None else []
        outside = worst(part.level for part in partition)
        if outside is not None:  # a row of an unknown partition may be in any
            parts.append(f"max({outside}) OVER ()")
        if self.rough:
            parts.append(str(APPROX))
        if not parts:
            return Traced(over)
        return Traced(over, _partial(parts[0] if len(parts) == 1 else f"greatest({', '.join(parts)})"))

    def _head(self, head: exp.Expr) -> tuple[str, str | None, str | None]:
        if isinstance(head, exp.Filter):
            return self._counted(head)
        if isinstance(head, exp.IgnoreNulls) and not isinstance(head.this, exp.AnyValue):
            value, level = self._rewritten(head.this)
            return f"{value[:-1]} IGNORE NULLS)", None, level
        inner = head.this if isinstance(head, exp.IgnoreNulls) else head
        value, level = self._rewritten(inner)
        return value, None, level

    # ------------------------------------------------------------------ logic

    def _connector(self, node: exp.Connector) -> Traced:
        """AND is known to be false where one part is; OR to be true."""
        parts = [self.trace(part) for part in node.flatten()]
        word, deciding = (" AND ", "NOT ") if isinstance(node, exp.And) else (" OR ", "")
        value = word.join(f"({part.value})" for part in parts)
        level = worst(part.level for part in parts)
        if level is None:
            return Traced(value)
        decided = []
        for part in parts:
            known = f"{part.level} = 0 AND " if part.level is not None else ""
            decided.append(f"({known}coalesce({deciding}({part.value}), FALSE))")
        return Traced(value, _short(f"CASE WHEN {' OR '.join(decided)} THEN 0 ELSE {level} END"))

    def _paren(self, node: exp.Paren) -> Traced:
        inner = self.trace(node.this)
        return Traced(f"({inner.value})", inner.level, inner.lower, inner.upper, inner.whole)

    def _comparison(self, node: exp.Binary) -> Traced:
        left, right = self.trace(node.left), self.trace(node.right)
        operator = _OPERATORS[type(node)]
        plain = f"({left.value}) {operator} ({right.value})"
        level = worst([left.level, right.level])
        if level is None:
            return Traced(plain)
        rule = _BY_BOUNDS.get(type(node))
        low, high = _bounds(left), _bounds(right)
        if rule is None or low is None or high is None:
            return Traced(plain, level)
        parts = {"l1": low[0], "u1": low[1], "l2": high[0], "u2": high[1]}
        certain, impossible = (f"coalesce({text.format(**parts)}, FALSE)" for text in rule)
        known = f"CASE WHEN {level} <= {APPROX} THEN {plain}"
        value = f"{known} WHEN {certain} THEN TRUE WHEN {impossible} THEN FALSE END"
        return Traced(
            f"({value})",
            f"CASE WHEN {level} > {APPROX} AND ({certain} OR {impossible}) THEN 0 ELSE {level} END",
        )

    def _between(self, node: exp.Between) -> Traced:
        low = exp.GTE(this=node.this.copy(), expression=node.args["low"].copy())
        high = exp.LTE(this=node.this.copy(), expression=node.args["high"].copy())
        return self._connector(exp.And(this=low, expression=high))

    def _in(self, node: exp.In) -> Traced:
        marks = [item for item in node.expressions if isinstance(item, exp.Placeholder)]
        if len(marks) == 1 and len(node.expressions) == 1:
            return self.nested[marks[0].name](self.trace(node.this))
        return self._plain(node)

    # ------------------------------------------------------------------ choices

    def _case(self, node: exp.Case) -> Traced:
        subject = node.this
        pairs = [
            (exp.EQ(this=subject.copy(), expression=item.this.copy()) if subject is not None else item.this,
             item.args["true"])
            for item in node.args["ifs"]
        ]  # fmt: skip
        return self._choice(pairs, node.args.get("default"))

    def _if(self, node: exp.If) -> Traced:
        return self._choice([(node.this, node.args["true"])], node.args.get("false"))

    def _choice(self, pairs: list[tuple[exp.Expr, exp.Expr]], default: exp.Expr | None) -> Traced:
        """Known where the conditions up to the one that holds are known, and so is its value."""
        values, levels, tainted = [], [], False
        read: list[str | None] = []  # an approximate condition that does not hold is on the way as well
        for condition, result in pairs:
            test, then = self.trace(condition), self.trace(result)
            values.append(f"WHEN {test.value} THEN {then.value}")
            read.append(test.level)
            if test.level is not None:
                levels.append(f"WHEN {test.level} > {APPROX} THEN {test.level}")
            levels.append(f"WHEN {test.value} THEN {worst([*read, then.level]) or 0}")
            tainted = tainted or test.level is not None or then.level is not None
        other = self.trace(default) if default is not None else Traced("NULL")
        value = f"CASE {' '.join(values)} ELSE {other.value} END"
        if not tainted and other.level is None:
            return Traced(value)
        return Traced(value, _short(f"CASE {' '.join(levels)} ELSE {worst([*read, other.level]) or 0} END"))

    def _coalesce(self, node: exp.Coalesce) -> Traced:
        """Known where the first value that is not NULL is known, and all before it."""
        parts = [self.trace(part) for part in (node.this, *node.expressions)]
        value = f"coalesce({', '.join(part.value for part in parts)})"
        if all(part.level is None for part in parts):
            return Traced(value)
        levels = []
        read: list[str | None] = []
        for part in parts[:-1]:
            read.append(part.level)
            if part.level is not None:
                levels.append(f"WHEN {part.level} > {APPROX} THEN {part.level}")
            levels.append(f"WHEN ({part.value}) IS NOT NULL THEN {worst(read) or 0}")
        last = worst([*read, parts[-1].level]) or "0"
        return Traced(value, _short(f"CASE {' '.join(levels)} ELSE {last} END") if levels else last)

    # ------------------------------------------------------------------ bounds

    def _literal(self, node: exp.Literal) -> Traced:
        text = node.sql(DIALECT)
        whole = not node.is_string and node.name.isdigit()
        return Traced(text, whole=whole)

    def _cast(self, node: exp.Cast) -> Traced:
        inner = self.trace(node.this)
        value, level = self._rewritten(node)
        if node.to.this in WHOLE_TYPES and inner.whole:
            return Traced(value, level, inner.lower, inner.upper, whole=True)
        return Traced(value, level)

    def _sum(self, node: exp.Binary) -> Traced:
        """Bounds add up; a difference takes the other end of the second."""
        left, right = self.trace(node.left), self.trace(node.right)
        sign = "+" if isinstance(node, exp.Add) else "-"
        value = f"({left.value}) {sign} ({right.value})"
        level = worst([left.level, right.level])
        if level is None or not (left.whole and right.whole):
            return Traced(value, level, whole=left.whole and right.whole)
        one, other = _bounds(left), _bounds(right)
        if one is None or other is None:
            return Traced(value, level, whole=True)
        if isinstance(node, exp.Sub):
            other = other[1], other[0]
        return Traced(
            value,
            level,
            f"(({one[0]})::HUGEINT {sign} ({other[0]}))",
            f"(({one[1]})::HUGEINT {sign} ({other[1]}))",
            whole=True,
        )


def _is_aggregation(node: exp.Expr) -> bool:
    while isinstance(node, exp.Filter | exp.IgnoreNulls):
        node = node.this
    return is_aggregate(node)


def _bounds(traced: Traced) -> tuple[str, str] | None:
    """SQL of the lower and the upper end; both are the value where that is known."""
    if traced.level is None:
        return traced.value, traced.value
    if traced.lower is None and traced.upper is None:
        return None
    known = f"CASE WHEN {traced.level} <= {APPROX} THEN {traced.value} ELSE"
    return (
        f"({known} {traced.lower or 'NULL'} END)",
        f"({known} {traced.upper or 'NULL'} END)",
    )


def _partial(level: str) -> str:
    """The level of something that was made of many values, the worst of which has *level*."""
    return f"CASE WHEN {level} > {APPROX} THEN {PARTIAL} ELSE {level} END"


def _maybe_level(maybe: str | None) -> str | None:
    return f"CASE WHEN {maybe} > 0 THEN {PARTIAL} ELSE 0 END" if maybe is not None else None


def _short(level: str) -> str:
    """*level*, or that nothing is known where its text has grown out of hand."""
    return level if len(level) <= MOST_TEXT else str(PARTIAL)


def _raw(sql: str, node: exp.Expr) -> exp.Expr:
    """SQL that stands where *node* stood; in brackets where that could bind otherwise."""
    return exp.Var(this=sql if isinstance(node, exp.Column | exp.Literal | exp.Paren) else f"({sql})")


_OPERATORS: Final[Mapping[type[exp.Expr], str]] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
# For a comparison of two values with bounds: when it surely holds, and when it surely does not
_BY_BOUNDS: Final[Mapping[type[exp.Expr], tuple[str, str]]] = {
    exp.GT: ("{l1} > {u2}", "{u1} <= {l2}"),
    exp.GTE: ("{l1} >= {u2}", "{u1} < {l2}"),
    exp.LT: ("{u1} < {l2}", "{l1} >= {u2}"),
    exp.LTE: ("{u1} <= {l2}", "{l1} > {u2}"),
    exp.EQ: ("FALSE", "({u1} < {l2} OR {l1} > {u2})"),
    exp.NEQ: ("({u1} < {l2} OR {l1} > {u2})", "FALSE"),
}
Rule = Callable[[Tracer, exp.Expr], Traced]
_SPECIAL: Final[Mapping[type[exp.Expr], Rule]] = cast(
    Mapping[type[exp.Expr], Rule],
    {
        exp.And: Tracer._connector,
        exp.Or: Tracer._connector,
        exp.Paren: Tracer._paren,
        **dict.fromkeys(_OPERATORS, Tracer._comparison),
        exp.Between: Tracer._between,
        exp.In: Tracer._in,
        exp.Case: Tracer._case,
        exp.If: Tracer._if,
        exp.Coalesce: Tracer._coalesce,
        exp.Literal: Tracer._literal,
        exp.Cast: Tracer._cast,
        exp.Add: Tracer._sum,
        exp.Sub: Tracer._sum,
    },
)
