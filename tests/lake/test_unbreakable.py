"""An ingest that is killed, or whose disk fails, harms nothing: the old snapshot stays, a rerun ends well."""

from __future__ import annotations

import errno
import importlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dagster_project.failures import explained
from goe_lake.config import NodeConfig, read_node
from goe_lake.errors import InputError, LakeError
from goe_lake.lake import Snapshot, convert, current_id, ingest, open_snapshot, plan
from tests.lake.nodes import built, make_node, tree, vcf_text, write_file

PEOPLE = tuple(f"p{number:03}" for number in range(60))
CONTIGS = ("1", "2", "3", "4", "X")
REPOSITORY = Path(__file__).resolve().parents[2]


def node(folder: Path, sites: int, seed: int) -> NodeConfig:
    """Two deliveries over five contigs."""
    draw = random.Random(seed)
    deliveries = []
    for number, people in enumerate((PEOPLE[:35], PEOPLE[35:])):
        records = [
            f"{contig} {pos * 10} A C,G | "
            + " ".join(draw.choice(("0/0", "0/1", "1/2", "./.")) for _ in people)
            for contig in CONTIGS
            for pos in range(10, 10 + sites)
        ]
        deliveries.append({f"{number}.vcf.gz": vcf_text(people, records)})
    return make_node(folder, deliveries, people=PEOPLE)


def published(lake: Path) -> dict[str, bytes]:
    """Every file of the lake but staging."""
    return {name: content for name, content in tree(lake).items() if not name.startswith("staging/")}


def command(config: NodeConfig, *more: str) -> list[str]:
    """An ingest of a process of its own."""
    return [sys.executable, "-m", "goe_lake.cli", "ingest", str(config.file), *more]


