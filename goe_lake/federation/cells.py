"""The merged cells of one release as a table of the workspace, hidden groups included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.catalog import Catalog
from goe_lake.engine.sql import identifier
from goe_lake.federation.domains import Combination, not_shown
from goe_lake.federation.held import HIDDEN, MAYBE, Held, Worth, level_of, lower_of, upper_of
from goe_lake.federation.merge import MergedMeasure, Part, at_most_one_a_person, merge, never_negative
from goe_lake.query.taint import APPROX, OK, WITHHELD
from goe_lake.release import MeasureFunction, Release


def hold_cells(
    name: str,
    release: Release,
    parts: Sequence[Part],
    catalog: Catalog,
    connection: duckdb.DuckDBPyConnection,
    *,
    domain_rows: bool = False,
) -> Held:
    """Fill the table *name* with the union of *parts*.

    Groups that nodes do not show have a row that may be absent: one each where the labels of the keys
    are public, else one that stands for them all, with its keys unknown. With *domain_rows* the
    former are surely there.
    """
    merged = merge(release, parts, catalog, hidden_combinations(release, parts))
    store = f"{name}$all"
    keys = [key.name for key in release.keys]
    maybe = np.where(merged.shown | domain_rows, 0, HIDDEN).astype(np.int8)
    levels = {measure.name: _levels(merged.measures[measure.name]) for measure in release.measures}
    columns: dict[str, Any] = {key: merged.keys.column(key) for key in keys}
    shown = [part for key in keys for part in (key, f"0::TINYINT AS {level_of(key)}")]
    for measure in release.measures:
        its = measure.name
        columns |= {its: merged.measures[its].value, f"{its}$s": pa.array(levels[its])}
        shown += [f"{its}::HUGEINT AS {its}", level_of(its)]
        if measure.function is not MeasureFunction.SUM:
            columns |= {f"{its}$lo": merged.measures[its].lower, f"{its}$hi": merged.measures[its].upper}
            shown += [f"{part}::HUGEINT AS {part}" for part in (lower_of(its), upper_of(its))]
    columns["$maybe"] = pa.array(maybe)
    connection.register("merged", pa.table(columns))
    connection.execute(
        f"CREATE TEMP TABLE {identifier(store)} AS SELECT {', '.join([*shown, MAYBE])} FROM merged"
    )
    connection.unregister("merged")
    stands_in = _hides_unlisted(release, parts)
    if stands_in:
        _add_stand_in(store, release, parts, catalog, connection)
    worth = {key: Worth(tainted=stands_in) for key in keys}
    for measure in release.measures:
        tainted = stands_in or bool(levels[measure.name].any())
        worth[measure.name] = Worth(tainted, tainted and measure.function is not MeasureFunction.SUM)
    listed = ", ".join([*keys, *(measure.name for measure in release.measures)])
    connection.execute(
        f"CREATE TEMP VIEW {name} AS SELECT {listed} FROM {identifier(store)} WHERE {MAYBE} = 0"
    )
    is_maybe = stands_in or bool(maybe.any())
    return Held(name, store, (*keys, *(measure.name for measure in release.measures)), worth, is_maybe)


def hidden_combinations(release: Release, parts: Sequence[Part]) -> list[Combination]:
    """The groups that may exist, where all keys have public labels; none where nothing is withheld."""
    if not any(part.description.protects for part in parts):
        return []
    return not_shown([part.domain for part in parts], release.keys, set())


def _levels(measure: MergedMeasure) -> npt.NDArray[np.int8]:
    """What each value of *measure* is worth."""
    levels = np.where(measure.held, WITHHELD, np.where(measure.approximate, APPROX, OK))
    return levels.astype(np.int8)


def _hides_unlisted(release: Release, parts: Sequence[Part]) -> bool:
    """Whether groups may be hidden whose keys cannot be listed."""
    every = tuple(key.name for key in release.keys)
    return bool(every) and any(
        part.description.protects and (part.domain.combinations is None or part.domain.keys != every)
        and not part.domain.empty
        for part in parts
    )  # fmt: skip


def _add_stand_in(
    store: str,
    release: Release,
    parts: Sequence[Part],
    catalog: Catalog,
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Add the row that stands for all groups below the thresholds: at most k - 1 persons at each node."""
    most = sum(part.description.min_persons - 1 for part in parts if part.description.protects)
    one_sample = all(part.description.one_sample_a_person for part in parts)
    values = [part for _ in release.keys for part in ("NULL", str(WITHHELD))]
    for measure in release.measures:
        values += ["NULL", str(WITHHELD)]
        if measure.function is not MeasureFunction.SUM:
            bounded = at_most_one_a_person(measure, release, one_sample=one_sample)
            values += [
                "0" if never_negative(measure, release, catalog) else "NULL",
                str(most) if bounded else "NULL",
            ]
    connection.execute(f"INSERT INTO {identifier(store)} VALUES ({', '.join([*values, str(HIDDEN)])})")
