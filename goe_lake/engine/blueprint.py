"""The SQL that turns rows into cells, and into the evidence that disclosure control decides on.

Two steps: rows to one row a person and cell (`totals`), then to one row a cell (`cells`). What is
counted is always persons.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from goe_lake.computed import computed_column
from goe_lake.disclosure import Rule
from goe_lake.engine.class_kinds import ClassKind, derived_of_cell, derived_of_measure, rule_of_derived
from goe_lake.engine.relation import NEVER, Reading
from goe_lake.engine.sql import identifier, safe_sql
from goe_lake.release import Call, ColumnRef, Expr, Key, Measure, MeasureFunction, conjuncts, stored_in

CLASS_VALUES = frozenset({"dosage", "called_alleles"})
DOSAGE = ("genotypes", "dosage")
#: What anybody may know of a person in a cell, and SQL of it.
THERE, ROWS, ONCE = "there", "rows", "once"
KNOWN = {THERE: "(n_in > 0)::BIGINT", ROWS: "n_in", ONCE: "1::BIGINT"}

#: How many different values a column has where its squares are summed; for cubes twice as many, and so on.
VALUES_OF_DEGREE = 10
#: What a function counts as: it tells as much as a power of three.
OF_FUNCTION = 3
#: The same for three or four factors of two columns: of many columns there are more of these than persons.
SEVERAL_COLUMNS = 100


@dataclass(frozen=True)
class Kinds:
    """Measures of one quantity, and the columns of `totals` that a person adds to them.

    *known* is whether a person is there, where *rows* with how many rows, and once each. Whoever has
    something in a column of *excused* is excused. *least* is how many persons a combination of them takes,
    where that is more than the policy says.
    """

    measures: tuple[int, ...]
    columns: tuple[str, ...]
    known: tuple[str, ...] = ()
    excused: tuple[str, ...] = ()
    least: int = 0

    @property
    def sql(self) -> tuple[str, ...]:
        """SQL over `totals` of what a person adds to what is known, and to each measure."""
        return (*(KNOWN[name] for name in self.known), *(f"coalesce({name}, 0)" for name in self.columns))

    @property
    def excused_sql(self) -> str:
        """SQL over `totals` of whether a person is excused."""
        return " OR ".join(f"{name} > 0" for name in self.excused) or NEVER


@dataclass(frozen=True)
class Blueprint:
    """How one release is computed at one session.

    *single* says that each person has at most one row in each cell, which saves a grouping;
    *one_site* that the genotypes of each cell are those of one site; *listed_only* that every site
    that is read is a listed one; *hidden_quality* that gq and dp would tell of a few carriers who
    brought a site into the node's files; *weighted* that a row stands for `n` rows that are alike;
    *reduced* that parts of conditions were left out, so that one that is left may read the site alone.
    """

    reading: Reading
    single: bool
    one_site: bool = False
    listed_only: bool = False
    hidden_quality: bool = False
    weighted: bool = False
    reduced: bool = False

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The release's measures."""
        return self.reading.release.measures

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the key columns."""
        return tuple(key.name for key in self.reading.release.keys)

    # what the rules need to know ------------------------------------------------------------------------

    @cached_property
    def classes(self) -> tuple[ClassKind, ...]:
        """The genotype classes that conditions and keys, and then each filter, tell persons apart by.

        A person has one genotype at one site; over several sites there is no class to be in.
        """
        kinds = list(self._cell_kinds())
        for measure in self.measures:
            kinds += self._measure_kinds(measure)
        return tuple(dict.fromkeys(kinds))

    def _cell_kinds(self) -> tuple[ClassKind, ...]:
        """What conditions and keys tell persons apart by."""
        kinds = derived_of_cell(self.reading)
        if self.one_site and self._tells_genotypes(self._cell_parts()):
            return (self._class_kind(self._cell_parts(), ()), *kinds)
        return kinds

    def _measure_kinds(self, measure: Measure) -> tuple[ClassKind, ...]:
        """What a measure's filter tells persons apart by, and the carriers whom its argument is made of."""
        kinds = derived_of_measure(self.reading, measure)
        if self.one_site and measure.where is not None and self._tells_genotypes((measure.where,)):
            parts = (measure.where, *self._cell_parts())
            return (self._class_kind(parts, conjuncts(measure.where)), *kinds)
        return kinds

    def _cell_parts(self) -> tuple[Expr, ...]:
        reading = self.reading
        return (*reading.genotype_conditions, *(key.expression for key in reading.release.keys))

    def _tells_genotypes(self, parts: Iterable[Expr]) -> bool:
        # whether a genotype was called at all is public
        each = (one for part in parts for one in conjuncts(part))
        return any(self.reading.genotype_values(one) for one in each if not is_not_missing(one))

    def _class_kind(self, parts: Iterable[Expr], filter_parts: tuple[Expr, ...]) -> ClassKind:
        """The classes that *parts* tell apart, among those whom the rest of the filter selects."""
        read = set().union(*(self.reading.genotype_values(part) for part in parts))
        called = "nullif(g.called_alleles, 0)::BIGINT"
        # haploid persons are classes of their own: by sex, AC tells them from the others
        value = called if read == {"called_alleles"} else f"({called} * 4 + g.dosage)"
        selecting = tuple(part for part in filter_parts if not self.reading.genotype_values(part))
        chosen = self.reading.condition((*self.reading.person_conditions, *selecting))
        return ClassKind(value, chosen, self.reading.genotype_keys)

    def classes_of(self, measure: Measure) -> tuple[int, ...]:
        """The places among `classes` of what the measure tells apart."""
        return tuple(self.classes.index(kind) for kind in self._measure_kinds(measure))

    def cell_classes(self) -> tuple[int, ...]:
        """The places among `classes` of what conditions and keys tell apart."""
        return tuple(self.classes.index(kind) for kind in self._cell_kinds())

    def tangled(self, parts: tuple[Expr, ...]) -> bool:
        """Whether *parts* tell genotypes apart at some of the sites of one cell only."""
        return not self.one_site and any(self.reading.tangles(part) for part in parts)

    def reads_quality(self, parts: Iterable[Expr]) -> bool:
        """Whether *parts* read gq or dp, which are there only where the node's own files have the site."""
        return any(map(self.reading.reads_quality, parts))

    def rule_of(self, measure: Measure) -> Rule:
        """Who contributes to the measure."""
        if measure.function is not MeasureFunction.SUM:
            return Rule.ROWS
        if len(measure.factors) > 1:
            return Rule.MOMENT if self.many_valued(measure) else Rule.MOMENT_OF_FEW
        if is_computed(measure):
            return Rule.FUNCTION
        table, column = self._name(measure.factors[0])
        if (table, column) == ("genotypes", "dosage"):
            return Rule.ALLELE_COUNT if self.one_site else Rule.BURDEN
        if (table, column) == ("genotypes", "called_alleles"):
            listed = self.listed_only or self.reading.keyed_by_site
            return (
                Rule.ALLELE_NUMBER if listed and self.reading.allele_number_is_public(measure) else Rule.ROWS
            )
        derived = self.reading.derived_in(measure.factors).get(measure.factors[0])
        if derived is not None:
            return rule_of_derived(derived)
        return Rule.FEW_VALUES if self.reading.has_few(measure.factors[0]) else Rule.SUM

    def _name(self, factor: ColumnRef) -> tuple[str, str]:
        return self.reading.tables[factor.table], factor.column

    def many_valued(self, measure: Measure) -> tuple[ColumnRef, ...]:
        """The factors of many values: sums of the same ones can be added and subtracted."""
        return tuple(factor for factor in measure.factors if not self.reading.has_few(factor))

    def few_valued(self, measure: Measure) -> tuple[ColumnRef, ...]:
        """The factors of few values, repeats included."""
        return tuple(factor for factor in measure.factors if self.reading.has_few(factor))

    def few_in_ratios(self, measure: Measure) -> tuple[ColumnRef, ...]:
        """The columns of few values that ratios by person in *measure* are made of."""
        ratios = [factor for factor in dict.fromkeys(measure.factors) if is_ratio(factor)]
        read = dict.fromkeys(column for factor in ratios for column in stored_in(factor))
        return tuple(column for column in read if self.reading.has_few(column))

    def has_classes(self, measure: Measure) -> bool:
        """Whether columns of few values in *measure* put persons into classes, each of which counts."""
        if measure.function is not MeasureFunction.SUM:
            return False
        several = len(measure.factors) > 1 and self.few_valued(measure)
        return bool(several or self.few_in_ratios(measure))

    @cached_property
    def kinds(self) -> tuple[Kinds, ...]:
        """The families of measures that can be added and subtracted, where an answer holds several."""
        return tuple(kinds for kinds in (self._counts(), *self._sums()) if kinds is not None)

    def _counts(self) -> Kinds | None:
        """All counts, and the sums of few values, which are counts by value."""
        places = [
            place
            for place, measure in enumerate(self.measures)
            if self.rule_of(measure) not in (Rule.SUM, Rule.MOMENT, Rule.FUNCTION, Rule.ALLELE_NUMBER)
        ]
        telling = [place for place in places if self._tells(self.measures[place])]
        # one number beside the number of persons: its own rule and complement say it all
        if not telling or (self.single and len(telling) < 2):
            return None
        known = (THERE, ONCE) if self.single else (THERE, ROWS, ONCE)
        excuses = [f"fnull{place}" for place in range(len(self.reading.filters))]
        excuses += [f"missing{place}" for place in places]
        # over several rows a missing one excuses nothing: it would excuse nearly everybody
        excused = tuple(excuses) if self.single else ()
        return Kinds(tuple(places), tuple(f"t{place}" for place in places), known, excused)

    def _tells(self, measure: Measure) -> bool:
        return measure.where is not None or measure.function is MeasureFunction.SUM

    def _sums(self) -> Iterable[Kinds]:
        """The sums of each product of columns of many values: a person adds it once a row.

        What it is multiplied with has few values, and says how often the person adds it.
        """
        by_argument: dict[tuple[ColumnRef, ...], list[int]] = {}
        for place, measure in enumerate(self.measures):
            if self.rule_of(measure) in (Rule.SUM, Rule.MOMENT, Rule.FUNCTION):
                by_argument.setdefault(self.many_valued(measure), []).append(place)
        # those of one form as well as those of all
        together = [(places, self.least_values(self.measures[places[0]])) for places in by_argument.values()]
        for places, least in (*together, *((places, 0) for places in self._forms_of_columns())):
            if len(places) > 1:
                times = tuple(f"{self._how_often(self.measures[place])}{place}" for place in places)
                yield Kinds(tuple(places), times, least=least)

    def _how_often(self, measure: Measure) -> str:
        """The column of `totals` that says how often a person adds what a sum is of."""
        return "times" if len(measure.factors) > 1 and self.few_valued(measure) else "present"

    def _forms_of_columns(self) -> Iterable[list[int]]:
        """For each column of which a function, or a value by person, is summed: the sums of any form of it.

        A function is near a times the column plus b: of other persons it would tell the column of these.
        """
        sums = [place for place, its in enumerate(self.measures) if its.function is MeasureFunction.SUM]
        read = {
            place: [column for factor in self.measures[place].factors for column in self._read_in(factor)]
            for place in sums
        }
        forms = [column for place in sums if self._is_form(self.measures[place]) for column in read[place]]
        for column in dict.fromkeys(forms):
            yield [place for place in sums if column in read[place] and self._is_held(self.measures[place])]

    def _is_held(self, measure: Measure) -> bool:
        """Whether *measure* is of many values; or of a sub-aggregate, of which a ratio is one more form."""
        by_person = self.reading.derived_in(measure.factors)
        return bool(self.many_valued(measure)) or (bool(by_person) and len(measure.factors) == 1)

    def _read_in(self, factor: ColumnRef) -> tuple[tuple[str, str], ...]:
        """The columns of persons that *factor* is made of; those of sub-aggregates by themselves."""
        reading = self.reading
        own = [(reading.tables[its.table], its.column) for its in reading.derived_in(stored_in(factor))]
        return tuple(dict.fromkeys((*reading.made_of(factor), *own)))

    def _is_form(self, measure: Measure) -> bool:
        return self.reading.is_form(measure) or any(map(is_ratio, measure.factors))

    # SQL --------------------------------------------------------------------------------------------------

    def totals_sql(self) -> str:
        """One row a person and cell: the person's total for each measure, and where the person stands."""
        identity = ("p.person AS person", "p.s AS s", *(("g.n AS n",) if self.weighted else ()))
        rows = self._rows_sql(self.reading.release.keys, identity, self.reading.source())
        columns = [*self.keys, "person", *self._totals(), *self._distances()]
        group = "" if self.single else f" GROUP BY {', '.join([*self.keys, 'person'])}"
        return f"SELECT {', '.join(columns)} FROM ({self._centred(rows)}) WHERE {self._kept()}{group}"

    def rows_sql(self) -> str:
        """The rows that `totals_sql` adds up, where a person has at most one in each cell."""
        rows = self._rows_sql(self.reading.release.keys, ("p.person AS person",), self.reading.source())
        return f"SELECT * FROM ({self._centred(rows)}) WHERE {self._kept()}"

    def _centred(self, rows: str) -> str:
        """*rows* with each product of columns of many values once more, of the distances from their means.

        That is what a variance is made of: who is far from the mean has a large share of it.
        """
        columns = []
        cell = f"PARTITION BY {', '.join(self.keys)}" if self.keys else ""
        for place, measure in self._moments():
            if self.rule_of(measure) is not Rule.MOMENT:
                continue
            there = f"{self._kept_for(measure)} AND a{place} IS NOT NULL"
            weight = " * n" if self.weighted else ""
            number = f"sum(1{weight}) FILTER ({there}) OVER ({cell})"
            distances = []
            for factor in measure.factors:
                value = f"x{place}_{measure.values.index(factor)}"
                total = f"sum({value}::DOUBLE{weight}) FILTER ({there}) OVER ({cell})"
                distances.append(f"({value} - {total} / {number})")
            columns.append(f"CASE WHEN {there} THEN {' * '.join(distances)}{weight} END AS z{place}")
        return f"SELECT *, {', '.join(columns)} FROM ({rows})" if columns else rows

    def _distances(self) -> list[str]:
        return [
            f"abs({f'z{place}' if self.single else f'sum(z{place})'}) AS d{place}"
            for place, measure in self._moments()
            if self.rule_of(measure) is Rule.MOMENT
        ]

    def row_kinds_sql(self, keys: tuple[Key, ...], source: str, member: str) -> str:
        """The different rows that `totals` can hold at one site, in the order of *keys*.

        *source* joins persons p to each genotype class g; *member* is SQL of what identifies a row of
        it, and `members` lists them by kind. What a row adds to each of `kinds` is in `v<place>_<number>`
        and `excused<place>`. Only for a blueprint in which each person has one row a cell.
        """
        names = [key.name for key in keys]
        rows = self._rows_sql(keys, (f"{member} AS member",), source)
        totals = f"SELECT {', '.join([*names, 'member', *self._totals()])} FROM ({rows}) WHERE {self._kept()}"
        vectors = [
            f"({value})::BIGINT AS v{place}_{number}"
            for place, kinds in enumerate(self.kinds)
            for number, value in enumerate(kinds.sql)
        ]
        vectors += [
            f"({kinds.excused_sql})::BIGINT AS excused{place}" for place, kinds in enumerate(self.kinds)
        ]
        added = "".join(f", {vector}" for vector in vectors)
        order = f" ORDER BY {', '.join(names)}" if names else ""
        return (
            "SELECT * EXCLUDE (member), list(member) AS members "
            f"FROM (SELECT *{added} FROM ({totals})) GROUP BY ALL{order}"
        )

    def _rows_sql(self, keys: tuple[Key, ...], identity: tuple[str, ...], source: str) -> str:
        """The rows of *source* as the conditions, filters and measures see them."""
        reading = self.reading
        chosen = reading.condition((*reading.person_conditions, *reading.genotype_conditions))
        columns = [f"{safe_sql(key.expression, reading.resolve)} AS {key.name}" for key in keys]
        columns += [*identity, f"({chosen}) AS w"]
        read = self._cell_read(keys)
        columns += [f"({reading.missing(read)}) AS wm", f"({reading.chosen_missing(read)}) AS wu"]
        for place, part in enumerate(reading.filters):
            columns.append(f"({reading.condition(conjuncts(part))}) AS f{place}")
            columns.append(f"({reading.missing((part,))}) AS fm{place}")
            columns.append(f"({reading.chosen_missing(conjuncts(part))}) AS fu{place}")
        columns += [f"{self._argument(measure)} AS a{place}" for place, measure in enumerate(self.measures)]
        columns += [
            f"g.{identifier(measure.values[0].column + '_n')} AS b{place}"
            for place, measure in enumerate(self.measures)
            if self._is_added(measure)
        ]
        for place, measure in self._moments():
            columns += [
                f"{reading.stored(column)} AS x{place}_{number}"
                for number, column in enumerate(measure.values)
            ]
        for place, measure in enumerate(self.measures):
            columns += [
                f"{reading.stored(column)} AS v{place}_{number}"
                for number, column in enumerate(self.few_in_ratios(measure))
            ]
            columns += [
                f"{reading.stored(column)} AS y{place}_{number}"
                for number, column in enumerate(self.columns_apart(measure))
            ]
        columns += [
            f"(CASE WHEN {kind.selected} THEN {kind.sql} END) AS c{place}"
            for place, kind in enumerate(self.classes)
        ]
        return f"SELECT {', '.join(columns)} FROM {source} WHERE {self._public()}"

    def _cell_read(self, keys: tuple[Key, ...]) -> tuple[Expr, ...]:
        """What decides whether a person is in a cell: conditions, and of *keys* those that are computed."""
        reading = self.reading
        # a plain key shows a missing value as a group of its own; any other may hide it among others
        computed = [key.expression for key in keys if not isinstance(key.expression, ColumnRef)]
        return (*reading.person_conditions, *reading.genotype_conditions, *computed)

    def _public(self) -> str:
        reading = self.reading
        # the rows lie at the sites that were selected; a condition that is left may read sites alone
        again = reading.site_conditions if self.reduced else ()
        return reading.condition((*reading.public_conditions, *again))

    def patterns_sql(
        self, keys: tuple[Key, ...], identity: str, source: str, leaves: tuple[Expr, ...]
    ) -> str:
        """Each row of *source* and what *leaves* say of it: l0, l1, … are 0 for no, 1 for NULL, 2 for yes."""
        reading = self.reading
        columns = [f"{safe_sql(key.expression, reading.resolve)} AS {key.name}" for key in keys]
        columns += [identity]
        columns += [
            f"coalesce(({reading.strict(leaf)})::TINYINT * 2, 1)::TINYINT AS l{place}"
            for place, leaf in enumerate(leaves)
        ]
        return f"SELECT {', '.join(columns)} FROM {source} WHERE {self._public()}"

    def _kept(self) -> str:
        """SQL of whether a row counts for anything."""
        classes = (f"c{place} IS NOT NULL" for place in range(len(self.classes)))
        return " OR ".join(["w IS NOT NULL", *classes])

    def _argument(self, measure: Measure) -> str:
        if measure.function is MeasureFunction.SUM:
            return self.reading.whole(measure)
        given = [f"{self.reading.resolve(column)} IS NOT NULL" for column in measure.values]
        return f"({' AND '.join(given)})" if given else "TRUE"

    def _moments(self) -> list[tuple[int, Measure]]:
        """The measures that sum products, with their places."""
        return [(place, measure) for place, measure in enumerate(self.measures) if len(measure.factors) > 1]

    def _totals(self) -> list[str]:
        reading, read = self.reading, self._cell_read(self.reading.release.keys)
        missing, chosen = _said(reading.missing(read), "wm"), _said(reading.chosen_missing(read), "wu")
        columns = self._standing("", "w", "w IS FALSE", missing, chosen)
        for place, part in enumerate(reading.filters):
            inside, outside = f"w AND f{place}", f"w AND f{place} IS FALSE"
            missing = _said(reading.missing((part,)), f"fm{place}")
            chosen = _said(reading.chosen_missing(conjuncts(part)), f"fu{place}")
            columns += self._standing(str(place), inside, outside, missing, chosen)
            columns.append(f"{self._count(f'w AND f{place} IS NULL')} AS fnull{place}")
        for place, measure in enumerate(self.measures):
            columns += self._total(place, measure)
        for place in range(len(self.classes)):
            together = "max" if self.classes[place].person else "sum"
            value = f"c{place}" if self.single else f"{together}(c{place})"
            columns.append(f"{value} AS c{place}")
        return columns

    def _standing(self, name: str, inside: str, outside: str, missing: str, chosen: str) -> list[str]:
        """How many rows of the person are inside and outside, how many of them known, and how many not."""
        columns = []
        for side, condition in (("in", inside), ("out", outside)):
            whole = f"n_{side}{name}"
            known = whole if missing == NEVER else self._count(f"{condition} AND NOT {missing}")
            unknown = "0::BIGINT" if chosen == NEVER else self._count(f"{condition} AND {chosen}")
            columns += [f"{self._count(condition)} AS {whole}", f"{known} AS k_{side}{name}"]
            columns.append(f"{unknown} AS u_{side}{name}")
        return columns

    def _is_added(self, measure: Measure) -> bool:
        """Whether a row has the sum of *measure*'s argument over the rows that it stands for."""
        return self.weighted and any(self.reading.reads_quality(column) for column in measure.values)

    def _total(self, place: int, measure: Measure) -> list[str]:
        kept = self._kept_for(measure)
        if self._is_added(measure):
            present = f"coalesce(sum(b{place}) FILTER ({kept}), 0)::BIGINT"
            missing = f"coalesce(sum(n - b{place}) FILTER ({kept}), 0)::BIGINT AS missing{place}"
            if measure.function is MeasureFunction.SUM:
                total = f"sum(a{place}::HUGEINT) FILTER ({kept}) AS t{place}"
                return [total, f"{present} AS present{place}", missing]
            return [f"{present} AS t{place}", f"{self._count(kept)} AS rows{place}", missing]
        if measure.function is MeasureFunction.SUM:
            further = self._moment_totals(place, measure, kept)
            there = f"{kept} AND a{place} IS NOT NULL"
            further += [
                f"{self._sum(f'y{place}_{number}', there)} AS y{place}_{number}"
                for number in range(len(self.columns_apart(measure)))
            ]
            return [
                *further,
                f"{self._sum(f'a{place}', kept)} AS t{place}",
                f"{self._count(f'{kept} AND a{place} IS NOT NULL')} AS present{place}",
                f"{self._count(f'{kept} AND a{place} IS NULL')} AS missing{place}",
            ]
        if measure.function is MeasureFunction.PERSONS:
            samples = self._samples(kept)
            return [f"{samples} AS t{place}", f"{samples} AS rows{place}", f"0 AS missing{place}"]
        return [
            f"{self._count(f'({kept}) AND a{place}')} AS t{place}",
            f"{self._count(kept)} AS rows{place}",
            f"{self._count(f'({kept}) AND NOT a{place}')} AS missing{place}",
        ]

    def _kept_for(self, measure: Measure) -> str:
        """SQL of whether a row counts for *measure*."""
        return "w" if measure.where is None else f"w AND f{self.reading.filters.index(measure.where)}"

    def _moment_totals(self, place: int, measure: Measure, kept: str) -> list[str]:
        """What a person's columns of few values are: the class, and how often the others are added."""
        there = f"{kept} AND a{place} IS NOT NULL"
        beneath = [
            self._sum(f"v{place}_{number}", there) for number in range(len(self.few_in_ratios(measure)))
        ]
        few = self.few_valued(measure) if len(measure.factors) > 1 else ()
        if not few:
            return [f"concat_ws(' ', {', '.join(beneath)}) AS class{place}"] if beneath else []
        columns = {column: f"x{place}_{number}" for number, column in enumerate(measure.values)}
        sums = [self._sum(columns[column], there) for column in dict.fromkeys(few)]
        if self.is_of_carriers(measure):
            sums = [f"sign({sums[0]})"]
        sums += beneath
        label = sums[0] if len(sums) == 1 else f"concat_ws(' ', {', '.join(sums)})"
        _, often = self.reading.multiplied(measure)
        times = " * ".join(f"{columns[column]}::HUGEINT" for column in often or few)
        return [f"{label} AS class{place}", f"coalesce({self._sum(times, there)}, 0) AS times{place}"]

    def is_of_carriers(self, measure: Measure) -> bool:
        """Whether a product is linear in the dosage at one site: what counts is who carries the allele."""
        few = self.few_valued(measure)
        return (
            self.one_site
            and len(few) == 1
            and bool(self.many_valued(measure))
            and self._name(few[0]) == DOSAGE
        )

    def columns_apart(self, measure: Measure) -> tuple[ColumnRef, ...]:
        """The stored columns of many values that a product or ratio is made of, where they are several."""
        if measure.function is not MeasureFunction.SUM:
            return ()
        columns = tuple(column for column in _read_by(measure) if not self.reading.has_few(column))
        return columns if len(columns) > 1 else ()

    def least_values(self, measure: Measure) -> int:
        """How many values a sum of powers, products or functions needs, so that they cannot be solved for."""
        many = self.many_valued(measure) if measure.function is MeasureFunction.SUM else ()
        degree = sum(OF_FUNCTION if computed_column(factor.column) else 1 for factor in many)
        if len(many) > 2 and len(set(many)) > 1:
            return SEVERAL_COLUMNS
        return VALUES_OF_DEGREE * max(degree - 1, 0)

    def is_of_few(self, measure: Measure) -> bool:
        """Whether a function is taken of a measured column of few values, which can be grouped by."""
        functions = (its for its in measure.factors if computed_column(its.column) and not is_ratio(its))
        read = (stored for its in functions for stored in stored_in(its))
        return any(self.reading.has_few(column) for column in read)

    def _count(self, condition: str) -> str:
        if self.single:
            return f"CASE WHEN {condition} THEN 1 ELSE 0 END::BIGINT"
        if self.weighted:
            return f"coalesce(sum(n) FILTER ({condition}), 0)::BIGINT"
        return f"count(*) FILTER ({condition})"

    def _samples(self, condition: str) -> str:
        """The distinct samples of a person: sample_id is what an analyst counts."""
        if self.single:
            return self._count(condition)
        if self.reading.session.one_sample_a_person:
            return f"least({self._count(condition)}, 1)"
        return f"count(DISTINCT s) FILTER ({condition})"

    def _sum(self, argument: str, condition: str) -> str:
        if self.single:
            return f"CASE WHEN {condition} THEN {argument} END"
        added = f"{argument}::HUGEINT * n" if self.weighted else argument
        return f"sum({added}) FILTER ({condition})"

    def scores_sql(self, places: Iterable[int]) -> str:
        """For each person and cell, which scores are summed by the measures at *places*: h<place>.

        A number that is the same for the same scores, each as often.
        """
        rows = self._rows_sql(
            self.reading.release.keys,
            ("p.person AS person", "md5_number_lower(c.pgs_id)::HUGEINT AS h"),
            self.reading.source(),
        )
        summed = ", ".join(
            f"(sum(h) FILTER ({self._kept_for(self.measures[place])} AND a{place} IS NOT NULL) "
            f"% 18446744073709551616)::UBIGINT AS h{place}"
            for place in places
        )
        group = ", ".join([*self.keys, "person"])
        return f"SELECT {group}, {summed} FROM ({rows}) WHERE {self._kept()} GROUP BY {group}"

    def cells_sql(self) -> str:
        """One row a cell, numbered in the order of the keys: values, and the persons behind them."""
        columns = [*self.keys, *_persons("")]
        for place in range(len(self.reading.filters)):
            columns += _persons(str(place))
        for place, measure in enumerate(self.measures):
            columns += self._measure_columns(place, measure)
        group = f" GROUP BY {', '.join(self.keys)}" if self.keys else ""
        order = f"ORDER BY {', '.join(self.keys)}" if self.keys else ""
        cells = f"SELECT {', '.join(columns)} FROM totals{group}"
        return f"SELECT row_number() OVER ({order}) - 1 AS cell, * FROM ({cells})"

    def _measure_columns(self, place: int, measure: Measure) -> list[str]:
        total, share, smallest, unlike = f"t{place}", "0::DOUBLE", "0::BIGINT", "0::BIGINT"
        values, rarest = "0::BIGINT", "0::BIGINT"
        if measure.function is MeasureFunction.SUM:
            value, has, compared = f"sum({total})", f"{total} IS NOT NULL", total
            if {factor.column for factor in measure.factors} == {"called_alleles"}:
                has = f"{total} > 0"  # not called is a missing value
            share = self._share(place, measure)
            if self.has_classes(measure):
                smallest = f"coalesce({_sizes('list_min', f'class{place}', has)}, 0)::BIGINT"
            if self.is_of_few(measure):
                smallest = "1::BIGINT"
            columns = [f"y{place}_{number}" for number in range(len(self.columns_apart(measure)))]
            if self.least_values(measure):
                each = ", ".join(_values(column, has) for column in columns or [total])
                values = f"coalesce(least({each}), 0)::BIGINT"
                if not columns:
                    rarest = f"coalesce({_sizes('list_min', total, has)}, 0)::BIGINT"
            if columns:
                others = [f"count(*) FILTER ({has}) - {_commonest(column, has)}" for column in columns]
                few = ", ".join(f"nullif({number}, 0)" for number in others)
                unlike = f"coalesce(least({few}), 0)::BIGINT"
        else:
            value, has, compared = f"coalesce(sum({total}), 0)", f"{total} > 0", f"rows{place}"
            if measure.function is MeasureFunction.PERSONS and self.reading.session.one_sample_a_person:
                compared = "1"
        return [
            f"{value}::DECIMAL(38, 0) AS {measure.name}",
            f"count(*) FILTER ({has}) AS {measure.name}_participants",
            f"{_commonest(compared, has)} AS {measure.name}_commonest",
            f"count(*) FILTER ({total} > 0) AS {measure.name}_carriers",
            f"{share} AS {measure.name}_share",
            f"{smallest} AS {measure.name}_smallest",
            f"{unlike} AS {measure.name}_unlike",
            f"{values} AS {measure.name}_values",
            f"{rarest} AS {measure.name}_rarest",
        ]

    def _share(self, place: int, measure: Measure) -> str:
        """SQL of the largest share of one person in a sum; of a product, in the sum of its centred terms."""
        size = f"abs(t{place})" if len(measure.factors) == 1 else f"d{place}"
        if self.rule_of(measure) is Rule.MOMENT_OF_FEW:
            return "0::DOUBLE"  # each class has enough persons, all with the same share
        return f"coalesce(max({size})::DOUBLE / nullif(sum({size}), 0)::DOUBLE, 0)"

    def classes_sql(self, place: int) -> str:
        """For each cell, in order, its smallest class, and how many persons are not in its largest.

        Genotype keys are left aside, since those tell the classes.
        """
        kind = self.classes[place]
        keys = [key for key in self.keys if key not in kind.aside]
        listed = "".join(f"{key}, " for key in keys)
        source = f"SELECT {listed}c{place} AS c FROM totals WHERE c{place} IS NOT NULL"
        if kind.carriers is not None:
            members = f"JOIN {identifier(kind.carriers)} x USING (person)"
            source = (
                f"SELECT DISTINCT {listed}person, x.c AS c FROM totals {members} WHERE c{place} IS NOT NULL"
            )
        elif len(keys) != len(self.keys) and not self.single:
            together = "max" if kind.person else "sum"
            each_person = f"GROUP BY {listed}person"
            source = (
                f"SELECT {listed}{together}(c{place}) AS c FROM totals "
                f"WHERE c{place} IS NOT NULL {each_person}"
            )
        group = f" GROUP BY {', '.join(keys)}" if keys else ""
        sizes = f"SELECT {listed}c, count(*) AS n FROM ({source}) GROUP BY {listed}c"
        smallest = "min(n)"
        if kind.weights:  # a weight that nobody here carries looks like one that a few do
            smallest = f"CASE WHEN count(*) FILTER (c % 2 = 0) < {kind.weights} THEN 1 ELSE min(n) END"
        return (
            "SELECT coalesce(x.smallest, 0) AS smallest, coalesce(x.others, 0)::BIGINT AS others "
            f"FROM cells LEFT JOIN (SELECT {listed}{smallest} AS smallest, sum(n) - max(n) AS others "
            f"FROM ({sizes}){group}) x "
            f"ON {same_keys(keys, 'cells', 'x')} ORDER BY cells.cell"
        )

    def kinds_sql(self, kinds: Kinds) -> str:
        """The kinds of persons of each cell: number, vector, whether excused, and how many persons."""
        values = kinds.sql
        listed = [*self.keys, *(f"v{place}" for place in range(len(values))), "excused"]
        columns = [*self.keys, *(f"{value} AS v{place}" for place, value in enumerate(values))]
        there = "FROM totals WHERE n_in > 0 OR n_out > 0"
        each = f"SELECT {', '.join(columns)}, ({kinds.excused_sql}) AS excused {there}"
        counted = f"SELECT {', '.join(listed)}, count(*) AS n FROM ({each}) GROUP BY {', '.join(listed)}"
        shown = ", ".join(f"x.v{place}" for place in range(len(values)))
        return (
            f"SELECT cells.cell, {shown}, x.excused, x.n, "
            f"dense_rank() OVER (ORDER BY {shown}, x.excused) - 1 AS kind FROM ({counted}) x "
            f"JOIN cells ON {same_keys(self.keys, 'cells', 'x')} ORDER BY cells.cell"
        )

    def margin_sql(self, keys: tuple[str, ...]) -> str:
        """For each cell, in order, the number of the cell of the coarser grouping by *keys*."""
        rank = f"dense_rank() OVER (ORDER BY {', '.join(keys)}) - 1" if keys else "0"
        return f"SELECT {rank} AS margin FROM cells ORDER BY cell"

    def groups_sql(self) -> str:
        """For each cell, in order: its group, the persons of the group, and whether its cells share none."""
        keys = self.reading.public_keys
        listed = "".join(f"{key}, " for key in keys)
        rank = f"dense_rank() OVER (ORDER BY {', '.join(keys)}) - 1" if keys else "0"
        group = f" GROUP BY {', '.join(keys)}" if keys else ""
        return (
            f"WITH x AS (SELECT *, {rank} AS g FROM cells), "
            f"y AS (SELECT {listed}count(DISTINCT person) AS persons FROM totals "
            f"WHERE n_in > 0 OR n_out > 0{group}), "
            "z AS (SELECT g, sum(persons + outside) AS added FROM x GROUP BY g) "
            "SELECT x.g, coalesce(y.persons, 0) AS union_persons, "
            "z.added = coalesce(y.persons, 0) AS disjoint "
            f"FROM x LEFT JOIN y ON {same_keys(keys, 'x', 'y')} JOIN z ON x.g = z.g ORDER BY x.cell"
        )