def environment() -> dict[str, str]:
    """The surroundings of such a process: this working copy."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def finished(lake: Path) -> dict[str, tuple[int, int]]:
    """The partitions in staging that are converted, each with the identity of its summary."""
    return {
        str(path.parent.relative_to(lake)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in lake.glob("staging/partitions/*/[!.]*/summary.json")
        if is_whole(path)
    }


def is_whole(path: Path) -> bool:
    """Whether a summary was written to its end."""
    try:
        return bool(json.loads(path.read_text()))
    except ValueError:
        return False


def kill_and_rerun(folder: Path, kills: int, sites: int, seed: int) -> tuple[int, int]:
    """Kill ingests of new files at *kills* random moments over an older snapshot; then let one end.

    Each time the old snapshot is whole, and a partition that was finished is never converted again. How many
    kills came before publishing, and how many partitions they had finished in all.
    """
    undisturbed = node(folder / "undisturbed", sites, 2)
    subprocess.run(command(undisturbed, "-q"), env=environment(), check=True)
    old = built(node(folder / "killed", 20, 1))[0]
    config = node(folder / "killed", sites, 2)
    draw = random.Random(seed)
    early = 0
    # the same persons give the same partitions: those of the older files are no finished work
    before = finished(config.lake)
    kept: dict[str, tuple[int, int]] = {}
    for number in range(kills):
        process = subprocess.Popen(
            command(config, "-q"), env=environment(), start_new_session=True, stderr=subprocess.DEVNULL
        )
        wait_for_a_moment(process, config.lake, number, draw)
        # only the process itself: its workers live on for a moment, as after the kernel's out-of-memory kill
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = current_id(config.lake)
        assert now is not None
        snapshot = open_snapshot(config.lake)
        snapshot.verify()
        early += now == old.snapshot_id
        after = dict(finished(config.lake).items() - before.items())
        assert kept.items() <= after.items(), "a finished partition was converted again"
        kept = after
    done = subprocess.run(
        command(config, "--json"), env=environment(), check=True, capture_output=True, text=True
    )
    report = json.loads(done.stdout)
    assert len(report["reused"]) >= len(kept)
    assert len(report["reused"]) + len(report["converted"]) == 2 * len(CONTIGS)
    assert kept.items() <= finished(config.lake).items()
    same_as_undisturbed(open_snapshot(config.lake), open_snapshot(undisturbed.lake))
    return early, len(kept)


def wait_for_a_moment(process: subprocess.Popen[bytes], lake: Path, number: int, draw: random.Random) -> None:
    """Wait for a random moment of the ingest: in turn while it converts, while it publishes, or anywhere."""
    started = lake.joinpath("staging/build").exists()
    kind = ("convert", "publish", "anywhere")[number % 3]
    latest = time.monotonic() + (draw.uniform(0, 6) if kind == "anywhere" else 60)
    while process.poll() is None and time.monotonic() < latest:
        if kind == "convert" and len(list(lake.glob("staging/partitions/*/.*"))) > 0:
            break
        if kind == "publish" and not started and lake.joinpath("staging/build").exists():
            break
        started = started and lake.joinpath("staging/build").exists()
        time.sleep(0.002)
    if kind != "anywhere":
        time.sleep(draw.uniform(0, 0.2))


def same_as_undisturbed(snapshot: Snapshot, expected: Snapshot) -> None:
    """The same id, and the same bytes in every file that it lists."""
    assert snapshot.snapshot_id == expected.snapshot_id
    snapshot.verify()
    for file in snapshot.manifest.files:
        assert (snapshot.root / file.path).read_bytes() == (expected.root / file.path).read_bytes()


def test_killed_at_a_few_random_moments(tmp_path: Path) -> None:
    """SIGKILL, real processes: the quick version of the next test."""
    early, _ = kill_and_rerun(tmp_path, 2, 200, 7)
    assert early >= 1


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(6))
def test_killed_at_thirty_random_moments(tmp_path: Path, seed: int) -> None:
    """Six times five kills, from the start of Python to the swap of CURRENT."""
    early, _ = kill_and_rerun(tmp_path, 5, 2000, seed)
    assert early >= 1


def test_the_number_of_processes_changes_no_byte(tmp_path: Path) -> None:
    """One, two or five at a time."""
    trees = []
    for workers in (1, 2, 5):
        config = node(tmp_path / str(workers), 40, 3)
        ingest(config, min_label_persons=1, workers=workers)
        trees.append(published(config.lake))
    assert trees[0] == trees[1] == trees[2]


def test_a_delivery_given_again_converts_its_own_partitions_only(tmp_path: Path) -> None:
    """One file a contig: the changed one replaces its partition, the others stand; so with a new batch."""

    def texts(extra: str) -> dict[str, str | bytes]:
        return {
            f"{contig}.vcf.gz": vcf_text(
                ("a", "b"), [f"{contig} 100 A C | 0/1 0/0", *([extra] if contig == "2" else [])]
            )
            for contig in CONTIGS
        }

    config = make_node(tmp_path, [texts("2 200 A C | 0/1 1/1")], people=("a", "b"))
    old, report = built(config)
    assert (len(report.converted), report.reused) == (5, ())
    write_file(tmp_path / "2.vcf.gz", texts("2 300 A C | 0/1 1/1")["2.vcf.gz"])
    new, report = built(read_node(config.file))
    assert (report.converted, len(report.reused)) == (("chr2",), 4)
    assert [batch.digest for batch in old.batches] == [batch.digest for batch in new.batches]
    for contig in ("chr1", "chr3", "chr4", "chrX"):
        assert new.files("variants", contig) == old.files("variants", contig)
    assert new.files("calls", "chr2") != old.files("calls", "chr2")
    more = [texts("2 300 A C | 0/1 1/1"), {"new.vcf": vcf_text(("c",), ["2 300 A C | 0/1"])}]
    newest, report = built(make_node(tmp_path, more, people=("a", "b", "c")))
    assert (report.converted, len(report.reused)) == (("chr2, delivery 2",), 5)
    assert newest.files("calls", "chr1") == old.files("calls", "chr1")
    fresh = built(make_node(tmp_path / "fresh", more, people=("a", "b", "c")))[0]
    assert fresh.snapshot_id == newest.snapshot_id


def test_contigs_of_which_nothing_changed_are_not_merged_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their tables stand; new strata, or a damaged file, need the work again."""
    publishing = importlib.import_module("goe_lake.lake.publish")
    config = node(tmp_path, 20, 1)
    built(config)
    merged: list[str] = []
    real = publishing.build_contig

    def counted(plan_: object, build: Path, contig: str, *rest: object) -> object:
        merged.append(contig)
        return real(plan_, build, contig, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(publishing, "build_contig", counted)
    snapshot, _ = built(config)
    assert merged == []
    (path,) = snapshot.files("variants", "chr2")
    path.write_bytes(b"damaged")
    built(config)[0].verify()
    assert merged == ["chr2"]
    table = "sample_id\tsex\tpopulation\n" + "".join(f"{name}\tF\tX\n" for name in PEOPLE)
    (tmp_path / "samples.tsv").write_text(table)
    built(read_node(config.file))
    assert merged[1:] == ["chr1", "chr2", "chr3", "chr4", "chrX"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 kB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_named_and_publishes_nothing(tmp_path: Path, small_disk: Path) -> None:
    """A real ENOSPC, while converting and while publishing; with room the next run ends as any other."""
    config = node(tmp_path / "n", 400, 5)
    text = config.file.read_text().replace('country = "EE"', f'country = "EE"\nlake = "{small_disk}/lake"')
    config.file.write_text(text)
    full = read_node(config.file)
    old = built(node(tmp_path / "o", 5, 1))[0]
    shutil.copytree(old.root, full.lake)
    filler = small_disk / "filler"
    seen: set[str] = set()
    # the less room is left, the earlier the disk is full
    for room in (20_000, 100_000, 200_000):
        shutil.rmtree(full.lake / "staging", ignore_errors=True)
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        filler.write_bytes(bytes(max(0, free - room)))
        with pytest.raises(
            LakeError, match=r"No space left on device\. nothing was published; make room"
        ) as caught:
            ingest(full, min_label_persons=1)
        assert str(small_disk) in caught.value.path
        seen.add(caught.value.path.removeprefix(str(full.lake)).split("/")[1])
        assert open_snapshot(full.lake) == Snapshot(full.lake, old.manifest)
        open_snapshot(full.lake).verify()
        filler.unlink()
    assert "staging" in seen
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    same_as_undisturbed(built(full)[0], built(node(tmp_path / "u", 400, 5))[0])


def test_a_limit_on_file_sizes_is_named(tmp_path: Path) -> None:
    """EFBIG where file systems cannot be mounted: the command says the file and the mend, and no trace."""
    config = node(tmp_path, 3000, 5)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))

    done = subprocess.run(
        command(config, "-q"),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )
    assert done.returncode == 1
    assert (
        "File too large. nothing was published; allow larger files (ulimit -f) and ingest again"
        in done.stderr
    )
    assert "/lake/staging/partitions/" in done.stderr
    assert ": cannot be read or written" in done.stderr
    assert "Traceback" not in done.stderr
    assert current_id(config.lake) is None


