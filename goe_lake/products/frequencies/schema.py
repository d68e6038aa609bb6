"""The columns of the allele-frequency reference, and the order of its rows.

One row is one listed site (1-based `pos`) and one group of persons. A group is named by `country`,
`population` and `sex`: the literal `ALL` is a total over that label, NULL a label that was not recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.genome import CONTIG_ORDER
from goe_lake.vcf.arrow import array, pc, same_as_next, schema

#: The label of a total. A declared population or cohort of this name is refused at ingest.
ALL: Final = "all"

#: What names a site, and what names a group of persons.
SITE_KEY: Final = ("contig", "pos", "ref", "alt", "end_pos")
GROUP: Final = ("country", "population", "sex")
#: Persons by genotype class: all three known or all three NULL.
CLASSES: Final = ("n_het", "n_hom_alt", "n_hemi")

#: What `status` says of `ac`: known; withheld with a known lower bound; withheld.
OK: Final = "ok"
BOUNDED: Final = "bounded"
WITHHELD: Final = "withheld"
STATUSES: Final = (OK, BOUNDED, WITHHELD)

FREQUENCIES: Final = schema(
    [
        pa.field("contig", pa.string(), nullable=False),
        pa.field("pos", pa.int32(), nullable=False),
        pa.field("ref", pa.string(), nullable=False),
        pa.field("alt", pa.string(), nullable=False),
        pa.field("variant_id", pa.string(), nullable=False),
        pa.field("end_pos", pa.int32(), nullable=False),
        pa.field("country", pa.string(), nullable=False),
        pa.field("population", pa.string()),
        pa.field("sex", pa.string()),
        pa.field("ac", pa.int64()),
        pa.field("an", pa.int64(), nullable=False),
        pa.field("ac_lower", pa.int64()),
        pa.field("ac_upper", pa.int64()),
        pa.field("af", pa.float64()),
        pa.field("n_het", pa.int64()),
        pa.field("n_hom_alt", pa.int64()),
        pa.field("n_hemi", pa.int64()),
        pa.field("call_rate", pa.float64()),
        pa.field("hwe_p", pa.float64()),
        pa.field("faf95", pa.float64()),
        pa.field("grpmax", pa.string()),
        pa.field("grpmax_faf95", pa.float64()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("release", pa.int32(), nullable=False),
    ]
)

#: What each column holds, with its unit; documentation and exports quote it.
DESCRIPTIONS: Final[Mapping[str, str]] = {
    "contig": "Contig: chr1..chr22, chrX, chrY, chrM",
    "pos": "Position of the first base of ref, 1-based",
    "ref": "Reference allele",
    "alt": "Alternate allele; records with several are split, one a row",
    "variant_id": "chr-pos-ref-alt, for symbolic alleles chr-pos-alt-end",
    "end_pos": "Last base of the reference that the variant spans, 1-based, included",
    "country": "Country of the persons (ISO 3166-1 alpha-2); 'all' is the union of all countries",
    "population": "Population label; 'all' is the total, NULL persons whose label was not recorded",
    "sex": "F or M; 'all' is the total, NULL persons whose sex was not recorded",
    "ac": "Alternate alleles among called alleles; NULL where withheld",
    "an": "Called (non-missing) alleles",
    "ac_lower": "Lower bound of ac where ac is NULL and a part of it was released",
    "ac_upper": "Upper bound of ac where it is known and ac is NULL",
    "af": "Allele frequency ac / an, 0..1",
    "n_het": "Persons with the alternate and another allele called; NULL where classes are withheld",
    "n_hom_alt": "Persons with two or more called alleles, all of them the alternate one",
    "n_hemi": "Persons whose one called allele is the alternate one",
    "call_rate": "Persons with a called allele / persons of the group, 0..1",
    "hwe_p": "Exact two-sided Hardy-Weinberg p-value over diploid persons (Wigginton 2005), 0..1",
    "faf95": "Filtering allele frequency, 95 % (Whiffin 2017), 0..1",
    "grpmax": "Population with the largest faf95; only in rows with population = sex = 'all'",
    "grpmax_faf95": "faf95 of that population, 0..1",
    "status": "Of ac: ok, bounded (ac_lower is known) or withheld",
    "release": "Number of the release in which the row was last computed",
}

_pa: Any = pa


def sort_rows(rows: pa.Table) -> pa.Table:
    """*rows* in the order of the reference, however they came; the columns of site and group must be there.

    Contigs as chromosomes are ordered, then pos, ref, alt, end_pos; within a site country, population
    and sex, each with `ALL` first, then labels ascending, NULL last.

    >>> site = {"contig": ["chr10", "chr2", "chr2"], "pos": [1, 5, 5], "ref": ["A"] * 3, "alt": ["C"] * 3}
    >>> group = {"country": ["EE"] * 3, "population": ["all", None, "all"], "sex": ["all"] * 3}
    >>> sorted_rows = sort_rows(pa.table({**site, "end_pos": [1, 5, 5], **group}))
    >>> list(zip(sorted_rows["contig"].to_pylist(), sorted_rows["population"].to_pylist()))
    [('chr2', 'all'), ('chr2', None), ('chr10', 'all')]
    """
    keys = {
        "contig": coded(rows["contig"], CONTIG_ORDER),
        "pos": rows["pos"],
        "ref": rows["ref"],
        "alt": rows["alt"],
        "end_pos": rows["end_pos"],
        "group": group_ranks(rows),
    }
    order = pc.sort_indices(_pa.table(keys), sort_keys=[(name, "ascending") for name in keys])
    return rows.take(order)


def group_ranks(rows: pa.Table) -> npt.NDArray[np.int64]:
    """The place of each row's group in the order of all groups of *rows*; equal groups have equal ranks."""
    ranks = np.zeros(len(rows), np.int64)
    for name in GROUP:
        labels = pc.unique(rows[name]).to_pylist()
        order = {label: place for place, label in enumerate(sorted(labels, key=label_order))}
        ranks = ranks * max(1, len(order)) + coded(rows[name], order)
    return ranks


