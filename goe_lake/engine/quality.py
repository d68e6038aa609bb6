"""gq and dp of stored rows as numbers, some rows at a time, and whether they tell of few carriers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from goe_lake.engine.class_counts import in_class
from goe_lake.engine.genotypes import CLASS_VALUES, BatchPersons, Indexes, members
from goe_lake.vcf.encode import CLASS_CODES
from goe_lake.vcf.kept import Raised, raised_values

#: Numbers of one field in memory at once.
MOST_VALUES: Final = 1_000_000
#: The classes of those who have a copy of the allele.
CARRIERS: Final = tuple(name for name in CLASS_CODES if CLASS_VALUES[name][0] > 0)
Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Values:
    """One field: one more than each value (rows x persons, 0 where missing), and which are *there*.

    *there* is None where all are.
    """

    raised: Raised
    there: Mask | None


def stored_quality(
    files: Sequence[Path], file: Indexes, row: Indexes, fields: Sequence[str], persons: int
) -> Iterator[tuple[slice, Mapping[str, Values]]]:
    """The *fields* of rows of `calls`: which of the rows, and their values.

    The rows are given by the place of their *file* among *files* and their number in it, in that order.
    """
    for place, path in enumerate(files):
        first, end = (int(at) for at in np.searchsorted(file, (place, place + 1)))
        if end > first:
            with pq.ParquetFile(path) as opened:
                for start, values in _of_file(opened, row[first:end], fields, persons):
                    length = len(values[fields[0]].raised)
                    yield slice(first + start, first + start + length), values


def _of_file(
    opened: pq.ParquetFile, rows: Indexes, fields: Sequence[str], persons: int
) -> Iterator[tuple[int, dict[str, Values]]]:
    """The values of some *rows* at a time, with the place of the first of them among *rows*."""
    sizes = [opened.metadata.row_group(group).num_rows for group in range(opened.num_row_groups)]
    ends = np.cumsum(sizes)
    group_of = np.searchsorted(ends, rows, side="right")
    groups = np.unique(group_of)
    # where each row is among those of the groups that are read
    before = np.concatenate([[0], np.cumsum(np.array(sizes)[groups])])
    at = rows - (ends - sizes)[group_of] + before[np.searchsorted(groups, group_of)]
    offset = 0
    for read in opened.iter_batches(
        batch_size=max(1, MOST_VALUES // max(1, persons)),
        row_groups=groups.tolist(),
        columns=list(fields),
        use_threads=False,
    ):
        low, high = (int(place) for place in np.searchsorted(at, (offset, offset + len(read))))
        if high > low:
            wanted = at[low:high] - offset
            yield low, {name: _values(read.column(name), wanted, persons) for name in fields}
        offset += len(read)
        if high == len(at):
            return


def _values(column: pa.Array[Any], wanted: Indexes, persons: int) -> Values:
    """The values of the *wanted* rows of a column."""
    if len(wanted) < len(column):
        column = column.take(pa.array(wanted, pa.int64()))
    raised = raised_values(column, persons)
    return Values(raised, None if raised.all() else raised > 0)


@dataclass(eq=False)
class FewCarriers:
    """Gathers who carries alleles that *least* - 1 samples or fewer carry, batch by batch."""

    least: int
    _counted: list[tuple[Indexes, Indexes]] = field(default_factory=list)
    _carriers: list[tuple[Indexes, Indexes]] = field(default_factory=list)

    def note(self, stored: pa.Table, sites: Indexes, batch: BatchPersons) -> None:
        """Add the carriers in *stored* rows of *batch*, which lie at *sites*."""
        group = np.where(batch.samples >= 0, 0, -1)
        counts = sum(in_class(stored, name, group, 1)[0] for name in CARRIERS)
        assert not isinstance(counts, int)
        some = np.flatnonzero(counts)
        self._counted.append((sites[some], counts[some]))
        few = np.flatnonzero((counts > 0) & (counts < self.least))
        rows = stored.take(pa.array(few, pa.int64()))
        for name in CARRIERS:
            row, person = members(rows, name, len(batch.samples))
            kept = batch.samples[person] >= 0
            self._carriers.append((sites[few[row[kept]]], batch.samples[person[kept]]))

    def are_told(self) -> bool:
        """Whether there are such carriers, and fewer than *least* of them in all.

        Then gq and dp would tell that the node's own files hold a site because of them: a listed site
        that the files lack has neither.
        """
        if not self._counted or not self._carriers:
            return False
        sites, counts = (np.concatenate(parts) for parts in zip(*self._counted, strict=True))
        names, number = np.unique(sites, return_inverse=True)
        few = names[np.bincount(number, counts, minlength=len(names)) < self.least]
        at, samples = (np.concatenate(parts) for parts in zip(*self._carriers, strict=True))
        return 0 < len(np.unique(samples[np.isin(at, few)])) < self.least
