"""`goe demo` as a newcomer runs it: one command, real processes, a tour, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_demo_runs_from_nothing_to_its_last_stop(tmp_path: Path) -> None:
    """Simulated genomes become lakes and services, which answer the tour and end with it."""
    command = [sys.executable, "-m", "goe_lake.cli", "demo", "--once", "--countries", "EE,FI"]
    done = subprocess.run(
        [*command, "--persons", "150", "--dir", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=900,
        env={**os.environ, "COLUMNS": "120"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "How many persons does each country hold?" in done.stdout
    assert "G303 line 1 col 8" in done.stdout
    assert "the first European release: " in done.stdout
    assert (tmp_path / "dagster" / "releases" / "1" / "notes.html").is_file()
    assert (tmp_path / "reports" / "frequency_differences" / "report.html").is_file()
    assert "2 of 2 nodes (EE, FI)" in done.stdout
    assert (tmp_path / "ee" / "lake" / "CURRENT").is_file()
    assert (tmp_path / "dagster" / "dagster.yaml").is_file()
    for log in (tmp_path / "logs").iterdir():
        assert "Traceback" not in log.read_text(encoding="utf-8"), log.name


def test_demo_refuses_a_country_that_it_does_not_know(tmp_path: Path) -> None:
    """A typing error is one clear line, and nothing is started."""
    command = [sys.executable, "-m", "goe_lake.cli", "demo", "--once", "--countries", "EE,XX"]
    done = subprocess.run(
        [*command, "--dir", str(tmp_path)], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 1
    assert "XX" in done.stderr
    assert "Traceback" not in done.stderr
