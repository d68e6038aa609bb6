"""Which cells of a table of allele frequencies a new release may compute afresh.

Of each cell somebody may hold the earlier values, so what can be read off a new value is also how it
differs from them. A cell is computed afresh only if, against every earlier release, at least k of its
contributors joined or left; a cell that is not *stands*, with its earlier values. A release in which a
site stood altogether told nothing of it, and is not compared with.

**Who is behind a difference.** Of each atom somebody may subtract what any earlier release told, or
nothing. Subtracting leaves those who joined or left since then; not subtracting leaves those who are
there now, who may be few where many left. So an atom weighs as little as the least of these, and the
margin rule (`margins.py`) is held with that weight. Whoever went from one atom to another left the one
and joined the other, and cancels where both are added: such a person weighs nothing anywhere.

**Cells in step.** A combination of fresh cells in which nobody joined or left may pass if its cells were
told and in step in every release before: then it tells what an earlier one told. A cell that once stood
although a few contributors had changed *lags*: what it catches up with was told of its neighbours at
another time. Combinations with such a cell, or with one that was not told before, need k contributors
who joined or left; none is not enough.

`docs/decisions/0006-released-frequencies-over-time.md` says how that was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from goe_lake.disclosure.control import none_or_enough
from goe_lake.disclosure.families import Counts, Mask
from goe_lake.disclosure.frequencies import (
    CARRIERS,
    CLASSES,
    OTHERS,
    PERSON,
    REFERENCE,
    Told,
    beside_others,
    sum_of,
)
from goe_lake.disclosure.margins import hold_margins, safe, with_margins


@dataclass(frozen=True)
class Change:
    """Who joined or left since one earlier release, by site and atom (sites, rows, columns).

    *classes* counts persons of each class by the calls that came or went; *carriers*, *others* and those
    with a *reference* allele count each person once. All are in units of 1/`unit` persons and never more
    than there are. *touched* marks, by class, where somebody came or went at all, those too who went from
    one atom to another and weigh nothing.
    """

    carriers: Counts
    others: Counts
    reference: Counts
    classes: Mapping[str, Counts]
    touched: Mapping[str, Mask]

    def persons(self, names: tuple[str, ...]) -> Counts:
        """Those of classes *names*: CARRIERS, OTHERS, REFERENCE, or one class."""
        several = {CARRIERS: self.carriers, OTHERS: self.others, REFERENCE: self.reference}
        return self.classes[names[0]] if len(names) == 1 else several[names]

    def anybody(self, names: tuple[str, ...]) -> Mask:
        """Where anybody of classes *names* came or went."""
        found: Mask = np.logical_or.reduce([self.touched[name] for name in names])
        return found


@dataclass(frozen=True)
class Fresh:
    """The cells that are computed afresh, and of which AC and classes are told."""

    cells: Mask
    ac: Mask
    classes: Mask


def fresh(
    told: Told,
    now: Mapping[str, Counts],
    since: Sequence[tuple[Change, Mask]],
    in_step: Mask,
    least: int,
    unit: int,
) -> Fresh:
    """What a new release may compute afresh at sites that were released before.

    *told* is what could be told by itself, and *now* counts persons by class; *since* gives the change
    since each earlier release, and the sites that were computed in it; *in_step* marks cells that were
    told in every release before and lag behind in none. A site whose total is not fresh stands.
    """
    if not since:
        nothing = np.zeros_like(told.ac)
        return Fresh(nothing, nothing.copy(), nothing.copy())
    enough = least * unit
    weights = _Weights(now, since, unit)
    carriers = weights.fewest(CARRIERS)
    moved = [flagged(weights.fewest(names), weights.moved(names)) for names in (CARRIERS, OTHERS, REFERENCE)]
    cells: Mask = (with_margins(moved[0]) >= enough * PERSON) & told.groups
    for weight in moved[1:]:
        cells &= none_or_enough(with_margins(weight), enough * PERSON)
    sizes = with_margins(carriers)
    steady = hold_margins(cells & told.ac & in_step, moved, enough * PERSON, sizes)
    # whoever was ever a carrier here; of a catching cell, that nobody moved is not enough
    strict = flagged(carriers, weights.ever(CARRIERS))
    both: Mask = steady | (cells & told.ac)
    fits = np.logical_and.reduce([safe(both, weight, enough * PERSON) for weight in (strict, *moved[1:])])
    ac: Mask = np.where(fits[:, None, None], both, steady)
    # a fresh row without AC tells nothing that another row could be compared with
    cells = ac | (cells & ~told.ac)
    cells &= cells[:, -1, -1][:, None, None]
    ac &= cells
    return Fresh(cells, ac, _classes(told.classes & ac, weights, enough))


@dataclass(frozen=True)
class _Weights:
    """What each atom weighs: *now* persons by class, and the changes with the sites they are compared at."""

    now: Mapping[str, Counts]
    since: Sequence[tuple[Change, Mask]]
    unit: int

    def fewest(self, names: tuple[str, ...]) -> Counts:
        """The fewest persons of classes *names* that a difference may leave of each atom."""
        found = sum_of(self.now, names) * self.unit
        for change, computed in self.since:
            found = np.where(computed[:, None, None], np.minimum(found, change.persons(names)), found)
        return found

    def moved(self, names: tuple[str, ...]) -> Mask:
        """Whether anybody of classes *names* joined or left since a release that is compared with."""
        found = np.zeros(sum_of(self.now, names).shape, dtype=bool)
        for change, computed in self.since:
            found |= computed[:, None, None] & change.anybody(names)
        return found

    def ever(self, names: tuple[str, ...]) -> Mask:
        """Whether anybody was in classes *names*, now or in an earlier release."""
        found: Mask = sum_of(self.now, names) > 0
        for change, _ in self.since:
            found = found | change.anybody(names)
        return found


def flagged(persons: Counts, somebody: Mask) -> Counts:
    """*persons*, and a little more where there is *somebody*, by which 0 persons are too few as well."""
    weight: Counts = np.where(somebody, persons * PERSON + 1, 0)
    return weight


def in_step_after(new: Fresh, before: Mask, total: Counts, changes: Mapping[int, Change]) -> Mask:
    """Whether each cell is now as if it had been computed, and told, in every release of its site.

    *before* says so of the last release; *total* is the number of the release in which each site's
    total was computed last, and *changes* are since the release of that number. Where a site stands,
    so does this.
    """
    unchanged = np.zeros_like(before)
    for number, change in changes.items():
        same = with_margins(change.anybody(CARRIERS).astype(np.int64)) == 0
        unchanged |= same & (total == number)[:, None, None]
    anew = np.where(new.cells, new.ac, before & unchanged)
    after: Mask = np.where(new.cells[:, -1, -1][:, None, None], anew, before)
    return after


def _classes(told: Mask, weights: _Weights, enough: int) -> Mask:
    """Cells whose combinations have *enough* who joined or left in every class that ever occurred."""
    places = np.flatnonzero(told.any(axis=(1, 2)))
    kept = np.zeros_like(told)
    fewest = {name: weights.fewest((name,))[places] for name in CLASSES}
    present = {name: weights.ever((name,))[places].astype(np.int64) for name in CLASSES}
    kept[places] = beside_others(told[places], fewest, present, enough)
    return kept
