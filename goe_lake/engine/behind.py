"""Who is behind each cell: what every person adds to each of its measures, where rows were made.

What is kept of a person is a code: those of one code add the same. For counts that is the number of rows,
for a sum of a person's own column the number of rows as well; a score is told by which scores they are,
and a sum over genotypes by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from goe_lake.disclosure.families import Counts, Mask
from goe_lake.disclosure.overlap import Codes
from goe_lake.engine.blueprint import Blueprint, is_computed, same_keys
from goe_lake.engine.class_counts import PLACE, ClassCounts
from goe_lake.engine.duck import one_row
from goe_lake.engine.genotypes import FILLED
from goe_lake.engine.relation import Reading
from goe_lake.engine.row_kinds import RowKinds
from goe_lake.engine.selection import Selection
from goe_lake.release import ColumnRef, Measure, MeasureFunction

#: The names of a measure's codes, after its own: those who are counted with missing values left in, those
#: who have a value, those whose value adds nothing, which scores are counted, and how often scores are added.
BEFORE, VALUED, REST, SCORES, TIMES = "_before", "_valued", "_rest", "_scores", "_times"
#: Codes are whole numbers below this.
WIDE: Final = 2**64


@dataclass(frozen=True, eq=False)
class RowsBehind:
    """A row for each person and cell, in the order of the cells: *cell*, *person* and *codes* by name.

    *sites* gives the number of the site of each cell, None where cells lie at several sites or at none;
    *by_rows* names the measures to which a person adds the same in each row. *reading* is what made the
    rows, without what changes too few.
    """

    reading: Reading
    cell: Counts
    person: Counts
    codes: Mapping[str, Codes]
    sites: Counts | None
    by_rows: frozenset[str]

    def of(self, cell: int) -> slice:
        """The rows of one cell."""
        first, end = np.searchsorted(self.cell, (cell, cell + 1))
        return slice(int(first), int(end))


def rows_behind(blueprint: Blueprint) -> RowsBehind:
    """Who is behind the cells of the tables `cells` and `totals`, which *blueprint* has filled."""
    connection = blueprint.reading.session.connection
    codes = {name: code.sql.format(place) for name, code, place in codes_of(blueprint)}
    measures = enumerate(blueprint.measures)
    scores = [place for place, measure in measures if names_scores(blueprint.reading, measure)]
    joined = ""
    if scores:
        on = " AND ".join([same_keys(blueprint.keys, "t", "x"), "t.person = x.person"])
        joined = f" LEFT JOIN ({blueprint.scores_sql(scores)}) x ON {on}"
    columns = ", ".join(f"coalesce({sql}, 0)::UBIGINT AS {name}" for name, sql in codes.items())
    table = connection.sql(
        f"SELECT c.cell, t.person, {columns} FROM totals t JOIN cells c "
        f"ON {same_keys(blueprint.keys, 't', 'c')}{joined} ORDER BY c.cell, t.person"
    ).to_arrow_table()

    def numbers(name: str) -> npt.NDArray[Any]:
        column: npt.NDArray[Any] = table.column(name).to_numpy()
        return column

    return RowsBehind(
        blueprint.reading,
        numbers("cell").astype(np.int64),
        numbers("person").astype(np.int64),
        {name: numbers(name).astype(np.uint64) for name in codes},
        _sites_of_cells(blueprint),
        frozenset(measure.name for measure in blueprint.measures if by_rows(blueprint, measure)),
    )


def read_by(reading: Reading, measure: Measure) -> frozenset[str]:
    """The tables whose values *measure* reads."""
    return frozenset(reading.tables[factor.table] for factor in measure.values)


def names_scores(reading: Reading, measure: Measure) -> bool:
    """Whether which scores a person adds matters to *measure*."""
    if measure.function is not MeasureFunction.SUM:
        return reading.scans("scores")
    return "scores" in read_by(reading, measure)


def by_rows(blueprint: Blueprint, measure: Measure) -> bool:
    """Whether a person adds the same to *measure* in each row, or that so many times.

    At one site a genotype is the person's own.
    """
    reading = blueprint.reading
    factors, often = reading.multiplied(measure)
    if often:
        return all(reading.tables[factor.table] == "samples" for factor in factors)
    own = {"samples", "genotypes"} if blueprint.one_site else {"samples"}
    return read_by(reading, measure) <= own


def has_few_values(reading: Reading, measure: Measure) -> bool:
    """Whether *measure* sums a column that tells persons apart by class."""
    names = {(reading.tables[factor.table], factor.column) for factor in measure.factors}
    return names <= reading.session.few_valued


@dataclass(frozen=True)
class Code:
    """One kind of code: SQL over totals t and scores x of measure {0}, and the same of columns by name.

    *of* is None where it takes scores.
    """

    sql: str
    of: Callable[[Callable[[str], Counts], int], Counts] | None = None


TOTAL: Final = Code("t.t{0}", lambda column, place: column(f"t{place}"))
#: What the person adds in all, whatever the sites.
WRAPPED: Final = Code(f"((t.t{{0}} % {WIDE}) + {WIDE}) % {WIDE}", TOTAL.of)
#: How often a person adds what is added.
OFTEN: Final = Code(
    f"CASE WHEN t.t{{0}} <> 0 THEN ((t.times{{0}} % {WIDE}) + {WIDE}) % {WIDE} END",
    lambda column, place: np.where(column(f"t{place}") != 0, column(f"times{place}"), 0),
)
#: The same in each row.
OFTEN_A_ROW: Final = Code(
    f"CASE WHEN t.t{{0}} <> 0 THEN ((t.times{{0}} // t.present{{0}} % {WIDE}) + {WIDE}) % {WIDE} END",
    lambda column, place: np.where(
        column(f"t{place}") != 0, column(f"times{place}") // np.maximum(column(f"present{place}"), 1), 0
    ),
)
ROWS: Final = Code("t.rows{0}", lambda column, place: column(f"rows{place}"))
PRESENT: Final = Code("t.present{0}", lambda column, place: column(f"present{place}"))
COUNTED: Final = Code(
    "t.present{0} + t.missing{0}", lambda column, place: column(f"present{place}") + column(f"missing{place}")
)
ADDING: Final = Code(
    "CASE WHEN t.t{0} <> 0 THEN t.present{0} END",
    lambda column, place: np.where(column(f"t{place}") != 0, column(f"present{place}"), 0),
)
AT_ZERO: Final = Code(
    "CASE WHEN t.t{0} = 0 THEN t.present{0} END",
    lambda column, place: np.where(column(f"t{place}") == 0, column(f"present{place}"), 0),
)
COUNTED_SCORES: Final = Code("CASE WHEN t.t{0} > 0 THEN x.h{0} END")
ADDING_SCORES: Final = Code("CASE WHEN t.t{0} <> 0 THEN x.h{0} END")


def codes_of(blueprint: Blueprint) -> Iterator[tuple[str, Code, int]]:
    """The name of each code, what it is, and the place of its measure."""
    for place, measure in enumerate(blueprint.measures):
        name = measure.name
        if measure.function is not MeasureFunction.SUM:
            yield name, TOTAL, place
            yield name + BEFORE, ROWS, place
            if names_scores(blueprint.reading, measure):
                yield name + SCORES, COUNTED_SCORES, place
            continue
        own, often = blueprint.reading.multiplied(measure)
        if by_rows(blueprint, measure):
            # ln(1) is 0, and a value like any other
            yield name, OFTEN if often else PRESENT if is_computed(measure) else ADDING, place
            if has_few_values(blueprint.reading, measure):
                yield name + REST, AT_ZERO, place
        elif {blueprint.reading.tables[factor.table] for factor in own} <= {"samples", "scores"}:
            yield name, ADDING_SCORES, place
            if often:
                yield name + TIMES, OFTEN_A_ROW, place
        else:
            yield name, WRAPPED, place
        yield name + VALUED, PRESENT, place
        yield name + BEFORE, COUNTED, place


def _sites_of_cells(blueprint: Blueprint) -> Counts | None:
    """The number of the site of each cell, in order; None where cells do not lie at one."""
    if not blueprint.one_site:
        return None
    reading, connection = blueprint.reading, blueprint.reading.session.connection
    if not reading.keyed_by_site:
        (cells,) = one_row(connection, "SELECT count(*) FROM cells")
        return site_of_all(blueprint, cells)
    on = " AND ".join(
        f"c.{key.name} IS NOT DISTINCT FROM {reading.resolve(key.expression)}"
        for key in reading.site_keys
        if isinstance(key.expression, ColumnRef)
    )
    table = connection.sql(
        "WITH here AS (SELECT DISTINCT site FROM genotype_rows) "
        "SELECT c.cell, coalesce(min(v.site), -1) AS site "
        f"FROM cells c LEFT JOIN (sites v JOIN here USING (site)) ON {on} GROUP BY c.cell ORDER BY c.cell"
    ).to_arrow_table()
    return np.asarray(table.column("site").to_numpy(), dtype=np.int64)


def site_of_all(blueprint: Blueprint, cells: int) -> Counts:
    """The number of the one site that all *cells* lie at."""
    connection = blueprint.reading.session.connection
    (site,) = one_row(connection, "SELECT coalesce(min(site), -1) FROM genotype_rows")
    return np.full(cells, site, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class ClassesBehind:
    """Who is behind cells that each lie at one site: groups of persons, their kinds of rows, their classes.

    *group_of* is the group of each sample, -1 for none; *site* and *combination* (of the keys about
    persons) place each cell. *counts* are by group, class and site.
    """

    kinds: RowKinds
    key_of: Counts
    sites: Selection
    counts: ClassCounts
    group_of: Counts
    site: Counts
    combination: Counts

    def weighed(
        self, measure: int, combination: int, *, listed: bool
    ) -> tuple[list[tuple[int, ...]], Counts, list[Mask]]:
        """The ways in which persons add by class; the way of each sample (-1 for none), and groups by way."""
        totals = np.append(self.kinds.numbers(f"t{measure}"), 0)
        key_of = np.append(self.key_of, -1)
        weights = np.where(key_of[self.kinds.groups] == combination, totals[self.kinds.groups], 0)
        if not listed:
            # at unlisted sites only persons with a dosage have a row
            weights[:, [PLACE[name] for name in FILLED]] = 0
        distinct, way = np.unique(weights, axis=0, return_inverse=True)
        way = way.reshape(-1)
        ways = [place for place, row in enumerate(distinct) if row.any()]
        place_of = np.full(len(distinct) + 1, -1, dtype=np.int64)
        place_of[ways] = np.arange(len(ways))
        group_way = np.append(place_of[way], -1)
        rows = [tuple(int(weight) for weight in distinct[place]) for place in ways]
        return rows, group_way[self.group_of], [way == place for place in ways]

    def values(self, weights: tuple[int, ...], groups: Mask, site: Counts) -> Counts:
        """What the persons of *groups* add at each of *site* (places among the sites) by *weights*."""
        counts = self.counts[np.flatnonzero(groups)].sum(axis=0, dtype=np.int64)[:, site]
        return np.asarray(np.array(weights, dtype=np.int64) @ counts, dtype=np.int64)
