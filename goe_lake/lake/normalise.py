"""Rows in the one spelling that a reference gives them: checked against it, and moved left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa

from goe_lake.vcf.arrow import Bits, array, bits_of, pc
from goe_lake.vcf.encode import ROWS
from goe_lake.vcf.reference import Sequence, left_aligned

#: Types of which the spelling depends on the bases around.
MOVABLE: Final = ("ins", "del", "indel")
#: Called with the row of *rows* that does not fit, and the reference's bases there.
Misfit = Callable[[int, str], None]


def normalised(rows: pa.Table, sequence: Sequence, misfit: Misfit) -> pa.Table:
    """*rows* of ROWS left-aligned to *sequence*, not sorted; a row whose REF is not there is left out."""
    fits = _fit(rows, sequence, misfit)
    kept = rows if fits.all() else rows.filter(array(fits))
    places = np.flatnonzero(bits_of(pc.is_in(kept["type"], array(list(MOVABLE)))))
    if not len(places):
        return kept
    columns: dict[str, Any] = {name: kept[name] for name in kept.column_names}
    keys: dict[str, list[Any]] = {name: kept[name].to_pylist() for name in ("pos", "ref", "alt", "end_pos")}
    for place in places.tolist():
        pos, ref, alt = left_aligned(sequence, *(keys[name][place] for name in ("pos", "ref", "alt")))
        for name, value in zip(keys, (pos, ref, alt, pos + len(ref) - 1), strict=True):
            keys[name][place] = value
    columns |= {name: array(values, ROWS.field(name).type) for name, values in keys.items()}
    return pa.table(columns, schema=rows.schema)


def _fit(rows: pa.Table, sequence: Sequence, misfit: Misfit) -> Bits:
    """Whether each row's REF is what the reference has there; N on either side fits all bases."""
    refs: Any = rows["ref"].combine_chunks()
    widths = pc.utf8_length(refs).to_numpy()
    row = np.repeat(np.arange(len(rows)), widths)
    step = np.arange(len(row)) - np.repeat(np.cumsum(widths) - widths, widths)
    expected = sequence.at(rows["pos"].to_numpy().astype(np.int64)[row] + step)
    given = np.frombuffer("".join(refs.to_pylist()).encode(), np.uint8)
    # ambiguity codes of the reference were written by each caller in its own way
    known = np.isin(expected, np.frombuffer(b"ACGT", np.uint8)) & (given != ord("N"))
    fits = np.ones(len(rows), bool)
    fits[row[(known & (given != expected)) | (expected == 0)]] = False
    for place in np.flatnonzero(~fits).tolist():
        pos = rows["pos"][place].as_py()
        misfit(place, sequence.bases(pos, pos + min(int(widths[place]), 40) - 1))
    return fits
