"""European releases on disk: a folder of Parquet files, their manifest and their checksums.

```
R/release.json                      the manifest
R/sites/contig=chr20.parquet        the listed sites of a contig
R/frequencies/contig=chr20.parquet  the allele frequencies of a contig, one row a site and group
R/SHA256SUMS                        `sha256sum -c` accepts it
```
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from goe_lake.engine.sites import SITE_SCHEMA
from goe_lake.errors import LakeError
from goe_lake.genome import ASSEMBLIES, CONTIG_ORDER
from goe_lake.lake.layout import digest_of
from goe_lake.lake.progress import OneAtATime, Progress
from goe_lake.products.frequencies import manifest as files_of
from goe_lake.products.frequencies.manifest import VERSION, NodeSource, ReleaseFile, ReleaseManifest
from goe_lake.products.frequencies.schema import DESCRIPTIONS, FREQUENCIES, SITE_KEY, group_ranks, site_places
from goe_lake.products.staging import appearing
from goe_lake.vcf.arrow import array, bits_of, pc, same_as_next

MANIFEST: Final = "release.json"
CHECKSUMS: Final = "SHA256SUMS"
#: Rows of a row group: small enough to skip most of a contig, large enough to compress well.
ROW_GROUP: Final = 65_536
#: Rows that are worked on at a time where a contig may be larger than memory.
PIECE: Final = 200_000
BUILD_AGAIN: Final = "build the release again: goe release build"
FETCH_AGAIN: Final = "fetch or build the release again"
#: Labels and alleles repeat from row to row; numbers do not.
_DICTIONARY: Final = (
    *("contig", "ref", "alt", "variant_id", "country", "population", "sex", "status", "grpmax"),
    *("type", "gene", "consequence", "filter"),
)
_RISING: Final = ("pos", "end_pos")
_schemas: Final = {files_of.SITES: SITE_SCHEMA, files_of.FREQUENCIES: FREQUENCIES}
_pq: Any = pq


@dataclass(frozen=True)
class EuropeanRelease:
    """A release in folder *root*, read as its manifest says."""

    root: Path
    manifest: ReleaseManifest

    @property
    def contigs(self) -> tuple[str, ...]:
        """The contigs of the release, chr1 first."""
        return self.manifest.contigs

    def path(self, kind: str, contig: str) -> Path:
        """The file of *kind* (`sites` or `frequencies`) on *contig*.

        Raises LakeError where the release does not hold the contig.
        """
        try:
            return self.root / self.manifest.file(kind, contig).path
        except KeyError:
            held = ", ".join(self.contigs) or "none"
            raise LakeError(self.root, f"holds no contig {contig}", f"it holds: {held}") from None

    def frequencies(self, contig: str, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of *contig* (`FREQUENCIES`, or some *columns* of it), in their order."""
        return self._read(files_of.FREQUENCIES, contig, columns)

    def sites(self, contig: str, columns: Sequence[str] | None = None) -> pa.Table:
        """The listed sites of *contig* (`SITE_SCHEMA`, or some *columns* of it), in their order."""
        return self._read(files_of.SITES, contig, columns)

    def pieces(self, contig: str, rows: int = PIECE) -> Iterator[tuple[pa.Table, pa.Table]]:
        """*contig* piece by piece: some sites, and all their rows, about *rows* at a time.

        Every listed site comes once, also those without a row.
        """
        sites, path = self.sites(contig), self.path(files_of.FREQUENCIES, contig)
        waiting, done = FREQUENCIES.empty_table(), 0
        for batch in _pq.ParquetFile(path).iter_batches(rows, columns=FREQUENCIES.names):
            waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch]).cast(FREQUENCIES)])
            # the last site may go on in the next batch
            changes = np.flatnonzero(~same_as_next(waiting, SITE_KEY))
            if len(changes):
                whole = waiting.slice(0, int(changes[-1]) + 1)
                end = int(site_places(sites, whole.slice(len(whole) - 1))[0]) + 1
                yield sites.slice(done, end - done), whole
                waiting, done = waiting.slice(len(whole)), end
        if done < len(sites):
            yield sites.slice(done), waiting

    def _read(self, kind: str, contig: str, columns: Sequence[str] | None) -> pa.Table:
        path = self.path(kind, contig)
        schema = _schemas[kind]
        names = list(columns) if columns is not None else schema.names
        wanted = pa.schema([schema.field(name) for name in names])
        try:
            table: pa.Table = _pq.read_table(path, columns=names, partitioning=None)
            return table.select(names).cast(wanted)
        except (OSError, KeyError, pa.ArrowInvalid) as error:
            raise LakeError(path, f"cannot be read: {error}", FETCH_AGAIN) from None

    def verify(self, progress: Progress | None = None) -> None:
        """Read every file and compare its digest, number of rows and columns with the manifest.

        Raises LakeError about the first that differs, and about a file that the manifest does not list.
        """
        steps = OneAtATime(progress)
        steps.start("verify", len(self.manifest.files))
        for file in self.manifest.files:
            path = self.root / file.path
            if digest_of(path) != file.sha256:
                raise LakeError(path, "its content is not what the manifest says", FETCH_AGAIN)
            _check_table(path, file)
            steps.advance("verify", 1)
        steps.finish("verify")
        _check_sums(self)


