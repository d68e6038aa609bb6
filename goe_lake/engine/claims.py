"""The numbers that a release is about to tell, with who is behind each: what the overlap audit judges.

Persons are those of the session until the audit gives them their numbers at the node.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any, Final

import numpy as np

from goe_lake.disclosure import Decision, Rule, overlap
from goe_lake.disclosure.earlier import COUNT, Claim, Face
from goe_lake.disclosure.earlier_sites import Difference, SiteClaim, Sites
from goe_lake.disclosure.families import Counts
from goe_lake.disclosure.overlap import Codes, selection_of, words_of
from goe_lake.engine.behind import BEFORE, REST, SCORES, TIMES, VALUED, ClassesBehind, RowsBehind, read_by
from goe_lake.engine.beneath import Beneath
from goe_lake.engine.class_counts import PLACE
from goe_lake.engine.genotypes import CLASS_VALUES
from goe_lake.engine.low_effect import Part
from goe_lake.engine.relation import MEASURED, Reading, is_bin
from goe_lake.engine.selection import Selection
from goe_lake.engine.words import Words
from goe_lake.errors import ReleaseRefused
from goe_lake.release import Measure, MeasureFunction, columns_in

#: Beyond these an answer is refused: who is behind each of its cells could not be kept.
MOST_CLAIMS: Final = 100_000
#: What a person adds to sums over genotypes, by class.
WEIGHTS: Final = {
    "dosage": tuple(max(0, dosage) for dosage, _ in CLASS_VALUES.values()),
    "called_alleles": tuple(called for _, called in CLASS_VALUES.values()),
}
DERIVED: Final = "derived"
#: What is known of a column by sums of its functions, and by person.
FORMS: Final = "forms"
#: Sums are kept in units of this, whatever resolution they were asked in.
UNIT: Final = Decimal("1E-12")


@dataclass(frozen=True, eq=False)
class Persons:
    """Persons of the session and the code of each."""

    persons: Counts
    codes: Codes

    def at_node(self, numbers: Counts) -> overlap.Selection:
        """The same by the persons' *numbers* at the node."""
        return selection_of(numbers[self.persons], self.codes)


@dataclass(frozen=True, eq=False)
class CellClaim:
    """A number of one cell, or of several that tell the same number: row *rows* of table *table*.

    *value* is what is told divided by *factor*, in units of *unit*. *beneath* are the sites whose genotypes
    decide who is counted, and the persons who might be.
    """

    table: int
    measure: int
    rows: Counts
    quantity: str
    behind: Persons
    value: int
    factor: int
    unit: Fraction
    text: str
    family: Hashable
    keys: tuple[Hashable, ...]
    counted: Persons | None = None
    before: tuple[Persons, int] | None = None
    base: str = ""
    rest: tuple[str, Persons] | None = None
    valued: tuple[str, Persons, int] | None = None
    everybody: Persons | None = None
    whole: str = ""
    who: str | None = None
    known: Persons | None = None
    forms: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    apart: int = 0
    beneath: tuple[Sites, Counts] | None = None

    def at_node(self, numbers: Counts) -> Claim:
        """The claim as the audit judges it."""
        valued = self.valued
        among = None if valued is None else valued[1].at_node(numbers)
        beside = (
            ()
            if valued is None or among is None
            else tuple(Face(quantity, among, valued[2]) for quantity in (valued[0], *self.forms))
        )
        return Claim(
            self.quantity,
            self.behind.at_node(numbers),
            self.value,
            self.text,
            counted=None if self.counted is None else self.counted.at_node(numbers),
            base=self.base,
            before=None if self.before is None else self.before[0].at_node(numbers),
            before_value=0 if self.before is None else self.before[1],
            rest=None if self.rest is None else (self.rest[0], self.rest[1].at_node(numbers)),
            beside=beside,
            family=self.family,
            keys=self.keys,
            everybody=None if self.everybody is None else self.everybody.at_node(numbers),
            whole=self.whole,
            who=self.who,
            known=None if self.known is None else self.known.at_node(numbers),
            against=self.against,
            among=among if self.against else None,
            apart=self.apart,
            beneath=_beneath(self.beneath, numbers),
        )

    def told(self, value: int) -> int:
        """What is told for *value* of a claim."""
        return round(value * self.factor / self.unit)


