"""The rows of `variants`: what the batches' files and the annotation say about each site of a window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial, reduce
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.catalog import CLINVAR
from goe_lake.lake.annotation import Annotations, Note
from goe_lake.lake.info import InfoField, joined, unpacked
from goe_lake.lake.layout import variants_schema
from goe_lake.lake.merge import Window
from goe_lake.vcf.arrow import Vector, array, in_one_piece, pc, table, text_places

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
    keys = {name: in_one_piece(window.keys[name]) for name in window.keys.column_names}
    note = _notes(annotations, contig, window.keys)
    known = {
        fact: in_one_piece(annotations.known[fact].values(contig, window.keys)) for fact in annotations.known
    }
    columns: dict[str, Any] = {
        **keys,
        "variant_id": _variant_ids(contig, keys),
        "type": _first(window, "type"),
        "sv_len": _first(window, "sv_len"),
        "rsid": _first_of(note.get("rsid"), _first(window, "rsid"), known.get("rsid")),
        "gene": _first_of(
            note.get("gene"), _first(window, "gene"), _genes_at(annotations, contig, window.keys)
        ),
        "consequence": _first_of(note.get("consequence"), _first(window, "consequence")),
        "filter": _filters(window),
        "carriers": carriers,
        **unpacked(_joined_info(window), fields),
    }
    if CLINVAR.name in known:
        columns[CLINVAR.name] = known["clinvar"]
    return table(columns, variants_schema(added_columns(annotations, fields)))


def added_columns(annotations: Annotations, fields: tuple[InfoField, ...]) -> list[pa.Field[Any]]:
    """The columns that a node adds to `variants`, as they are stored."""
    clinvar = [pa.field(CLINVAR.name, pa.string())] if "clinvar" in annotations.known else []
    return [*clinvar, *(field.stored for field in fields)]


def _variant_ids(contig: str, keys: Mapping[str, Vector]) -> Vector:
    """The column of `genome.variant_id`."""
    pos, ref, alt = keys["pos"].cast(pa.string()), keys["ref"], keys["alt"]
    names = pc.binary_join_element_wise(contig, pos, ref, alt, "-")
    symbolic = pc.starts_with(alt, "<")
    if not pc.any(symbolic).as_py():
        return names
    ends = keys["end_pos"].cast(pa.string())
    return pc.if_else(symbolic, pc.binary_join_element_wise(contig, pos, alt, ends, "-"), names)


def _notes(annotations: Annotations, contig: str, keys: pa.Table) -> dict[str, Vector]:
    """What the annotation table says about each site, where there is one."""
    if not annotations.notes.get(contig):
        return {}
    names = zip(*(keys[name].to_pylist() for name in ("pos", "ref", "alt")), strict=True)
    notes = [annotations.note(contig, pos, ref, alt) or _NOTHING for pos, ref, alt in names]
    return {
        name: array([getattr(note, name) for note in notes], pa.string())
        for name in ("rsid", "gene", "consequence")
    }


def _genes_at(annotations: Annotations, contig: str, keys: pa.Table) -> Vector | None:
    """The gene that lies at each site, where a file of genes was given."""
    if not annotations.genes.get(contig):
        return None
    return array(annotations.genes_at(contig, keys["pos"].to_numpy()), pa.string())


def _first_of(*columns: Vector | None) -> Vector:
    """For each site the first value that is there."""
    given = [column for column in columns if column is not None]
    return given[0] if len(given) == 1 else pc.coalesce(*given)


def _by_site(window: Window, column: str) -> Iterator[Vector]:
    """*column* of each batch that has rows, one value a site, NULL where the batch lacks the site."""
    sites = len(window.keys)
    for rows, places in zip(window.rows, window.places, strict=True):
        if not len(rows):
            continue
        values = in_one_piece(rows[column])
        if len(rows) == sites:
            # a batch has each site once, and the sites are in the order of its rows
            yield values
            continue
        row_of = np.zeros(sites, np.int64)
        lacks = np.ones(sites, bool)
        row_of[places], lacks[places] = np.arange(len(rows)), False
        yield values.take(array(row_of, mask=lacks))


def _first(window: Window, column: str) -> Vector:
    """For each site the value of the first batch that has one."""
    return _first_of(*_by_site(window, column))


def _joined_info(window: Window) -> Vector:
    """For each site the kept INFO fields, each as the first batch says that has it."""
    return reduce(partial(_merged, one_of_both=joined), _by_site(window, "info"))


def _filters(window: Window) -> Vector:
    """For each site its filters: PASS only if no batch says otherwise."""
    return reduce(partial(_merged, one_of_both=_both_filters), _by_site(window, "filter"))


def _both_filters(first: str, second: str) -> str:
    return ";".join(sorted({*first.split(";"), *second.split(";")} - {"PASS"}))


def _merged(first: Vector, second: Vector, one_of_both: Callable[[str, str], str | None]) -> Vector:
    """The value that is there; *one_of_both* where the two differ."""
    merged = pc.coalesce(first, second)
    differ = pc.fill_null(pc.not_equal(first, second), False)
    if not pc.any(differ).as_py():
        return merged
    pairs = zip(first.filter(differ).to_pylist(), second.filter(differ).to_pylist(), strict=True)
    found = array([one_of_both(*pair) for pair in pairs], pa.string())
    return pc.replace_with_mask(merged, differ, found)


def count_substitutions(variants: pa.Table) -> tuple[int, int]:
    """The transitions and the transversions among the sites of *variants*."""
    places = [text_places(in_one_piece(variants[name])) for name in ("ref", "alt")]
    single = np.logical_and(*(np.diff(ends) == 1 for ends, _ in places))
    ref, alt = (data[ends[:-1][single]] for ends, data in places)
    counts = np.bincount(ref.astype(np.int64) << 8 | alt, minlength=1 << 16)
    transitions, transversions = (
        sum(int(counts[ord(first) << 8 | ord(second)]) for first, second in changes)
        for changes in (TRANSITIONS, TRANSVERSIONS)
    )
    return transitions, transversions
