"""Reports as assets: files, what Dagster shows of them, schedules, and failures that say the mend."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.defs.reports import report_asset
from dagster_project.nodes import Nodes
from dagster_project.reporting import Reporting, asset_key, known_reports
from goe_lake.config import read_node
from goe_lake.errors import NodeFailed
from goe_lake.federation.node import EmbeddedNode
from goe_lake.lake import ingest
from goe_lake.products.reports import Report


@pytest.fixture
def cohorts() -> Report:
    """The report of who is in the lakes."""
    return next(report for report in known_reports() if report.name == "cohorts")


def run(report: Report, node: Path, folder: Path) -> dg.ExecuteInProcessResult:
    """Materialize the asset of *report* over the node at *node*; another try comes at once."""
    resources = {"nodes": Nodes(paths=str(node)), "reporting": Reporting(folder=str(folder))}
    asset = report_asset(report, dg.RetryPolicy(max_retries=1, delay=0))
    return dg.materialize([asset], resources=resources, raise_on_error=False)


def test_a_report_is_materialized(cohorts: Report, node: Path, tmp_path: Path) -> None:
    """Its files are written, and the page, the rows and the snapshots stand in the metadata."""
    snapshot = ingest(read_node(node), min_label_persons=10).snapshot_id
    done = run(cohorts, node, tmp_path / "reports")
    assert done.success
    (event,) = done.asset_materializations_for_node(f"reports__{cohorts.name}")
    page = Path(str(event.metadata["page"].value))
    assert page == tmp_path / "reports" / "cohorts" / "report.html"
    assert "Persons by country and sex" in page.read_text(encoding="utf-8")
    sidecar = json.loads((page.parent / "provenance.json").read_text(encoding="utf-8"))
    assert event.metadata["dagster/row_count"].value == sum(query["rows"] for query in sidecar["queries"])
    assert snapshot in str(event.metadata["snapshots"].value)
    assert "| EE |" in str(event.metadata["persons"].value)
    (check,) = done.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("complete", True)


def test_a_node_that_is_away_is_told_by_the_check(
    cohorts: Report, node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report asks for any nodes; none answering is a failure that may be tried again."""
    ingest(read_node(node), min_label_persons=10)

    def away(self: EmbeddedNode, release: object, asker: object, query_id: str) -> None:
        raise NodeFailed("GOE-EE-NODE-1", query_id)

    monkeypatch.setattr(EmbeddedNode, "answer", away)
    done = run(cohorts, node, tmp_path / "reports")
    assert not done.success
    again = done.filter_events(lambda event: event.is_step_up_for_retry)
    failed = done.filter_events(lambda event: event.is_step_failure)
    assert (len(again), len(failed)) == (1, 1)
    assert "no answer from GOE-EE-NODE-1" in str(failed[0].step_failure_data.user_failure_data)
    assert not (tmp_path / "reports").exists()


def test_without_anybody_to_ask_the_mend_is_said(cohorts: Report, tmp_path: Path) -> None:
    """A Dagster that knows neither a gateway nor a node says which setting is missing."""
    resources = {"nodes": Nodes(paths=""), "reporting": Reporting(folder=str(tmp_path))}
    done = dg.materialize([report_asset(cohorts)], resources=resources, raise_on_error=False)
    assert not done.success
    failures = [event.step_failure_data for event in done.filter_events(lambda event: event.is_step_failure)]
    assert "set GOE_GATEWAY to the gateway's URL" in str(failures[0].user_failure_data)


def test_every_schedule_is_there(definitions: dg.Definitions) -> None:
    """A report whose header names a schedule has one, of that time, for its own asset."""
    found = {schedule.name: schedule for schedule in definitions.schedules or []}
    for report in known_reports():
        if report.schedule:
            schedule = found[f"report_{report.name}"]
            assert isinstance(schedule, dg.ScheduleDefinition)
            assert schedule.cron_schedule == report.schedule
            job = definitions.resolve_job_def(schedule.job_name)
            assert job.asset_layer.selected_asset_keys == {asset_key(report)}
