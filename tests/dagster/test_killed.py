"""A run whose process is killed: nothing is half published, and the next one goes on where it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from goe_lake.lake import current_id, open_snapshot

REPOSITORY = Path(__file__).resolve().parents[2]


def start(node: Path, home: Path) -> subprocess.Popen[str]:
    """The build of the node as a process group of its own, whose steps can be read."""
    command = [sys.executable, "-m", "dagster_project.build", "--home", str(home), "--nodes", str(node)]
    return subprocess.Popen(
        command,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def kill_after(step: str, node: Path, home: Path) -> None:
    """Kill the build, and what it started, as soon as it has told that *step* is done."""
    process = start(node, home)
    assert process.stdout is not None
    for line in process.stdout:
        if step in json.loads(line).get("step", ""):
            break
    else:
        raise AssertionError(f"the build ended before {step}")
    os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    assert process.wait(60) == -signal.SIGKILL


def finish(node: Path, home: Path) -> dict[str, object]:
    """What a build that is let alone says at its end."""
    process = start(node, home)
    told, _ = process.communicate(timeout=600)
    return dict(json.loads(told.splitlines()[-1]))


@pytest.mark.slow
def test_a_killed_run_leaves_the_published_snapshot_and_the_next_one_resumes(
    node: Path, tmp_path: Path, cohort: Path
):
    """Killed after the input, after a contig and after publishing: the old snapshot or the new one, whole."""
    home, lake = tmp_path / "home", node.parent / "lake"
    kill_after("check_input", node, home)
    assert current_id(lake) is None
    kill_after("convert_contig[chr2]", node, home)
    assert current_id(lake) is None
    first = finish(node, home)
    assert first["failure"] is None
    assert first["snapshot_id"] == current_id(lake)
    # chr2 was converted by the run that was killed; the one after it converted the rest
    with dg.DagsterInstance.from_config(str(home)) as instance:
        seconds = {
            record.asset_materialization.partition: "seconds" in record.asset_materialization.metadata
            for record in instance.fetch_materializations(dg.AssetKey("contig_parquet"), limit=2).records
        }
    assert seconds["chr2|EE"] is False
    samples = node.parent / "samples.tsv"
    samples.write_text(samples.read_text().replace("\tEST\t", "\tFIN\t", 1))
    kill_after("convert_contig[chrX]", node, home)
    assert current_id(lake) == first["snapshot_id"]
    open_snapshot(lake).verify()
    second = finish(node, home)
    assert second["snapshot_id"] == current_id(lake) != first["snapshot_id"]
    open_snapshot(lake).verify()
