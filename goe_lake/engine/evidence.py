"""The SQL that turns rows into cells, and into the evidence that disclosure control decides on.

Two steps: rows to one row a person and cell (`totals`), then to one row a cell. What is counted is
always persons.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa

from goe_lake.disclosure import ClassEvidence, Evidence, FilterEvidence, MeasureEvidence, Pair, Rule
from goe_lake.engine.relation import Reading
from goe_lake.engine.session import Session
from goe_lake.engine.sql import identifier, safe_sql
from goe_lake.release import Call, ColumnRef, Expr, Measure, MeasureFunction


def conjuncts(part: Expr) -> tuple[Expr, ...]:
    """The parts of a conjunction."""
    if isinstance(part, Call) and part.op == "and":
        return tuple(inner for argument in part.args for inner in conjuncts(argument))
    return (part,)


@dataclass(frozen=True)
class ClassKind:
    """What persons are told apart by: an SQL value of the row, and whether it is a genotype."""

    sql: str
    genotype: bool


@dataclass(frozen=True)
class Blueprint:
    """How one release is computed at one session.

    *single* says that each person has at most one row in each cell, which saves a grouping;
    *listed_only* that every site that is read is a listed one.
    """

    reading: Reading
    single: bool
    listed_only: bool = False

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The release's measures."""
        return self.reading.release.measures

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the key columns."""
        return tuple(key.name for key in self.reading.release.keys)

    def classes(self) -> tuple[ClassKind, ...]:
        """What the conditions, keys and filters of the release tell persons apart by."""
        kinds: list[ClassKind] = []
        genotype = self._genotype_class()
        if genotype is not None:
            kinds.append(genotype)
        return (
            *kinds,
            *(ClassKind(f"p.{identifier(name)}", genotype=False) for name in self._label_classes()),
        )

    def _genotype_class(self) -> ClassKind | None:
        reading = self.reading
        parts: list[Expr] = [*reading.genotype_conditions, *reading.filters]
        parts += [key.expression for key in reading.release.keys]
        read = set().union(*(reading.genotype_values(part) for part in parts)) if parts else set()
        if not read:
            return None
        if read == {"dosage"}:
            return ClassKind("g.dosage::BIGINT", genotype=True)
        called = "nullif(g.called_alleles, 0)::BIGINT"
        return ClassKind(
            called if read == {"called_alleles"} else f"({called} * 4 + g.dosage)", genotype=True
        )

    def _label_classes(self) -> tuple[str, ...]:
        """Columns of few values that two or more filters read: the filters may be a partition by it."""
        readers: dict[str, int] = {}
        for part in self.reading.filters:
            for table, column in self.reading.where_from(part):
                if table == "samples" and column in self.reading.session.few_valued:
                    readers[column] = readers.get(column, 0) + 1
        return tuple(sorted(column for column, filters in readers.items() if filters > 1))

    def classes_of(self, measure: Measure) -> tuple[int, ...]:
        """The places among `classes` of what the measure's filter reads."""
        if measure.where is None:
            return ()
        read = self.reading.where_from(measure.where)
        places = []
        for place, kind in enumerate(self.classes()):
            if kind.genotype:
                if self.reading.genotype_values(measure.where):
                    places.append(place)
            elif any(f"p.{identifier(column)}" == kind.sql for table, column in read if table == "samples"):
                places.append(place)
        return tuple(places)

    def cell_classes(self) -> tuple[int, ...]:
        """The places among `classes` of what conditions and keys read."""
        if not (self.reading.genotype_conditions or self.reading.genotype_keys):
            return ()
        return tuple(place for place, kind in enumerate(self.classes()) if kind.genotype)

    def tangled(self, parts: tuple[Expr, ...]) -> bool:
        """Whether *parts* tell genotypes apart at some of the sites of one cell only."""
        return not self.single and any(self.reading.tangles(part) for part in parts)

    def rule_of(self, measure: Measure) -> Rule:
        """Who contributes to the measure."""
        if measure.function is not MeasureFunction.SUM:
            return Rule.ROWS
        assert measure.argument is not None
        table, column = self.reading.tables[measure.argument.table], measure.argument.column
        if (table, column) == ("genotypes", "dosage"):
            return Rule.ALLELE_COUNT if self.single else Rule.BURDEN
        if (table, column) == ("genotypes", "called_alleles"):
            public = (
                self.listed_only or self.reading.keyed_by_site
            ) and self.reading.allele_number_is_public(measure)
            return Rule.ALLELE_NUMBER if public else Rule.ROWS
        if table == "samples" and column in self.reading.session.few_valued:
            return Rule.FEW_VALUES
        return Rule.SUM

    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Measures of one argument under different filters: an answer tells their differences."""
        return tuple(
            (first, second)
            for first, second in combinations(range(len(self.measures)), 2)
            if self.measures[first].function is self.measures[second].function
            and self.measures[first].argument == self.measures[second].argument
        )

    # SQL ---------------------------------------------------------------------------------------------

    def totals_sql(self) -> str:
        """One row a person and cell: the person's total for each measure, and where the person stands."""
        reading = self.reading
        chosen = reading.condition((*reading.person_conditions, *reading.genotype_conditions))
        selected = reading.condition(reading.person_conditions)
        columns = [
            f"{safe_sql(key.expression, reading.resolve)} AS {key.name}" for key in reading.release.keys
        ]
        columns += ["p.person AS person", "p.s AS s", f"({chosen}) AS w", f"({selected}) AS ws"]
        # a plain key shows a missing value as a group of its own; any other may hide it among others
        computed = [
            key.expression for key in reading.release.keys if not isinstance(key.expression, ColumnRef)
        ]
        read = (*reading.person_conditions, *reading.genotype_conditions, *computed)
        columns.append(f"({reading.missing(read)}) AS wm")
        for place, part in enumerate(reading.filters):
            columns.append(f"({reading.condition(conjuncts(part))}) AS f{place}")
            columns.append(f"({reading.missing((part,))}) AS fm{place}")
        columns += [f"{self._argument(measure)} AS a{place}" for place, measure in enumerate(self.measures)]
        columns += [f"{kind.sql} AS c{place}" for place, kind in enumerate(self.classes())]
        rows = (
            f"SELECT {', '.join(columns)} FROM {reading.source()} "
            f"WHERE {reading.condition(reading.public_conditions)}"
        )
        kept = "w IS NOT NULL OR ws" if self.classes() else "w IS NOT NULL"
        group = "" if self.single else f" GROUP BY {', '.join([*self.keys, 'person'])}"
        return f"SELECT {', '.join(self._totals())} FROM ({rows}) WHERE {kept}{group}"

    def _argument(self, measure: Measure) -> str:
        if measure.argument is None:
            return "TRUE"
        if measure.function is MeasureFunction.SUM:
            return self.reading.whole(measure)
        if measure.argument.column == "sample_id":
            return "TRUE"
        return f"({self.reading.resolve(measure.argument)} IS NOT NULL)"

    def _totals(self) -> list[str]:
        columns = [*self.keys, "person"]
        columns += [f"{self._count('w')} AS n_in", f"{self._count('w IS FALSE')} AS n_out"]
        columns += [
            f"{self._count('w AND NOT wm')} AS kn_in",
            f"{self._count('w IS FALSE AND NOT wm')} AS kn_out",
        ]
        for place in range(len(self.reading.filters)):
            inside, outside = f"w AND f{place}", f"w AND f{place} IS FALSE"
            columns += [f"{self._count(inside)} AS fin{place}", f"{self._count(outside)} AS fout{place}"]
            columns.append(f"{self._count(f'{inside} AND NOT fm{place}')} AS kfin{place}")
            columns.append(f"{self._count(f'{outside} AND NOT fm{place}')} AS kfout{place}")
        for place, measure in enumerate(self.measures):
            kept = self._kept(measure)
            if measure.function is MeasureFunction.SUM:
                columns.append(f"{self._sum(f'a{place}', kept)} AS t{place}")
            elif measure.function is MeasureFunction.PERSONS:
                columns += [f"{self._samples(kept)} AS t{place}", f"{self._samples(kept)} AS u{place}"]
            else:
                columns.append(f"{self._count(f'({kept}) AND a{place}')} AS t{place}")
                columns.append(f"{self._count(kept)} AS u{place}")
        for place, kind in enumerate(self.classes()):
            columns.append(f"{self._class(place, kind)} AS c{place}")
        return columns

    def _kept(self, measure: Measure) -> str:
        return "w" if measure.where is None else f"w AND f{self.reading.filters.index(measure.where)}"

    def _count(self, condition: str) -> str:
        if self.single:
            return f"CASE WHEN {condition} THEN 1 ELSE 0 END::BIGINT"
        return f"count(*) FILTER ({condition})"

    def _samples(self, condition: str) -> str:
        """The distinct samples of a person: sample_id is what an analyst counts."""
        if self.single:
            return self._count(condition)
        if self.reading.session.one_sample_a_person:
            return f"least({self._count(condition)}, 1)"
        return f"count(DISTINCT s) FILTER ({condition})"

    def _sum(self, argument: str, condition: str) -> str:
        return (
            f"CASE WHEN {condition} THEN {argument} END"
            if self.single
            else f"sum({argument}) FILTER ({condition})"
        )

    def _class(self, place: int, kind: ClassKind) -> str:
        condition = "ws" if kind.genotype else "w"
        if self.single:
            return f"CASE WHEN {condition} THEN c{place} END"
        combine = "sum" if kind.genotype else "any_value"
        return f"{combine}(c{place}) FILTER ({condition})"

    def cells_sql(self) -> str:
        """One row a cell: keys, values, and the persons behind them; in the order of the keys."""
        columns = [*self.keys]
        columns += ["count(*) FILTER (n_in > 0) AS persons", f"{_never('n_in', 'n_out')} AS outside"]
        columns += [
            "count(*) FILTER (kn_in > 0) AS known_persons",
            f"{_never('n_in', 'kn_out')} AS known_outside",
        ]
        for place in range(len(self.reading.filters)):
            inside = f"fin{place}"
            columns.append(f"{_never(inside, f'fout{place}')} AS fout{place}")
            columns.append(f"count(*) FILTER (kfin{place} > 0) AS kfin{place}")
            columns.append(f"{_never(inside, f'kfout{place}')} AS kfout{place}")
        for place, measure in enumerate(self.measures):
            columns += self._measure_columns(place, measure)
        for place, (first, second) in enumerate(self.pairs()):
            difference = f"coalesce(t{first}, 0) - coalesce(t{second}, 0)"
            # without a value for either, a person has no part in the difference
            there = f"n_in > 0 AND (t{first} IS NOT NULL OR t{second} IS NOT NULL)"
            columns.append(f"count(*) FILTER ({there}) - {_commonest(difference, there)} AS d{place}")
        group = f" GROUP BY {', '.join(self.keys)} ORDER BY {', '.join(self.keys)}" if self.keys else ""
        return f"SELECT {', '.join(columns)} FROM totals{group}"

    def _measure_columns(self, place: int, measure: Measure) -> list[str]:
        total = f"t{place}"
        if measure.function is MeasureFunction.SUM:
            value = f"sum({total})::DECIMAL(38, 0)"
            has, compared = f"{total} IS NOT NULL", total
            if measure.argument is not None and measure.argument.column == "called_alleles":
                has = f"{total} > 0"  # not called is a missing value
        else:
            value, has, compared = f"sum({total})", f"{total} > 0", f"u{place}"
            if measure.function is MeasureFunction.PERSONS and self.reading.session.one_sample_a_person:
                compared = "1"
        value = f"coalesce({value}, 0)" if measure.function is not MeasureFunction.SUM else value
        share = "0::DOUBLE"
        if measure.function is MeasureFunction.SUM:
            share = f"coalesce(max(abs({total}))::DOUBLE / nullif(sum(abs({total})), 0)::DOUBLE, 0)"
        return [
            f"{value}::DECIMAL(38, 0) AS {measure.name}",
            f"count(*) FILTER ({has}) AS {measure.name}_participants",
            f"{_commonest(compared, has)} AS {measure.name}_commonest",
            f"count(*) FILTER ({total} > 0) AS {measure.name}_carriers",
            f"{share} AS {measure.name}_share",
        ]

    def classes_sql(self, place: int, kind: ClassKind) -> str:
        """The smallest class of each cell; genotype keys aside, since those tell the classes themselves."""
        keys = [key for key in self.keys if not (kind.genotype and key in self.reading.genotype_keys)]
        listed = "".join(f"{key}, " for key in keys)
        source = f"SELECT {listed}c{place} AS c FROM totals WHERE c{place} IS NOT NULL"
        if len(keys) != len(self.keys) and not self.single:
            source = (
                f"SELECT {listed}sum(c{place}) AS c FROM totals WHERE c{place} IS NOT NULL "
                f"GROUP BY {listed}person"
            )
        outer = f" GROUP BY {', '.join(keys)}" if keys else ""
        return (
            f"SELECT {listed}min(n) AS smallest FROM "
            f"(SELECT {listed}c, count(*) AS n FROM ({source}) GROUP BY {listed}c){outer}"
        )

    def joined_classes_sql(self, place: int, kind: ClassKind) -> str:
        """`classes_sql`, with one row a cell in the order of the cells."""
        keys = [key for key in self.keys if not (kind.genotype and key in self.reading.genotype_keys)]
        on = " AND ".join(f"cells.{key} IS NOT DISTINCT FROM x.{key}" for key in keys) or "TRUE"
        order = f" ORDER BY {', '.join(f'cells.{key}' for key in self.keys)}" if self.keys else ""
        return (
            "SELECT coalesce(x.smallest, 0) AS smallest FROM cells "
            f"LEFT JOIN ({self.classes_sql(place, kind)}) x ON {on}{order}"
        )

    def groups_sql(self) -> str:
        """For each cell, in order: its group, the persons of the group, and whether its cells share none."""
        public = ", ".join(self.reading.public_keys)
        rank = f"dense_rank() OVER (ORDER BY {public}) - 1" if public else "0"
        listed = f"{public}, " if public else ""
        by = f" GROUP BY {public}" if public else ""
        on = (
            " AND ".join(f"x.{key} IS NOT DISTINCT FROM y.{key}" for key in self.reading.public_keys)
            or "TRUE"
        )
        order = f" ORDER BY {', '.join(f'x.{key}' for key in self.keys)}" if self.keys else ""
        return (
            f"WITH x AS (SELECT *, {rank} AS g FROM cells), "
            f"y AS (SELECT {listed}count(DISTINCT person) AS persons FROM totals "
            f"WHERE n_in > 0 OR n_out > 0{by}), "
            "z AS (SELECT g, sum(persons + outside) AS added FROM x GROUP BY g) "
            "SELECT x.g, coalesce(y.persons, 0) AS union_persons, "
            "z.added = coalesce(y.persons, 0) AS disjoint "
            f"FROM x LEFT JOIN y ON {on} JOIN z ON x.g = z.g{order}"
        )


