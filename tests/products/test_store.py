"""A release on disk: whole or absent, the same bytes for the same rows, and nothing changed unnoticed."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goe_lake.errors import LakeError
from goe_lake.products.frequencies.manifest import ReleaseManifest
from goe_lake.products.frequencies.schema import FREQUENCIES, site_places
from goe_lake.products.frequencies.store import open_release, write_release
from tests.products.releases import nodes, small_release, small_tables, write


@pytest.fixture(scope="module")
def made() -> dict[str, tuple[pa.Table, pa.Table]]:
    """Tables of three contigs."""
    return small_tables()


def _bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_written_is_read(made, tmp_path):
    """Every row and column comes back, contigs in the order of chromosomes."""
    write(tmp_path / "R", made, "EE", "FI")
    release = open_release(tmp_path / "R")
    assert release.contigs == ("chr2", "chr10", "chrX")
    for contig, (sites, frequencies) in made.items():
        assert release.sites(contig).equals(sites)
        assert release.frequencies(contig).equals(frequencies)
        assert release.frequencies(contig, ["af", "pos"]).column_names == ["af", "pos"]
    assert release.frequencies("chr2").schema.equals(FREQUENCIES)
    release.verify()


def test_same_rows_same_bytes(made, tmp_path):
    """Chunks, the order of contigs and of nodes leave no trace; there is no clock and no path in it."""
    write(tmp_path / "a", made, "EE", "FI")
    cut = {
        contig: tuple(pa.concat_tables([table.slice(0, 3), table.slice(3)]) for table in pair)
        for contig, pair in reversed(made.items())
    }
    write(tmp_path / "elsewhere" / "b", cut, "EE", "FI")
    assert _bytes_of(tmp_path / "a") == _bytes_of(tmp_path / "elsewhere" / "b")


def test_another_row_is_another_release(made, tmp_path):
    """The id of a release is its content's."""
    first = write(tmp_path / "a", made, "EE", "FI")
    others = [
        write(tmp_path / "b", small_tables(seed=2), "EE", "FI"),
        write(tmp_path / "c", made, "EE"),
        write(tmp_path / "d", made, "EE", "FI", number=2, previous=first.manifest.release_id),
    ]
    assert len({release.manifest.release_id for release in (first, *others)}) == 4


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="sha256sum is not installed")
def test_sha256sum_accepts_the_checksums(tmp_path):
    """Whoever fetches a release can check it without this package."""
    small_release(tmp_path / "R")
    check = ["sha256sum", "--strict", "-c", "SHA256SUMS"]
    lines = subprocess.check_output(check, cwd=tmp_path / "R", text=True).splitlines()
    assert len(lines) == 7
    assert all(line.endswith(": OK") for line in lines)


def test_any_parquet_reader_reads_it(made, tmp_path):
    """DuckDB counts the same rows, and skips row groups by position."""
    write(tmp_path / "R", made, "EE", "FI")
    found = duckdb.sql(f"SELECT count(*), sum(an) FROM read_parquet('{tmp_path}/R/frequencies/*.parquet')")
    rows = pa.concat_tables([frequencies for _, frequencies in made.values()])
    assert found.fetchall() == [(len(rows), pa.compute.sum(rows["an"]).as_py())]
    group = pq.ParquetFile(tmp_path / "R/frequencies/contig=chr2.parquet").metadata.row_group(0)
    places = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert places["pos"].statistics.has_min_max
    assert {column.compression for column in places.values()} == {"ZSTD"}


def test_a_failure_leaves_nothing(made, tmp_path):
    """Where the second contig cannot be written, there is no folder, not even a half one."""

    def contigs():
        yield "chr2", made["chr2"]
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        write_release(tmp_path / "R", 1, None, "GRCh38", "ab" * 32, nodes("EE"), contigs())
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_release(made, tmp_path):
    """Replacing a release that then fails keeps the old one."""
    write(tmp_path / "R", made, "EE", "FI")
    before = _bytes_of(tmp_path / "R")
    bad = {"chr2": (made["chr2"][0], made["chr2"][1].slice(0, 5).take([1, 0]))}
    with pytest.raises(ValueError, match="out of order"):
        write(tmp_path / "R", bad, "EE", force=True)
    assert _bytes_of(tmp_path / "R") == before
    assert [path.name for path in tmp_path.iterdir()] == ["R"]


def test_a_release_is_not_overwritten_by_chance(made, tmp_path):
    """An existing folder is refused, and replaced on demand."""
    write(tmp_path / "R", made, "EE", "FI")
    with pytest.raises(LakeError, match="exists already"):
        write(tmp_path / "R", made, "EE")
    assert write(tmp_path / "R", made, "EE", force=True).manifest.created_from == tuple(nodes("EE"))


def test_an_unchanged_contig_is_taken_over(made, tmp_path):
    """Its files keep their bytes, and share the disk where they can."""
    first = write(tmp_path / "a", made, "EE", "FI")
    fresh = small_tables(seed=5)["chr10"]
    second = write(tmp_path / "b", {"chr2": first, "chr10": fresh}, "EE", number=2)
    second.verify()
    assert second.frequencies("chr2").equals(made["chr2"][1])
    assert second.frequencies("chr10").equals(fresh[1])
    shutil.rmtree(tmp_path / "a")
    second.verify()


