"""Alerts: what somebody should look at, as one small JSON message each to a web address of the operator.

A message leaves the node, for a chat or a pager. So it is made of names that are the project's own and of
the node's key, the contig, the run and the time: no metadata, no error text, no name of a file, and with
that no value and no sample of a person. What happened is read on Dagster's pages, inside.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import dagster as dg
import httpx
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as CheckStatus

from dagster_project.place import HERE
from goe_lake.errors import ConfigError

SETTING: Final = "GOE_ALERT_URL"
BEARER: Final = "GOE_ALERT_TOKEN"
PAGES: Final = "GOE_DAGSTER_URL"
VERSION: Final = "alert/1"
SECONDS: Final = 10.0
#: At most so many messages of a kind at a look: a broken disk fails every run.
MOST_AT_ONCE: Final = 20
LOCAL: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class NotTaken(Exception):
    """A message that its receiver did not take; it is sent again."""


@dataclass(frozen=True)
class Alert:
    """One message; *kind* is run_failed, check_failed, stale or settings_unread. Empty ones are left out."""

    kind: str
    at: str
    what: str
    severity: str = "error"
    node: str = ""
    contig: str = ""
    job: str = ""
    step: str = ""
    asset: str = ""
    check: str = ""
    run_id: str = ""
    url: str = ""

    def to_json(self) -> dict[str, str]:
        """The message, as it is sent."""
        filled = {name: value for name, value in asdict(self).items() if value}
        # `text` is what chats show
        return {"version": VERSION, **filled, "text": f"goe_lake: {self.what}"}


@dataclass(frozen=True)
class Told:
    """What was told already: the newest failed run and check by their ids in storage, and what is stale."""

    run: int | None = None
    checks: Mapping[str, int] = field(default_factory=dict)
    stale: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The memory as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | None) -> Told | None:
        """The memory that `to_json` wrote; None at the first look."""
        if not text:
            return None
        data = json.loads(text)
        return cls(data["run"], data["checks"], tuple(data["stale"]), tuple(data["unread"]))


def address(text: str) -> str:
    """The address to send to. Raises ConfigError unless it is https, or http to this machine."""
    parts = urlsplit(text)
    if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL)):
        return text
    # the address may hold a secret, so it is not repeated
    raise ConfigError(
        SETTING, "the address", "is not an https address", "give https://…, or http to this machine"
    )


def post(url: str, token: str, alert: Alert) -> None:
    """Send *alert*; raises NotTaken where nobody took it."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        httpx.post(url, json=alert.to_json(), headers=headers, timeout=SECONDS).raise_for_status()
    except httpx.HTTPStatusError as error:
        raise NotTaken(f"the receiver of {SETTING} answered {error.response.status_code}") from None
    except httpx.HTTPError as error:
        # the message of the error may hold the address, which may hold a secret
        raise NotTaken(f"the receiver of {SETTING} does not answer: {type(error).__name__}") from None


def failed_runs(
    instance: dg.DagsterInstance, after: int | None, location: str | None, pages: str
) -> tuple[list[Alert], int | None]:
    """The runs of *location* that failed since the event *after*, and the newest event.

    With None nothing is old enough to be told: only the newest event is found.
    """
    if after is None:
        newest = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
        return [], newest[0].storage_id if newest else 0
    wanted = dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=after)
    records = instance.fetch_run_status_changes(wanted, limit=MOST_AT_ONCE, ascending=True).records
    alerts = []
    for record in records:
        run = instance.get_run_by_id(record.event_log_entry.run_id)
        if run is not None and _is_of(run, location):
            alerts.append(_run_alert(instance, run, record.event_log_entry.timestamp, pages))
    return alerts, records[-1].storage_id if records else after


def _is_of(run: dg.DagsterRun, location: str | None) -> bool:
    origin = run.remote_job_origin
    return (
        origin is None
        or location is None
        or origin.repository_origin.code_location_origin.location_name == location
    )


