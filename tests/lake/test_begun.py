"""Partitions that are converted while their files are scanned: taken over where they are asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from goe_lake.config import read_node
from goe_lake.errors import GoeError
from goe_lake.first import begin_ingest, is_ingest
from goe_lake.lake import ingest
from goe_lake.lake.begun import remove_begun
from goe_lake.lake_commands import build
from goe_lake.vcf import ahead, scan
from tests.lake.nodes import make_node, tree, vcf_text
from tests.lake.test_decoders import PEOPLE, records

begun_module = import_module("goe_lake.lake.begun")
convert_module = import_module("goe_lake.lake.convert")
TAKE_OVER = convert_module.begun_conversion
ANY = "[ingest]\nmax_quarantined = 1.0\n"
BLOCKS = [
    f"chr2 {100 + 20 * place} A <NON_REF> INFO=END={110 + 20 * place} FORMAT=GT:GQ:DP | " + "0/0:50:9 " * 50
    for place in range(20)
]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small units, read by the compiled loops."""
    monkeypatch.setenv("GOE_DECODER", "fast")
    monkeypatch.setattr(scan, "UNIT", 20_000)


def published(lake: Path) -> dict[str, bytes]:
    """The files of a lake but for staging."""
    return {name: data for name, data in tree(lake).items() if not name.startswith("staging")}


