"""The manifest of a snapshot: what a reader may open, and where it came from.

A manifest holds no wall-clock time and no host path, so the same input gives the same manifest and
the same snapshot id on every machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

from goe_lake.catalog import Catalog

MANIFEST_VERSION: Final = "manifest/2"


@dataclass(frozen=True)
class DataFile:
    """One Parquet file: *path* is relative to the lake's root; *min_pos* and *max_pos* are 1-based."""

    table: str
    path: str
    rows: int
    bytes: int
    sha256: str
    contig: str | None = None
    batch: str | None = None
    min_pos: int | None = None
    max_pos: int | None = None


@dataclass(frozen=True)
class Source:
    """One input file: *path* is relative to `node.toml`; *role* is the setting that named it."""

    role: str
    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Batch:
    """One delivery of genotypes: *persons* persons, with one rule for sites that its files lack.

    *spelling* says how indels are spelt: `trimmed`, or `left-aligned` by a reference as well.
    """

    digest: str
    persons: int
    absent_sites: str
    format_fields: tuple[str, ...]
    spelling: str = "trimmed"


@dataclass(frozen=True)
class ContigCounts:
    """What the ingest saw on one contig.

    *records* are input records, *without_alt* those of them without an alternate allele (reference
    blocks); *sites* are rows of `variants`; *genotypes* and *not_called* count the (site, person)
    pairs that the files hold; transitions and transversions count sites.
    """

    contig: str
    records: int
    without_alt: int
    sites: int
    genotypes: int
    not_called: int
    transitions: int
    transversions: int
    quarantined: Mapping[str, int]

    @property
    def no_call_rate(self) -> float | None:
        """The share (0..1) of genotypes without a called allele, None where there are none."""
        return self.not_called / self.genotypes if self.genotypes else None

    @property
    def ti_tv(self) -> float | None:
        """Transitions over transversions, None where there is no transversion."""
        return self.transitions / self.transversions if self.transversions else None


@dataclass(frozen=True)
class Manifest:
    """A published snapshot.

    *samples* counts rows of the samples table, *persons* its distinct persons, *genotyped* the
    samples that a batch holds; *quarantined* counts by reason; *site_list* is the digest of the
    federation's site list, None where the node knows none.
    """

    node_id: str
    country: str
    assembly: str
    samples: int
    persons: int
    genotyped: int
    catalog: Catalog
    batches: tuple[Batch, ...]
    contigs: tuple[ContigCounts, ...]
    sources: tuple[Source, ...]
    files: tuple[DataFile, ...]
    quarantined: Mapping[str, int]
    site_list: str | None = None

    @cached_property
    def snapshot_id(self) -> str:
        """The SHA-256 of the manifest's content: 64 hexadecimal digits."""
        return hashlib.sha256(_canonical(self._content())).hexdigest()

    def to_json(self) -> str:
        """The manifest as JSON text, the id included."""
        return (
            json.dumps({"snapshot_id": self.snapshot_id, **self._content()}, indent=1, ensure_ascii=False)
            + "\n"
        )

    def _content(self) -> dict[str, Any]:
        return {
            "version": MANIFEST_VERSION,
            "node_id": self.node_id,
            "country": self.country,
            "assembly": self.assembly,
            "samples": self.samples,
            "persons": self.persons,
            "genotyped": self.genotyped,
            "quarantined": dict(sorted(self.quarantined.items())),
            "site_list": self.site_list,
            "batches": [
                asdict(batch) | {"format_fields": list(batch.format_fields)} for batch in self.batches
            ],
            "contigs": [asdict(counts) for counts in self.contigs],
            "sources": [asdict(source) for source in self.sources],
            "files": [asdict(file) for file in self.files],
            "catalog": self.catalog.to_json(),
        }

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """The manifest that `to_json` wrote.

        Raises ValueError, KeyError or TypeError where the text is not such a manifest, or where its
        content does not give its own id.
        """
        data = json.loads(text)
        if data["version"] != MANIFEST_VERSION:
            raise ValueError(f"version {data['version']!r} is not {MANIFEST_VERSION!r}")
        manifest = cls(
            **{
                name: data[name]
                for name in ("node_id", "country", "assembly", "samples", "persons", "genotyped", "site_list")
            },
            quarantined=data["quarantined"],
            catalog=Catalog.from_json(data["catalog"]),
            batches=tuple(
                Batch(**{**item, "format_fields": tuple(item["format_fields"])}) for item in data["batches"]
            ),
            contigs=tuple(ContigCounts(**item) for item in data["contigs"]),
            sources=tuple(Source(**item) for item in data["sources"]),
            files=tuple(DataFile(**item) for item in data["files"]),
        )
        if manifest.snapshot_id != data["snapshot_id"]:
            raise ValueError("the content does not give the snapshot id that it states")
        return manifest


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
