"""The rows of `variants`: what the batches' files and the annotation say about each site of a window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.genome import variant_id
from goe_lake.lake.annotation import Annotations, Note
from goe_lake.lake.layout import VARIANTS
from goe_lake.lake.merge import Window
from goe_lake.vcf.arrow import array, pc, table

TRANSITIONS: Final = ("AG", "GA", "CT", "TC")
TRANSVERSIONS: Final = ("AC", "CA", "AT", "TA", "CG", "GC", "GT", "TG")
_NOTHING: Final = Note(None, None, None)


def variants_table(
    contig: str, window: Window, carriers: npt.NDArray[np.int64], annotations: Annotations
) -> pa.Table:
    """The rows of `variants` for a window; where batches differ, the first that says something stands."""
    keys = window.keys.to_pydict()
    names = list(zip(keys["pos"], keys["ref"], keys["alt"], keys["end_pos"], strict=True))
    notes = [annotations.note(contig, pos, ref, alt) or _NOTHING for pos, ref, alt, _ in names]
    places = annotations.genes_at(contig, window.keys["pos"].to_numpy())
    columns: dict[str, Any] = {
        **keys,
        "variant_id": [variant_id(contig, *name) for name in names],
        "type": _first(window, "type"),
        "sv_len": _first(window, "sv_len"),
        "rsid": _either([note.rsid for note in notes], _first(window, "rsid")),
        "gene": _either([note.gene for note in notes], places),
        "consequence": [note.consequence for note in notes],
        "filter": _filters(window),
        "carriers": carriers,
    }
    return table(columns, VARIANTS)


def _either(first: Sequence[Any], second: Sequence[Any]) -> list[Any]:
    return [left if left is not None else right for left, right in zip(first, second, strict=True)]


def _first(window: Window, column: str) -> list[Any]:
    """For each site the value of the first batch that has one."""
    found: list[Any] = [None] * len(window.keys)
    for rows, places in zip(window.rows, window.places, strict=True):
        for place, value in zip(places.tolist(), rows[column].to_pylist(), strict=True):
            if found[place] is None:
                found[place] = value
    return found


def _filters(window: Window) -> list[str | None]:
    """For each site its filters: PASS only if no batch says otherwise."""
    found: list[str | None] = [None] * len(window.keys)
    for rows, places in zip(window.rows, window.places, strict=True):
        for place, text in zip(places.tolist(), rows["filter"].to_pylist(), strict=True):
            if found[place] is None or text in (None, found[place]):
                found[place] = found[place] or text
            else:
                names = {name for known in (found[place], text) for name in (known or "").split(";")}
                found[place] = ";".join(sorted(names - {"PASS"}))
    return found


def count_substitutions(variants: pa.Table) -> tuple[int, int]:
    """The transitions and the transversions among the sites of *variants*."""
    change = pc.binary_join_element_wise(variants["ref"], variants["alt"], "")
    counts = [pc.sum(pc.is_in(change, array(names))).as_py() or 0 for names in (TRANSITIONS, TRANSVERSIONS)]
    return counts[0], counts[1]