#: Sites (`SITE_SCHEMA`) and frequencies (`FREQUENCIES`) of one contig, or the release that holds them as
#: they shall be.
ContigContent = tuple[pa.Table, pa.Table] | EuropeanRelease


def open_release(path: Path | str) -> EuropeanRelease:
    """The release in folder *path*.

    Raises LakeError where there is none, or where a file that its manifest lists is absent or has
    another size; `verify` compares the contents.
    """
    root = Path(path)
    text = root / MANIFEST
    if not text.is_file():
        raise LakeError(root, f"is not a release: it holds no {MANIFEST}", "name the folder of a release")
    try:
        release = EuropeanRelease(root, ReleaseManifest.from_json(text.read_text(encoding="utf-8")))
        contigs = {file.contig for file in release.manifest.files}
        if release.manifest.assembly not in ASSEMBLIES or not contigs <= CONTIG_ORDER.keys():
            raise ValueError("it names an unknown assembly or contig")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LakeError(text, f"is not a manifest that this version reads: {error}", FETCH_AGAIN) from None
    for file in release.manifest.files:
        held = root / file.path
        if ".." in Path(file.path).parts or Path(file.path).is_absolute():
            raise LakeError(text, f"lists a file outside its folder: {file.path}", FETCH_AGAIN)
        if not held.is_file():
            raise LakeError(held, "the manifest lists this file and it is absent", FETCH_AGAIN)
        if held.stat().st_size != file.bytes:
            raise LakeError(
                held, f"has {held.stat().st_size} bytes, the manifest says {file.bytes}", FETCH_AGAIN
            )
    return release


