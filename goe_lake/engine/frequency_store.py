"""The releases of allele frequencies that a node made, on its own disk.

```
lake/frequencies/1/manifest.json                   snapshot, site list, rules, digests of files
lake/frequencies/1/sites-chr20-<digest>.parquet    the listed sites (SITE_SCHEMA)
lake/frequencies/1/rows-chr20-<digest>.parquet     a row for each site and group (NODE_ROWS)
```

A release is written beside the others under a name that nobody reads, and renamed whole; a crash leaves
the earlier ones. A manifest holds neither time nor host path: same input, same bytes. Releases that were
made with protection off lie in a folder of their own and are never mixed with the others.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from goe_lake.engine.sites import SITE_SCHEMA
from goe_lake.errors import LakeError
from goe_lake.lake.commit import sync
from goe_lake.lake.layout import digest_of
from goe_lake.lake.parquet import TableWriter
from goe_lake.release import digest_of as digest_of_json

VERSION: Final = "node-frequencies/1"
MANIFEST: Final = "manifest.json"
FOLDERS: Final[Mapping[bool, str]] = {True: "frequencies", False: "frequencies_unprotected"}
MEND: Final = "put the file back from a copy; a release that was given out must stay as it was"

_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("contig", pa.string(), nullable=False),
    pa.field("pos", pa.int32(), nullable=False),
    pa.field("ref", pa.string(), nullable=False),
    pa.field("alt", pa.string(), nullable=False),
    pa.field("variant_id", pa.string(), nullable=False),
    pa.field("end_pos", pa.int32(), nullable=False),
    pa.field("population", pa.string()),
    pa.field("sex", pa.string()),
    pa.field("ac", pa.int64()),
    pa.field("an", pa.int64(), nullable=False),
    pa.field("n_het", pa.int64()),
    pa.field("n_hom_alt", pa.int64()),
    pa.field("n_hemi", pa.int64()),
    pa.field("n_called", pa.int64(), nullable=False),
    pa.field("n_persons", pa.int64(), nullable=False),
    pa.field("release", pa.int32(), nullable=False),
]
#: What a node gives: counts of each group, `ac` NULL where withheld; *n_called* and *n_persons* by sample.
NODE_ROWS: Final = pa.schema(_FIELDS)
#: What it keeps besides: whether the row was told, and in step with its site's total, in every release.
KEPT_ROWS: Final = pa.schema([*_FIELDS, pa.field("in_step", pa.bool_(), nullable=False)])


@dataclass(frozen=True)
class ContigFiles:
    """The files of one contig; *input* is the digest of all that they were computed from."""

    contig: str
    input: str
    sites: str
    rows: str
    n_sites: int
    n_rows: int
    sha256: Mapping[str, str]
    bytes: Mapping[str, int]


@dataclass(frozen=True)
class NodeRelease:
    """One release of a node: *covering* are the consent codes that covered it, None where all did.

    *persons* is how many it counts, and *rules* the settings that decided what was told.
    """

    folder: Path
    number: int
    previous: str | None
    snapshot_id: str
    site_list: str
    covering: tuple[str, ...] | None
    persons: int
    rules: Mapping[str, Any]
    files: tuple[ContigFiles, ...]

    @cached_property
    def release_id(self) -> str:
        """The digest of the release's content."""
        return digest_of_json(self.content())

    def content(self) -> dict[str, Any]:
        """What the manifest holds, apart from its own digest."""
        covering = None if self.covering is None else list(self.covering)
        return {
            "version": VERSION,
            "number": self.number,
            "previous": self.previous,
            "snapshot_id": self.snapshot_id,
            "site_list": self.site_list,
            "covering": covering,
            "persons": self.persons,
            "rules": dict(self.rules),
            "files": [asdict(files) for files in self.files],
        }

    def contig(self, contig: str) -> ContigFiles | None:
        """The files of *contig*, None where the release has none."""
        return next((files for files in self.files if files.contig == contig), None)

    def kept_rows(self, contig: str) -> pa.Table:
        """The rows of *contig* (KEPT_ROWS); empty where the release has none."""
        files = self.contig(contig)
        return KEPT_ROWS.empty_table() if files is None else self._read(files.rows, KEPT_ROWS)

    def rows(self, contig: str) -> pa.Table:
        """The rows of *contig* as they are given out (NODE_ROWS)."""
        return self.kept_rows(contig).select(NODE_ROWS.names)

    def sites(self, contig: str) -> pa.Table:
        """The listed sites of *contig* (SITE_SCHEMA)."""
        files = self.contig(contig)
        return SITE_SCHEMA.empty_table() if files is None else self._read(files.sites, SITE_SCHEMA)

    def _read(self, name: str, schema: pa.Schema) -> pa.Table:
        try:
            return pq.read_table(self.folder / name, partitioning=None).cast(schema)
        except (OSError, pa.ArrowException) as error:
            problem = f"cannot be read: {type(error).__name__}"
            raise LakeError(self.folder / name, problem, MEND) from None

    def verify(self) -> None:
        """Compare every file with its digest; raises LakeError about the first that differs."""
        for files in self.files:
            for name, sha256 in files.sha256.items():
                path = self.folder / name
                if not path.is_file() or digest_of(path) != sha256:
                    raise LakeError(path, "is not what the manifest of the release says", MEND)