def test_bad_tables_are_refused(made, tmp_path):
    """Rows out of order, twice, on another contig, without a listed site, or NULL where none may be."""
    sites, rows = made["chr2"]
    twice = pa.concat_tables([rows.slice(0, 1), rows])
    an = rows.schema.get_field_index("an")
    nulls = rows.set_column(an, pa.field("an", pa.int64()), pa.nulls(len(rows), pa.int64()))
    bad = {
        "out of order or given twice": [(sites, rows.take(list(range(len(rows)))[::-1])), (sites, twice)],
        "another contig": [made["chrX"]],
        "site is not listed": [(sites.slice(1), rows)],
        "'an' with null values": [(sites, nulls)],
    }
    for message, pairs in bad.items():
        for pair in pairs:
            with pytest.raises(ValueError, match=message):
                write(tmp_path / "R", {"chr2": pair}, "EE")


def _changed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: _changed(root / "frequencies/contig=chr10.parquet"), "not what the manifest says"),
        (lambda root: (root / "SHA256SUMS").unlink(), "absent or does not fit"),
        (lambda root: (root / "sites/contig=chr9.parquet").write_bytes(b"x"), "does not list this file"),
    ],
)
def test_verify_finds_damage(tmp_path, damage, message):
    """A changed byte, lost checksums and a stray file are named, with the file."""
    release = small_release(tmp_path / "R")
    damage(release.root)
    with pytest.raises(LakeError, match=message):
        open_release(tmp_path / "R").verify()


def _edited(root: Path, **changes) -> None:
    content = json.loads((root / "release.json").read_text())
    (root / "release.json").write_text(json.dumps(content | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "frequencies/contig=chr10.parquet").unlink(), "is absent"),
        (lambda root: (root / "frequencies/contig=chr10.parquet").write_bytes(b""), "has 0 bytes"),
        (lambda root: _edited(root, number=7), "release_id"),
        (lambda root: _edited(root, version="frequencies/9"), "frequencies/9"),
        (lambda root: (root / "release.json").write_text("{"), "not a manifest"),
        (lambda root: (root / "release.json").unlink(), "is not a release"),
    ],
)
def test_open_finds_what_is_missing(tmp_path, damage, message):
    """A file gone or cut short, an edited or unreadable manifest, a folder that is none."""
    small_release(tmp_path / "R")
    damage(tmp_path / "R")
    with pytest.raises(LakeError, match=message):
        open_release(tmp_path / "R")


def test_a_manifest_cannot_lead_out_of_its_folder(tmp_path):
    """A manifest that somebody else wrote opens no file elsewhere."""
    release = small_release(tmp_path / "R")
    content = json.loads(release.manifest.to_json())
    content["files"][0]["path"] = "../other.parquet"
    content["release_id"] = _id_of(content)
    (tmp_path / "other.parquet").write_bytes(b"x" * content["files"][0]["bytes"])
    (tmp_path / "R" / "release.json").write_text(json.dumps(content))
    with pytest.raises(LakeError, match="outside its folder"):
        open_release(tmp_path / "R")


def test_a_manifest_that_miscounts_is_found(tmp_path):
    """The rows that it tells are those of the file, whoever wrote it."""
    release = small_release(tmp_path / "R")
    content = json.loads(release.manifest.to_json())
    content["files"][1]["rows"] += 1
    content["release_id"] = _id_of(content)
    (tmp_path / "R" / "release.json").write_text(json.dumps(content))
    with pytest.raises(LakeError, match="the manifest says"):
        open_release(tmp_path / "R").verify()


def _id_of(content: dict) -> str:
    """The id that *content* should have, as the manifest's own complaint does not tell it."""
    rest = {name: value for name, value in content.items() if name != "release_id"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_contig_that_is_not_there_is_named(tmp_path):
    """The error says what there is."""
    with pytest.raises(LakeError, match=r"no contig chr5.*chr2, chr10, chrX"):
        small_release(tmp_path / "R").frequencies("chr5")


def test_the_manifest_survives_its_own_text(tmp_path):
    """What is written to release.json is what is read from it."""
    manifest = small_release(tmp_path / "R").manifest
    assert ReleaseManifest.from_json(manifest.to_json()) == manifest


def test_rows_find_their_sites(made):
    """Each row's place in the site list is its own site's; rows of other sites have none."""
    sites, rows = made["chr10"]
    names = sites["variant_id"].to_pylist()
    found = [names[place] for place in site_places(sites, rows)]
    assert found == rows["variant_id"].to_pylist()
    assert set(site_places(made["chr2"][0], rows)) == {-1}


@pytest.mark.parametrize("rows", [1, 7, 50, 10_000])
def test_pieces_hold_whole_sites(made, tmp_path, rows):
    """However small the pieces, each site comes once with all its rows; one without rows comes too."""
    sites, frequencies = made["chr10"]
    lonely = frequencies.filter(pa.compute.not_equal(frequencies["pos"], sites["pos"][1]))
    release = write(tmp_path / "R", {"chr10": (sites, lonely)}, "EE", "FI")
    pieces = list(release.pieces("chr10", rows))
    assert pa.concat_tables([piece for piece, _ in pieces]).equals(sites)
    assert pa.concat_tables([piece for _, piece in pieces]).equals(lonely)
    for piece, held in pieces:
        assert (site_places(piece, held) >= 0).all()
