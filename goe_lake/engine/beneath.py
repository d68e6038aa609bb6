"""Numbers that read genotypes otherwise than by class at one site: at which sites, and of whom.

Carriers of a nested query, and sums over several sites, are known by who adds what. What the audit holds
to numbers of the same genotypes are the persons whom all else chooses: never what a genotype says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa

from goe_lake.catalog import is_public
from goe_lake.disclosure.earlier_sites import Sites
from goe_lake.disclosure.families import Counts
from goe_lake.engine.blueprint import is_not_missing
from goe_lake.engine.genotypes import CLASS_VALUES
from goe_lake.engine.low_effect import numbered
from goe_lake.engine.relation import QUALITY, Reading, is_bin
from goe_lake.engine.selection import Selection
from goe_lake.engine.sql import identifier, safe_sql
from goe_lake.release import ColumnRef, Expr, Key, Measure, columns_in, conjuncts

#: So many values of columns are tried of what reads persons and genotypes at once.
MOST_VALUES: Final = 256


@dataclass(eq=False)
class Beneath:
    """The sites of the genotypes that a release reads, and the persons whom it may be about.

    *reading* is without what changes too few persons.
    """

    reading: Reading
    _found: dict[Expr | None, dict[tuple[Any, ...], Counts]] = field(default_factory=dict)

    def is_read_by(self, measure: Measure, *, argument: bool = True) -> bool:
        """Whether genotypes decide what *measure* tells; not its *argument* where that is not asked."""
        parts = [*self._conditions(measure), *(key.expression for key in self.reading.release.keys)]
        parts = [part for part in parts if not is_not_missing(part)]
        if not argument:
            return any(map(self._tells, parts))
        return any(map(self._tells, (*parts, *measure.values))) or self._has_unlisted

    def sites(self, site: int | None) -> Sites:
        """The keys of the sites that are read, in order; of the release's own rows *site*, None for all."""
        if site is None:
            return self._all_sites
        return np.union1d(self._beneath, np.array([site], dtype=np.uint64))

    @cached_property
    def _all_sites(self) -> Sites:
        if not self.reading.scans("genotypes"):
            return self._beneath
        return np.union1d(self._beneath, self.reading.session.site_keys[self._selected.numbers])

    @property
    def _selected(self) -> Selection:
        selected = self.reading.session.last_selection
        assert selected is not None
        return selected[1]

    @cached_property
    def _beneath(self) -> Sites:
        """The sites that sub-aggregates read."""
        reading = self.reading
        found = [
            reading.session.derived[table].sites
            for table in reading.tables.values()
            if table in reading.session.derived
        ]
        return np.unique(np.concatenate([np.empty(0, dtype=np.uint64), *found]))

    def persons(self, measure: Measure, keys: Mapping[str, Any]) -> Counts:
        """The persons of a cell whatever their genotypes are."""
        if measure.where not in self._found:
            self._found[measure.where] = self._by_keys(measure)
        named = _row(keys[key.name] for key in self._own_keys)
        return self._found[measure.where].get(named, np.empty(0, dtype=np.int64))

    # whom -------------------------------------------------------------------------------------------

    @cached_property
    def _has_unlisted(self) -> bool:
        # at a site that is not listed only carriers have a row
        return self.reading.scans("genotypes") and not bool(self._selected.listed.all())

    @cached_property
    def _own_keys(self) -> list[Key]:
        """The keys that are not of genotypes and sites alone."""
        keys = self.reading.release.keys
        return [key for key in keys if self._of_persons(key.expression) and not is_bin(key.expression)]

    def _conditions(self, measure: Measure) -> list[Expr]:
        own = (one for part in self.reading.release.conditions for one in conjuncts(part))
        return [*own, *measure.conditions]

    def _by_keys(self, measure: Measure) -> dict[tuple[Any, ...], Counts]:
        reading, keys = self.reading, self._own_keys
        parts = [part for part in self._conditions(measure) if self._of_persons(part)]
        shown = [key.expression for key in keys]
        tried = self._values(part for part in (*parts, *shown) if self._tells(part) or self._at_sites(part))
        names = {column: f"x.x{place}" for place, column in enumerate(tried)}

        def resolve(column: ColumnRef) -> str:
            return names.get(column) or reading.resolve(column)

        source = " ".join(
            [
                "samples p",
                *(["JOIN scores c USING (s)"] if reading.scans("scores") else []),
                *reading.derived_joins(),
                *([f"CROSS JOIN ({self._rows(tried)}) x"] if tried else []),
            ]
        )
        where = " AND ".join(["TRUE", *(f"coalesce({safe_sql(part, resolve)}, FALSE)" for part in parts)])
        columns = ", ".join(
            ["p.s", "p.person", *(f"{safe_sql(part, resolve)} AS k{n}" for n, part in enumerate(shown))]
        )
        table = reading.session.connection.sql(
            f"SELECT DISTINCT {columns} FROM {source} WHERE {where}"
        ).to_arrow_table()
        table = table.filter(pa.array(reading.session.is_genotyped[table.column("s").to_numpy()]))
        person = table.column("person").to_numpy().astype(np.int64)
        if not shown:
            return {(): np.unique(person)}
        cells = table.drop_columns(["s", "person"])
        _, first, number = np.unique(numbered([cells]), return_index=True, return_inverse=True)
        order = np.argsort(number, kind="stable")
        persons = np.split(person[order], np.cumsum(np.bincount(number))[:-1])
        named = (_row(row.values()) for row in cells.take(pa.array(first)).to_pylist())
        return {name: np.unique(part) for name, part in zip(named, persons, strict=False)}

    # what is read -----------------------------------------------------------------------------------

    def _tells(self, part: Expr) -> bool:
        """Whether *part* reads a genotype, or what a sub-aggregate made of genotypes."""
        return any(map(self._is_genotype, columns_in(part)))

    def _is_genotype(self, column: ColumnRef) -> bool:
        table = self.reading.tables[column.table]
        if table in self.reading.session.derived:
            return self.reading.session.derived[table].known(column.column).telling
        return table == "genotypes" and column.column == "dosage"

    def _is_of_site(self, column: ColumnRef) -> bool:
        table = self.reading.tables[column.table]
        return table in ("genotypes", "variants") and not self._is_genotype(column)

    def _at_sites(self, part: Expr) -> bool:
        return any(map(self._is_of_site, columns_in(part)))

    def _of_persons(self, part: Expr) -> bool:
        """Whether *part* reads more than genotypes and sites."""
        return not all(self._is_genotype(one) or self._is_of_site(one) for one in columns_in(part))

    # every value of it --------------------------------------------------------------------------------

    def _values(self, parts: Iterable[Expr]) -> list[ColumnRef]:
        read = dict.fromkeys(column for part in parts for column in columns_in(part))
        return [column for column in read if self._is_genotype(column) or self._is_of_site(column)]

    def _rows(self, columns: list[ColumnRef]) -> str:
        """SQL of all values that *columns* have together, one table after the other."""
        tables: dict[str, list[str]] = {}
        for place, column in enumerate(columns):
            tables.setdefault(self._from(column), []).append(f"{self._name(column)} AS x{place}")
        parts = (
            f"(SELECT DISTINCT {', '.join(shown)} FROM {table} ORDER BY ALL LIMIT {MOST_VALUES})"
            for table, shown in tables.items()
        )
        return "SELECT * FROM " + " CROSS JOIN ".join(parts)

    def _from(self, column: ColumnRef) -> str:
        table = self.reading.tables[column.table]
        if table in self.reading.session.derived:
            return identifier(table)
        if table == "genotypes" and not is_public(table, column.column):
            classes = [*CLASS_VALUES.values(), (None, 0)]
            quality = [(None, None), (0, 0), (99, 65_535)]
            values = ((d, n, *q) for d, n in classes if d is None or d >= 0 for q in quality)
            text = ", ".join(f"({', '.join('NULL' if v is None else str(v) for v in row)})" for row in values)
            return f"(VALUES {text}) AS g(dosage, called_alleles, {', '.join(QUALITY)})"
        return "(SELECT v.* FROM sites v WHERE v.site IN (SELECT site FROM genotype_rows)) AS v"

    def _name(self, column: ColumnRef) -> str:
        if self.reading.tables[column.table] in self.reading.session.derived:
            return identifier(column.column)
        return self.reading.resolve(column)


def _row(values: Iterable[Any]) -> tuple[Any, ...]:
    """*values* as they are looked up: what is not a number is equal to itself here."""
    return tuple("NaN" if value != value else value for value in values)