def site_places(sites: pa.Table, rows: pa.Table) -> npt.NDArray[np.int64]:
    """For each of *rows* the place (0-based) of its site in *sites*, -1 where it is not among them.

    *sites* are distinct; *rows* are in the order of the reference, so that a site's rows are neighbours.
    """
    starts = np.ones(len(rows), bool)
    starts[1:] = ~same_as_next(rows, SITE_KEY)
    firsts = rows.select(list(SITE_KEY)).filter(array(starts))
    both = pa.concat_tables([sites.select(list(SITE_KEY)), firsts.cast(sites.select(list(SITE_KEY)).schema)])
    codes = np.zeros(len(both), np.int64)
    for name in SITE_KEY:
        column = pc.dictionary_encode(both[name].combine_chunks()).indices.to_numpy(zero_copy_only=False)
        # renumbered after each column, so that the products stay small
        codes = np.unique(codes * (int(column.max(initial=0)) + 1) + column, return_inverse=True)[1]
    place = np.full(int(codes.max(initial=-1)) + 1, -1, np.int64)
    place[codes[: len(sites)]] = np.arange(len(sites))
    found: npt.NDArray[np.int64] = place[codes[len(sites) :]][np.cumsum(starts) - 1]
    return found


def label_order(label: str | None) -> tuple[int, str]:
    """The key that sorts labels of a group: `ALL`, then labels ascending, then NULL.

    >>> sorted(["b", None, "all", "A"], key=label_order)
    ['all', 'A', 'b', None]
    """
    return (2, "") if label is None else (0 if label == ALL else 1, label)


def coded(column: Any, order: Mapping[Any, int]) -> npt.NDArray[np.int64]:
    """The number that *order* gives each value of *column*, NULL (None) too."""
    encoded = pc.dictionary_encode(column.combine_chunks(), null_encoding="encode")
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    places = np.array([order[value] for value in encoded.dictionary.to_pylist()], np.int64)
    if not len(places):
        return np.zeros(len(column), np.int64)
    found: npt.NDArray[np.int64] = places[array(encoded.indices).to_numpy(zero_copy_only=False)]
    return found
