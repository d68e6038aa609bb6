"""The entry point by which `goe demo` builds its lakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.build import build_lakes, main
from goe_lake.lake import current_id


def test_builds_are_runs_in_the_history(node: Path, tmp_path: Path):
    """Each node's build is one run, with its contigs as partitions; progress ends at the end."""
    told: list[tuple[int, int, str]] = []
    home = tmp_path / "home"
    (built,) = build_lakes([node], home, lambda *step: told.append(step))
    assert built.failure is None
    assert built.snapshot_id == current_id(node.parent / "lake")
    assert [done for done, _, _ in told] == [1, 2, 3, 4, 5, 5]
    assert {total for _, total, _ in told} == {5}
    with dg.DagsterInstance.from_config(str(home)) as instance:
        (run,) = instance.get_runs()
        assert (run.run_id, run.job_name, run.status) == (
            built.run_id,
            "build_lake",
            dg.DagsterRunStatus.SUCCESS,
        )
        assert run.tags["dagster/partition"] == "EE"
        assert instance.get_dynamic_partitions("goe_node") == ["EE"]
        cells = instance.get_materialized_partitions(dg.AssetKey("contig_parquet"))
        assert cells == {"chr2|EE", "chrX|EE"}
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled


def test_the_command_tells_progress_and_failures_as_json(
    node: Path, tmp_path: Path, spoil: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
):
    """Whoever starts it as a process reads one object a line, and the exit code says whether all is well.

    An instance that somebody has set up is used as it is.
    """
    spoil(node.parent / "vcf" / "chr2.vcf.gz")
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    assert main(["--home", str(home), "--nodes", str(node)]) == 1
    printed = capsys.readouterr()
    *steps, built = [json.loads(line) for line in printed.out.splitlines()]
    assert all(step["done"] <= step["total"] for step in steps)
    assert built["node"] == "EE"
    assert built["snapshot_id"] is None
    assert "vcf/chr2.vcf.gz" in built["failure"]
    assert "vcf/chr2.vcf.gz" in printed.err
    assert (home / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"


def test_a_node_that_cannot_be_read_is_told_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """A path that leads nowhere is a sentence and exit code 1."""
    assert main(["--home", str(tmp_path / "home"), "--nodes", str(tmp_path / "node.toml")]) == 1
    assert "cannot be read" in capsys.readouterr().err
