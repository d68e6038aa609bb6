"""What is published is on disk before readers see it, also where an earlier run was killed in between."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from goe_lake.errors import LakeError
from goe_lake.lake import Snapshot, current_id, ingest, open_snapshot, plan, publish
from goe_lake.lake import commit as commit_module
from tests.lake.nodes import built
from tests.lake.test_snapshot import small_node


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[Path]]:
    """The files and folders that were brought to disk up to the first swap of CURRENT."""
    found: set[Path] = set()
    swapped: list[bool] = []
    fsync, replace = os.fsync, Path.replace

    def noted(handle: int) -> None:
        fsync(handle)
        if not swapped:
            found.add(Path(f"/proc/self/fd/{handle}").readlink())

    def seen(self: Path, target: Path) -> Path:
        if target.name == "CURRENT":
            swapped.append(True)
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(Path, "replace", seen)
    yield found
    assert swapped


def all_of(snapshot: Snapshot) -> set[Path]:
    """The files of *snapshot*, and their folders."""
    files = {snapshot.root / file.path for file in snapshot.manifest.files}
    return files | {file.parent for file in files}


def test_files_are_on_disk_before_they_are_current(tmp_path: Path, synced: set[Path]) -> None:
    """Every file that the manifest lists, its folder, and the manifest itself."""
    snapshot, _ = built(small_node(tmp_path))
    assert all_of(snapshot) <= synced
    assert {path.name for path in synced if path.suffix == ".new"} == {
        f"{snapshot.snapshot_id}.json.new",
        "CURRENT.new",
    }


def test_what_a_killed_run_had_put_in_place_is_brought_to_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Killed before its files were on disk, it left files and notes that the next run takes over."""
    config = small_node(tmp_path)

    def kill(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(commit_module, "sync", kill)
        with pytest.raises(KeyboardInterrupt):
            built(config)
    assert current_id(config.lake) is None
    assert list(config.lake.glob("variants/*/*.parquet"))
    found: set[Path] = request.getfixturevalue("synced")
    snapshot, _ = built(config)
    assert all_of(snapshot) <= found


def test_persons_are_compared_while_files_go_to_disk(tmp_path: Path) -> None:
    """Whoever is called meanwhile is given the snapshot that is published."""
    config = small_node(tmp_path)
    built(config)
    (config.lake / "CURRENT").unlink()
    given: list[Snapshot] = []
    snapshot = publish(plan(config, min_label_persons=1), None, given.append)
    assert given == [snapshot] == [open_snapshot(config.lake)]


@pytest.mark.parametrize("publishes", [True, False])
def test_what_fails_meanwhile_does_not_hide_that_nothing_was_published(
    publishes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Persons that cannot be compared leave a snapshot; where there is none that is what is told."""
    config = small_node(tmp_path)

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error", "x.parquet")

    monkeypatch.setattr(sys.modules["goe_lake.lake.ingest"], "find_duplicates", fail)
    if not publishes:
        monkeypatch.setattr(commit_module, "sync", fail)
    told = "the snapshot is published, and its persons" if publishes else "nothing was published"
    with pytest.raises(LakeError, match=told):
        ingest(config, min_label_persons=1)
    assert (current_id(config.lake) is not None) == publishes