def _never(inside: str, outside: str) -> str:
    """SQL of how many persons have a row *outside* and none *inside*."""
    return f"count(*) FILTER ({inside} = 0 AND {outside} > 0)"


def _commonest(value: str, condition: str) -> str:
    """SQL of how many rows share the commonest *value* among those that *condition* keeps."""
    if value == "1":
        return f"count(*) FILTER ({condition})"
    return f"coalesce(list_max(map_values(histogram({value}) FILTER ({condition}))), 0)::BIGINT"


def gather(blueprint: Blueprint, session: Session) -> tuple[pa.Table, Evidence]:
    """The cells (keys and values, everything told) and their evidence, from the table `totals`."""
    connection = session.connection
    connection.execute(f"CREATE OR REPLACE TEMP TABLE cells AS {blueprint.cells_sql()}")
    order = f" ORDER BY {', '.join(blueprint.keys)}" if blueprint.keys else ""
    cells = connection.sql(f"SELECT * FROM cells{order}").to_arrow_table()
    groups = connection.sql(blueprint.groups_sql()).to_arrow_table()
    classes = tuple(
        ClassEvidence(
            _counts(connection.sql(blueprint.joined_classes_sql(place, kind)).to_arrow_table(), "smallest")
        )
        for place, kind in enumerate(blueprint.classes())
    )
    evidence = Evidence(
        persons=_counts(cells, "persons"),
        outside=_counts(cells, "outside"),
        known_persons=_counts(cells, "known_persons"),
        known_outside=_counts(cells, "known_outside"),
        group=_counts(groups, "g"),
        union=_counts(groups, "union_persons"),
        disjoint=np.asarray(groups.column("disjoint").to_numpy(), dtype=bool),
        measures=tuple(_measure_evidence(blueprint, cells, measure) for measure in blueprint.measures),
        filters=tuple(
            FilterEvidence(
                _counts(cells, f"fout{place}"),
                _counts(cells, f"kfin{place}"),
                _counts(cells, f"kfout{place}"),
            )
            for place in range(len(blueprint.reading.filters))
        ),
        pairs=tuple(
            Pair(first, second, _counts(cells, f"d{place}"))
            for place, (first, second) in enumerate(blueprint.pairs())
        ),
        classes=classes,
        cell_classes=blueprint.cell_classes(),
        tangled=blueprint.tangled(blueprint.reading.genotype_conditions),
    )
    names = [*blueprint.keys, *(measure.name for measure in blueprint.measures)]
    return cells.select(names), evidence


def _measure_evidence(blueprint: Blueprint, cells: pa.Table, measure: Measure) -> MeasureEvidence:
    return MeasureEvidence(
        rule=blueprint.rule_of(measure),
        participants=_counts(cells, f"{measure.name}_participants"),
        commonest=_counts(cells, f"{measure.name}_commonest"),
        carriers=_counts(cells, f"{measure.name}_carriers"),
        largest_share=cells.column(f"{measure.name}_share").to_numpy().astype(np.float64),
        filter=blueprint.reading.filters.index(measure.where) if measure.where is not None else None,
        classes=blueprint.classes_of(measure),
        tangled=measure.where is not None and blueprint.tangled((measure.where,)),
    )


def _counts(table: pa.Table, name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return table.column(name).to_numpy().astype(np.int64)