def test_the_errors_of_a_worker_keep_their_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EIO from the process that decodes arrives as the OSError that it was, and Dagster tries again."""
    import dagster as dg

    config = node(tmp_path, 5, 1)
    planned = plan(config, min_label_persons=1)
    part = planned.partitions[0]
    # a broken device cannot be had here: the worker is told to raise what the kernel would
    broken = (
        "import errno, goe_lake.lake.worker as w\n"
        "def fail(job, report): raise OSError(errno.EIO, 'Input/output error', '/srv/vcf/1.vcf.gz')\n"
        "w.convert_job = fail\nw.serve()\n"
    )
    start = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n{broken}"
    from goe_lake.lake import worker

    worker.end_idle_workers()
    monkeypatch.setattr(worker, "_START", start)
    with pytest.raises(OSError, match=r"/srv/vcf/1\.vcf\.gz") as caught:
        convert(planned, part)
    assert caught.value.errno == errno.EIO
    with pytest.raises(dg.RetryRequested), explained():
        convert(planned, part)
    with pytest.raises(
        LakeError, match=r"/srv/vcf/1\.vcf\.gz: cannot be read or written: Input/output error"
    ):
        ingest(config, min_label_persons=1)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_file_cut_short_is_named(tmp_path: Path, share: float) -> None:
    """A copy that ended early, wherever: the file is named, and the old snapshot stays."""
    config = node(tmp_path, 200, 1)
    old = built(config)[0]
    path = tmp_path / "1.vcf.gz"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=r"1\.vcf\.gz.*is cut off"):
        built(read_node(config.file))
    assert open_snapshot(config.lake) == old


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """A named pipe nobody writes would wait for ever, and a folder cannot be read: both are no files."""
    config = node(tmp_path, 5, 1)
    path = tmp_path / "1.vcf.gz"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(Exception, match=r"1\.vcf\.gz") as caught:
        built(read_node(config.file))
    assert type(caught.value).__name__ in ("ConfigError", "InputError")
    assert current_id(config.lake) is None