def _persons(name: str) -> list[str]:
    """SQL of the persons inside and outside: all, those known, and those whom a missing value hides."""
    inside = f"n_in{name}"
    return [
        f"count(*) FILTER ({inside} > 0) AS persons{name}",
        f"count(*) FILTER ({inside} = 0 AND n_out{name} > 0) AS outside{name}",
        f"count(*) FILTER (k_in{name} > 0) AS known_persons{name}",
        f"count(*) FILTER ({inside} = 0 AND k_out{name} > 0) AS known_outside{name}",
        f"count(*) FILTER (u_in{name} > 0) AS unknown_persons{name}",
        f"count(*) FILTER ({inside} = 0 AND u_out{name} > 0) AS unknown_outside{name}",
    ]


def _read_by(measure: Measure) -> tuple[ColumnRef, ...]:
    """The stored columns that *measure* reads, each once."""
    return tuple(dict.fromkeys(column for factor in measure.factors for column in stored_in(factor)))


def is_computed(measure: Measure) -> bool:
    """Whether *measure* reads a computed column."""
    return any(computed_column(factor.column) is not None for factor in measure.factors)


def is_ratio(factor: ColumnRef) -> bool:
    """Whether *factor* is a ratio by person."""
    made = computed_column(factor.column)
    return made is not None and made.by_person


