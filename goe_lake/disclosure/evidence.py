"""What a node knows about the persons behind its cells; nothing of it is ever sent.

Every array has one entry a cell, in the order of the cells, and counts persons.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from goe_lake.disclosure.families import Counts, Family, Mask

Shares: TypeAlias = npt.NDArray[np.float64]


class Rule(StrEnum):
    """Which persons count as contributors to a measure."""

    ROWS = "rows"  # everyone counted
    SUM = "sum"  # whoever's total differs from the commonest
    FEW_VALUES = "few_values"  # the same, and the commonest total needs enough persons too
    ALLELE_COUNT = "allele_count"  # at one site: carriers, and non-carriers as well
    BURDEN = (
        "burden"  # alternate alleles over several sites: carriers, and whoever differs from the commonest
    )
    ALLELE_NUMBER = "allele_number"  # public for a node, a population and a sex
    MOMENT = "moment"  # sums of products: as sums, of twice as many persons
    FUNCTION = "function"  # sums of functions of columns of many values: as sums, of twice as many persons
    MOMENT_OF_FEW = "moment_of_few"  # products of columns of few values: every class of persons counts


@dataclass(frozen=True)
class MeasureEvidence:
    """The persons behind one measure.

    *participants* have a value; *commonest* of them share the commonest total; *carriers* have a
    total above 0; *largest_share* is the largest share (0..1) of the sum of absolute totals, for a
    product in that of its distances from the mean. *smallest_class* is the size of the smallest class of
    participants by the product's columns of few values, 0 where there is no such column.
    Of a product or ratio of several columns of many values, *unlike* is the least number of participants who
    differ from the commonest value of one of them, 0 where all agree in each.
    Of a sum of powers, products or functions of columns of many values, *values* counts the different values
    of participants (of several columns, of that of fewest) and *rarest* the participants who share the rarest
    of them, 0 for several columns; *least_values* is how many it takes, 0 where the sum is of a column as it
    is. *cut* says that conditions or keys tell few of these values apart.
    *filter* is the place of the measure's filter among `Evidence.filters`, None without one.
    *classes* are the places, among `Evidence.classes`, of what its filter tells persons apart by;
    *tangled* marks cells where it mixes genotypes and places, so that no class is evidence for it, or
    where it reads the quality of calls that few persons gave rise to.
    """

    rule: Rule
    participants: Counts
    commonest: Counts
    carriers: Counts
    largest_share: Shares
    filter: int | None = None
    smallest_class: Counts | int = 0
    unlike: Counts | int = 0
    values: Counts | int = 0
    rarest: Counts | int = 0
    least_values: int = 0
    cut: bool = False
    classes: tuple[int, ...] = ()
    tangled: bool | Mask = False


@dataclass(frozen=True)
class FilterEvidence:
    """The persons of the cell by a filter.

    *outside* are those for whom it is never true, but for missing values; *known_inside* and
    *known_outside* are those of whom the filter reads no missing value. Missing values are public,
    so whoever is left when they are set aside must be none or enough. Of the others, *unknown_inside*
    and *unknown_outside* are told apart by a further column.
    """

    outside: Counts
    known_inside: Counts
    known_outside: Counts
    unknown_inside: Counts
    unknown_outside: Counts


@dataclass(frozen=True)
class ClassEvidence:
    """Persons told apart by few values (genotypes, labels): the size of the smallest class that is not empty.

    It is 0 where every class is empty. Where keys tell the classes, *others* counts the persons who are
    not in the largest one; None where they do not.
    """

    smallest: Counts
    others: Counts | None = None


@dataclass(frozen=True)
class Evidence:
    """All that control looks at.

    *persons* are behind the cell and *outside* would be, were it not for the conditions;
    *known_persons* and *known_outside* are those of whom conditions and keys read no missing value,
    *unknown_persons* and *unknown_outside* those of the others whom a further column tells apart. *group*
    numbers the cells that differ only in keys about persons; *union* counts the persons of the whole
    group, conditions aside, and *disjoint* says whether each person is in one of its cells only.
    *size* counts the persons of the cell and of those that it must stand back with (None: the cell's own).
    *margins* number the cells that add up to one cell of each coarser grouping that is asked as well.
    *cell_classes* are the places, among *classes*, of what its conditions and keys tell persons apart by.
    *behind* knows by name who is behind each cell, for the overlap audit alone, and *places* are the
    cells' numbers there; None where nobody asks.
    """

    persons: Counts
    outside: Counts
    known_persons: Counts
    known_outside: Counts
    unknown_persons: Counts
    unknown_outside: Counts
    group: Counts
    union: Counts
    disjoint: Mask
    measures: tuple[MeasureEvidence, ...]
    margins: tuple[Counts, ...]
    filters: tuple[FilterEvidence, ...] = ()
    families: tuple[Family, ...] = ()
    classes: tuple[ClassEvidence, ...] = ()
    cell_classes: tuple[int, ...] = ()
    tangled: bool | Mask = False
    size: Counts | None = None
    behind: object = None
    places: Counts | None = None

    def only(self, chosen: Mask) -> Evidence:
        """The evidence of the *chosen* cells."""
        arrays = (
            "persons",
            "outside",
            "known_persons",
            "known_outside",
            "unknown_persons",
            "unknown_outside",
        )
        return Evidence(
            **{name: getattr(self, name)[chosen] for name in (*arrays, "group", "union", "disjoint")},
            measures=tuple(_only(measure, chosen) for measure in self.measures),
            margins=tuple(margin[chosen] for margin in self.margins),
            filters=tuple(_only(part, chosen) for part in self.filters),
            families=tuple(_family_of(family, chosen) for family in self.families),
            classes=tuple(_only(part, chosen) for part in self.classes),
            cell_classes=self.cell_classes,
            tangled=self.tangled if isinstance(self.tangled, bool) else self.tangled[chosen],
            size=None if self.size is None else self.size[chosen],
            behind=self.behind,
            places=None if self.places is None else self.places[chosen],
        )


_Part = TypeVar("_Part", MeasureEvidence, FilterEvidence, ClassEvidence)


def _only(part: _Part, chosen: Mask) -> _Part:
    arrays: dict[str, Any] = {
        name: value[chosen] for name, value in vars(part).items() if isinstance(value, np.ndarray)
    }
    return replace(part, **arrays)


def _family_of(family: Family, chosen: Mask) -> Family:
    number = np.cumsum(chosen) - 1
    kept = chosen[family.cell]
    return replace(
        family,
        cell=number[family.cell[kept]].astype(np.int64),
        kind=family.kind[kept],
        persons=family.persons[kept],
    )
