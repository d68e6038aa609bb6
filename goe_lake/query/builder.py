"""From a checked tree to releases and steps: every SELECT, at any depth, becomes one or the other.

A SELECT whose FROM reads a table about persons is a *release select*: it is a release, and a step over
the release's cells. One that merely projects and filters rows about persons is merged into the SELECT
that reads it. Everything else is a step over released and public rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from goe_lake.catalog import SQL_TYPES, Catalog, Column, ColumnType, TableKind, is_public
from goe_lake.query.beside import (
    check_place,
    in_of_the_row,
    joined_to,
    keys_and_values,
    of_the_row,
    value_of,
    windows_by_group,
)
from goe_lake.query.branches import (
    Branch,
    check_branches,
    groups_apart,
    has_columns,
    in_own_names,
    in_scope,
    literals,
    literals_of,
    of_branch,
    rows_of_columns,
)
from goe_lake.query.checks import check_joins, check_limit, group_keys, is_person
from goe_lake.query.chosen_columns import with_columns
from goe_lake.query.constants import constant_rows
from goe_lake.query.gateway import contigs_asked, output_names, split_windows, unique, with_names
from goe_lake.query.grouping_sets import check_above, has_sets, select_of, sets_of, with_order
from goe_lake.query.kept_lists import GROUPS, kept_list, kept_rows, split_at_list
from goe_lake.query.labels import (
    counts_by_label,
    labels_in,
    made_of,
    margins_by_label,
    may_aggregate_labels,
    other_aggregates,
    plain_part,
    read_back,
    whole_part,
)
from goe_lake.query.language import aggregates_in
from goe_lake.query.lists import Row, listed_rows, without_list
from goe_lake.query.lookups import Known, Lookup, as_listed, taken_apart
from goe_lake.query.lowering import Lowered, lowered
from goe_lake.query.outer import right_as_left, row_a_person
from goe_lake.query.parts import equal_parts
from goe_lake.query.personal import distinct_as_groups, is_row_wise
from goe_lake.query.pivot import pivoted
from goe_lake.query.plan import cells_name
from goe_lake.query.presence import (
    Presence,
    grouped_by_person,
    groups_by_person,
    semi_condition,
    uncorrelated,
    with_presence,
)
from goe_lake.query.qualify import expand_all, joined_columns, qualify_in
from goe_lake.query.quantiles import Quantile
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.relation import SITE_TABLES
from goe_lake.query.rounds import (
    MOST_ROUNDS,
    Finishing,
    Waiting,
    finishing,
    gives_one_row,
    without_sources,
)
from goe_lake.query.rows import Rows, check_row_wise, merge_rows
from goe_lake.query.self_joins import GENOTYPES, SCORES, site_uses, without_uses
from goe_lake.query.shorthand import tuples_apart
from goe_lake.query.steps import (
    DIALECT,
    Nested,
    PlainStep,
    SelectStep,
    SetStep,
    Step,
    Use,
    marks_of,
    named_table,
)
from goe_lake.query.sub_aggregates import PersonQuery, is_per_person, person_query, renamed
from goe_lake.query.subset import select_first
from goe_lake.query.written_aggregates import Describe, may_be_written_out, without_shorthand
from goe_lake.release import KeyDomain, Release, columns_in

MOST_STEPS = 60
MOST_RELEASES = 20
MODIFIERS = ("order", "limit", "offset")


@dataclass
class Cte:
    """A WITH query, built when it is first read, in the scope where it stands."""

    node: exp.CTE
    scope: Mapping[str, Cte]
    recursive: bool
    built: Rows | None = None


Scope = Mapping[str, Cte]


@dataclass
class Builder:
    """Collects the releases, steps and public tables of one query."""

    catalog: Catalog
    releases: list[Release] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    tables: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    nested: dict[str, Nested] = field(default_factory=dict)
    waiting: dict[int, Waiting] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    persons: dict[str, PersonQuery] = field(default_factory=dict)
    present: dict[str, Presence] = field(default_factory=dict)
    quantiles: dict[int, tuple[tuple[Quantile, int], ...]] = field(default_factory=dict)
    known: Known = field(default_factory=dict)
    lookups: list[Lookup] = field(default_factory=list)
    listed: set[str] = field(default_factory=set)  # the marks of lookups

    def answer(self, query: exp.Query) -> None:
        """Plan the whole query; its rows are those of the last step."""
        rows = self.query(query, {})
        if rows.personal:
            at = next(iter(query.expressions), query)
            if rows.by_person is not None:
                hint = "aggregate over them: SELECT … FROM (this query) AS b JOIN samples USING (sample_id)"
                raise refusal(Code.SAMPLE_ID, at, "the query asks for a row a person", hint)
            hint = "use count, sum or avg"
            raise refusal(Code.ROWS_OF_PERSONS, at, "the query asks for rows about persons", hint)

    def query(self, node: exp.Expr, scope: Scope) -> Rows:
        """The rows of a query."""
        scope = self._with(node, scope)
        if isinstance(node, exp.Select):
            return self.select(node, scope)
        if any(node.args.get(name) is not None for name in MODIFIERS):
            return self.select(_wrapped(node), scope)
        if isinstance(node, exp.Subquery):
            return self.query(node.this, scope)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, scope)
        raise refusal(Code.NOT_IN_SUBSET, node, f"{node.key} is not understood here", "write a SELECT")

    def select(self, node: exp.Select, scope: Scope) -> Rows:
        """The rows of one SELECT."""
        node = select_first(node.copy())
        node.set("with_", None)
        check_limit(node, self.catalog)
        node = right_as_left(node)
        written = node.copy()
        sources = self._sources(node, scope)
        node = with_columns(node, {alias: rows.columns for alias, rows in sources.items()})
        for alias in [alias for alias, rows in sources.items() if rows.several]:
            check_branches(node, alias, sources)
        if kept_list(node, sources) is None:
            self._outer(node, sources)
        self._semi(node, sources)
        persons = {alias: rows for alias, rows in sources.items() if rows.personal}
        if persons and is_row_wise(node):
            sources |= self._cut_points(node, written, scope)
            sources |= self._group_values(node, written, scope)
        sources |= self._of_rows(node, scope, sources, grouped=bool(persons) and not is_row_wise(node))
        self._nested(node, scope, sources)
        if any(rows.several for rows in sources.values()):
            return self._in_branches(node, sources)
        if persons:
            kept = kept_list(node, sources)
            if kept is not None:
                check_joins(node, self.catalog, frozenset(persons))
                names = output_names(node)
                node = joined_columns(qualify_in(expand_all(node), _schema(sources)))
                with_names(node, names)
                inner, outer = split_at_list(node, kept, sources)
                built = _built(sources)
                groups = self.select(inner, built)
                rows = sources[kept]
                if not rows.listed:
                    rows = self._over_released(kept_rows(node, kept, rows.name_in_from(kept)), {kept: rows})
                    built |= _built({kept: rows})
                return self.select(outer, {**built, **_built({GROUPS: groups})})
            node, sources = self._take_lookups(node, sources)
            node, sources = self._take_lists(node, sources)
            node, sources = self._take_constants(node, sources)
            return self._over_persons(*self._written_out(node, sources))
        return self._over_released(node, sources)

    def _in_branches(self, node: exp.Select, sources: Mapping[str, Rows]) -> Rows:
        """A SELECT over rows of persons in several branches: one for each, and the union of their groups."""
        alias = next(alias for alias, rows in sources.items() if rows.several)
        if groups_by_person(node) or has_sets(node):
            hint = "aggregate in each part by itself, and join or UNION ALL the groups"
            message = "rows of persons in branches are grouped by a label or constant"
            raise refusal(Code.ROWS_OF_PERSONS, next(iter(node.expressions)), message, hint)
        names = unique(output_names(node))
        check_joins(node, self.catalog, _by_person(sources))
        node = joined_columns(qualify_in(expand_all(distinct_as_groups(node)), _schema(sources)))
        with_names(node, names)
        branches = self._branches(node, alias, sources)
        if is_row_wise(node):
            made = [self._of_branch(branch.of(node), branch) for branch in branches]
            return replace(made[0], persons=None, branches=tuple(part for its in made for part in its.parts))
        groups = groups_apart(node, alias, [branch.known for branch in branches])
        rows: Rows | None = None
        for branch in branches:
            of_one = self._of_branch(branch.of(of_branch(groups, alias, branch.known)), branch)
            rows = of_one if rows is None else self._under(rows, of_one)
        assert rows is not None
        node.set("from_", exp.From(this=named_table(str(rows.step), "_g")))
        return self._over_released(node, {"_g": rows})

    def _branches(self, node: exp.Select, alias: str, sources: Mapping[str, Rows]) -> list[Branch]:
        """What the rows of *alias* are in each branch."""
        rows = sources[alias]
        rest = {name: its for name, its in sources.items() if name != alias}
        if not rows.choices:
            parts = [replace(rows, branches=(), persons=part) for part in rows.branches]
            return [
                Branch(literals(part), {**rest, alias: its})
                for part, its in zip(rows.branches, parts, strict=True)
            ]
        found = []
        for row in rows.choices:
            own = qualify_in(in_own_names(row, node, alias), _schema(rest))
            values = tuple(item.unalias() for item in own.expressions)
            found.append(Branch(literals_of(rows.columns, values), rest, (alias, rows.columns, values)))
        return found

    def _of_branch(self, select: exp.Select, branch: Branch) -> Rows:
        tables = {name: rows.table for name, rows in branch.sources.items() if rows.table is not None}
        return self.select(in_scope(select, tables), _built(branch.sources))

    def _under(self, upper: Rows, lower: Rows) -> Rows:
        """The rows of *lower* under those of *upper*."""
        assert upper.step is not None
        assert lower.step is not None
        return self.add(
            SetStep(self._name(), "UNION", False, upper.step, lower.step, upper.columns, upper.units)
        )

    def add(self, step: Step) -> Rows:
        """Take *step*, and return its rows."""
        if len(self.steps) >= MOST_STEPS:
            hint = "ask for it in parts"
            raise refusal(Code.TOO_MUCH_WORK, None, f"the query has more than {MOST_STEPS} steps", hint)
        self.steps.append(step)
        self.rounds[step.name] = max((self.rounds.get(table, 0) for table in step.reads), default=0)
        return Rows(step.columns, step.units, step.name)

    def _name(self) -> str:
        return f"s{len(self.steps) + 1}"

    # ------------------------------------------------------------------ names

    def _with(self, node: exp.Expr, scope: Scope) -> Scope:
        clause = node.args.get("with_")
        if clause is None:
            return scope
        known = dict(scope)
        recursive = bool(clause.args.get("recursive"))
        for cte in clause.expressions:
            known[cte.alias.lower()] = Cte(cte, dict(known), recursive)
        return known

    def _cte(self, name: str, cte: Cte) -> Rows:
        if cte.built is None:
            columns = _alias_columns(cte.node)
            if cte.recursive and _reads(cte.node.this, name):
                cte.built = self._recursion(name, cte, columns)
            else:
                cte.built = self._renamed(self.query(cte.node.this, cte.scope), columns, cte.node)
        return cte.built

    def _renamed(self, rows: Rows, names: tuple[str, ...], at: exp.Expr) -> Rows:
        """*rows* with its first columns called *names*."""
        if not names:
            return rows
        if len(names) > len(rows.columns) or rows.table is not None:
            raise refusal(
                Code.UNKNOWN_COLUMN, at, "there are more names than columns", "name each column once"
            )
        columns = unique((*names, *rows.columns[len(names) :]))
        if rows.by_person is not None:
            query = renamed(self.persons[rows.by_person], columns)
            return Rows(columns, rows.units, by_person=self._named_query(query))
        if rows.parts:
            parts = [part.copy() for part in rows.parts]
            for part in parts:
                for item, name in zip(part.expressions, columns, strict=True):
                    item.set("alias", exp.to_identifier(name, quoted=True))
            if rows.persons is not None:
                return Rows(columns, rows.units, persons=parts[0])
            return Rows(columns, rows.units, branches=tuple(parts))
        shown = [
            exp.alias_(exp.column(exp.to_identifier(old, quoted=True), table="_r"), new, quoted=True)
            for old, new in zip(rows.columns, columns, strict=True)
        ]
        assert rows.step is not None
        select = exp.select(*shown).from_(named_table(rows.step, "_r"))
        made = self.add(SelectStep(self._name(), select, columns, rows.units, {}))
        return replace(made, single=rows.single, listed=rows.listed)

    def _sources(self, node: exp.Select, scope: Scope) -> dict[str, Rows]:
        """The rows behind every name of FROM; each holder then reads a table of that name."""
        found: dict[str, Rows] = {}
        first = node.args.get("from_")
        holders = [*([first] if first is not None else []), *(node.args.get("joins") or ())]
        for holder in holders:
            item = holder.this
            rows = self._source(item, scope)
            alias = item.alias_or_name.lower() or f"_q{len(found) + 1}"
            if alias in found:
                hint = "read it once, or give each its own alias"
                raise refusal(Code.TABLE_TWICE, item, f"{alias} stands twice", hint)
            found[alias] = rows
            if rows.table is None:
                holder.set("this", named_table(rows.name_in_from(alias), alias))
        return found

    def _source(self, item: exp.Expr, scope: Scope) -> Rows:
        pivots = item.args.get("pivots") or []
        if pivots:
            return self._pivot(item, pivots, scope)
        columns = _alias_columns(item)
        if isinstance(item, exp.Values) and has_columns(item):
            choices = rows_of_columns(item)
            names = (*columns, *(f"col{place}" for place in range(len(columns), len(choices[0]))))
            return Rows(names, tuple("" for _ in names), choices=choices)
        if isinstance(item, exp.Values) or (
            isinstance(item, exp.Table) and isinstance(item.this, exp.GenerateSeries)
        ):
            rows = self.add(constant_rows(item, self._name(), columns))
            single = isinstance(item, exp.Values) and len(item.expressions) == 1
            return replace(rows, single=single, listed=listed_rows(item))
        if isinstance(item, exp.Subquery):
            return self._renamed(self.query(item, scope), columns, item)
        if not isinstance(item, exp.Table) or not isinstance(item.this, exp.Identifier):
            raise refusal(Code.UNKNOWN_TABLE, item, "a table is wanted here", "read a table by its name")
        name = item.name.lower()
        if name in scope:
            return self._renamed(self._cte(name, scope[name]), columns, item)
        table = self.catalog.table(name)
        if table is None:
            known = ", ".join([*scope, *self.catalog.tables])
            raise refusal(
                Code.UNKNOWN_TABLE, item, f"there is no table {item.name}", f"the tables are {known}"
            )
        if columns:
            raise refusal(Code.NOT_IN_SUBSET, item, "columns are renamed in FROM", "rename them in SELECT")
        return Rows(
            tuple(column.name for column in table.columns),
            tuple(column.unit for column in table.columns),
            None if table.kind is TableKind.PERSONAL else name,
            table=name,
        )

    def _pivot(self, item: exp.Expr, pivots: list[exp.Pivot], scope: Scope) -> Rows:
        bare = item.copy()
        bare.set("pivots", None)
        if isinstance(bare, exp.Subquery):
            bare.set("alias", None)
        rows = self._source(bare, scope)
        if len(pivots) != 1:
            raise refusal(Code.NOT_IN_SUBSET, item, "there are two PIVOTs", "write one in a nested query")
        if rows.personal and not (pivots[0].args.get("unpivot") or pivots[0].args.get("group")):
            hint = "name what stays: PIVOT (… FOR sex IN ('F', 'M') GROUP BY country)"
            raise refusal(Code.ROWS_OF_PERSONS, item, "PIVOT without GROUP BY has a row a person", hint)
        name = rows.table or "_pivot"
        source = Cte(exp.CTE(this=exp.select("*")), {}, recursive=False, built=rows)
        return self.query(pivoted(pivots[0], rows.columns, name), {name: source})

    # ------------------------------------------------------------------ nested queries in expressions

    def _of_rows(
        self, node: exp.Select, scope: Scope, sources: Mapping[str, Rows], *, grouped: bool
    ) -> dict[str, Rows]:
        """Let nested queries that read the row around them be values of groups that are joined."""
        found: dict[str, Rows] = {}
        for exists in [item for item in _nested_in(node) if isinstance(item, exp.Exists)]:
            found_in = in_of_the_row(exists.this, sources)
            if found_in is not None:
                exists.replace(found_in)
        for holder in [item for item in _nested_in(node) if isinstance(item, exp.Subquery)]:
            of_row = of_the_row(holder.this, sources)
            if of_row is None:
                continue
            check_place(holder, grouped)
            alias = f"_row{len(found) + 1}"
            found[alias] = self._joined(node, of_row.inner, of_row.outer, alias, scope, exp.EQ)
            holder.replace(value_of(of_row, alias))
        return found

    def _nested(self, node: exp.Select, scope: Scope, sources: Mapping[str, Rows]) -> None:
        """Build each nested query in an expression of *node*, and leave its mark there."""
        known: dict[tuple[exp.Expr, Use], str] = {}
        for holder in _nested_in(node):
            if isinstance(holder, exp.In):
                query, use = holder.args["query"], Use.IN
            else:
                query, use = holder.this, Use.EXISTS if isinstance(holder, exp.Exists) else Use.SCALAR
            if (query, use) in known:  # a group key, written again in SELECT
                _leave_mark(holder, known[query, use])
                continue
            written, person = query.copy(), None
            if use is Use.EXISTS:
                person, query = uncorrelated(query, sources)
            elif use is Use.IN and is_person(holder.this):
                person = holder.this
            _check_uncorrelated(query, sources)
            rows = self.query(query, scope)
            if rows.personal and person is not None:
                if len(rows.columns) != 1:
                    raise refusal(Code.TYPES, query, "a nested query has several columns here", "select one")
                self._presence(holder, person, rows, query, sources)
                continue
            if rows.personal:
                hint = "aggregate in it, or join on sample_id"
                raise refusal(
                    Code.NESTED_QUERY,
                    query,
                    "a nested query in an expression asks for rows about persons",
                    hint,
                )
            if use is Use.IN and person is not None:
                message = "sample_id is compared with rows that are not about persons"
                raise refusal(Code.SAMPLE_ID, person, message, "write sample_id IN (SELECT sample_id FROM …)")
            if use is not Use.EXISTS and len(rows.columns) != 1:
                raise refusal(Code.TYPES, query, "a nested query has several columns here", "select one")
            assert rows.step is not None
            mark = known[written, use] = self._mark(rows, use)
            _leave_mark(holder, mark)

    def _mark(self, rows: Rows, use: Use, column: str | None = None) -> str:
        """A new mark for a nested use of *rows*."""
        assert rows.step is not None
        if rows.table is not None:
            self._note_table(rows.table, None)
        mark = f"n{len(self.nested) + 1}"
        self.nested[mark] = Nested(rows.step, use, column)
        return mark

    def _presence(
        self, holder: exp.Expr, person: exp.Expr, rows: Rows, at: exp.Expr, sources: Mapping[str, Rows]
    ) -> None:
        """Leave a mark for whether *person* has one of *rows*."""
        if not any(source.personal for source in sources.values()):
            hint = "ask for persons in a SELECT of its own"
            raise refusal(Code.NESTED_QUERY, at, "released rows are compared with rows about persons", hint)
        if rows.several:
            hint = "ask of each part: sample_id IN (…) OR sample_id IN (…)"
            raise refusal(Code.NESTED_QUERY, at, "a nested query has rows of persons in branches", hint)
        query = self._as_query(rows, at)
        if None not in query.columns.values():
            hint = "write sample_id IN (SELECT sample_id FROM …)"
            raise refusal(Code.SAMPLE_ID, at, "sample_id is compared with something else", hint)
        mark = f"p{len(self.present) + 1}"
        self.present[mark] = Presence(self._named_query(query), person.copy())
        holder.replace(exp.Placeholder(this=mark))

    def _as_query(self, rows: Rows, at: exp.Expr | None) -> PersonQuery:
        """*rows* as a query of one row a person, where there were several only of who has one."""
        if rows.by_person is not None:
            return self.persons[rows.by_person]
        select = rows.persons
        if select is None:
            assert rows.table is not None
            select = exp.select(exp.column("sample_id", table=rows.table).as_("sample_id"))
            select = select.from_(named_table(rows.table, rows.table))
        return person_query(grouped_by_person(select, at), self.catalog)

    def _named_query(self, query: PersonQuery) -> str:
        name = f"persons_{len(self.persons) + 1}"
        self.persons[name] = query
        return name

    def _outer(self, node: exp.Select, sources: dict[str, Rows]) -> None:
        """Read what a LEFT JOIN adds to persons as a query of one row a person."""
        if not any(rows.personal for rows in sources.values()):
            return
        first = node.args["from_"].this.alias_or_name
        about = sources[first].personal
        for join in node.args.get("joins") or ():
            alias = join.alias_or_name
            rows = sources[alias]
            if join.args.get("side") and rows.personal and not about:
                hint = f"write FROM {alias} LEFT JOIN {first}, or aggregate over persons first"
                raise refusal(Code.MIXED_TABLES, join, f"rows of {first} are kept that no person has", hint)
            about = about or rows.personal
            if not join.args.get("side") or not rows.personal or rows.by_person is not None:
                continue
            if join.args["side"] != "LEFT":
                hint = "use JOIN or LEFT JOIN"
                raise refusal(
                    Code.JOIN_KIND, join, f"{join.args['side']} JOIN of persons is not answered", hint
                )
            read = {column.name.lower() for column in node.find_all(exp.Column)}
            select = row_a_person(join, alias, rows, self.catalog, read)
            if select is None:  # every row has its person
                join.set("side", None)
                continue
            names = tuple(item.alias for item in select.expressions)
            select = qualify_in(select, self.catalog.as_sqlglot())
            with_names(select, names)
            query = person_query(select, self.catalog)
            name = self._named_query(query)
            columns = tuple(query.columns)
            sources[alias] = Rows(columns, tuple("" for _ in columns), by_person=name)
            join.set("this", named_table(name, alias))

    def _semi(self, node: exp.Select, sources: dict[str, Rows]) -> None:
        """Read SEMI and ANTI JOIN with rows about persons as the condition that they are."""
        joins = node.args.get("joins") or []
        for join in list(joins):
            alias = join.alias_or_name
            if join.args.get("kind") not in ("SEMI", "ANTI") or not sources[alias].personal:
                continue
            person, rows = semi_condition(join, alias, sources.pop(alias), sources, self.catalog)
            joins.remove(join)
            holder: exp.Expr = exp.Placeholder(this="_semi")
            negated = join.args["kind"] == "ANTI"
            where = node.args.get("where")
            parts = [
                *([where.this] if where is not None else []),
                exp.Not(this=holder) if negated else holder,
            ]
            node.set("where", exp.Where(this=exp.and_(*parts, copy=False)))
            holder = next(
                mark for mark in node.args["where"].find_all(exp.Placeholder) if mark.name == "_semi"
            )
            self._presence(holder, person, rows, join, sources)

    def _marks(self, select: exp.Select) -> dict[str, Nested]:
        return {mark: self.nested[mark] for mark in marks_of(select) if mark in self.nested}

    # ------------------------------------------------------------------ SELECTs over persons

    def _cut_points(self, node: exp.Select, written: exp.Select, scope: Scope) -> dict[str, Rows]:
        """Let each ntile() of *node* read cut points: one row of quantiles of the same persons."""
        found: dict[str, Rows] = {}
        for window in list(node.find_all(exp.Window)):
            if not isinstance(window.this, exp.Ntile):
                continue
            parts = equal_parts(window, node, self.catalog)
            alias = f"_cuts{len(found) + 1}"
            found[alias] = self._joined(node, parts.cut_points(written), parts.partition, alias, scope)
            window.replace(parts.as_case(alias))
        return found

    def _group_values(self, node: exp.Select, written: exp.Select, scope: Scope) -> dict[str, Rows]:
        """Let windows of *node* over whole groups read these, as tables that are joined."""
        found: dict[str, Rows] = {}
        for partition, windows in windows_by_group(node).items():
            alias = f"_groups{len(found) + 1}"
            heads = list(dict.fromkeys(window.this for window in windows))
            made = keys_and_values(partition, heads, written)
            found[alias] = self._joined(node, made, partition, alias, scope)
            for window in windows:
                window.replace(exp.column(f"_v{heads.index(window.this)}", table=alias))
        return found

    def _joined(
        self,
        node: exp.Select,
        groups: exp.Select,
        keys: Sequence[exp.Expr],
        alias: str,
        scope: Scope,
        equal: type[exp.Binary] = exp.NullSafeEQ,
    ) -> Rows:
        """Join the rows of *groups* to *node* by their *keys*, as *alias*."""
        rows = self.select(groups, scope)
        assert rows.step is not None
        node.append("joins", joined_to(keys, rows.step, alias, equal=equal))
        return rows

    def _take_lookups(self, node: exp.Select, sources: dict[str, Rows]) -> tuple[exp.Select, dict[str, Rows]]:
        """*node* with the released and public tables in it as lists, which are known in a later round."""
        found = [alias for alias, rows in sources.items() if _is_lookup(rows)]
        if not found:
            return node, sources
        check_joins(node, self.catalog, _by_person(sources) | frozenset(found))
        names = output_names(node)
        node = joined_columns(qualify_in(expand_all(distinct_as_groups(node)), _schema(sources)))
        sources = dict(sources)
        for alias in found:
            rows = sources[alias]
            node, query = taken_apart(node, alias, rows.name_in_from(alias))
            sources[alias] = made = self._looked_up(query, rows, alias)
            holder = next(
                holder
                for holder in (node.args["from_"], *(node.args.get("joins") or ()))
                if holder.this.alias_or_name == alias
            )
            holder.set("this", named_table(str(made.step), alias))
        with_names(node, names)
        return node, sources

    def _looked_up(self, query: exp.Select, rows: Rows, alias: str) -> Rows:
        """The rows that *query* makes of *rows*: constants where they are known, marks where they are not."""
        made = self._over_released(query, {alias: rows})
        names = [self._mark(made, Use.SCALAR, name) for name in made.columns]
        self.listed |= set(names)
        marks = tuple(exp.Placeholder(this=name) for name in names)
        number = len(self.lookups)
        self.lookups.append(Lookup(str(made.step), made.columns))
        known = self.known.get(number)
        listed = (marks,) if known is None else as_listed(known, query)
        return replace(made, single=False, listed=listed, looked_up=True)

    def _take_lists(self, node: exp.Select, sources: dict[str, Rows]) -> tuple[exp.Select, dict[str, Rows]]:
        """*node* and its *sources* without VALUES and ranges: their columns are choices of constants."""
        lists = {alias: rows for alias, rows in sources.items() if rows.listed or rows.looked_up}
        if not lists:
            return node, sources
        check_joins(node, self.catalog, _by_person(sources) | frozenset(lists))
        names = output_names(node)
        node = joined_columns(qualify_in(expand_all(distinct_as_groups(node)), _schema(sources)))
        for alias, rows in lists.items():
            if rows.single and not _compared(node, alias):
                continue
            node = without_list(node, alias, rows.columns, rows.listed)
            sources = {name: its for name, its in sources.items() if name != alias}
        with_names(node, names)
        return node, sources

    def _take_constants(
        self, node: exp.Select, sources: dict[str, Rows]
    ) -> tuple[exp.Select, dict[str, Rows]]:
        """*node* and its *sources* without tables of one released row: each column is one value for all."""
        taken = {alias: rows for alias, rows in sources.items() if rows.single and not rows.personal}
        if not taken:
            return node, sources
        check_joins(node, self.catalog, _by_person(sources))
        node = joined_columns(qualify_in(expand_all(node), _schema(sources)))
        read = {(column.table, column.name.lower()) for column in node.find_all(exp.Column)}
        marks = {
            alias: {
                name.lower(): self._mark(rows, Use.SCALAR, name)
                for name in rows.columns
                if (alias, name.lower()) in read
            }
            for alias, rows in taken.items()
        }
        left = {alias: rows for alias, rows in sources.items() if alias not in taken}
        return without_sources(node, marks), left

    def _over_sets(self, node: exp.Select, sources: Mapping[str, Rows]) -> Rows:
        """ROLLUP, CUBE and GROUPING SETS over persons: a release for each set, and the union of them."""
        check_above(node)
        check_joins(node, self.catalog, _by_person(sources))
        names = output_names(node)
        query, order, further = with_order(qualify_in(expand_all(node), _schema(sources)))
        for item, name in zip(query.expressions, unique(names), strict=False):
            item.set("alias", exp.to_identifier(name, quoted=True))
        sets = sets_of(query)
        every = tuple(dict.fromkeys(key for keys in sets for key in keys))

        def type_of(column: exp.Column) -> str | None:
            table = sources[column.table].table if column.table in sources else None
            described = self.catalog.tables[table].by_name.get(column.name) if table else None
            return SQL_TYPES[described.type] if described is not None else None

        rows: Rows | None = None
        for keys in sets:
            finer = [other for other in sets if set(other) < set(keys)]
            margins = tuple(dict.fromkeys(tuple(f"k{keys.index(key)}" for key in other) for other in finer))
            grouped, read = self._written_out(select_of(query, keys, every, type_of), sources)
            made = self._over_persons(grouped, read, margins)
            if rows is None:
                rows = made
                continue
            rows = self._under(rows, made)
        assert rows is not None
        return self._above_sets(node, rows, order, further)

    def _written_out(
        self, node: exp.Select, sources: Mapping[str, Rows]
    ) -> tuple[exp.Select, Mapping[str, Rows]]:
        """*node* with aggregates that are short for others written out."""
        node = tuples_apart(node)
        if not may_be_written_out(node) or groups_by_person(node) or has_sets(node):
            return node, sources
        names = output_names(node)
        query, sources = self._merged(node, sources)
        query = without_shorthand(query, self._described(sources))
        with_names(query, names)
        return query, sources

    def _merged(self, node: exp.Select, sources: Mapping[str, Rows]) -> tuple[exp.Select, Mapping[str, Rows]]:
        """*node* in full names over tables and queries of one row a person, and what stands behind these."""
        check_joins(node, self.catalog, _by_person(sources))
        query = joined_columns(qualify_in(expand_all(distinct_as_groups(node)), _schema(sources)))
        derived = {alias: rows.persons for alias, rows in sources.items() if rows.persons is not None}
        query = merge_rows(query, derived)
        tables = {table.alias_or_name: table for table in query.find_all(exp.Table)}
        return query, {
            alias: sources[alias] if alias in sources else self._source(table, {})
            for alias, table in tables.items()
        }

    def _described(self, sources: Mapping[str, Rows]) -> Describe:
        """How a column in full names is found in the catalogue."""

        def describe(column: exp.Column) -> tuple[str, Column] | None:
            table = sources[column.table].table if column.table in sources else None
            described = self.catalog.tables[table].by_name.get(column.name) if table else None
            return (str(table), described) if described is not None else None

        return describe

    def _over_labels(
        self, node: exp.Select, sources: Mapping[str, Rows], margins: tuple[tuple[str, ...], ...]
    ) -> Rows | None:
        """Aggregates of labels: of counts by label, joined with all else; None where there are none."""
        names = unique(output_names(node))
        query, sources = self._merged(node, sources)
        describe = self._described(sources)

        def is_label(column: exp.Column) -> bool:
            known = describe(column)
            if known is None:
                return False
            return known[1].type in (ColumnType.LABEL, ColumnType.BOOLEAN) or (
                known[0] in SITE_TABLES and is_public(known[0], column.name)
            )

        labels = labels_in(query, is_label)
        if not labels:
            return None
        keys = group_keys(query)
        others = other_aggregates(query, labels)
        tables = {"_m": self._over_persons(plain_part(query, keys, others), sources, margins)}
        read = {key: exp.column(f"k{place}", table="_m") for place, key in enumerate(keys)}
        by: dict[exp.Expr, exp.Expr] = {**read}
        by |= {item: exp.column(f"a{place}", table="_m") for place, item in enumerate(others)}
        for number, (item, asked) in enumerate(labels.items(), 1):
            by_label = counts_by_label(query, keys, asked)
            counts = self._over_persons(by_label, sources, margins_by_label(keys, asked, margins))
            assert counts.step is not None
            made = made_of(counts.step, len(keys), asked)
            tables[f"_v{number}"] = self._over_released(made, {"_v": counts})
            by[item] = read_back(asked, f"_v{number}")
        steps = {alias: named_table(str(rows.step), alias) for alias, rows in tables.items()}
        return self._over_released(whole_part(query, names, by, steps, len(keys)), tables)

    def _above_sets(self, node: exp.Select, rows: Rows, order: list[exp.Ordered], further: int) -> Rows:
        """ORDER BY and LIMIT over the union of all sets."""
        if not order and node.args.get("limit") is None and node.args.get("offset") is None:
            return rows
        assert rows.step is not None
        shown = [exp.column(exp.to_identifier(name, quoted=True), table="_g") for name in rows.columns]
        columns = rows.columns[: len(shown) - further]
        select = exp.select(*(exp.alias_(item, item.name, quoted=True) for item in shown[: len(columns)]))
        select = select.from_(named_table(rows.step, "_g"))
        for item in order:
            item.set("this", shown[int(item.this.name) - 1].copy())
        if order:
            select.set("order", exp.Order(expressions=order))
        for name in ("limit", "offset"):
            select.set(name, node.args.get(name))
        return self.add(SelectStep(self._name(), select, columns, rows.units[: len(columns)], {}))

    def _over_persons(
        self, node: exp.Select, sources: Mapping[str, Rows], margins: tuple[tuple[str, ...], ...] = ()
    ) -> Rows:
        if has_sets(node):
            return self._over_sets(node, sources)
        if may_aggregate_labels(node) and not groups_by_person(node):
            labels = self._over_labels(node, sources, margins)
            if labels is not None:
                return labels
        names = output_names(node)
        distinct = node.args.get("distinct")
        node = expand_all(distinct_as_groups(node))
        derived = {alias: rows.persons for alias, rows in sources.items() if rows.persons is not None}
        row_wise, by_person = is_row_wise(node), groups_by_person(node)
        if row_wise:
            check_row_wise(node)
        beside = (
            any(rows.by_person for rows in sources.values())
            or any(mark in self.present for mark in marks_of(node))
            or any(sum(rows.table == name for rows in sources.values()) > 1 for name in (GENOTYPES, SCORES))
        )
        if derived or row_wise or by_person or beside:
            check_joins(node, self.catalog, _by_person(sources))
            node = qualify_in(node, _schema(sources))
            node = merge_rows(joined_columns(node), derived)
            node = with_presence(node, self.present)
        units = tuple("" for _ in node.expressions)
        if row_wise:
            columns = with_names(node, names)
            return Rows(columns, units, persons=node)
        if by_person and is_per_person(node):
            columns = with_names(node, names)
            self._check_unnested(node)
            query = person_query(node, self.catalog, self.listed)
            return Rows(columns, units, by_person=self._named_query(query))
        low = self._lowered(self._at_sites(node))
        if len(self.releases) >= MOST_RELEASES:
            hint = "group by a column instead of asking for each group by itself"
            raise refusal(Code.TOO_MUCH_WORK, node, f"the query has more than {MOST_RELEASES} releases", hint)
        place = len(self.releases)
        cells = cells_name(place)
        made = _with_margins(finishing(low, cells, self._name(), names), margins, node)
        release, step = made.release, made.step
        if distinct is not None and step.select.args.get("distinct") is None:
            _check_labels(release, distinct)
        constants = {mark: self.nested[mark] for mark in made.marks}
        # after a lookup a plan must not depend on what its rows are
        asked = release in self.releases and not self.lookups
        if asked and not constants and not made.quantiles:
            cells = cells_name(self.releases.index(release))
            step.select.args["from_"].set("this", exp.to_table(cells))
            step = replace(step, cells=cells)
        else:
            self._ask(made, constants, node)
        if constants:
            self.waiting[place] = Waiting(low, constants, cells, step.name, names)
        rows = self.add(replace(step, nested=self._marks(step.select)))
        return replace(rows, single=gives_one_row(node, []))

    def _ask(self, made: Finishing, constants: Mapping[str, Nested], at: exp.Select) -> None:
        """Note the releases of *made*: in the round after those that release its *constants*."""
        waits = [use.step for use in constants.values()] + [lookup.step for lookup in self.lookups]
        number = 1 + max((self.rounds.get(step, 0) for step in waits), default=0)
        if number > MOST_ROUNDS:
            hint = "ask for the first values by themselves, and write them here"
            raise refusal(Code.TOO_MUCH_WORK, at, f"the query takes more than {MOST_ROUNDS} rounds", hint)
        place = len(self.releases)
        bins = made.bins
        for release in (made.release, *bins.values()):
            self.rounds[cells_name(len(self.releases))] = number
            self.releases.append(release)
        if made.quantiles:
            places = dict(zip(bins, range(place + 1, place + 1 + len(bins)), strict=True))
            self.quantiles[place] = tuple((its, places[its.binned]) for its in made.quantiles)

    def _at_sites(self, node: exp.Select) -> exp.Select:
        """*node* with each use of genotypes, where there are several, as a query of one row a person."""
        uses, names = site_uses(node), {}
        for use in uses:
            mark = self._mark(self.select(use.alleles, {}), Use.ALLELE) if use.alleles is not None else None
            names[use.alias] = self._named_query(use.query(self.catalog, mark))
        return without_uses(node, names, uses) if uses else node

    def _lowered(self, node: exp.Select) -> Lowered:
        """*node* over tables and sub-aggregates alone."""
        names = {table.name for table in node.find_all(exp.Table)} & set(self.persons)
        if not names:
            return Lowered(node, (), None, self.catalog)
        queries = {name: self.persons[name] for name in names}
        known = frozenset(presence.query for presence in self.present.values())
        return lowered(node, queries, known, self.catalog)

    def _check_unnested(self, node: exp.Select) -> None:
        """A query of one row a person reads tables, and no other such query."""
        for table in node.find_all(exp.Table):
            if table.name in self.persons:
                hint = "join the nested queries beside each other: … FROM a JOIN b USING (sample_id)"
                message = "a query of one row a person stands in another one"
                raise refusal(Code.NESTED_QUERY, node, message, hint)

    # ------------------------------------------------------------------ SELECTs over released and public rows

    def _over_released(self, node: exp.Select, sources: Mapping[str, Rows]) -> Rows:
        names = output_names(node)
        schema = {rows.step: rows.schema() for rows in sources.values() if rows.step is not None}
        query = qualify_in(expand_all(node), schema)
        for alias, rows in sources.items():
            if rows.table is not None:
                self._note_table(rows.table, contigs_asked(query, alias))
        units = tuple(_unit(item.unalias(), sources) for item in query.expressions)
        columns = with_names(query, names)
        single = gives_one_row(query, [rows.single for rows in sources.values()])
        inner = split_windows(query) if query.find(exp.Window) and _groups(query) else None
        if inner is not None:
            name = self._name()
            made = tuple(item.alias for item in inner.expressions)
            self.add(SelectStep(name, inner, made, tuple("" for _ in made), self._marks(inner)))
            query.set("from_", exp.From(this=named_table(name, "_g")))
        rows = self.add(SelectStep(self._name(), query, columns, units, self._marks(query)))
        return replace(rows, single=single, listed=_listed(query, sources))

    def _note_table(self, table: str, contigs: tuple[str, ...] | None) -> None:
        known = self.tables.get(table, ())
        both = None if known is None or contigs is None else tuple(dict.fromkeys((*known, *contigs)))
        self.tables[table] = both

    def _set_operation(self, node: exp.SetOperation, scope: Scope) -> Rows:
        distinct = node.args.get("distinct") is not False
        if not distinct and not isinstance(node, exp.Union):
            raise refusal(
                Code.NOT_IN_SUBSET, node, f"{node.key} ALL is not answered", f"write {node.key.upper()}"
            )
        parts = [self.query(part, scope) for part in (node.this, node.expression)]
        left, right = parts
        if len(left.columns) != len(right.columns):
            message = f"the parts have {len(left.columns)} and {len(right.columns)} columns"
            raise refusal(Code.TYPES, node, message, "give both the same columns")
        if left.parts and right.parts and isinstance(node, exp.Union) and not distinct:
            lower = self._renamed(right, left.columns, node)
            return replace(left, persons=None, branches=(*left.parts, *lower.parts))
        for rows, part in zip(parts, (node.this, node.expression), strict=True):
            if rows.personal:
                hint = "aggregate in each part; UNION ALL may stand over plain columns of persons"
                raise refusal(Code.ROWS_OF_PERSONS, part, f"{node.key} of rows about persons", hint)
        assert left.step is not None
        assert right.step is not None
        for rows in parts:
            if rows.step in self.catalog.tables:
                self._note_table(str(rows.step), None)
        operation = node.key.upper()
        return self.add(
            SetStep(self._name(), operation, distinct, left.step, right.step, left.columns, left.units)
        )

    def _recursion(self, name: str, cte: Cte, columns: tuple[str, ...]) -> Rows:
        """A recursive query: it reads itself, public tables and earlier steps, and is run as it is."""
        if name in self.catalog.tables or re.fullmatch(r"(s|cells)[0-9]*", name):
            raise refusal(Code.TABLE_TWICE, cte.node, f"{name} is the name of another table", "rename it")
        body = cte.node.this.copy()
        if not isinstance(body, exp.Union) or body.find(exp.With, exp.Subquery, exp.Exists, exp.Window):
            hint = "write SELECT … UNION ALL SELECT … FROM itself, over public tables or earlier WITH queries"
            raise refusal(Code.NESTED_QUERY, cte.node, "this form of recursion is not answered", hint)
        reads: set[str] = set()
        for table in list(body.find_all(exp.Table)):
            if table.name.lower() == name:
                continue
            rows = self._source(table, cte.scope)
            if rows.personal:
                hint = "aggregate over persons in an earlier WITH query"
                raise refusal(Code.NESTED_QUERY, table, "a recursion reads a table about persons", hint)
            assert rows.step is not None
            if rows.table is not None:
                self._note_table(rows.table, None)
            reads.add(rows.step)
            table.replace(named_table(rows.step, table.alias_or_name))
        names = columns or unique(output_names(_first(body)))
        listed = ", ".join(exp.to_identifier(part, quoted=True).sql(DIALECT) for part in names)
        own = exp.to_identifier(name, quoted=True).sql(DIALECT)
        text = f"WITH RECURSIVE {own}({listed}) AS ({body.sql(DIALECT)}) SELECT * FROM {own}"
        return self.add(PlainStep(self._name(), text, frozenset(reads), names, tuple("" for _ in names)))


def _built(sources: Mapping[str, Rows]) -> dict[str, Cte]:
    """*sources* as WITH queries that are there already."""
    return {alias: Cte(exp.CTE(), {}, recursive=False, built=rows) for alias, rows in sources.items()}


def _is_lookup(rows: Rows) -> bool:
    """Whether *rows*, beside rows about persons, are known only when a query is asked."""
    return not (rows.personal or rows.single or rows.listed or rows.table == "variants")


def _check_labels(release: Release, distinct: exp.Expr) -> None:
    """SELECT DISTINCT lists labels and sites; other values of persons are rows about them."""
    if any(key.domain is KeyDomain.OPEN for key in release.keys):
        hint = "use GROUP BY with count(*), which shows the values that enough persons share"
        raise refusal(Code.ROWS_OF_PERSONS, distinct, "DISTINCT lists values of persons", hint)


def _schema(sources: Mapping[str, Rows]) -> dict[str, dict[str, str]]:
    """The columns of every source, by the name of the table that stands for it."""
    return {rows.name_in_from(alias): rows.schema() for alias, rows in sources.items()}


def _listed(query: exp.Select, sources: Mapping[str, Rows]) -> tuple[Row, ...]:
    """The rows of *query* where it does nothing but to choose columns of constants."""
    only = next(iter(sources.values()), None)
    values = [item.unalias() for item in query.expressions]
    plain = all(isinstance(value, exp.Column) for value in values)
    clauses = ("joins", "where", "group", "having", "qualify", "limit", "offset", "distinct")
    if only is None or not only.listed or not plain or any(query.args.get(name) for name in clauses):
        return ()
    places = [only.columns.index(value.name) for value in values]
    return tuple(tuple(row[place] for place in places) for row in only.listed)


def _compared(node: exp.Select, alias: str) -> bool:
    """Whether a condition of *node* reads *alias*."""
    clauses = [node.args.get("where"), *(join.args.get("on") for join in node.args.get("joins") or ())]
    return any(
        column.table == alias
        for clause in clauses
        if clause is not None
        for column in clause.find_all(exp.Column)
    )


def _by_person(sources: Mapping[str, Rows]) -> frozenset[str]:
    """The names of what has one row a person."""
    return frozenset(alias for alias, rows in sources.items() if rows.by_person)


def _leave_mark(holder: exp.Expr, mark: str) -> None:
    """The *mark* of a nested query where that stood."""
    if isinstance(holder, exp.In):
        holder.set("query", None)
        holder.set("expressions", [exp.Placeholder(this=mark)])
    else:
        holder.replace(exp.Placeholder(this=mark))


def _with_margins(made: Finishing, margins: tuple[tuple[str, ...], ...], at: exp.Select) -> Finishing:
    """*made*, whose release is asked for coarser groupings as well."""
    if margins and made.quantiles:
        hint = "ask for each grouping by itself, and UNION ALL them"
        raise refusal(Code.AGGREGATE, at, "no quantile of margins (ROLLUP, CUBE) is answered", hint)
    tables = {scan.alias: scan.table for scan in made.release.relation.scans}
    read = [column for key in made.release.keys for column in columns_in(key.expression)]
    about_sites = (column for column in read if tables.get(column.table) in ("genotypes", "variants"))
    if margins and any(is_public(tables[column.table], column.column) for column in about_sites):
        message = "no margins (ROLLUP, CUBE) of groups of sites are answered"
        raise refusal(Code.NOT_IN_SUBSET, at, message, "ask for each grouping by itself, and UNION ALL them")
    return replace(made, release=replace(made.release, margins=margins))


def _wrapped(node: exp.Expr) -> exp.Select:
    """A set operation or nested query with ORDER BY or LIMIT as a SELECT of it."""
    inner = node.copy()
    inner.set("with_", None)
    outer = exp.select("*")
    for name in MODIFIERS:
        if inner.args.get(name) is not None:
            outer.set(name, inner.args[name].copy())
            inner.set(name, None)
    body = inner.this if isinstance(inner, exp.Subquery) else inner
    return outer.from_(exp.Subquery(this=body, alias=exp.TableAlias(this=exp.to_identifier("_u"))))


def _alias_columns(item: exp.Expr) -> tuple[str, ...]:
    alias = item.args.get("alias")
    columns = alias.args.get("columns") if isinstance(alias, exp.TableAlias) else None
    return tuple(column.name for column in columns or ())


def _reads(node: exp.Expr, name: str) -> bool:
    return any(table.name.lower() == name for table in node.find_all(exp.Table))


def _first(node: exp.Expr) -> exp.Select:
    while not isinstance(node, exp.Select):
        node = node.this
    return node


def _groups(query: exp.Select) -> bool:
    clauses = [*query.expressions, *(query.args.get(name) for name in ("having", "qualify", "order"))]
    return bool(query.args.get("group")) or any(
        aggregates_in(clause) for clause in clauses if clause is not None
    )


def _nested_in(node: exp.Select) -> list[exp.Expr]:
    """The outermost nested queries in expressions of *node*: EXISTS, IN and scalar ones."""
    found: list[exp.Expr] = []

    def look(part: exp.Expr) -> None:
        if isinstance(part, exp.Exists | exp.Subquery):
            found.append(part)
            return
        if isinstance(part, exp.In) and part.args.get("query") is not None:
            look(part.this)
            found.append(part)
            return
        for child in part.iter_expressions():
            look(child)

    for child in node.iter_expressions():
        look(child)
    return found


def _check_uncorrelated(query: exp.Expr, sources: Mapping[str, Rows]) -> None:
    """A nested query reads nothing of the row around it: that would be one question a row."""
    own = {table.alias_or_name.lower() for table in query.find_all(exp.Table, exp.Subquery)}
    for column in query.find_all(exp.Column):
        if column.table.lower() in sources and column.table.lower() not in own:
            hint = "join the two on that column instead"
            message = f"a nested query reads {column.sql(DIALECT)} of the query around it"
            raise refusal(Code.NESTED_QUERY, column, message, hint)


def _unit(node: exp.Expr, sources: Mapping[str, Rows]) -> str:
    if not isinstance(node, exp.Column) or node.table not in sources:
        return ""
    rows = sources[node.table]
    return rows.units[rows.columns.index(node.name)] if node.name in rows.columns else ""
