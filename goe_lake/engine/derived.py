"""Per-person sub-aggregates as tables of a session: one row a sample, and what must be known of each column.

A value that a sub-aggregate makes is a fact about a person like any other, but two things are found out
here. NULL is a missing value only where the sub-aggregate chose nobody. And numbers that are made of
genotypes keep the classes, or the carriers of each weight, that disclosure control looks at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Final

import numpy as np

from goe_lake.catalog import Column, ColumnType
from goe_lake.engine.duck import one_row
from goe_lake.engine.genotype_rows import load_alike
from goe_lake.engine.relation import Reading
from goe_lake.engine.select import select_sites
from goe_lake.engine.session import FEW_VALUES, SCALED, Derived, DerivedColumn, Session
from goe_lake.engine.sql import identifier, safe_sql
from goe_lake.engine.sub_aggregate_parts import Reduced
from goe_lake.per_person import PRESENT_COLUMN, output_column, per_person_name, places
from goe_lake.release import (
    PRESENT,
    Call,
    Expr,
    Key,
    KeyDomain,
    Measure,
    MeasureFunction,
    Output,
    OutputFunction,
    PerPerson,
    Release,
    columns_in,
    conjuncts,
    value_of,
)

#: How many sub-aggregates a session keeps, each with less of its parts counted too.
MOST_KEPT: Final = 64
#: Decimal places that a DECIMAL of 38 digits has room for beside the digits of a sum.
MOST_DECIMALS: Final = 9


def derive(release: Release, session: Session) -> Reading:
    """*release* as read at *session*, with the tables of its sub-aggregates made."""
    for part in release.relation.derived:
        _made(part, session)
    wanted = {per_person_name(part) for part in release.relation.derived}
    for name in list(session.derived)[: max(0, len(session.derived) - MOST_KEPT)]:
        if name not in wanted:
            _drop(session, name)
    return Reading(_with_choices(Reading(release, session)), session)


def _made(part: PerPerson, session: Session) -> str:
    """The name of the table of *part*, made where it is not there."""
    name = per_person_name(part)
    if name not in session.derived:
        session.derived[name] = _made_of_whole(part, name, session) or _Maker(part, session, name).make()
    session.derived.move_to_end(name)
    return name


def _made_of_whole(part: PerPerson, name: str, session: Session) -> Derived | None:
    """Make *name* of the table of *part* with more of its parts; None where that cannot be."""
    if not isinstance(part, Reduced):
        return None
    if part.constant:
        return _made_constant(part.constant, _made(replace(part, constant=()), session), name, session)
    if part.listed_only:
        whole = _made(replace(part, listed_only=False), session)
        if session.derived[whole].listed:
            copied = f"CREATE OR REPLACE TEMP TABLE {identifier(name)} AS FROM {identifier(whole)}"
            session.connection.execute(copied)
            return session.derived[whole]
    return None


def _made_constant(columns: tuple[str, ...], whole: str, name: str, session: Session) -> Derived:
    """Make *name* of the table *whole*, with the commonest value for whoever has one in *columns*.

    A missing value stays missing; NULL that was chosen is a value like any other.
    """
    known = dict(session.derived[whole].columns)
    there = session.connection.sql(f"SELECT * FROM {identifier(whole)} LIMIT 0").columns
    replaced = []
    for column in columns:
        own = [part for part in (column, "q$" + column) if part in there]
        kept = f"{column} IS NOT NULL" if known[column].technical else "TRUE"
        listed = ", ".join(identifier(part) for part in own)
        commonest = (
            f"SELECT {listed} FROM {identifier(whole)} WHERE {kept} "
            f"GROUP BY {listed} ORDER BY count(*) DESC, {listed} LIMIT 1"
        )
        replaced += [
            f"CASE WHEN {kept} THEN (SELECT {identifier(part)} FROM ({commonest})) END AS {identifier(part)}"
            for part in own
        ]
        # it tells nobody apart
        known[column] = DerivedColumn(known[column].column, True, few_valued=True)
    session.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {identifier(name)} AS "
        f"SELECT * REPLACE ({', '.join(replaced)}) FROM {identifier(whole)}"
    )
    return Derived(known, session.derived[whole].listed, session.derived[whole].sites)


def _drop(session: Session, name: str) -> None:
    carriers = _carriers_of(session.derived.pop(name))
    # a sub-aggregate without some of its parts may share them
    kept = {table for other in session.derived.values() for table in _carriers_of(other)}
    for table in (name, *(carriers - kept)):
        session.connection.execute(f"DROP TABLE IF EXISTS {identifier(table)}")


def _carriers_of(derived: Derived) -> set[str]:
    return {known.carriers for known in derived.columns.values() if known.carriers is not None}


def _with_choices(reading: Reading) -> Release:
    """The release with `x IS NOT NULL` in the filter of each measure of an x that is NULL by choice.

    It changes no value; whom the sub-aggregate left out is then judged as whom a filter leaves out.
    """
    measures = tuple(_with_choice(reading, measure) for measure in reading.release.measures)
    return replace(reading.release, measures=measures)


def _with_choice(reading: Reading, measure: Measure) -> Measure:
    read = reading.derived_in(measure.factors).items()
    chosen = [value_of(column) for column, known in read if not known.technical]
    there = [Call("not", (Call("is_null", (value,)),)) for value in chosen]
    if not there:
        return measure
    parts = tuple(dict.fromkeys([*measure.conditions, *there]))
    return replace(measure, where=parts[0] if len(parts) == 1 else Call("and", parts))


def rows_beneath(part: PerPerson, session: Session) -> Reading:
    """The rows that *part* aggregates, read as a release of their own would be."""
    measures = [Measure("m0", MeasureFunction.ROWS)]
    for output in part.outputs:
        function = MeasureFunction.ROWS if output.argument is not None else MeasureFunction.PERSONS
        factors = (output.argument,) if output.argument is not None else ()
        measures.append(Measure(f"m{len(measures)}", function, factors, output.where))
    # sites are alike that agree in all that is read of them: what weights read is named here
    read = dict.fromkeys(
        column
        for output in part.outputs
        for weight in output.weights
        if weight.where is not None
        for column in columns_in(weight.where)
    )
    keys = (Key(f"k{place}", Call("is_null", (column,)), KeyDomain.OPEN) for place, column in enumerate(read))
    return Reading(Release(part.relation, part.conditions, tuple(keys), tuple(measures)), session)


@dataclass(frozen=True)
class _Maker:
    """Makes the table of one sub-aggregate."""

    part: PerPerson
    session: Session
    name: str

    @cached_property
    def reading(self) -> Reading:
        """The rows beneath."""
        return rows_beneath(self.part, self.session)

    @property
    def _without_unlisted(self) -> bool:
        return isinstance(self.part, Reduced) and self.part.listed_only

    @cached_property
    def on_genotypes(self) -> bool:
        """Whether genotypes are read."""
        return self.reading.scans("genotypes")

    @cached_property
    def pure(self) -> bool:
        """Whether the conditions choose no persons."""
        return not self.reading.person_conditions and not self.reading.genotype_conditions

    def make(self) -> Derived:
        """Make the table, and tell what is known of its columns."""
        listed_only, read = True, np.empty(0, dtype=np.uint64)
        if self.on_genotypes:
            sites = select_sites(self.reading)
            if self._without_unlisted:
                sites = sites.only(sites.listed)
            listed_only = bool(sites.listed.all())
            load_alike(self.session, sites)
            self._weigh_sites()
            if self.session.audited:
                read = np.sort(self.session.site_keys[sites.numbers])
        columns = [self._present(), *(self._column(output) for output in self.part.outputs)]
        listed = ", ".join(columns)
        source = (
            f"SELECT p.s AS sample, {', '.join(self._row_columns())} FROM {self._source()} "
            f"WHERE {self.reading.condition(self.reading.public_conditions)}"
        )
        # at sites that are not listed only carriers have a row
        absent = "NULL" if listed_only else "FALSE"
        self.session.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {identifier(self.name)} AS "
            f"SELECT * REPLACE (coalesce({PRESENT}, {absent}) AS {PRESENT}) FROM (SELECT s FROM samples) "
            f"LEFT JOIN (SELECT sample AS s, {listed} FROM ({source}) GROUP BY sample) USING (s)"
        )
        known = {PRESENT: self._known(PRESENT_COLUMN, None, listed_only)}
        for output in self.part.outputs:
            column = output_column(output, self.session.snapshot.catalog, self.reading.tables)
            known[output.name] = self._known(column, output, listed_only)
        return Derived(known, listed_only, read)

    # SQL ---------------------------------------------------------------------------------------------

    def _source(self) -> str:
        weighted = " JOIN site_weights x USING (site)" if self._weighted else ""
        return self.reading.source() + weighted

    @property
    def _weighted(self) -> list[Output]:
        return [output for output in self.part.outputs if output.weights] if self.on_genotypes else []

    def _weigh_sites(self) -> None:
        """Fill `site_weights`: for each site and weighted column, the place of its weight, NULL for none."""
        if not self._weighted:
            return
        shown = ", ".join(f"{self._weight_place(output)} AS {output.name}" for output in self._weighted)
        self.session.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE site_weights AS SELECT v.site, {shown} FROM sites v "
            "WHERE v.site IN (SELECT site FROM genotype_rows)"
        )

    def _weight_place(self, output: Output) -> str:
        """SQL of the place, among the distinct weights, of a row's weight."""
        factors = _factors(output)
        branches = (
            f"WHEN {self._holds(weight.where) if weight.where is not None else 'TRUE'} "
            f"THEN {factors.index(weight.factor)}"
            for weight in output.weights
        )
        return f"(CASE {' '.join(branches)} END)::INTEGER"

    def _row_columns(self) -> list[str]:
        """SQL of each row: w whether it counts, n how many rows it is, and for each column its value."""
        reading = self.reading
        private = (*reading.person_conditions, *reading.genotype_conditions)
        kept = " AND ".join(self._holds(part) for part in private) or "TRUE"
        columns = [f"({kept}) AS w", f"{'g.n' if self.on_genotypes else '1::BIGINT'} AS n"]
        if self.on_genotypes:
            # at a site, the class: haploid and diploid persons are told apart
            columns += ["nullif(g.called_alleles, 0)::BIGINT * 4 + g.dosage AS class", "p.person AS person"]
        for place, output in enumerate(self.part.outputs):
            where = self._holds(output.where) if output.where is not None else "TRUE"
            columns.append(f"({where}) AS f{place}")
            if self.on_genotypes:
                columns.append(f"({self._at_row(output)}) AS s{place}")
            columns += [f"{sql} AS {name}{place}" for name, sql in self._values(output).items()]
            if output.weights:
                known = f"x.{output.name}" if self.on_genotypes else self._weight_place(output)
                columns.append(f"{known} AS i{place}")
        return columns

    def _values(self, output: Output) -> dict[str, str]:
        """SQL of an argument: `a` as analysts see it, `q` as a whole number of its column's steps."""
        argument = output.argument
        if argument is None or argument.column == "sample_id":
            return {"a": "TRUE"}
        column = self.session.column(self.reading.tables[argument.table], argument.column)
        values = {"a": self.reading.resolve(argument)}
        if column is not None and (column.type in SCALED or column.type is ColumnType.BOOLEAN):
            resolution = column.resolution or Decimal(1)
            values["q"] = self.reading.whole(
                Measure("m0", MeasureFunction.SUM, (argument,), None, resolution)
            )
        return values

    def _present(self) -> str:
        present = f"coalesce(bool_or(w), FALSE) AS {PRESENT}"
        return f"{present}, max(class) AS {identifier('h$' + PRESENT)}" if self.on_genotypes else present

    def _column(self, output: Output) -> str:
        """SQL of one column over a person's rows: its value, `q$…`, and `h$…`, the class at one site."""
        place = self.part.outputs.index(output)
        kept = f"w AND f{place}"
        column = output_column(output, self.session.snapshot.catalog, self.reading.tables)
        whole, value = self._aggregate(output, place, kept, column)
        there = "CASE WHEN bool_or(w) THEN {} END".format
        parts = [f"{there(value)} AS {output.name}"]
        if whole is not None:
            parts.append(f"{there(whole)} AS {identifier('q$' + output.name)}")
        if self.on_genotypes:
            parts.append(f"max(class) FILTER (s{place}) AS {identifier('h$' + output.name)}")
        return ", ".join(parts)

    def _aggregate(self, output: Output, place: int, kept: str, column: Column) -> tuple[str | None, str]:
        """SQL of a column as a whole number (None where it is none), and as analysts see it."""
        if output.function is OutputFunction.ROWS:
            there = (
                f"a{place}"
                if output.argument is None or output.argument.column == "sample_id"
                else f"a{place} IS NOT NULL"
            )
            counted = f"coalesce(sum(n) FILTER ({kept} AND {there}), 0)::BIGINT"
            return counted, counted
        numeric = "q" in self._values(output)
        if output.function is not OutputFunction.SUM:
            word = output.function.value
            whole = f"{word}(q{place}) FILTER ({kept})" if numeric else None
            return whole, f"{word}(a{place}) FILTER ({kept})"
        added = f"q{place}::HUGEINT * n"
        if output.weights:
            step = min(Decimal(1).scaleb(-places(weight.factor)) for weight in output.weights)
            factors = ", ".join(f"({int(factor / step)})::HUGEINT" for factor in _factors(output))
            added = f"{added} * ([{factors}])[i{place} + 1]"
        total = f"sum({added}) FILTER ({kept})" if numeric else "NULL::HUGEINT"
        return total, self._logical(total, column, output)

    def _logical(self, total: str, column: Column, output: Output) -> str:
        """SQL of a sum as DuckDB would give it: whole, exact decimal, or the nearest double."""
        if column.type is not ColumnType.DOUBLE:
            return f"({total})::HUGEINT"
        assert output.argument is not None
        argument = self.session.column(self.reading.tables[output.argument.table], output.argument.column)
        decimals = places(column.resolution or Decimal(1))
        if argument is not None and argument.type is not ColumnType.DOUBLE and decimals <= MOST_DECIMALS:
            return f"({total})::DECIMAL(28, 0) * {Decimal(1).scaleb(-decimals):f}"
        step = Fraction(column.resolution or 1)
        return f"({total})::DOUBLE * {step.numerator}::DOUBLE / {step.denominator}::DOUBLE"

    # what is known -------------------------------------------------------------------------------------

    def _known(self, column: Column, output: Output | None, listed_only: bool) -> DerivedColumn:
        if output is None:
            telling = self.on_genotypes and self._tells(None, listed_only)
            return DerivedColumn(column, self.pure and listed_only, telling, self._sites_of(None) <= 1)
        chosen = output.function is not OutputFunction.ROWS and self._chooses(output)
        technical = self.pure and listed_only and not chosen
        few = self._is_few(output)
        if not (self.on_genotypes and self._tells(output, listed_only)):
            return DerivedColumn(column, technical, few_valued=few)
        numeric = output.function is OutputFunction.ROWS or "q" in self._values(output)
        carriers = self._carriers(output) if numeric else None
        weights = sum(1 for factor in _factors(output) if factor) if output.weights else 1
        return DerivedColumn(
            column, technical, True, self._sites_of(output) <= 1, carriers, weights if carriers else 0, few
        )

    def _chooses(self, output: Output) -> bool:
        """Whether the column's own filter chooses persons, so that NULL may tell of them."""
        parts = conjuncts(output.where) if output.where is not None else ()
        return not all(self.reading.is_public(part) for part in parts)

    def _tells(self, output: Output | None, listed_only: bool) -> bool:
        """Whether genotypes decide what the column says of a person."""
        if not listed_only or self.reading.genotype_conditions:
            return True
        parts = () if output is None else (output.argument, output.where)
        return any(part is not None and self.reading.genotype_values(part) for part in parts)

    def _sites_of(self, output: Output | None) -> int:
        """At how many sites the column is read."""
        selected = [self._holds(part) for part in self.reading.site_conditions]
        selected += ["v.listed"] if self._without_unlisted else []
        where = " AND ".join([*selected, self._at_site(output) if output is not None else "TRUE"])
        (sites,) = one_row(self.session.connection, f"SELECT count(*) FROM sites v WHERE {where}")
        return int(sites)

    def _at_site(self, output: Output) -> str:
        """SQL of whether a site is one that the column is read at."""
        parts = conjuncts(output.where) if output.where is not None else ()
        where = [self._holds(part) for part in parts if self.reading.reads_site(part)]
        if output.weights and self.on_genotypes:
            where.append(f"{self._weight_place(output)} IS NOT NULL")
        return " AND ".join(where) or "TRUE"

    def _at_row(self, output: Output) -> str:
        """The same of a row, whose site was weighed."""
        return f"x.{output.name} IS NOT NULL" if output.weights else self._at_site(output)

    def _holds(self, part: Expr) -> str:
        return f"coalesce({safe_sql(part, self.reading.resolve)}, FALSE)"

    def _is_few(self, output: Output) -> bool:
        values = f"SELECT count(DISTINCT {output.name}) FROM {identifier(self.name)}"
        (count,) = one_row(self.session.connection, values)
        return bool(count <= FEW_VALUES)

    def _carriers(self, output: Output) -> str:
        """Make the table of who carries the allele of each weight (c even) and who does not (c odd)."""
        place, name = self.part.outputs.index(output), f"carriers_{self.name}_{output.name}"
        # a weight of 0 says nothing of who carries
        zero = ", ".join(str(n) for n, factor in enumerate(_factors(output)) if not factor)
        weight = f"CASE WHEN i{place} NOT IN ({zero or -1}) THEN i{place} END" if output.weights else "0"
        if output.function is OutputFunction.ROWS:
            total = f"coalesce(sum(n) FILTER (w AND f{place} AND a{place} IS NOT NULL), 0)"
        else:
            total = f"sum(abs(q{place}) * n) FILTER (w AND f{place})"
        rows = (
            f"SELECT {', '.join(self._row_columns())} FROM {self._source()} "
            f"WHERE {self.reading.condition(self.reading.public_conditions)}"
        )
        self.session.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {identifier(name)} AS "
            f"SELECT person, (weight * 2 + CASE WHEN total = 0 THEN 1 ELSE 0 END)::BIGINT AS c FROM ("
            f"SELECT person, {weight} AS weight, {total} AS total FROM ({rows}) GROUP BY ALL) "
            "WHERE weight IS NOT NULL AND total IS NOT NULL"
        )
        return name


def _factors(output: Output) -> list[Decimal]:
    """The distinct weights of *output*, in the order of writing."""
    return list(dict.fromkeys(weight.factor for weight in output.weights))
