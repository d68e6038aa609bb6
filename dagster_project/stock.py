"""Taking stock: the inventory of all lakes with what Dagster's history adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import dagster as dg

from dagster_project import contigs, rules
from dagster_project.events import Result
from dagster_project.history import check_states, seconds_by_cell
from dagster_project.inventory import inventory_result
from dagster_project.place import HERE
from dagster_project.quality.verdicts import BOUNDS
from dagster_project.reference import cells, european
from dagster_project.snapshots import Lake

#: Every check of this code location.
CHECKS: Final = (
    *contigs.CHECKS,
    *rules.SPECS,
    *(bound.spec for bound in BOUNDS),
    *cells.CHECKS,
    *(european.CHECKS if HERE.node is None else ()),
)


def inventory_of(
    instance: dg.DagsterInstance, lakes: Sequence[Lake], fresh: Sequence[dg.AssetCheckResult] = ()
) -> Result:
    """The inventory of *lakes*; the verdicts *fresh* of this very step are not in the history yet."""
    told = {(result.asset_key, result.check_name): result for result in fresh}
    states = check_states(instance, CHECKS)
    for place, spec in enumerate(CHECKS):
        result = told.get((spec.asset_key, spec.name))
        if result is not None:
            warns = result.severity is dg.AssetCheckSeverity.WARN
            states[place] = replace(states[place], passed=result.passed, warns=warns)
    return inventory_result(lakes, seconds_by_cell(instance), states)
