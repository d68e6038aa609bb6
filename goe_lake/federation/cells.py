"""The merged cells of one release as a table of the workspace, hidden groups included."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from goe_lake.catalog import Catalog
from goe_lake.engine.sql import identifier
from goe_lake.federation.domains import Combination, not_shown
from goe_lake.federation.held import HIDDEN, MAYBE, Held, Worth, level_of, looked_at, lower_of, upper_of
from goe_lake.federation.merge import Part, at_most_one_a_person, merge, never_negative
from goe_lake.query.taint import APPROX, OK, WITHHELD
from goe_lake.release import Measure, MeasureFunction, Release


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
    combinations = hidden_combinations(release, parts)
    merge(release, parts, catalog, connection, combinations)
    store = f"{name}$all"
    keys = [key.name for key in release.keys]
    maybe = "0" if domain_rows else f"CASE WHEN shown THEN 0 ELSE {HIDDEN} END"
    columns = [part for key in keys for part in (key, f"0::TINYINT AS {level_of(key)}")]
    for measure in release.measures:
        columns += _measure(measure)
    columns.append(f"({maybe})::TINYINT AS {MAYBE}")
    connection.execute(f"CREATE TEMP TABLE {identifier(store)} AS SELECT {', '.join(columns)} FROM merged")
    if _hides_unlisted(release, parts):
        _add_stand_in(store, release, parts, catalog, connection)
    worth = {key: Worth(tainted=True) for key in keys}
    worth |= {
        measure.name: Worth(tainted=True, bounded=measure.function is not MeasureFunction.SUM)
        for measure in release.measures
    }
    kept, is_maybe = looked_at(connection, store, worth, maybe=True)
    listed = ", ".join([*keys, *(measure.name for measure in release.measures)])
    connection.execute(
        f"CREATE TEMP VIEW {name} AS SELECT {listed} FROM {identifier(store)} WHERE {MAYBE} = 0"
    )
    return Held(name, store, (*keys, *(measure.name for measure in release.measures)), kept, is_maybe)


def hidden_combinations(release: Release, parts: Sequence[Part]) -> list[Combination]:
    """The groups that may exist, where all keys have public labels; none where nothing is withheld."""
    if not any(part.description.protects for part in parts):
        return []
    return not_shown([part.domain for part in parts], release.keys, set())


def _measure(measure: Measure) -> list[str]:
    name = measure.name
    level = f"CASE WHEN {name}_held THEN {WITHHELD} WHEN {name}_approx THEN {APPROX} ELSE {OK} END"
    columns = [name, f"({level})::TINYINT AS {level_of(name)}"]
    if measure.function is not MeasureFunction.SUM:
        columns += [f"{name}_lower AS {lower_of(name)}", f"{name}_upper AS {upper_of(name)}"]
    return columns


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