def folder_of(lake: Path, *, protects: bool) -> Path:
    """Where the releases of the lake at *lake* lie."""
    return lake / FOLDERS[protects]


def releases(folder: Path) -> tuple[NodeRelease, ...]:
    """Every release in *folder*, the earliest first; raises LakeError where one cannot be read."""
    return tuple(_open(folder / str(number)) for number in numbers_in(folder))


def numbers_in(folder: Path) -> list[int]:
    """The numbers of the releases in *folder*, the earliest first."""
    return sorted(int(path.name) for path in folder.glob("[0-9]*") if path.name.isdecimal())


def latest(folder: Path) -> NodeRelease | None:
    """The standing release in *folder*, None where there is none."""
    numbers = numbers_in(folder)
    return _open(folder / str(numbers[-1])) if numbers else None


def _open(folder: Path) -> NodeRelease:
    path = folder / MANIFEST
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        stated = data.pop("release_id")
        if data.pop("version") != VERSION:
            raise ValueError(f"is not a {VERSION}")
        covering = data.pop("covering")
        files = tuple(ContigFiles(**item) for item in data.pop("files"))
        release = NodeRelease(
            folder, files=files, covering=None if covering is None else tuple(covering), **data
        )
        if release.release_id != stated:
            raise ValueError("does not give the digest that it states")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LakeError(path, f"is not the manifest of a release: {error}", MEND) from None
    for item in release.files:
        for name, size in item.bytes.items():
            if not (folder / name).is_file() or (folder / name).stat().st_size != size:
                raise LakeError(folder / name, "is absent, or not as long as the manifest says", MEND)
    return release


def write_contig(
    folder: Path, contig: str, digest: str, sites: pa.Table, rows: Iterator[pa.Table]
) -> ContigFiles:
    """Write the files of one contig into *folder*; *digest* is of what they were computed from."""
    names, sha256, sizes, counts = {}, dict[str, str](), dict[str, int](), {}
    for kind, schema, tables in (("sites", SITE_SCHEMA, iter([sites])), ("rows", KEPT_ROWS, rows)):
        path = folder / f".{kind}-{contig}"
        with TableWriter(path, schema) as writer:
            for table in tables:
                writer.write(table)
            written = writer.finish()
        names[kind] = f"{kind}-{contig}-{written.sha256[:16]}.parquet"
        path.replace(folder / names[kind])
        sha256[names[kind]], sizes[names[kind]], counts[kind] = written.sha256, written.bytes, written.rows
    return ContigFiles(
        contig, digest, names["sites"], names["rows"], counts["sites"], counts["rows"], sha256, sizes
    )


def link_contig(folder: Path, earlier: NodeRelease, contig: str) -> ContigFiles:
    """The files of *contig* as in *earlier*, in *folder* too."""
    files = earlier.contig(contig)
    assert files is not None
    for name in files.sha256:
        try:
            os.link(earlier.folder / name, folder / name)
        except OSError:  # another disk, or one without links
            shutil.copyfile(earlier.folder / name, folder / name)
    return files


def publish(release: NodeRelease, built: Path) -> NodeRelease:
    """Make the files in *built* the release *release*, whose folder does not exist yet."""
    text = json.dumps({"release_id": release.release_id, **release.content()}, indent=1, ensure_ascii=False)
    (built / MANIFEST).write_text(text + "\n", encoding="utf-8")
    for path in built.iterdir():
        sync(path)
    sync(built)
    built.rename(release.folder)
    sync(release.folder.parent)
    return _open(release.folder)
