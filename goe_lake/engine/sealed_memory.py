"""What a node sealed for one asker before, group by group."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from goe_lake.disclosure import overlap
from goe_lake.disclosure.earlier_sites import Sites
from goe_lake.disclosure.families import Counts, Mask
from goe_lake.engine.draft import Audit
from goe_lake.engine.genotypes import Indexes
from goe_lake.engine.public_domain import combinations_of
from goe_lake.engine.sealed import NOWHERE, Shape
from goe_lake.engine.words import basis_of

#: The key of the one place where no site is read.
NO_SITE: Final = np.zeros(1, dtype=np.uint64)


@dataclass(frozen=True, eq=False)
class SealedPart:
    """Persons of one group that a node added to a sum: by class and site.

    *text* says which group, and *behind* who is in it; *sites* are keys in order, *counts* (classes, sites).
    """

    text: str
    behind: overlap.Selection
    sites: Sites
    counts: Counts


#: Whether parts of a group, by its text and who is in it, are asked for.
Wanted = Callable[[str, overlap.Selection], bool]


class SealedAudit(Audit, Protocol):
    """What an asker was told before, what nodes added to sums among it."""

    def sealed_before(
        self, basis: str, first: int, last: int, wanted: Wanted
    ) -> tuple[bool, Sequence[SealedPart]]:
        """Whether what is hidden in the asker's sums is of another *basis*; and *wanted* parts of them.

        *first* and *last* are keys of sites. Where nothing was sealed yet it is of *basis* from now on.
        """

    def keep_sealed(self, parts: Sequence[SealedPart]) -> None:
        """Remember *parts*."""


@dataclass(frozen=True, eq=False)
class Earlier:
    """At which sites a group was sealed before, or another one of nearly the same persons (*alike*).

    *counts* are of the older of these, (classes, sites), 0 where there is none.
    """

    known: Mask
    alike: Mask
    counts: Counts


@dataclass(eq=False)
class Memory:
    """What was sealed before, by group; *is_other* where what is hidden is of another snapshot.

    *behind* says who is in each group, and *may_have* whether the node may have such persons at all. Groups
    are of nearly the same persons where fewer than *least* differ. *new* gathers what is sealed for the
    first time.
    """

    shape: Shape
    texts: list[str]
    may_have: list[bool]
    behind: list[overlap.Selection]
    least: int
    keys: Sites
    is_other: bool = False
    parts: Sequence[SealedPart] = ()
    new: list[SealedPart] = field(default_factory=list)
    _near: dict[str, frozenset[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, shape: Shape, audit: SealedAudit, group_of: Indexes, least: int) -> Memory:
        """What *audit* knows of the sites of *shape*; *group_of* is the group of each sample."""
        keys = NO_SITE
        if shape.sites is not NOWHERE:
            keys = shape.session.site_keys[shape.sites.numbers]
        first, last = (int(keys.min()), int(keys.max())) if len(keys) else (0, 0)
        basis = json.dumps(basis_of(shape.session.snapshot.snapshot_id, shape.session.covering))
        numbers = audit.numbers(shape.session.person_ids)
        behind = [
            overlap.Selection(overlap.words_of(numbers[shape.session.persons_of_samples[group_of == group]]))
            for group in range(len(shape.kinds.groups))
        ]
        memory = cls(shape, *_groups(shape), behind, least, keys)
        memory.is_other, memory.parts = audit.sealed_before(basis, first, last, memory._is_wanted)
        return memory

    def earlier(self, group: int, where: slice) -> Earlier:
        """What was sealed of *group* before at the sites of *where*."""
        keys = self.keys[where]
        known, alike = np.zeros((2, len(keys)), dtype=bool)
        counts = np.zeros((self.shape.kinds.groups.shape[1], len(keys)), dtype=np.int64)
        own = [part for part in self.parts if part.text == self.texts[group]]
        near = [part for part in self.parts if group in self._near.get(part.text, ())]
        for parts, found in ((own, known), (near, alike)):
            for part in parts:
                place = np.searchsorted(part.sites, keys)
                place[place == len(part.sites)] = 0
                # of two the first is the older
                here = np.flatnonzero((part.sites[place] == keys) & ~known & ~alike)
                counts[:, here] = part.counts[:, place[here]]
                found[here] = True
        return Earlier(known, alike, counts)

    def _is_wanted(self, text: str, behind: overlap.Selection) -> bool:
        """Whether *text* is of a group of these, or of nearly the persons of one."""
        if text in self.texts:
            return True
        if text not in self._near:
            groups = (group for group, own in enumerate(self.behind) if self._is_near(own, behind))
            self._near[text] = frozenset(groups)
        return bool(self._near[text])

    def _is_near(self, own: overlap.Selection, other: overlap.Selection) -> bool:
        """Whether these are nearly the same persons: of small groups any others would be."""
        large = min(own.persons, other.persons) >= 2 * self.least
        return large and overlap.distance(own, other) < self.least

    def add(self, group: int, where: slice, counts: Counts, earlier: Earlier) -> None:
        """Note that the *counts* of *group* are sealed at those sites, where that is new."""
        here = np.flatnonzero(~earlier.known & ~earlier.alike)
        if len(here):
            keys = self.keys[where][here]
            order = np.argsort(keys)
            part = counts[:, here[order]].astype(np.int64)
            self.new.append(SealedPart(self.texts[group], self.behind[group], keys[order], part))


def _groups(shape: Shape) -> tuple[list[str], list[bool]]:
    """What says who is in each group, at whatever snapshot; and whether the node may have such persons."""
    own = {column.name: shape.session.column("samples", column.name) for column in shape.domain.columns}
    known = {name: (None,) if column is None else column.domain() or () for name, column in own.items()}
    rows = combinations_of(shape.domain).select(list(own)).to_pylist() if own else [{}]
    groups = len(shape.kinds.groups)
    labels: list[list[str]] = [[] for _ in range(groups)]
    may_have = [False] * groups
    for row, group in zip(rows, shape.kinds.group_of, strict=True):
        if group >= 0:
            labels[group].append(json.dumps(row, sort_keys=True))
            may_have[group] |= all(value in known[name] for name, value in row.items())
    covering = shape.session.covering
    basis = [shape.sites is NOWHERE, None if covering is None else sorted(covering)]
    texts = [json.dumps([*basis, sorted(rows)]) for rows in labels]
    return [hashlib.sha256(text.encode()).hexdigest()[:32] for text in texts], may_have
