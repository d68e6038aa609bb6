"""What Dagster's own history says: how long contigs took, and the newest verdict of each check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from dagster_project.contigs import ASSET
from dagster_project.partitions import Cell

#: Materializations of contigs that are looked through for their durations, the newest first.
MOST_RECORDS: Final = 5000


@dataclass(frozen=True)
class CheckState:
    """The newest verdict of a check; *passed* is None where it was never evaluated."""

    asset: str
    name: str
    blocking: bool
    passed: bool | None = None
    warns: bool = False
    at: datetime | None = None

    @property
    def word(self) -> str:
        """The state in one word."""
        if self.passed is None:
            return "never judged"
        if self.passed:
            return "passed"
        return "warns" if self.warns else "FAILED"


def seconds_by_cell(instance: dg.DagsterInstance) -> dict[Cell, float]:
    """How long the newest conversion of each contig of each node took."""
    found: dict[Cell, float] = {}
    for record in instance.fetch_materializations(ASSET, limit=MOST_RECORDS).records:
        made = record.asset_materialization
        seconds = made.metadata.get("seconds") if made is not None else None
        if made is not None and made.partition and isinstance(seconds, dg.FloatMetadataValue):
            found.setdefault(Cell.of(made.partition), float(seconds.value or 0.0))
    return found


def check_states(instance: dg.DagsterInstance, specs: Sequence[dg.AssetCheckSpec]) -> list[CheckState]:
    """The newest verdict of each of the checks *specs*."""
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([spec.key for spec in specs])
    states = []
    for spec in specs:
        record = latest.get(spec.key)
        event = record.event.dagster_event if record is not None and record.event is not None else None
        state = CheckState(spec.asset_key.to_user_string(), spec.name, spec.blocking)
        if (
            record is not None
            and event is not None
            and event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ):
            verdict = event.asset_check_evaluation_data
            state = CheckState(
                state.asset,
                state.name,
                spec.blocking,
                verdict.passed,
                verdict.severity is dg.AssetCheckSeverity.WARN,
                datetime.fromtimestamp(record.create_timestamp, UTC),
            )
        states.append(state)
    return states
