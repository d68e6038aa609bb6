"""An answer before it is held to earlier ones: its cells under disclosure control, and what they claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from goe_lake.disclosure import Decision
from goe_lake.disclosure.earlier import COUNT, Claim, Fate, Record, Verdict
from goe_lake.disclosure.earlier_sites import WITHHELD, Scan, SiteClaim, Sites, SiteVerdict
from goe_lake.disclosure.families import Counts
from goe_lake.disclosure.overlap import selection_of
from goe_lake.disclosure.reasons import EARLIER, LOW_EFFECT, Reasons, is_of_genotypes
from goe_lake.engine.claims import Claims, SitesClaim
from goe_lake.engine.class_counts import ClassCounts, counts_from_calls
from goe_lake.engine.genotypes import one_chunk
from goe_lake.engine.low_effect import Part
from goe_lake.engine.session import Session
from goe_lake.release import Release, approx_column, withheld_column


class Audit(Protocol):
    """Earlier numbers, and who may be told what beside them."""

    def numbers(self, person_ids: Sequence[str]) -> Counts:
        """The number of each person at the node, in every snapshot."""

    def judge(
        self, claims: Sequence[Claim], site_claims: Sequence[SiteClaim], total: Record, scan: Scan
    ) -> tuple[Sequence[Verdict], Sequence[SiteVerdict]]:
        """What becomes of each claim; what is told is remembered. *total* is what anybody knows."""


@dataclass(eq=False)
class Column:
    """One measure in one table of cells: its values, and whether each is withheld or approximate.

    *of_genotypes* says whether it tells of the genotypes at one site.
    """

    values: pa.Array[Any]
    withheld: np.ndarray[Any, np.dtype[np.bool_]]
    approximate: np.ndarray[Any, np.dtype[np.bool_]]
    of_genotypes: bool = False

    def below(self, most: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """The cells where a number below *most* is told of the genotypes at one site."""
        if not self.of_genotypes:
            return np.zeros(len(self.values), dtype=bool)
        few = pc.less(self.values, pa.scalar(most).cast(self.values.type)).fill_null(False)
        told: np.ndarray[Any, np.dtype[np.bool_]] = ~self.withheld
        return np.asarray(few.to_numpy(zero_copy_only=False) & told, dtype=bool)


@dataclass(eq=False)
class Told:
    """A table of cells: the keys, and a column a measure."""

    keys: pa.Table
    columns: list[Column]

    def table(self, release: Release) -> pa.Table:
        """The cells as they are sent."""
        columns: dict[str, pa.Array[Any]] = {
            key.name: one_chunk(self.keys.column(key.name)) for key in release.keys
        }
        for measure, column in zip(release.measures, self.columns, strict=True):
            shown = pa.array(~column.withheld)
            columns[measure.name] = pc.if_else(shown, column.values, pa.scalar(None, column.values.type))
            columns[withheld_column(measure.name)] = pa.array(column.withheld)
            columns[approx_column(measure.name)] = pa.array(column.approximate)
        return pa.table(columns)


@dataclass(eq=False)
class Draft:
    """The cells of *release*, and what they claim; None where no audit is kept. *reasons* are for the log."""

    release: Release
    tables: list[Told]
    claims: Claims | None
    reasons: Reasons

    def cells(self) -> pa.Table:
        """The cells as they are sent."""
        return pa.concat_tables([told.table(self.release) for told in self.tables])

    def count_rare(self, most: int) -> None:
        """Note how many cells tell a number below *most* of the genotypes at one site."""
        for told in self.tables:
            rare = [column.below(most) for column in told.columns]
            self.reasons.rare += int(np.logical_or.reduce(rare).sum()) if rare else 0

    def settle(self, audit: Audit | None) -> None:
        """Hold the cells to what *audit* remembers, and note how many are told as approximate, and why."""
        reduced = [[column.approximate.copy() for column in told.columns] for told in self.tables]
        if audit is not None and self.claims is not None:
            self._hold(self.claims, audit)
        for told, before in zip(self.tables, reduced, strict=True):
            for column, already in zip(told.columns, before, strict=True):
                shown = column.approximate & ~column.withheld
                self.reasons.add_marked(LOW_EFFECT, int((shown & already).sum()))
                self.reasons.add_marked(EARLIER, int((shown & ~already).sum()))

    def _hold(self, claims: Claims, audit: Audit) -> None:
        session = claims.reading.session
        numbers = audit.numbers(session.person_ids)
        merged = _merged(claims.sites)
        verdicts, at_sites = audit.judge(
            [claim.at_node(numbers) for claim in claims.cells],
            [claim.at_node(numbers) for claim in merged],
            _total(claims, numbers),
            _scan(session, claims, numbers),
        )
        self._tell_cells(verdicts)
        self._tell_sites(merged, at_sites)

    def _tell_cells(self, verdicts: Sequence[Verdict]) -> None:
        assert self.claims is not None
        for claim, verdict in zip(self.claims.cells, verdicts, strict=True):
            column = self.tables[claim.table].columns[claim.measure]
            if verdict.fate is Fate.WITHHELD:
                column.withheld[claim.rows] = True
                self.reasons.add_withheld(EARLIER, len(claim.rows))
            elif verdict.fate is Fate.REPEATED:
                column.approximate[claim.rows] |= verdict.marked
                told = claim.told(verdict.value)
                if verdict.value != claim.value:
                    column.values = _with(column.values, claim.rows, np.full(len(claim.rows), told, object))

    def _tell_sites(self, claims: Sequence[SitesClaim], verdicts: Sequence[SiteVerdict]) -> None:
        for claim, verdict in zip(claims, verdicts, strict=True):
            for table in np.unique(claim.tables):
                here = claim.tables == table
                column = self.tables[int(table)].columns[claim.measure]
                rows = claim.rows[here]
                hidden = rows[verdict.fates[here] == WITHHELD]
                self.reasons.add_withheld(EARLIER, len(hidden))
                column.withheld[hidden] = True
                column.approximate[rows] |= verdict.marked[here]
                change = verdict.values[here] - claim.values[here]
                changed = (change != 0) & (verdict.fates[here] != WITHHELD)
                if changed.any():
                    # other parts of the same number keep theirs
                    old: list[Any] = column.values.take(pa.array(rows[changed])).to_pylist()
                    new = [int(value) + int(added) for value, added in zip(old, change[changed], strict=True)]
                    column.values = _with(column.values, rows[changed], np.array(new, object))


def told_cells(part: Part, decision: Decision, release: Release) -> Told:
    """The cells of *part* with everything taken out that may not leave."""
    shown = decision.cells
    cells = part.cells if shown.all() else part.cells.filter(pa.array(shown))
    columns = [
        Column(
            one_chunk(cells.column(measure.name)),
            ~told[shown],
            np.full(len(cells), approximate),
            is_of_genotypes(seen),
        )
        for measure, told, approximate, seen in zip(
            release.measures, decision.values, part.approximate, part.evidence.measures, strict=True
        )
    ]
    return Told(cells.select([key.name for key in release.keys]), columns)


def _with(values: pa.Array[Any], rows: Counts, new: np.ndarray[Any, Any]) -> pa.Array[Any]:
    """*values* with others at *rows*."""
    mask = np.zeros(len(values), dtype=bool)
    mask[rows] = True
    order = np.argsort(rows)
    replaced: pa.Array[Any] = pc.replace_with_mask(
        values, pa.array(mask), pa.array(new[order].tolist(), values.type)
    )
    return replaced


def _total(claims: Claims, numbers: Counts) -> Record:
    """How many samples the node has: anybody knows."""
    samples = np.bincount(claims.person_of)
    persons = np.flatnonzero(samples)
    everybody = selection_of(numbers[persons], samples[persons].astype(np.uint64))
    return Record(COUNT, everybody, len(claims.person_of), claims.words.all())


def _merged(claims: Sequence[SitesClaim]) -> list[SitesClaim]:
    """Claims that differ in their sites only as one each, with the sites in order."""
    groups: dict[object, list[SitesClaim]] = {}
    for claim in claims:
        name = (claim.measure, claim.weights, claim.difference, claim.text, claim.family, claim.keys,
                claim.behind.persons.tobytes(),
                () if claim.beneath is None else tuple(part.tobytes() for part in claim.beneath))  # fmt: skip
        groups.setdefault(name, []).append(claim)
    return [SitesClaim.joined(parts) for parts in groups.values()]


def _scan(session: Session, claims: Claims, numbers: Counts) -> Scan:
    """Counts persons of the session by group, class and site; those who are gone are in no group."""
    keys = claims.keys_of_sites

    def scan(sites: Sites, group: Counts, groups: int) -> ClassCounts:
        selection = claims.selection
        assert selection is not None
        assert keys is not None
        own = keys[selection.numbers]
        chosen = np.isin(own, sites)
        here = own[chosen]
        wide = np.append(group, -1)
        of_person = wide[np.minimum(numbers, len(group))]
        counts = counts_from_calls(session, selection.only(chosen), of_person[claims.person_of], groups)
        order = np.argsort(here)
        return counts[:, :, order[np.searchsorted(here, sites, sorter=order)]]

    return scan