def _said(text: str, column: str) -> str:
    """The *column* of what *text* says of each row; the text where it says the same of all."""
    return text if text == NEVER else column


def is_not_missing(part: Expr) -> bool:
    """Whether *part* is `column IS NOT NULL`."""
    match part:
        case Call("not", (Call("is_null", (ColumnRef(),)),)):
            return True
    return False


def same_keys(keys: Iterable[str], left: str, right: str) -> str:
    """SQL of equal keys, where missing values are equal."""
    return " AND ".join(f"{left}.{key} IS NOT DISTINCT FROM {right}.{key}" for key in keys) or "TRUE"


def _commonest(value: str, condition: str) -> str:
    """SQL of how many rows share the commonest *value* among those that *condition* keeps."""
    if value == "1":
        return f"count(*) FILTER ({condition})"
    return f"coalesce({_sizes('list_max', value, condition)}, 0)::BIGINT"


def _values(value: str, condition: str) -> str:
    """SQL of how many different *value* there are among those that *condition* keeps."""
    return f"len(map_values(histogram({value}) FILTER ({condition})))"


def _sizes(function: str, value: str, condition: str) -> str:
    """SQL of the least or most rows of one *value* among those that *condition* keeps; NULL for none."""
    return f"{function}(map_values(histogram({value}) FILTER ({condition})))"
