"""The manifest of a European release: which numbers it holds, from which nodes, in which files.

It holds no wall-clock time and no host path, so the same input gives the same manifest and the same
release id on every machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final, Self

from goe_lake.genome import CONTIG_ORDER

VERSION: Final = "frequencies/1"
#: The kinds of data file, each with one file a contig.
SITES: Final = "sites"
FREQUENCIES: Final = "frequencies"


@dataclass(frozen=True)
class NodeSource:
    """What one node gave: *release* and *release_digest* name its own release of frequencies.

    *persons* is the public number of persons of its snapshot, *min_carriers* its threshold for allele
    counts, *protection* "on" or "off".
    """

    id: str
    country: str
    name: str
    snapshot_id: str
    persons: int
    min_carriers: int
    protection: str
    release: int
    release_digest: str


@dataclass(frozen=True)
class ReleaseFile:
    """One Parquet file; *path* is relative to the folder of the release."""

    path: str
    contig: str
    kind: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ReleaseManifest:
    """What a European release is made of; `release_id` is the digest of all of it."""

    number: int
    previous: str | None
    assembly: str
    site_list: str
    created_from: tuple[NodeSource, ...]
    columns: Mapping[str, str]
    files: tuple[ReleaseFile, ...]

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ValueError(f"release number {self.number} is not 1 or more")

    @cached_property
    def release_id(self) -> str:
        """The SHA-256 of the content, as 64 hexadecimal digits."""
        return hashlib.sha256(_canonical(self._content())).hexdigest()

    @property
    def contigs(self) -> tuple[str, ...]:
        """The contigs of the release, chr1 first."""
        return tuple(sorted({file.contig for file in self.files}, key=CONTIG_ORDER.__getitem__))

    def file(self, kind: str, contig: str) -> ReleaseFile:
        """The file of *kind* on *contig*; raises KeyError where the release has none."""
        for file in self.files:
            if (file.kind, file.contig) == (kind, contig):
                return file
        raise KeyError(f"{kind} of {contig}")

    def _content(self) -> dict[str, Any]:
        return {"version": VERSION, **asdict(self)}

    def to_json(self) -> str:
        """The text of `release.json`."""
        content = {"version": VERSION, "release_id": self.release_id, **asdict(self)}
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The manifest that *text* holds; raises ValueError, KeyError or TypeError where it holds none."""
        content = json.loads(text)
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']!r} is not {VERSION!r}")
        manifest = cls(
            number=content["number"],
            previous=content["previous"],
            assembly=content["assembly"],
            site_list=content["site_list"],
            created_from=tuple(NodeSource(**node) for node in content["created_from"]),
            columns=content["columns"],
            files=tuple(ReleaseFile(**file) for file in content["files"]),
        )
        if manifest.release_id != content["release_id"]:
            raise ValueError("its content is not what its release_id says")
        return manifest


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
