"""Noisy answers: how far one person can move each number of a release, and integer noise to cover that.

What is promised is epsilon-differential privacy for adding or taking away one person, for everything that
a release tells: its values, and which groups have a row. So every group of a public domain gets noise,
the empty ones too, and a group has a row where its *noisy* number of persons reaches the threshold.
A release for which that cannot be said is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Final

import pyarrow as pa

from goe_lake.catalog import Catalog
from goe_lake.computed import column_of
from goe_lake.errors import ConfigError, Declined
from goe_lake.release import (
    Call,
    ColumnRef,
    Expr,
    Literal,
    Measure,
    MeasureFunction,
    Release,
)

CONFIDENCE: Final = 0.95
#: What a row of these tables must be pinned to, so that a person has at most one of them.
PINNED: Final[Mapping[str, frozenset[str]]] = {
    "samples": frozenset(),
    "scores": frozenset({"pgs_id"}),
    "genotypes": frozenset({"variant_id"}),
}
MOST: Final = 2**62  # beyond this a sum with its noise might not fit 64 bits


def check_one_row_a_person(release: Release, *, one_sample_a_person: bool) -> None:
    """Raise Declined unless each person has at most one row, and so stands in one group at most."""
    relation = release.relation
    if not one_sample_a_person:
        raise _refused("persons of this node have several samples")
    if relation.derived:
        raise _refused("it sums by person first")
    pinned = {column for condition in release.conditions for column in _pinned(condition)}
    for scan in relation.scans:
        if scan.table not in PINNED:
            raise _refused(f"it reads {scan.table}")
        for name in sorted(PINNED[scan.table]):
            if ColumnRef(scan.alias, name) not in pinned:
                raise _refused(f"a person has several rows in {scan.table}; say WHERE {name} = '…'")


def _pinned(condition: Expr) -> list[ColumnRef]:
    """The columns that *condition* holds to one value."""
    if not isinstance(condition, Call):
        return []
    if condition.op == "and":
        return [column for part in condition.args for column in _pinned(part)]
    if condition.op != "eq":
        return []
    columns = [part for part in condition.args if isinstance(part, ColumnRef)]
    return columns if any(isinstance(part, Literal) for part in condition.args) else []


def sensitivity(measure: Measure, release: Release, catalog: Catalog) -> int:
    """The most by which one person, who has one row, changes *measure*, in steps of its resolution."""
    if measure.function is not MeasureFunction.SUM:
        return 1
    tables = {scan.alias: scan.table for scan in release.relation.scans}
    most = Decimal(1)
    for factor in measure.factors:
        column = column_of(catalog.tables[tables[factor.table]].by_name, factor.column)
        if column.type.value == "boolean":
            continue
        if column.bounds is None:
            raise _refused(f"{factor.column} has no public bounds")
        most *= max(abs(Decimal(str(bound))) for bound in column.bounds)
    steps = math.ceil(most / measure.resolution)
    if steps > MOST // 10**6:
        raise _refused("its sums are too large")
    return max(steps, 1)


def _refused(reason: str) -> Declined:
    mend = "ask about groups of declared labels, over one row a person"
    return Declined("G804", f"the node adds noise, and cannot say how much: {reason}", mend)


@dataclass(frozen=True)
class Noise:
    """The noise of one number: discrete Laplace of *scale*, in steps of its resolution."""

    scale: float

    def half_width(self, confidence: float = CONFIDENCE) -> int:
        """The least number of steps within which the noise stays with at least *confidence*."""
        ratio = math.exp(-1 / self.scale)
        # the noise passes t in either direction with probability 2 ratio^(t + 1) / (1 + ratio)
        least = math.log((1 - confidence) * (1 + ratio) / 2) / math.log(ratio) - 1
        return max(math.ceil(least), 0)


def noises(release: Release, catalog: Catalog, epsilon: float) -> tuple[Noise, ...]:
    """The noise of each measure, and last that of the number of persons, when all together cost *epsilon*."""
    reach = [*(sensitivity(measure, release, catalog) for measure in release.measures), 1]
    return tuple(Noise(most * len(reach) / epsilon) for most in reach)


def with_noise(
    cells: pa.Table, release: Release, domain: Sequence[tuple[Any, ...]], noise: Sequence[Noise], least: int
) -> pa.Table:
    """The keys and noisy measures of the groups of *domain* whose noisy number of persons is *least* or more.

    *cells* are the exact groups, without those that are empty; their last column counts persons.
    """
    keys = [key.name for key in release.keys]
    names = [*(measure.name for measure in release.measures), cells.column_names[-1]]
    exact = {
        tuple(row[key] for key in keys): [int(row[name] or 0) for name in names] for row in cells.to_pylist()
    }
    rows = [(group, exact.get(group, [0] * len(names))) for group in domain]
    columns = [_noisy([values[place] for _, values in rows], noise[place]) for place in range(len(names))]
    shown = [place for place in range(len(rows)) if columns[-1][place] >= least]
    told: dict[str, pa.Array[Any]] = {
        key: pa.array([rows[place][0][index] for place in shown], cells.schema.field(key).type)
        for index, key in enumerate(keys)
    }
    for index, measure in enumerate(release.measures):
        values = [columns[index][place] for place in shown]
        told[measure.name] = pa.array(values, cells.schema.field(measure.name).type)
    return pa.table(told)


def _noisy(values: Sequence[int], noise: Noise) -> list[int]:
    return [int(value) for value in _mechanism(noise.scale)(list(values))] if values else []


@cache
def _mechanism(scale: float) -> Any:
    """OpenDP's discrete Laplace mechanism over lists of whole numbers."""
    try:
        from opendp import measurements
        from opendp.domains import atom_domain, vector_domain
        from opendp.metrics import l1_distance
        from opendp.mod import enable_features
    except ImportError:
        raise ConfigError(
            "policy.toml", "output", "is noisy, and OpenDP is not installed", "pip install 'goe-lake[noise]'"
        ) from None
    enable_features("contrib")
    # None: the whole domain is noised at once, whatever its length, which is public
    return measurements.make_laplace(vector_domain(atom_domain(T="i64")), l1_distance(T="i64"), scale=scale)


def cost(scale: float, reach: int) -> float:
    """The epsilon that OpenDP states for noise of *scale* on a number that a person moves by *reach*."""
    return float(_mechanism(scale).map(reach))