@dataclass(frozen=True, eq=False)
class SitesClaim:
    """Numbers at sites, or one part of them: rows *rows* of tables *tables*, in the order of *sites*."""

    tables: Counts
    measure: int
    rows: Counts
    sites: Sites
    values: Counts
    weights: tuple[int, ...]
    behind: Persons
    difference: Difference
    text: str
    family: Hashable
    keys: tuple[Hashable, ...]
    who: str | None = None
    beneath: tuple[Sites, Counts] | None = None

    def at_node(self, numbers: Counts) -> SiteClaim:
        """The claim as the audit judges it."""
        return SiteClaim(
            self.weights,
            self.behind.at_node(numbers),
            self.sites,
            self.values,
            self.text,
            self.difference,
            PLACE["nc"],
            self.family,
            self.keys,
            self.who,
            _beneath(self.beneath, numbers),
        )

    @classmethod
    def joined(cls, parts: Sequence[SitesClaim]) -> SitesClaim:
        """*parts* that differ in their sites only, with the sites in order."""
        arrays: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("tables", "rows", "sites", "values")
        }
        order = np.argsort(arrays["sites"], kind="stable")
        return replace(parts[0], **{name: array[order] for name, array in arrays.items()})


@dataclass(eq=False)
class Claims:
    """Gathers the claims of one release, part by part; *reading* is as it was asked."""

    reading: Reading
    words: Words
    keys_of_sites: Sites | None
    person_of: Counts
    selection: Selection | None = None
    cells: list[CellClaim] = field(default_factory=list)
    sites: list[SitesClaim] = field(default_factory=list)

    @cached_property
    def known(self) -> Persons | None:
        """The persons of whom no value is missing that conditions and keys read; None beside other tables."""
        release = self.reading.release
        parts = (*release.conditions, *(key.expression for key in release.keys))
        read = set().union(*(self.reading.where_from(part) for part in parts))
        names = sorted(name for _, name in read)
        own = self.reading.session.snapshot.catalog.tables["samples"].by_name
        if {table for table, _ in read} != {"samples"} or not own.keys() >= set(names):
            return None
        there = np.logical_and.reduce([self.reading.session.has_value(name) for name in names])
        samples = np.bincount(self.person_of[there])
        persons = np.flatnonzero(samples)
        return Persons(persons.astype(np.int64), samples[persons].astype(np.uint64))

    def gather(self, table: int, part: Part, decision: Decision) -> None:
        """Add the numbers of *part* that *decision* lets out; they are rows of table number *table*."""
        behind, places = part.evidence.behind, part.evidence.places
        assert places is not None
        row_of = np.cumsum(decision.cells) - 1
        if isinstance(behind, RowsBehind):
            self._of_rows(table, part, decision, behind, places, row_of)
        elif isinstance(behind, ClassesBehind):
            self._of_classes(table, part, decision, behind, places, row_of)
        else:
            raise ReleaseRefused("R210", "who is behind these cells is not known, so that they are not told")
        if len(self.cells) > MOST_CLAIMS:
            problem = f"an answer tells at most {MOST_CLAIMS:,} numbers of persons chosen cell by cell"
            raise ReleaseRefused("R211", f"{problem}: ask for fewer cells")

    # rows ---------------------------------------------------------------------------------------------

    def _of_rows(
        self, table: int, part: Part, decision: Decision, behind: RowsBehind, places: Counts, row_of: Counts
    ) -> None:
        reading = self.reading
        names = [key.name for key in reading.release.keys]
        keys = part.cells.select(names).to_pylist() if names else [{}] * part.cells.num_rows
        personal = [name for name in names if name not in reading.public_keys]
        beneath = Beneath(behind.reading)
        for number, measure in enumerate(reading.release.measures):
            values = part.cells.column(measure.name)
            for cell in np.flatnonzero(decision.values[number] & decision.cells):
                row, value = keys[cell], values[int(cell)].as_py()
                if value is None:
                    continue
                site = -1 if behind.sites is None else int(behind.sites[places[cell]])
                at = None if site < 0 or self.keys_of_sites is None else int(self.keys_of_sites[site])
                of_cell = OfCell(behind, behind.of(int(places[cell])), int(value), row, at)
                told = behind.reading.release.measures[number]
                chosen = beneath.is_read_by(told, argument=False)
                if site >= 0 and _of_genotypes(reading, measure):
                    rule = part.evidence.measures[number].rule
                    held = (beneath.sites(None), beneath.persons(told, row)) if chosen else None
                    if self._of_site(
                        (table, number, int(row_of[cell])), measure, rule, of_cell, site, part, held
                    ):
                        continue
                quantity, factor, whole, main = self._main(measure, of_cell)
                claim = CellClaim(
                    table, number, np.array([row_of[cell]]), quantity, main, whole, factor,
                    quantity_of(reading, measure)[1], self.words.of(measure, row),
                    (number, *(row[name] for name in names if name not in personal)),
                    tuple(row[name] for name in personal),
                )  # fmt: skip
                everybody, _ = of_cell.persons(measure.name + BEFORE, counted=True)
                claim = replace(
                    claim, everybody=everybody, whole=self.words.whole(measure), known=self.known,
                    apart=part.evidence.measures[number].least_values,
                )  # fmt: skip
                if (chosen or beneath.is_read_by(told)) and self._counts_genotypes(measure):
                    sites = beneath.sites(at if reading.scans("genotypes") else None)
                    claim = replace(claim, beneath=(sites, beneath.persons(told, row)))
                self.cells.append(self._with_further(claim, measure, of_cell))

    def _counts_genotypes(self, measure: Measure) -> bool:
        """Whether *measure* counts, or sums what genotypes alone say: not a person's own values."""
        reading = self.reading
        return measure.function is not MeasureFunction.SUM or not any(
            reading.made_of(factor) or reading.tables[factor.table] in MEASURED for factor in measure.factors
        )

    def _of_site(
        self,
        place: tuple[int, int, int],
        measure: Measure,
        rule: Rule,
        cell: OfCell,
        site: int,
        part: Part,
        beneath: tuple[Sites, Counts] | None,
    ) -> bool:
        """Add a sum over the genotypes at one site as a number of that site; whether it is one."""
        assert self.keys_of_sites is not None
        weights = WEIGHTS.get(measure.factors[0].column) if len(measure.factors) == 1 else None
        if rule is Rule.ALLELE_NUMBER:
            return True
        if weights is None:
            return False
        table, number, row = place
        reading = self.reading
        keys = {key.name: cell.keys[key.name] for key in reading.person_keys}
        personal = tuple(value for name, value in keys.items() if name not in reading.public_keys)
        by_class = bool(part.evidence.measures[number].classes or part.evidence.cell_classes)
        self.sites.append(
            SitesClaim(
                np.array([table]), number, np.array([row]), self.keys_of_sites[[site]],
                np.array([cell.value]), weights, cell.persons(measure.name + BEFORE, counted=True)[0],
                _difference(measure, rule, weights, told_by_class=by_class),
                self.words.of(measure, keys, at_sites=True), (number, "rows"), personal, beneath=beneath,
            )
        )  # fmt: skip
        return True

    def _main(self, measure: Measure, cell: OfCell) -> tuple[str, int, int, Persons]:
        """The quantity, how often each person is in it, the value for once, and who they are."""
        quantity, unit = quantity_of(self.reading, measure)
        counted = measure.function is not MeasureFunction.SUM or measure.name in cell.behind.by_rows
        own, _ = self.reading.multiplied(measure)
        if cell.site is not None and any(
            self.reading.tables[its.table] == "genotypes" for its in own or measure.values
        ):
            # at another site a person adds something else
            quantity = f"{quantity}@{cell.site}"
        main, factor = cell.persons(measure.name, counted=counted)
        if measure.name + TIMES in cell.behind.codes:
            often, factor = cell.persons(measure.name + TIMES, counted=True)
            main = Persons(main.persons, main.codes * often.codes)
        whole = cell.value * unit / factor
        if whole.denominator != 1:
            whole, factor = cell.value * unit, 1
        return quantity, factor, int(whole), main

    def _with_further(self, claim: CellClaim, measure: Measure, cell: OfCell) -> CellClaim:
        """*claim* with those who are counted beside it."""
        reading = self.reading
        if measure.function is MeasureFunction.SUM:
            of = (
                _argument(reading, measure)
                if claim.quantity == COUNT
                else claim.quantity.removeprefix("sum:")
            )
            valued, _ = cell.persons(measure.name + VALUED, counted=True)
            rest = None
            if measure.name + REST in cell.behind.codes:
                rest = (f"rest:{of}", cell.persons(measure.name + REST, counted=True)[0])
            beside = (f"{COUNT}:{of}", valued, int(valued.codes.sum()))
            forms, against = _forms(reading, measure)
            return replace(claim, valued=beside, rest=rest, forms=forms, against=against)
        if reading.scans("scores"):
            # whoever has no row lacks a score
            which, _ = cell.persons(measure.name + SCORES, counted=False)
            base = self.words.base(measure, cell.keys)
            return replace(claim, quantity=f"{COUNT}:scores", behind=which, counted=claim.behind, base=base)
        if claim.quantity == COUNT and (binned := _binned(reading)):
            # intervals hold whoever has a value, as a count of the column does
            return replace(claim, quantity=f"{COUNT}:{binned}", counted=claim.behind)
        if claim.quantity != COUNT:
            everybody, times = cell.persons(measure.name + BEFORE, counted=True)
            if times != claim.factor:
                codes = everybody.codes * np.uint64(times) // np.uint64(claim.factor)
                everybody = Persons(everybody.persons, codes)
            return replace(claim, counted=claim.behind, before=(everybody, int(everybody.codes.sum())))
        return claim

    # classes ------------------------------------------------------------------------------------------

    def _of_classes(
        self,
        table: int,
        part: Part,
        decision: Decision,
        behind: ClassesBehind,
        places: Counts,
        row_of: Counts,
    ) -> None:
        reading = self.reading
        names = [key.name for key in reading.person_keys]
        personal = [name for name in names if name not in reading.public_keys]
        site_of, combination_of = behind.site[places], behind.combination[places]
        assert self.keys_of_sites is not None
        for number, measure in enumerate(reading.release.measures):
            rule = part.evidence.measures[number].rule
            if rule is Rule.ALLELE_NUMBER:
                continue
            told = decision.values[number] & decision.cells
            for combination in np.unique(combination_of[told]):
                cells = np.flatnonzero(told & (combination_of == combination))
                row = part.cells.select(names).slice(int(cells[0]), 1).to_pylist()[0] if names else {}
                asked = Asked(
                    table, number, cells, row_of[cells], site_of[cells], int(combination),
                    self.words.of(measure, row, at_sites=True),
                    (number, *(row[name] for name in names if name not in personal)),
                    tuple(row[name] for name in personal),
                    self.words.who(measure, row, by_class=False),
                    self.words.who(measure, row, by_class=True),
                )  # fmt: skip
                self._of_combination(asked, measure, rule, behind, part)

    def _of_combination(
        self, asked: Asked, measure: Measure, rule: Rule, behind: ClassesBehind, part: Part
    ) -> None:
        """The claims of one measure in the cells of one combination of keys: a part for each way to weigh."""
        assert self.keys_of_sites is not None
        listed = behind.sites.listed[asked.site]
        told_by_class = bool(part.evidence.measures[asked.measure].classes or part.evidence.cell_classes)
        for shown in (True, False):
            chosen = np.flatnonzero(listed == shown)
            if not len(chosen):
                continue
            ways, way_of, numbers = behind.weighed(asked.measure, asked.combination, listed=shown)
            for way, weights in enumerate(ways):
                persons = np.flatnonzero(way_of == way)
                if not len(persons):
                    continue
                who = Persons(self.person_of[persons], np.ones(len(persons), dtype=np.uint64))
                values = behind.values(weights, numbers[way], asked.site[chosen])
                if len(set(weights)) == 1 and len(ways) == 1:
                    # whatever the genotype: a count of persons
                    self.cells.append(_plain(asked, chosen, who, int(weights[0]), values))
                    continue
                self.sites.append(
                    SitesClaim(
                        np.full(len(chosen), asked.table), asked.measure, asked.rows[chosen],
                        self.keys_of_sites[behind.sites.numbers[asked.site[chosen]]], values, weights, who,
                        _difference(measure, rule, weights, told_by_class=told_by_class),
                        asked.text, (asked.family, way, shown), asked.keys, asked.by_class,
                    )
                )  # fmt: skip


