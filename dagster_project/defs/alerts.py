"""Telling people outside Dagster that something needs a look."""

import os
from datetime import UTC, datetime

import dagster as dg

from dagster_project import alerts as messages
from dagster_project.defs.inventory import lake_inventory
from dagster_project.nodes import Nodes
from dagster_project.stock import CHECKS


@dg.sensor(minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def alerts(context: dg.SensorEvaluationContext, nodes: Nodes) -> dg.SkipReason:
    """Posts failed runs, failed checks, staleness and unreadable settings to GOE_ALERT_URL.

    Each once; but where a message is not taken, all of that look are sent again at the next. A message names
    no file, value or sample.
    """
    url = os.environ.get(messages.SETTING, "")
    if not url:
        return dg.SkipReason(f"{messages.SETTING} is not set: nobody is told")
    url, token = messages.address(url), os.environ.get(messages.BEARER, "")
    pages = os.environ.get(messages.PAGES, "").rstrip("/")
    told, now = messages.Told.from_json(context.cursor), datetime.now(UTC)
    location = context.code_location_origin.location_name if context.code_location_origin else None
    runs, run = messages.failed_runs(context.instance, told.run if told else None, location, pages)
    checks, newest = messages.failed_checks(context.instance, CHECKS, told.checks if told else None, pages)
    stale, all_stale = messages.stale_assets(
        context.instance, [lake_inventory.key], told.stale if told else (), now
    )
    unread = tuple(str(complaint.file) for complaint in nodes.found().complaints)
    broken = messages.unread_settings(unread, told.unread if told else (), now)
    sent = 0
    for alert in (*runs, *checks, *stale, *broken):
        messages.post(url, token, alert)
        sent += 1
    # only now: where a message was not taken, the same look is repeated
    context.update_cursor(messages.Told(run, newest, all_stale, unread).to_json())
    return dg.SkipReason(f"{sent} messages sent")
