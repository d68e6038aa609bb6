"""Who joined or left between two snapshots, counted by site, atom and genotype class.

Only persons who differ are looked at: a sample that stayed in its delivery and its group has the same
calls. A person who came in another delivery, be it by another sample, counts where the genotype differs.
One who changed group left the one and joined the other, and is in both sums of a total, where nothing
changed by it: such a person is marked in either group and weighs nothing. Counts are in units of
1/UNIT person, so that a person with several samples never weighs more than one person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from goe_lake.disclosure.changes import Change
from goe_lake.disclosure.frequencies import CARRIERS, CLASSES, OTHERS, REFERENCE
from goe_lake.engine.genotypes import CHUNK_CELLS, dense_calls
from goe_lake.engine.group_classes import Atoms, Counts, Sample, batch_fills, in_par
from goe_lake.lake import Snapshot
from goe_lake.lake.manifest import Batch
from goe_lake.vcf.arrow import pc

#: A person's weight; it can be parted among 2, 3, 4 or 6.
UNIT: Final = 12
_CALLS: Final = [f"{name}_{kind}" for name in ("het", "hom", "hemi", "nc", "ref1") for kind in ("l", "b")]
_KEY: Final = ["pos", "ref", "alt", "end_pos"]
#: 3 x called alleles + dosage -> place in CLASSES; -1 for not called
_CODES: Final = {7: 0, 8: 1, 4: 2, 6: 3, 3: 4}
_NOBODY: Final = -2
#: what each person counts in once
_ONCE: Final = {"carriers": CARRIERS, "others": OTHERS, "reference": REFERENCE}
Codes = npt.NDArray[np.int8]


@dataclass(frozen=True)
class State:
    """A snapshot, and its samples whose consent covers the release."""

    snapshot: Snapshot
    samples: Sequence[Sample]


def joined_and_left(
    before: State, now: State, sites: pa.Table, contig: str, atoms: Atoms, *, only_joined: bool = False
) -> Change:
    """Count those who joined or left between *before* and *now* at *sites* of *contig*.

    With *only_joined*, those who left are left out: their files may be gone for others too.
    """
    left, joined = differing(before.samples, now.samples, redelivered(before.snapshot, now.snapshot, contig))
    shape = (sites.num_rows, *atoms.samples.shape)
    found = {name: np.zeros(shape, np.int64) for name in (*CLASSES, *_ONCE)}
    touched = {name: np.zeros(shape, dtype=bool) for name in CLASSES}
    # whose calls can not be compared may be as they were
    unchanged = {sample.person_id for sample in before.samples} if only_joined else set()
    weights = _weights(left, joined, unchanged)
    old_calls = Calls(before.snapshot, contig, sites, () if only_joined else left)
    new_calls = Calls(now.snapshot, contig, sites, joined)
    pairs = _pairs(old_calls.samples, new_calls.samples)
    persons = len(old_calls.samples) + len(new_calls.samples)
    step = max(1, CHUNK_CELLS // max(1, persons))
    for start in range(0, sites.num_rows if persons else 0, step):
        rows = slice(start, min(start + step, sites.num_rows))
        _count(
            old_calls.codes(rows),
            new_calls.codes(rows),
            pairs,
            (old_calls, new_calls),
            weights,
            atoms,
            {name: counts[rows] for name, counts in found.items()},
            {name: mask[rows] for name, mask in touched.items()},
        )
    classes = {name: found[name] for name in CLASSES}
    return Change(found["carriers"], found["others"], found["reference"], classes, touched)


def redelivered(before: Snapshot, now: Snapshot, contig: str) -> set[str]:
    """The batches of both snapshots whose files on *contig*, or rule for absent sites, are not the same.

    A delivery is known by its persons: the same persons may come again with other calls.
    """
    old = {batch.digest: batch for batch in before.batches}
    return {
        batch.digest
        for batch in now.batches
        if batch.digest in old
        and (batch != old[batch.digest] or _files(before, contig, batch) != _files(now, contig, batch))
    }


def _files(snapshot: Snapshot, contig: str, batch: Batch) -> set[tuple[str, str]]:
    """The table and SHA-256 of each file of *batch* that says what its persons have on *contig*."""
    return {
        (file.table, file.sha256)
        for file in snapshot.manifest.files
        if file.batch == batch.digest and file.contig in (contig, None)
    }


def differing(
    before: Sequence[Sample], now: Sequence[Sample], again: Collection[str]
) -> tuple[list[Sample], list[Sample]]:
    """The samples of *before* that are not as they were in *now*, and those of *now* that were not.

    Those of the batches *again* are among them: their genotypes have to be compared.
    """
    same = {sample for sample in before if sample.batch not in again} & set(now)
    return [sample for sample in before if sample not in same], [
        sample for sample in now if sample not in same
    ]


def _pairs(left: Sequence[Sample], joined: Sequence[Sample]) -> tuple[Counts, Counts]:
    """The places of samples that came again in the same group; else of another sample of the same person."""
    matched: dict[int, int] = {}
    for identity in ("sample_id", "person_id"):
        again: dict[tuple[str, object], list[int]] = {}
        for place in sorted({*range(len(joined))} - {*matched.values()}):
            again.setdefault((getattr(joined[place], identity), joined[place].atom), []).append(place)
        for place, sample in enumerate(left):
            waiting = again.get((getattr(sample, identity), sample.atom))
            if place not in matched and waiting:
                matched[place] = waiting.pop(0)
    places = np.array(sorted(matched.items()), np.int64).reshape(-1, 2)
    return places[:, 0], places[:, 1]


def _weights(left: Sequence[Sample], joined: Sequence[Sample], unchanged: set[str]) -> Mapping[str, int]:
    """The weight of each person's samples, among which a person is parted.

    It is 0 for one who changed group, and for those in *unchanged*.
    """
    samples = Counter(person for person, _ in {(s.person_id, s.sample_id) for s in (*left, *joined)})
    groups = [Counter((s.person_id, s.atom) for s in part) for part in (left, joined)]
    both = {s.person_id for s in left} & {s.person_id for s in joined}
    moved = {person for person, atom in groups[0].keys() ^ groups[1].keys() if person in both}
    nothing = moved | unchanged
    return {person: 0 if person in nothing else max(1, UNIT // times) for person, times in samples.items()}


class Calls:
    """The genotype classes of some samples of a snapshot at sites of a contig."""

    def __init__(self, snapshot: Snapshot, contig: str, sites: pa.Table, samples: Sequence[Sample]) -> None:
        self.samples = tuple(samples)
        self._contig, self._snapshot = contig, snapshot
        self._par = in_par(snapshot, contig, sites)
        self._positions = sites.column("pos").to_numpy().astype(np.int64)
        self._fills = [
            (fill, places, [sample.index for sample in members])
            for _, fill, places, members in batch_fills(snapshot, contig, self.samples)
            if members
        ]
        self._stored = {
            batch.digest: _stored(snapshot, contig, batch.digest, sites)
            for batch in snapshot.batches
            if any(sample.batch == batch.digest for sample in self.samples)
        }
        self._persons = {batch.digest: batch.persons for batch in snapshot.batches}

    def codes(self, rows: slice) -> Codes:
        """The class of each sample (sites, samples): its place in CLASSES, -1 where not called."""
        positions, par = self._positions[rows], self._par[rows]
        codes = np.full((len(positions), len(self.samples)), -1, np.int8)
        for fill, members, indexes in self._fills:
            called, kind = fill.alike(positions, par)
            codes[:, members] = _BY_ALLELES[called[:, indexes]][kind]
        for digest, (stored, places) in self._stored.items():
            start, end = np.searchsorted(places, (rows.start, rows.stop))
            if start == end:
                continue
            chosen = [place for place, sample in enumerate(self.samples) if sample.batch == digest]
            index = np.array([self.samples[place].index for place in chosen])
            dosage, called = dense_calls(stored.slice(start, end - start), self._persons[digest])
            values = np.where(called > 0, 3 * called + dosage, 0)[:, index]
            codes[np.ix_(places[start:end] - rows.start, chosen)] = _LOOKUP[values]
        return codes


#: The class of those who are filled in, by called alleles.
_BY_ALLELES: Final = np.array([-1, 4, 3], np.int8)
_LOOKUP: Final = np.array([_CODES.get(code, -1) for code in range(9)], np.int8)


def _stored(snapshot: Snapshot, contig: str, batch: str, sites: pa.Table) -> tuple[pa.Table, Counts]:
    """The stored calls of a batch at *sites*, and the place of each among them, in order."""
    wanted = sites.select(_KEY).append_column("place", pa.array(np.arange(sites.num_rows)))
    parts = []
    low, high = _range(sites)
    for path in snapshot.files("calls", contig, batch):
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            keys = file.read_row_group(group, columns=_KEY)
            first, last = _range(keys)
            if last < low or first > high:
                continue
            numbered = keys.append_column("row", pa.array(np.arange(keys.num_rows)))
            here = numbered.join(wanted, keys=_KEY, join_type="inner").select(["row", "place"])
            if here.num_rows:
                rows = file.read_row_group(group, columns=_CALLS).take(here.column("row"))
                parts.append(rows.append_column("place", here.column("place")))
    if not parts:
        return pa.table({}), np.empty(0, np.int64)
    stored = pa.concat_tables(parts).sort_by("place")
    return stored.select(_CALLS).combine_chunks(), stored.column("place").to_numpy()


def _range(keys: pa.Table) -> tuple[int, int]:
    found = pc.min_max(keys.column("pos")).as_py()
    return (found["min"], found["max"]) if keys.num_rows else (0, -1)


def _count(
    old: Codes,
    new: Codes,
    pairs: tuple[Counts, Counts],
    calls: tuple[Calls, Calls],
    weights: Mapping[str, int],
    atoms: Atoms,
    found: Mapping[str, Counts],
    touched: Mapping[str, npt.NDArray[np.bool_]],
) -> None:
    """Add what changed at some sites to *found* and *touched*, which are of those sites."""
    mine, again = pairs
    same = old[:, mine] == new[:, again]
    old[:, mine] = np.where(same, _NOBODY, old[:, mine])
    new[:, again] = np.where(same, _NOBODY, new[:, again])
    members = [_members(part.samples, weights, atoms) for part in calls]
    present = [_members(part.samples, None, atoms) for part in calls]
    places = {name: place for place, name in enumerate(CLASSES)}
    for name, place in places.items():
        came, went = new == place, old == place
        _add(found[name], went @ members[0] + came @ members[1])
        anybody = went @ present[0] + came @ present[1] > 0
        touched[name] |= anybody.reshape(touched[name].shape)
    for name, classes in _ONCE.items():
        chosen = [places[one] for one in classes]
        before, after = np.isin(old, chosen), np.isin(new, chosen)
        # who is in both counts once
        before[:, mine] &= ~after[:, again]
        _add(found[name], before @ members[0] + after @ members[1])


def _add(found: Counts, counted: npt.NDArray[np.float64]) -> None:
    found += np.rint(counted).astype(np.int64).reshape(found.shape)


def _members(
    samples: Sequence[Sample], weights: Mapping[str, int] | None, atoms: Atoms
) -> npt.NDArray[np.float64]:
    """(samples, atoms): the weight of each sample in its atom, 1 without *weights*."""
    columns = len(atoms.sexes)
    members = np.zeros((len(samples), atoms.samples.size))
    for place, sample in enumerate(samples):
        row, column = atoms.places[sample.atom]
        members[place, row * columns + column] = 1 if weights is None else weights[sample.person_id]
    return members
