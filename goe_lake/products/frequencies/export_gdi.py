"""A release in the layout of the GDI mini-node, which serves allele frequencies over Beacon v2.

```
OUT/metadata.yaml                                  the dataset, where a date of issue is given
OUT/GRCh38/allele-freq-chr3.4.parquet              chr3, 0-based positions 40,000,000 to 49,999,999
```
OUT is the folder of one dataset, named by its id (e.g. GDI-DS-20261201001). `AC_HET`, `AC_HOM` and
`AC_HEMI` count alleles, as `bcftools +fill-tags` does: AC = AC_HET + AC_HOM + AC_HEMI.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from goe_lake.errors import LakeError
from goe_lake.products.frequencies.manifest import ReleaseManifest
from goe_lake.products.frequencies.schema import ALL, OK
from goe_lake.products.frequencies.store import EuropeanRelease
from goe_lake.vcf.arrow import array, pc, schema

#: Positions of one file.
BASES_PER_FILE: Final = 10_000_000
#: The population of all persons of all countries.
TOTAL_NAME: Final = "Total"
ASSEMBLIES: Final = ("GRCh37", "GRCh38")
CATALOGUE: Final = "genome-of-europe"
PROVIDER: Final = "Genome of Europe"
GDI: Final = schema(
    [
        pa.field("POS", pa.int32()),
        pa.field("REF", pa.string()),
        pa.field("ALT", pa.string()),
        pa.field("VT", pa.string()),
        pa.field("POPULATION", pa.string()),
        pa.field("AF", pa.float64()),
        pa.field("AC", pa.int32()),
        pa.field("AC_HET", pa.int32()),
        pa.field("AC_HOM", pa.int32()),
        pa.field("AC_HEMI", pa.int32()),
        pa.field("AN", pa.int32()),
    ]
)
_pq: Any = pq


def write_gdi(
    release: EuropeanRelease, path: Path, contigs: Sequence[str], issued: date | None = None
) -> Iterator[tuple[int, int]]:
    """Write *contigs* to the dataset folder *path*; yields the sites and rows of each piece.

    The mini-node knows groups by country and sex: `EE`, `EE_F`, `F` and `Total`. Rows whose AC is
    withheld, populations within a country, persons of no recorded sex, and symbolic alleles have no
    place in it and are left out. Raises LakeError where the assembly is one that it does not serve.
    """
    manifest = release.manifest
    if manifest.assembly not in ASSEMBLIES:
        raise LakeError(
            release.root,
            f"the mini-node serves no {manifest.assembly}",
            f"it serves {' and '.join(ASSEMBLIES)}",
        )
    folder = path / manifest.assembly
    folder.mkdir(parents=True)
    written = 0
    for contig in contigs:
        waiting: dict[int, list[pa.Table]] = {}
        for sites, rows in release.pieces(contig):
            kept = gdi_rows(rows)
            for number, part in _by_file(kept):
                waiting.setdefault(number, []).append(part)
            for number in sorted(waiting)[:-1]:  # positions rise, so only the last file may go on
                written += _write_part(folder, contig, number, waiting.pop(number))
            yield len(sites), len(kept)
        for number, parts in waiting.items():
            written += _write_part(folder, contig, number, parts)
    if issued is not None:
        (path / "metadata.yaml").write_text(metadata(manifest, written, issued), encoding="utf-8")


def gdi_rows(rows: pa.Table) -> pa.Table:
    """The rows of the reference that the mini-node can serve, in its columns."""
    known = pc.and_(pc.equal(rows["status"], OK), pc.is_valid(rows["af"]))
    whole = pc.fill_null(pc.equal(rows["population"], ALL), False)
    spelt = pc.match_substring_regex(rows["ref"], "^[ACGTNacgtn]+$")
    spelt = pc.and_(spelt, pc.match_substring_regex(rows["alt"], "^[ACGTNacgtn]+$"))
    kept = rows.filter(pc.and_(pc.and_(known, whole), pc.and_(spelt, pc.is_valid(rows["sex"]))))
    ref, alt = pc.utf8_upper(kept["ref"]), pc.utf8_upper(kept["alt"])
    columns = [
        pc.subtract(kept["pos"], pa.scalar(1, pa.int32())),
        ref,
        alt,
        _variant_type(ref, alt),
        _populations(kept),
        kept["af"],
        kept["ac"],
        kept["n_het"],
        pc.multiply(kept["n_hom_alt"], 2),
        kept["n_hemi"],
        kept["an"],
    ]
    return pa.table(columns, names=GDI.names).cast(GDI)


def _variant_type(ref: Any, alt: Any) -> Any:
    """SNP, INDEL or UNKNOWN, by the rule of the mini-node's own writer: alleles without what they share."""
    pairs = pc.binary_join_element_wise(ref, alt, ">").combine_chunks().dictionary_encode()
    types = [_type_of(*pair.split(">")) for pair in pairs.dictionary.to_pylist()]
    return array(types, pa.string()).take(pairs.indices)


def _type_of(ref: str, alt: str) -> str:
    if len(ref) != len(alt):
        return "INDEL"
    return "SNP" if sum(left != right for left, right in zip(ref, alt, strict=True)) == 1 else "UNKNOWN"


def _populations(rows: pa.Table) -> Any:
    """`EE`, `EE_F`, `F` or `Total`."""
    anywhere, anyone = pc.equal(rows["country"], ALL), pc.equal(rows["sex"], ALL)
    both = pc.binary_join_element_wise(rows["country"], rows["sex"], "_")
    within = pc.if_else(anyone, rows["country"], both)
    return pc.if_else(anywhere, pc.if_else(anyone, TOTAL_NAME, rows["sex"]), within)


def _by_file(rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    numbers = rows["POS"].to_numpy() // BASES_PER_FILE
    for number in np.unique(numbers).tolist():
        yield number, rows.filter(array(numbers == number))


def _write_part(folder: Path, contig: str, number: int, parts: list[pa.Table]) -> int:
    """Write one file as the mini-node's own writer does; the number of its rows."""
    rows = pa.concat_tables(parts).combine_chunks()
    _pq.write_table(
        rows,
        folder / f"allele-freq-{contig}.{number}.parquet",
        sorting_columns=_pq.SortingColumn.from_ordering(GDI, [("POS", "ascending")]),
        write_page_index=True,
        write_page_checksum=True,
        compression="zstd",
    )
    return len(rows)


def metadata(manifest: ReleaseManifest, records: int, issued: date) -> str:
    """The text of `metadata.yaml`, with the names that the mini-node reads."""
    persons = sum(node.persons for node in manifest.created_from)
    countries = ", ".join(sorted({node.country for node in manifest.created_from}))
    time = f"{issued.isoformat()}T00:00:00Z"
    facts = {
        "title": f"Allele frequencies of the Genome of Europe, release {manifest.number}",
        "description": f"Released allele frequencies by country and sex ({countries}); {manifest.release_id}",
        "catalog_id": CATALOGUE,
        "keywords": ["allele frequency", "Genome of Europe"],
        "since": time,
        "updated": time,
        "record_count": records,
        "individual_count": persons,
        "data_provider_name": PROVIDER,
    }
    lines = []
    for name, value in facts.items():
        # JSON texts and lists are YAML; times stand without quotes, as YAML's own type
        told = value if name in ("since", "updated") else json.dumps(value, ensure_ascii=False)
        lines.append(f"{name}: {told}")
    return "\n".join(lines) + "\n"
