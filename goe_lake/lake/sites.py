"""The rows of `variants`: what the batches' files and the annotation say about each site of a window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.catalog import CLINVAR
from goe_lake.genome import variant_id
from goe_lake.lake.annotation import Annotations, Note
from goe_lake.lake.info import InfoField, joined, unpacked
from goe_lake.lake.layout import variants_schema
from goe_lake.lake.merge import Window
from goe_lake.vcf.arrow import array, pc, table

TRANSITIONS: Final = ("AG", "GA", "CT", "TC")
TRANSVERSIONS: Final = ("AC", "CA", "AT", "TA", "CG", "GC", "GT", "TG")
_NOTHING: Final = Note(None, None, None)


def variants_table(
    contig: str,
    window: Window,
    carriers: npt.NDArray[np.int64],
    annotations: Annotations,
    fields: tuple[InfoField, ...],
) -> pa.Table:
    """The rows of `variants` for a window; where batches differ, the first that says something stands.

    The annotation table comes before what files say in ID and INFO, and that before dbSNP and the genes
    that lie at a place.
    """
    keys = window.keys.to_pydict()
    names = list(zip(keys["pos"], keys["ref"], keys["alt"], keys["end_pos"], strict=True))
    notes = [annotations.note(contig, pos, ref, alt) or _NOTHING for pos, ref, alt, _ in names]
    known = {
        fact: annotations.known[fact].values(contig, window.keys).to_pylist() for fact in annotations.known
    }
    places = annotations.genes_at(contig, window.keys["pos"].to_numpy())
    columns: dict[str, Any] = {
        **keys,
        "variant_id": [variant_id(contig, *name) for name in names],
        "type": _first(window, "type"),
        "sv_len": _first(window, "sv_len"),
        "rsid": _first_of([note.rsid for note in notes], _first(window, "rsid"), known.get("rsid")),
        "gene": _first_of([note.gene for note in notes], _first(window, "gene"), places),
        "consequence": _first_of([note.consequence for note in notes], _first(window, "consequence")),
        "filter": _filters(window),
        "carriers": carriers,
        **unpacked(array(_joined_info(window), pa.string()), fields),
    }
    if CLINVAR.name in known:
        columns[CLINVAR.name] = known["clinvar"]
    return table(columns, variants_schema(added_columns(annotations, fields)))


def added_columns(annotations: Annotations, fields: tuple[InfoField, ...]) -> list[pa.Field[Any]]:
    """The columns that a node adds to `variants`, as they are stored."""
    clinvar = [pa.field(CLINVAR.name, pa.string())] if "clinvar" in annotations.known else []
    return [*clinvar, *(field.stored for field in fields)]


def _first_of(*columns: Sequence[Any] | None) -> list[Any]:
    """For each site the first value that is there."""
    given = [column for column in columns if column is not None]
    return [next((value for value in row if value is not None), None) for row in zip(*given, strict=True)]


def _first(window: Window, column: str) -> list[Any]:
    """For each site the value of the first batch that has one."""
    found: list[Any] = [None] * len(window.keys)
    for rows, places in zip(window.rows, window.places, strict=True):
        for place, value in zip(places.tolist(), rows[column].to_pylist(), strict=True):
            if found[place] is None:
                found[place] = value
    return found


def _joined_info(window: Window) -> list[str | None]:
    """For each site the kept INFO fields, each as the first batch says that has it."""
    found: list[str | None] = [None] * len(window.keys)
    for rows, places in zip(window.rows, window.places, strict=True):
        for place, text in zip(places.tolist(), rows["info"].to_pylist(), strict=True):
            found[place] = joined(found[place], text)
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