def _run_alert(instance: dg.DagsterInstance, run: dg.DagsterRun, at: float, pages: str) -> Alert:
    steps = [
        record.event_log_entry.step_key or ""
        for record in instance.get_records_for_run(
            run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE
        ).records
    ]
    node, contig = _partition(run.tags.get("dagster/partition", ""))
    job = "" if run.job_name.startswith("__") else run.job_name
    step = steps[0] if steps else ""
    place = " of ".join(filter(None, (contig, node)))
    return Alert(
        kind="run_failed",
        at=_time(at),
        what=f"the run{f' of {job}' if job else ''}{f' for {place}' if place else ''} failed"
        + (f" at {step}" if step else ""),
        node=node,
        contig=contig,
        job=job,
        step=step,
        run_id=run.run_id,
        url=f"{pages}/runs/{run.run_id}" if pages else "",
    )


def _partition(key: str) -> tuple[str, str]:
    """Node and contig of a partition key: "chr20|EE" is a contig of a node, "EE" a node."""
    contig, parted, node = key.rpartition("|")
    return (node, contig) if parted else (key, "")


def failed_checks(
    instance: dg.DagsterInstance,
    specs: Sequence[dg.AssetCheckSpec],
    after: Mapping[str, int] | None,
    pages: str,
) -> tuple[list[Alert], dict[str, int]]:
    """The checks that failed since the executions *after* by check, and the newest of each."""
    alerts: list[Alert] = []
    newest: dict[str, int] = {}
    for spec in specs:
        name = spec.key.to_user_string()
        found = instance.event_log_storage.get_asset_check_execution_history(
            spec.key, limit=MOST_AT_ONCE, status={CheckStatus.FAILED}
        )
        seen = 0 if after is None else after.get(name, 0)
        newest[name] = max([seen, *(record.id for record in found)])
        if after is not None:
            fresh = [record for record in found if record.id > seen]
            # one message a check and look: the newest verdict stands for those before it
            alerts += (
                [_check_alert(spec, fresh[0].run_id, fresh[0].create_timestamp, fresh[0].event, pages)]
                if fresh
                else []
            )
    return alerts, newest


def _check_alert(
    spec: dg.AssetCheckSpec, run_id: str, at: float, event: dg.EventLogEntry | None, pages: str
) -> Alert:
    verdict = (
        event.dagster_event.asset_check_evaluation_data if event is not None and event.dagster_event else None
    )
    warns = verdict is not None and verdict.severity is dg.AssetCheckSeverity.WARN
    asset = spec.asset_key.to_user_string()
    return Alert(
        kind="check_failed",
        at=_time(at),
        what=f"the check {spec.name} of {asset} does not pass",
        severity="warning" if warns else "error",
        asset=asset,
        check=spec.name,
        run_id=run_id,
        url=f"{pages}/runs/{run_id}" if pages else "",
    )


def stale_assets(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey], told: Sequence[str], now: datetime
) -> tuple[list[Alert], tuple[str, ...]]:
    """The assets *keys* whose freshness has failed, if not *told*; and all that are stale."""
    states = instance.get_freshness_state_records(keys)
    stale = sorted(
        key.to_user_string() for key, record in states.items() if record.freshness_state.value == "FAIL"
    )
    alerts = [
        Alert(kind="stale", at=now.isoformat(timespec="seconds"), what=f"{name} is stale", asset=name)
        for name in stale
        if name not in told
    ]
    return alerts, tuple(stale)


def unread_settings(places: Sequence[str], told: Sequence[str], now: datetime) -> Iterator[Alert]:
    """An alert for each of *places* whose settings cannot be read, unless it is *told* already."""
    for place in places:
        if place not in told:
            yield Alert(
                kind="settings_unread",
                at=now.isoformat(timespec="seconds"),
                what="the settings of a node cannot be read; the sensor deliveries says why",
                node=HERE.node or "",
            )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