def write_release(  # noqa: PLR0913 - each is a fact of the manifest
    folder: Path | str,
    number: int,
    previous: str | None,
    assembly: str,
    site_list_digest: str,
    nodes: Iterable[NodeSource],
    contigs: Mapping[str, ContigContent] | Iterable[tuple[str, ContigContent]],
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> EuropeanRelease:
    """Write a release to *folder*, which appears whole at the end; the same input gives the same bytes.

    *previous* is the release id of the release before it, None for the first. *contigs* gives sites
    and frequencies by contig, or an earlier release whose files of that contig are taken over as they
    are; an iterable of pairs is taken one contig at a time, so that only one is in memory. Raises
    LakeError where *folder* exists (unless *force*), ValueError where the tables break the schema or
    its order.
    """
    target = Path(folder)
    pairs = contigs.items() if isinstance(contigs, Mapping) else contigs
    steps = OneAtATime(progress)
    steps.start("write", len(contigs) if isinstance(contigs, Mapping) else 0)
    with appearing(target, force=force) as fresh:
        files: list[ReleaseFile] = []
        for contig, content in pairs:
            if isinstance(content, EuropeanRelease):
                files += _take_over(fresh, contig, content)
            else:
                files += write_contig(fresh, contig, *content)
            steps.advance("write", 1)
        files.sort(key=lambda file: (CONTIG_ORDER[file.contig], file.kind != files_of.SITES))
        described = {name: DESCRIPTIONS[name] for name in FREQUENCIES.names}
        sources = tuple(sorted(nodes, key=lambda node: (node.country, node.id)))
        manifest = ReleaseManifest(
            number, previous, assembly, site_list_digest, sources, described, tuple(files)
        )
        fresh.mkdir(exist_ok=True)
        (fresh / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        (fresh / CHECKSUMS).write_text(_checksums(fresh, manifest), encoding="utf-8")
    steps.finish("write")
    return open_release(target)


def write_contig(root: Path, contig: str, sites: pa.Table, frequencies: pa.Table) -> list[ReleaseFile]:
    """Write both files of one contig below *root*; what their manifest says of them.

    Raises ValueError where a row lies on another contig, out of order or twice, or where the
    frequencies name a site that is not listed.
    """
    if contig not in CONTIG_ORDER:
        raise ValueError(f"{contig!r} is not a contig of the lake")
    if (site_places(sites, frequencies) < 0).any():
        raise ValueError(f"frequencies of {contig}: a row's site is not listed")
    written = []
    for kind, table in ((files_of.SITES, sites), (files_of.FREQUENCIES, frequencies)):
        ordered = table.select(_schemas[kind].names).cast(_schemas[kind])
        problem = _problem_of(kind, contig, ordered)
        if problem:
            raise ValueError(f"{kind} of {contig}: {problem}")
        path = f"{kind}/contig={contig}.parquet"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        _write_parquet(root / path, ordered)
        size = (root / path).stat().st_size
        written.append(ReleaseFile(path, contig, kind, len(ordered), size, digest_of(root / path)))
    return written


def _take_over(root: Path, contig: str, release: EuropeanRelease) -> list[ReleaseFile]:
    """Link (or copy) both files of *contig* from *release*; its bytes stay the same."""
    taken = []
    for kind in _schemas:
        source = release.path(kind, contig)
        file = release.manifest.file(kind, contig)
        if digest_of(source) != file.sha256:
            raise LakeError(source, "its content is not what the manifest says", FETCH_AGAIN)
        target = root / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.hardlink_to(source)
        except OSError:  # another disk, or one without links
            shutil.copyfile(source, target)
        taken.append(file)
    return taken


def _write_parquet(path: Path, table: pa.Table) -> None:
    # one chunk a column, so that how the rows came does not show in the bytes
    _pq.write_table(
        table.combine_chunks(),
        path,
        row_group_size=ROW_GROUP,
        compression="zstd",
        use_dictionary=[name for name in _DICTIONARY if name in table.schema.names],
        column_encoding=dict.fromkeys(_RISING, "DELTA_BINARY_PACKED"),
        write_page_index=True,
    )


def _problem_of(kind: str, contig: str, table: pa.Table) -> str | None:
    """What is wrong with a table, None where nothing is."""
    if len(table) and pc.any(pc.not_equal(table["contig"], contig)).as_py():
        return "a row lies on another contig"
    keys = {name: table[name] for name in SITE_KEY[1:]}
    if kind == files_of.FREQUENCIES:
        keys["group"] = array(group_ranks(table))
    if not _rises(keys):
        return "rows are out of order or given twice; sort them with schema.sort_rows"
    return None


def _rises(keys: Mapping[str, Any]) -> bool:
    """Whether each row comes after the one before it, compared by the columns of *keys* in turn."""
    columns: Any = keys
    table: pa.Table = pa.table(columns)
    undecided = np.ones(max(0, len(table) - 1), bool)
    for name in table.column_names:
        before, after = table[name].slice(0, len(undecided)), table[name].slice(1)
        if (undecided & bits_of(pc.greater(before, after))).any():
            return False
        undecided &= same_as_next(table, [name])
    return not undecided.any()


def _check_table(path: Path, file: ReleaseFile) -> None:
    """Compare what a Parquet file says of itself with the manifest and the schema."""
    try:
        held = _pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise LakeError(path, f"cannot be read: {error}", FETCH_AGAIN) from None
    rows = held.metadata.num_rows
    if rows != file.rows:
        raise LakeError(path, f"has {rows} rows, the manifest says {file.rows}", BUILD_AGAIN)
    if not held.schema_arrow.equals(_schemas[file.kind]):
        raise LakeError(path, f"does not have the columns of {VERSION}", BUILD_AGAIN)


def _checksums(root: Path, manifest: ReleaseManifest) -> str:
    """The text of `SHA256SUMS`, as `sha256sum` writes it."""
    lines = [f"{digest_of(root / MANIFEST)}  {MANIFEST}"]
    lines += [f"{file.sha256}  {file.path}" for file in manifest.files]
    return "\n".join(lines) + "\n"


def _check_sums(release: EuropeanRelease) -> None:
    """Compare `SHA256SUMS`, and refuse data files that the manifest does not list."""
    path = release.root / CHECKSUMS
    if not path.is_file() or path.read_text(encoding="utf-8") != _checksums(release.root, release.manifest):
        raise LakeError(path, "is absent or does not fit the manifest", FETCH_AGAIN)
    listed = {release.root / file.path for file in release.manifest.files}
    for kind in _schemas:
        for found in sorted((release.root / kind).rglob("*")):
            if found not in listed:
                raise LakeError(found, "the manifest does not list this file", "remove it, or fetch again")
