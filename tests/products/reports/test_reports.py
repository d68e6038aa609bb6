"""Reports run on real nodes: what they write, that it repeats, and what a missing node or a refusal does."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from goe_lake.engine.node import NodeAnswer
from goe_lake.errors import ConfigError, Incomplete, NodeFailed, QueryRefused
from goe_lake.federation import Federation
from goe_lake.federation.asker import Asker
from goe_lake.federation.node import EmbeddedNode
from goe_lake.products.reports import Report, list_reports, run_report, write_result
from goe_lake.products.reports.definition import parse_report, reports_folder
from goe_lake.release import Release

SHIPPED = list_reports(reports_folder())
ONE_QUERY = """\
-- /// report
-- title = "Persons <of> each country"
-- about = "A & B"
-- completeness = "{completeness}"
-- ///
-- /// query persons
-- caption = "Persons"
-- ///

SELECT country, count(*) AS persons
FROM {table} GROUP BY country ORDER BY country
"""


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of *folder*."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class Silent(EmbeddedNode):
    """A node that fails to answer."""

    def answer(self, release: Release, asker: Asker, query_id: str) -> NodeAnswer:
        """Fail as a node does whose engine broke."""
        raise NodeFailed("GOE-FI-NODE-1", query_id)


@pytest.mark.parametrize("report", SHIPPED, ids=lambda report: report.name)
def test_a_shipped_report_runs(report: Report, federation: Federation, tmp_path: Path) -> None:
    """Each query of each report gives rows, and two runs give the same bytes."""
    for name in ("one", "two"):
        result = run_report(report, federation, {})
        assert all(part.answer.table.num_rows for part in result.parts)
        write_result(result, tmp_path / name)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_the_files_of_a_report(federation: Federation, tmp_path: Path) -> None:
    """A page with nothing to fetch, rows with their status, and a sidecar of snapshots and digests."""
    report = parse_report(ONE_QUERY.format(completeness="all", table="samples"), "persons", "persons.sql")
    write_result(run_report(report, federation, {}), tmp_path / "out")
    files = contents(tmp_path / "out")
    assert set(files) == {"report.html", "persons.csv", "persons.parquet", "provenance.json"}
    page = files["report.html"].decode()
    assert "Persons &lt;of&gt; each country" in page
    assert "A &amp; B" in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org/", "")
    assert pq.read_table(tmp_path / "out" / "persons.parquet").to_pylist() == [
        {"country": "EE", "country_status": "ok", "persons": 150, "persons_status": "ok"},
        {"country": "FI", "country_status": "ok", "persons": 150, "persons_status": "ok"},
    ]
    sidecar = json.loads(files["provenance.json"])
    assert sidecar["complete"] is True
    assert {node["node_id"]: node["snapshot_id"] for node in sidecar["nodes"]} == {
        node.node_id: node.snapshot_id for node in federation.nodes
    }
    assert sidecar["queries"][0]["values_by_status"] == {"ok": 4}
    for name, digest in sidecar["files"].items():
        assert hashlib.sha256(files[name]).hexdigest() == digest


def test_a_folder_of_something_else_is_left_alone(federation: Federation, tmp_path: Path) -> None:
    """A run replaces an earlier run's folder, and nothing else."""
    report = parse_report(ONE_QUERY.format(completeness="all", table="samples"), "persons", "persons.sql")
    result = run_report(report, federation, {})
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds something other than a report"):
        write_result(result, tmp_path / "work")
    assert contents(tmp_path / "work") == {"thesis.txt": b"mine"}
    write_result(result, tmp_path / "out")
    (tmp_path / "out" / "stale.csv").write_text("old")
    write_result(result, tmp_path / "out")
    assert "stale.csv" not in contents(tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"work", "out"}


def test_a_missing_node_fails_or_is_said(node_tomls: list[Path], tmp_path: Path) -> None:
    """`all` fails with nothing written; `any` goes on, and page and sidecar say who is missing."""
    ee, fi = node_tomls
    federation = Federation([EmbeddedNode(ee), Silent(fi)], project="reporting")
    strict = parse_report(ONE_QUERY.format(completeness="all", table="samples"), "persons", "persons.sql")
    with pytest.raises(Incomplete):
        run_report(strict, federation, {})
    lenient = parse_report(ONE_QUERY.format(completeness="any", table="samples"), "persons", "persons.sql")
    result = run_report(lenient, federation, {})
    assert result.missing == ("GOE-FI-NODE-1",)
    write_result(result, tmp_path / "out")
    files = contents(tmp_path / "out")
    assert "<strong>Incomplete:</strong> without GOE-FI-NODE-1" in files["report.html"].decode()
    assert json.loads(files["provenance.json"])["complete"] is False


def test_a_refusal_names_the_query_and_the_line_of_the_file(federation: Federation) -> None:
    """The place is one of the report's file, so that an editor goes there."""
    text = ONE_QUERY.format(completeness="all", table="nowhere")
    with pytest.raises(QueryRefused, match="persons, query persons: ") as raised:
        run_report(parse_report(text, "persons", "persons.sql"), federation, {})
    assert raised.value.line is not None
    assert "FROM nowhere" in text.splitlines()[raised.value.line - 1]


def goe(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the `goe` of this environment in *folder*."""
    command = shutil.which("goe", path=str(Path(sys.executable).parent))
    assert command
    return subprocess.run(
        [command, *arguments], cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )


def test_the_command_line(node_tomls: list[Path], tmp_path: Path) -> None:
    """Exit codes 0, 1 and 3, what is written where, and the reports' list."""
    nodes = [str(toml) for toml in node_tomls]
    done = goe("report", "run", "cohorts", "--nodes", *nodes, "--out", "here", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "here/report.html"
    assert (tmp_path / "here" / "report.html").is_file()
    unknown = goe("report", "run", "cohort", "--nodes", *nodes, folder=tmp_path)
    assert unknown.returncode == 1
    assert "reports here: " in unknown.stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "rows.sql").write_text(
        ONE_QUERY.format(completeness="all", table="samples").replace("count(*)", "array_agg(sex)")
    )
    refused = goe("report", "run", "rows", "--reports", "mine", "--nodes", *nodes, folder=tmp_path)
    assert refused.returncode == 3
    assert "SELECT country, array_agg(sex) AS persons" in refused.stderr
    assert not (tmp_path / "rows").exists()
    listed = goe("report", "list", folder=tmp_path)
    assert all(report.name in listed.stdout for report in SHIPPED)
