"""`goe release verify, export, diff, notes`, as they are typed."""

from __future__ import annotations

import csv
import io
import json
from hashlib import sha256
from pathlib import Path

import cyvcf2
import pytest

from goe_lake.cli import main
from tests.products.releases import small_release, small_tables, write


@pytest.fixture
def folder(tmp_path) -> Path:
    """A release in folder 1, and the next one in folder 2."""
    first = small_release(tmp_path / "1")
    made = small_tables(seed=1, number=2)
    write(tmp_path / "2", made, "EE", "FI", number=2, previous=first.manifest.release_id)
    return tmp_path


def goe(*arguments: object) -> int:
    """Run a command; its exit code."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as left:
        return int(left.code or 0)
    return 0


def test_verify_says_whole_or_what_is_not(folder, capsys):
    """Exit code 0 and the id; 1 and the file."""
    assert goe("release", "verify", folder / "1") == 0
    out = capsys.readouterr().out
    assert "release 1 is whole: 6 files" in out
    assert json.loads((folder / "1" / "release.json").read_text())["release_id"] in out
    path = folder / "1" / "sites" / "contig=chr2.parquet"
    path.write_bytes(path.read_bytes()[::-1])
    assert goe("release", "verify", folder / "1", "-q") == 1
    assert "contig=chr2.parquet" in capsys.readouterr().err


def test_export_says_what_it_wrote(folder, capsys):
    """The path, its sites and records, and a checksum that holds."""
    asked = ("release", "export", folder / "1", "--contig", "10", "--out", folder / "x.vcf.gz")
    assert goe(*asked, "--format", "vcf") == 0
    out = capsys.readouterr().out
    records = len(list(cyvcf2.VCF(str(folder / "x.vcf.gz"))))
    assert f"{records} sites, {records} records" in out.replace("\n", " ")
    assert sha256((folder / "x.vcf.gz").read_bytes()).hexdigest() in out
    assert goe(*asked) == 1
    assert "--force" in capsys.readouterr().err
    assert goe(*asked, "--force", "-q") == 0
    assert capsys.readouterr().out == ""


def test_export_of_a_dated_dataset(folder, capsys):
    """--issued gives the GDI dataset its metadata."""
    goe("release", "export", folder / "1", "-f", "gdi", "-o", folder / "GOE-1", "--issued", "2026-11-30")
    assert "since: 2026-11-30T00:00:00Z" in (folder / "GOE-1" / "metadata.yaml").read_text()
    assert goe("release", "export", folder / "1", "-f", "gdi", "--issued", "soon") == 1


def test_diff_in_three_forms(folder, capsys):
    """Tables to read, CSV and JSON to compute on, and an exit code for scripts."""
    pair = (folder / "1", folder / "2")
    assert goe("release", "diff", *pair, "-q") == 0
    told = capsys.readouterr().out
    assert "listed sites" in told
    assert "newly" in told
    assert goe("release", "diff", *pair, "--format", "csv", "-q") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["country"] for row in rows} == {"all", "EE", "FI"}
    assert goe("release", "diff", *pair, "--format", "json", "--exit-code", "-q") == 5
    found = json.loads(capsys.readouterr().out)
    assert sum(row["afresh"] for row in found["rows"]) == sum(int(row["afresh"]) for row in rows) > 0
    assert goe("release", "diff", pair[0], pair[0], "--exit-code", "-q") == 0


def test_notes_are_written_beside_the_release(folder, capsys):
    """The command prints the page's path; a release that is not the one before is refused."""
    assert goe("release", "notes", folder / "2", "--previous", folder / "1") == 0
    assert Path(capsys.readouterr().out.strip()) == folder / "2" / "notes.html"
    assert goe("release", "notes", folder / "1", "--previous", folder / "2") == 1
    assert "is not the release before" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["verify", "export", "diff", "notes"])
def test_help_teaches(command, capsys):
    """Each command's help has an example."""
    assert goe("release", command, "--help") == 0
    assert f"Example: goe release {command}" in " ".join(capsys.readouterr().out.split())


def test_a_folder_that_is_no_release(tmp_path, capsys):
    """The error says what a release holds."""
    assert goe("release", "verify", tmp_path) == 1
    assert "release.json" in capsys.readouterr().err
