"""`goe ingest` and `goe lake`: what they print, for people, for logs and for machines."""

from __future__ import annotations

import json
import random
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from goe_lake.cli import main
from goe_lake.config import NodeConfig
from goe_lake.lake import current_id, open_snapshot
from goe_lake.lake_console import IngestLog
from tests.lake.nodes import make_node, vcf_text

PEOPLE = tuple(f"p{number:02}" for number in range(20))


def node(folder: Path, *, twin: bool = False) -> NodeConfig:
    """Twenty persons at 200 common sites of two contigs; with *twin* the last is the first again."""
    draw = random.Random(1)
    records = []
    for pos in range(100, 200):
        for contig in ("1", "2"):
            calls = [draw.choice(("0/0", "0/1", "1/1")) for _ in PEOPLE]
            calls[-1] = calls[0] if twin else calls[-1]
            records.append(f"{contig} {pos} A G | " + " ".join(calls))
    records.sort(key=lambda record: record.split()[0])
    (folder).mkdir(parents=True, exist_ok=True)
    (folder / "withdrawn.txt").write_text("")
    (folder / "policy.toml").write_text('version = 1\nprotection = "off"\n')
    return make_node(
        folder, [{"x.vcf.gz": vcf_text(PEOPLE, [*records, "weird 5 A C | " + "0/0 " * 20])}], people=PEOPLE,
        node='policy = "policy.toml"', toml='withdrawn = "withdrawn.txt"\n',
    )  # fmt: skip


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The exit code of `goe`, and what it printed."""
    code = 0
    try:
        main(arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_ingest_for_a_log_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not on a terminal: a line a step with time, records and speed, then the table; no bars, no colours."""
    config = node(tmp_path, twin=True)
    code, out, err = run(capsys, "ingest", str(config.file))
    assert (code, out) == (0, "")
    assert "\x1b" not in err
    assert re.search(r"^\d\d:\d\d:\d\d convert chr1: 0 of 100$", err, re.M)
    assert re.search(r"^\d\d:\d\d:\d\d convert chr1: done, 100 in \d+\.\d s, [\d,]+/s$", err, re.M)
    for shown in ("chr1", "no-call rate", "Ti/Tv", "20 persons, 20 samples", "1 × contig_not_held"):
        assert shown in err, shown
    assert "2 partitions converted, 0 stood from before" in err
    assert "190 pairs at 199 sites, 1 to look at (see: goe lake duplicates NODE.toml)" in err
    assert "p00" not in err, "who they are is told where it was asked"


def test_ingest_for_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object on stdout, nothing on stderr, and no sample's name in it."""
    config = node(tmp_path, twin=True)
    code, out, err = run(capsys, "ingest", str(config.file), "--json", "--workers", "1")
    report = json.loads(out)
    assert (code, err) == (0, "")
    assert report["snapshot_id"] == current_id(config.lake)
    assert (report["records"], report["sites"], report["persons"]) == (200, 200, 20)
    assert report["quarantined"] == {"contig_not_held": 1}
    assert (report["converted"], report["reused"]) == (["chr1", "chr2"], [])
    assert report["duplicates"]["duplicate_pairs"] == 1
    assert report["contigs"][0]["no_call_rate"] == 0
    assert "p00" not in out
    assert json.loads(run(capsys, "ingest", str(config.file), "--json")[1])["reused"] == ["chr1", "chr2"]


def test_progress_lines_tell_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every ten seconds: how far, how fast, how long still."""
    now = [1000.0]
    monkeypatch.setattr("goe_lake.lake_console.time.monotonic", lambda: now[0])
    console = Console(record=True, width=200, force_terminal=False, file=StringIO())
    log = IngestLog(console)
    log.start("convert chr1", 1000)
    for _ in range(6):
        now[0] += 5
        log.advance("convert chr1", 100)
    log.finish("convert chr1")
    lines = [line.split(" ", 1)[1] for line in console.export_text().splitlines()]
    assert lines == [
        "convert chr1: 0 of 1,000",
        "convert chr1: 200 of 1,000, 20/s, 40 s left",
        "convert chr1: 400 of 1,000, 20/s, 30 s left",
        "convert chr1: 600 of 1,000, 20/s, 20 s left",
        "convert chr1: done, 1,000 in 30.0 s, 33/s",
    ]


def test_duplicates_are_named_to_the_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The pair, with numbers; exit code 1 for a script."""
    config = node(tmp_path, twin=True)
    run(capsys, "ingest", str(config.file), "-q")
    code, out, _ = run(capsys, "lake", "duplicates", str(config.file))
    assert code == 1
    assert "p00 and p19, kinship 0.500, 100.0% of 199 genotypes alike" in out
    code, out, _ = run(capsys, "lake", "duplicates", str(config.file), "--json")
    assert (code, json.loads(out)["passed"]) == (1, False)
    (tmp_path / "withdrawn.txt").write_text("p19\n")
    run(capsys, "ingest", str(config.file), "-q")
    assert run(capsys, "lake", "duplicates", str(config.file))[0] == 0


def test_snapshots_verify_and_purge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two snapshots; one withdrawal; purge ingests first, then ends both old ones."""
    config = node(tmp_path)
    run(capsys, "ingest", str(config.file), "-q")
    first = open_snapshot(config.lake).snapshot_id
    table = (tmp_path / "samples.tsv").read_text()
    (tmp_path / "samples.tsv").write_text(table.replace("p07\tF", "p07\tM"))
    run(capsys, "ingest", str(config.file), "-q")
    second = open_snapshot(config.lake).snapshot_id
    listed = json.loads(run(capsys, "lake", "snapshots", str(config.file), "--json")[1])
    assert [item["snapshot_id"] for item in listed] == [second, first]
    assert [item["published"] for item in listed] == [True, False]
    assert [item["withdrawn"] for item in listed] == [0, 0]
    assert second[:12] in run(capsys, "lake", "snapshots", str(config.file))[1]
    code, out, _ = run(capsys, "lake", "verify", str(config.file), "--all")
    assert (code, out.count("as the manifest says")) == (0, 2)
    (tmp_path / "withdrawn.txt").write_text("p03\n")
    listed = json.loads(run(capsys, "lake", "snapshots", str(config.file), "--json")[1])
    assert [item["withdrawn"] for item in listed] == [1, 1]
    code, out, err = run(capsys, "lake", "purge", str(config.file), "--keep", "5")
    assert code == 0
    assert "1 samples have withdrawn since the last ingest: ingesting first" in err
    assert "kept 1 snapshots" in out
    assert "ended 2 snapshots, 2 of them with withdrawn persons" in out
    assert open_snapshot(config.lake).manifest.persons == 19
    path = open_snapshot(config.lake).files("variants", "chr1")[0]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    code, _, err = run(capsys, "lake", "verify", str(config.file))
    assert code == 1
    assert "its content is not what the manifest says" in err


def test_a_lake_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command says so, with the mend."""
    config = node(tmp_path)
    for name in ("snapshots", "verify", "purge", "duplicates"):
        code, _, err = run(capsys, "lake", name, str(config.file))
        assert code == 1, name
        assert "is not a lake yet" in err, name
        assert "goe ingest NODE.toml" in err, name