def both(folder: Path, files: dict[str, str], monkeypatch: pytest.MonkeyPatch, **node: Any) -> list[bool]:
    """Ingest *files* plainly and while they are scanned, to the same bytes; what was taken over, in order."""
    taken: list[bool] = []

    def noted(job: Any) -> Any:
        found = TAKE_OVER(job)
        taken.append(found is not None)
        return found

    monkeypatch.setattr(convert_module, "begun_conversion", noted)
    node = {"people": PEOPLE, "fields": '["GQ", "DP"]', "toml": ANY} | node
    plain = make_node(folder / "plain", [files], **node)
    ingest(plain, min_label_persons=10)
    assert not any(taken)
    taken.clear()
    config = make_node(folder / "begun", [files], **node)
    build(config.file, None)
    assert published(config.lake) == published(plain.lake)
    assert not list(config.lake.glob("staging/begun-*"))
    assert not ahead._files
    return taken


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["x.vcf", "x.vcf.gz"])
def test_what_was_begun_is_taken_over(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All contigs of a file, with odd records, quarantine and reference blocks: the same bytes, read once."""
    lines = [*records(), *BLOCKS]
    lines = [line for line in lines if line.startswith("chr1")] + lines[-20:] + lines[300:400]
    assert both(tmp_path, {name: vcf_text(PEOPLE, lines)}, monkeypatch) == [True, True, True]


@pytest.mark.usefixtures("small")
def test_what_is_not_as_it_was_thought_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions that fall, a contig that comes back, somebody who withdrew; but not a FILTER for cyvcf2."""
    plain = records()
    contigs = plain[:300], plain[300:]
    falling = [*contigs[0][::-1], *contigs[1]]
    back = [*contigs[0][:150], *contigs[1], *contigs[0][150:]]
    filtered = [f"{line.partition(' |')[0]} FILTER=q10;s50 |{line.partition(' |')[2]}" for line in plain]
    without = "sample_id\tsex\n" + "".join(f"{person}\tF\n" for person in PEOPLE[:-1])
    found = {
        "falling": both(tmp_path / "a", {"x.vcf": vcf_text(PEOPLE, falling)}, monkeypatch),
        "back": both(tmp_path / "b", {"x.vcf": vcf_text(PEOPLE, back)}, monkeypatch),
        "filtered": both(tmp_path / "c", {"x.vcf": vcf_text(PEOPLE, filtered)}, monkeypatch),
        "withdrawn": both(tmp_path / "d", {"x.vcf": vcf_text(PEOPLE, plain)}, monkeypatch, samples=without),
    }
    assert found == {
        "falling": [False, True],
        "back": [False, True],
        "filtered": [True, True],
        "withdrawn": [False, False],
    }


@pytest.mark.usefixtures("small")
def test_several_files_are_not_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their units are kept where memory allows, and merged as it is decided later."""
    lines = records()
    files = {"a.vcf.gz": vcf_text(PEOPLE, lines[:300]), "b.vcf.gz": vcf_text(PEOPLE, lines[300:])}
    assert both(tmp_path, files, monkeypatch) == [False, False]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("lines", "toml", "problem"),
    [
        # every record of the second half is put aside, and hardly any may be
        (records()[:100] + ["chr1 9000000 C C | " + "0/0:1:1 " * 50] * 100, "", "records cannot be used"),
        (["chr1 500 A C | " + "0/1:1:1 " * 50, "chr1 500 A C | " + "0/0:1:1 " * 50], ANY, "other genotypes"),
        (records(), '[samples.columns.sex]\nvalues = ["M"]\n', "sex"),
    ],
)
def test_what_is_wrong_is_told_as_ever(lines: list[str], toml: str, problem: str, tmp_path: Path) -> None:
    """The error is that of an ingest without it, and nothing of what was begun is left."""
    told = []
    for number in range(2):
        text = vcf_text(PEOPLE, lines, form="GT:GQ:DP")
        config = make_node(tmp_path / str(number), [{"x.vcf": text}], people=PEOPLE, toml=toml)
        with pytest.raises(Exception, match=problem) as error:
            build(config.file, None) if number else ingest(config, min_label_persons=10)
        told.append(str(error.value).replace(f"{tmp_path}/{number}", ""))
        assert not list(config.lake.glob("staging/begun-*"))
        assert not (config.lake / "CURRENT").exists()
    assert told[0] == told[1]
    assert not ahead._files


@pytest.mark.usefixtures("small")
def test_a_disk_that_fails_ends_no_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever cannot convert takes no more units: the scan goes on to its end, and all is done again."""

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(begun_module, "convert_into", fail)
    assert both(tmp_path, {"x.vcf": vcf_text(PEOPLE, records() * 4)}, monkeypatch) == [False, False]


def test_what_was_killed_leaves_nothing(tmp_path: Path) -> None:
    """Folders of processes that run no more are removed by the next ingest; those of others are not.

    In a container a process that was killed often had the same number as this one.
    """
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for process in (ended.pid, os.getpid(), os.getppid(), "x"):
        (tmp_path / f"begun-{process}" / "0").mkdir(parents=True)
    remove_begun(tmp_path)
    assert [left.name for left in tmp_path.iterdir()] == [f"begun-{os.getppid()}"]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("change", [None, "toml", "twice", "late"])
def test_what_changes_meanwhile_is_read_anew(
    change: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the first look at node.toml and the command's: other settings, a file late or twice."""
    monkeypatch.setattr("goe_lake.first.begin_lean", lambda: None)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    text = vcf_text(PEOPLE, records() * 2)
    config = make_node(tmp_path, [{"x.vcf": text}], people=PEOPLE, fields='["GQ"]', toml=ANY)
    vcf, settings = tmp_path / "x.vcf", config.file.read_text()
    if change == "twice":
        other = '[[genotypes]]\nfiles = ["x.vcf"]\n'
        config.file.write_text(settings.replace("[samples]", f"{other}[samples]"))
    if change == "late":
        vcf.rename(tmp_path / "y.vcf")
    begin_ingest(["goe", "ingest", str(config.file)])
    assert bool(ahead._files) == (change != "late")
    if change == "late":
        (tmp_path / "y.vcf").rename(vcf)
    if change == "toml":
        config.file.write_text(settings.replace('["GQ"]', '["DP"]'))
    if change == "twice":
        with pytest.raises(GoeError):
            build(config.file, None)
    else:
        build(config.file, None)
        assert (config.lake / "CURRENT").exists()
    assert not ahead._files
    assert not list(config.lake.glob("staging/begun-*"))


def test_only_the_command_itself_begins_early(tmp_path: Path) -> None:
    """`goe ingest NODE.toml`, and no other program's argument of that name."""
    assert is_ingest(["/usr/bin/goe", "ingest"])
    assert is_ingest(["/x/goe_lake/cli.py", "ingest", "node.toml"])
    assert not is_ingest(["/usr/bin/other", "ingest"])
    assert not is_ingest(["/usr/bin/goe", "lake", "ingest"])
    assert not is_ingest(["goe"])
    begin_ingest(["pytest", "ingest", str(tmp_path / "node.toml")])
    assert not ahead._files


@pytest.mark.parametrize("wrong", [[], ["--workers", "none"]])
def test_the_command_ingests_or_complains(wrong: list[str], tmp_path: Path) -> None:
    """As a process of its own: the same lake as in this one, or the complaint about its arguments."""
    text = vcf_text(PEOPLE, records())
    config = make_node(tmp_path / "own", [{"x.vcf.gz": text}], people=PEOPLE, fields='["GQ"]', toml=ANY)
    command = [sys.executable, "-m", "goe_lake.cli", "ingest", str(config.file), *wrong]
    settings = {**os.environ, "GOE_DECODER": "fast"}
    done = subprocess.run(command, check=False, env=settings, capture_output=True, text=True)
    if wrong:
        assert done.returncode == 1
        assert "'none' is not a valid integer" in done.stderr
        assert not config.lake.exists()
        return
    assert (done.returncode, done.stdout) == (0, "")
    assert "published" in done.stderr or "persons" in done.stderr
    other = make_node(tmp_path / "other", [{"x.vcf.gz": text}], people=PEOPLE, fields='["GQ"]', toml=ANY)
    ingest(read_node(other.file), min_label_persons=10)
    assert published(config.lake) == published(other.lake)


@pytest.mark.parametrize("module", ["numpy", "pyarrow.parquet", "goe_lake.lake.ingest", "rich.console"])
def test_ctrl_c_while_the_program_loads_is_no_traceback(module: str, tmp_path: Path) -> None:
    """The line and the exit code of a command that was stopped, and no trace of a lake."""
    config = make_node(tmp_path, [{"x.vcf": vcf_text(PEOPLE, records())}], people=PEOPLE, toml=ANY)
    program = f"""
import runpy, sys

class Interrupt:
    def find_spec(name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt)
sys.argv = ["goe", "ingest", {str(config.file)!r}]
runpy.run_module("goe_lake.cli", run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "GOE_DECODER": "fast"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "stopped\n")
    assert not config.lake.exists()
