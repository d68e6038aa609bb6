"""The reports of `sql/reports`, each an asset, and a schedule for each that names one."""

import dagster as dg

from dagster_project.defs.ingest import published_snapshot
from dagster_project.events import Result
from dagster_project.failures import explained
from dagster_project.nodes import Nodes
from dagster_project.place import HERE
from dagster_project.reference.european import EUROPEAN
from dagster_project.reporting import Reporting, asset_key, known_reports, make
from goe_lake.errors import Incomplete
from goe_lake.products.reports import Report

#: A node that is away for a moment is asked again.
AGAIN = dg.RetryPolicy(max_retries=2, delay=60, backoff=dg.Backoff.EXPONENTIAL)


def report_asset(report: Report, again: dg.RetryPolicy = AGAIN) -> dg.AssetsDefinition:
    """The asset that runs *report*; *again* says how often and when a node that is away is asked again."""

    @dg.asset(
        key=asset_key(report),
        deps=[published_snapshot, EUROPEAN],
        group_name="reports",
        kinds={"sql", "html"},
        owners=["team:reporting"],
        tags={"goe/data": "released"},
        description=f"{report.title}. {report.about}",
        check_specs=[
            dg.AssetCheckSpec("complete", asset=asset_key(report), description="Every node answered.")
        ],
        retry_policy=again,
        pool="gateway",
    )
    def run(reporting: Reporting, nodes: Nodes) -> Result:
        with explained():
            try:
                return make(report, reporting, nodes)
            except Incomplete as error:
                raise dg.Failure(str(error), allow_retries=True) from None

    return run


def report_schedule(report: Report) -> dg.ScheduleDefinition:
    """The schedule that the report's header asks for, in UTC."""
    job = dg.define_asset_job(f"report_{report.name}", selection=[asset_key(report)])
    return dg.ScheduleDefinition(
        name=f"report_{report.name}", job=job, cron_schedule=report.schedule, execution_timezone="UTC"
    )


@dg.definitions
def reports() -> dg.Definitions:
    """An asset for each report, and its schedule; none in a location of one node.

    Reports are about all countries: two locations of one node each would make the same assets.
    """
    found = known_reports() if HERE.node is None else ()
    return dg.Definitions(
        assets=[report_asset(report) for report in found],
        schedules=[report_schedule(report) for report in found if report.schedule],
    )