@dataclass(frozen=True, eq=False)
class OfCell:
    """One cell: its rows of *behind*, the *value* of a measure, its *keys*, and the key of its site."""

    behind: RowsBehind
    here: slice
    value: int
    keys: Mapping[str, Any]
    site: int | None

    def persons(self, name: str, *, counted: bool) -> tuple[Persons, int]:
        """Who has a code *name*; of *counted* rows the largest number of times that all have is apart."""
        codes = self.behind.codes[name][self.here]
        inside = codes != 0
        codes, persons = codes[inside], self.behind.person[self.here][inside]
        factor = int(np.gcd.reduce(codes)) if counted and len(codes) else 1
        return Persons(persons, codes // np.uint64(factor) if factor > 1 else codes), max(factor, 1)


@dataclass(frozen=True, eq=False)
class Asked:
    """One measure in the told cells of one combination of keys about persons.

    *text* asks for it; *who* and *by_class* choose its persons, as `Words.who` says.
    """

    table: int
    measure: int
    cells: Counts
    rows: Counts
    site: Counts
    combination: int
    text: str
    family: Hashable
    keys: tuple[Hashable, ...]
    who: str
    by_class: str


def _beneath(of: tuple[Sites, Counts] | None, numbers: Counts) -> tuple[Sites, overlap.Selection] | None:
    """The persons of a number of genotypes by their *numbers* at the node."""
    return None if of is None else (of[0], overlap.Selection(words_of(numbers[of[1]])))


def _plain(asked: Asked, chosen: Counts, who: Persons, weight: int, values: Counts) -> CellClaim:
    return CellClaim(
        asked.table, asked.measure, asked.rows[chosen], COUNT, who, len(who.persons), weight, Fraction(1),
        asked.text, asked.family, asked.keys, who=asked.who,
    )  # fmt: skip


def _of_genotypes(reading: Reading, measure: Measure) -> bool:
    """Whether *measure* sums what a genotype says, and nothing else."""
    return measure.function is MeasureFunction.SUM and read_by(reading, measure) == {"genotypes"}


def _difference(measure: Measure, rule: Rule, weights: tuple[int, ...], *, told_by_class: bool) -> Difference:
    """What differences of *measure* have to rest on."""
    if told_by_class or rule is Rule.MOMENT_OF_FEW:
        return Difference.CLASSES
    if all(weight for place, weight in enumerate(weights) if place != PLACE["nc"]):
        return Difference.PERSONS
    return Difference.ALLELES if rule is Rule.ALLELE_COUNT else Difference.ROWS


def quantity_of(reading: Reading, measure: Measure) -> tuple[str, Fraction]:
    """What *measure* is a number of, and the unit in which it is told, in `UNIT`; counts have 1."""
    if measure.function is not MeasureFunction.SUM:
        return (f"{COUNT}:{_argument(reading, measure)}" if measure.values else COUNT), Fraction(1)
    own, often = reading.multiplied(measure)
    unit = Fraction(measure.resolution)
    for factor in often:
        column = reading.session.column(reading.tables[factor.table], factor.column)
        unit /= column.step if column is not None else 1
    if len(own) == 1 and reading.is_truth(own[0]):
        return COUNT, unit
    return f"sum:{_argument(reading, measure)}", unit / Fraction(UNIT) ** len(own)


def _forms(reading: Reading, measure: Measure) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The quantities by which a sum of a function, or by person, tells of columns, and those it is held to.

    Those of a plain sum are other forms of its columns alone: other plain sums have names of their own.
    """
    read = dict.fromkeys(column for factor in measure.factors for column in reading.made_of(factor))
    names = [f"{table}.{column}" for table, column in read]
    forms = tuple(f"{FORMS}:{name}" for name in names)
    if not reading.is_form(measure):
        return (), forms
    plain = tuple(f"{COUNT}:{power}" for name in names for power in (name, f"{name}*{name}"))
    return forms, (*forms, *plain)


def _binned(reading: Reading) -> str:
    """The column whose intervals are keys of *reading*; empty where there is none."""
    last = reading.release.keys[-1:]
    if not last or not is_bin(last[0].expression):
        return ""
    column = next(iter(columns_in(last[0].expression)))
    table = reading.tables[column.table]
    return DERIVED if table in reading.session.derived else f"{table}.{column.column}"


def _argument(reading: Reading, measure: Measure) -> str:
    """The columns that *measure* multiplies, however their tables were called.

    All columns of sub-aggregates are one: two of them may say the same of nearly everybody.
    """
    tables = {alias: DERIVED if table in reading.session.derived else table
              for alias, table in reading.tables.items()}  # fmt: skip
    names = (
        DERIVED if tables[factor.table] == DERIVED else f"{tables[factor.table]}.{factor.column}"
        for factor in reading.multiplied(measure)[0]
    )
    return "*".join(sorted(names))
