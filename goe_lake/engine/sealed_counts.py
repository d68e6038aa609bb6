"""How many persons a node has in each group of a sealed release, by genotype class and site."""

from __future__ import annotations

import duckdb
import numpy as np

from goe_lake.engine.class_counts import ClassCounts, counts_from_calls
from goe_lake.engine.genotypes import CLASSES, Indexes
from goe_lake.engine.public_domain import combinations_of
from goe_lake.engine.sealed import NOWHERE, Shape
from goe_lake.engine.selection import Selection
from goe_lake.engine.sql import identifier
from goe_lake.engine.strata import DECIDED, SessionStrata
from goe_lake.engine.tally import Grid, persons_of_kinds
from goe_lake.errors import ReleaseRefused


def groups_here(shape: Shape) -> Indexes:
    """The group of kinds of each sample of the node, or of each stratum where these decide."""
    strata = _deciding(shape)
    table = "samples" if strata is None else "strata"
    count = shape.session.samples if strata is None else len(strata.labels)
    combination = np.full(count, -1, dtype=np.int64)
    known = [c.name for c in shape.domain.columns if shape.session.column("samples", c.name) is not None]
    lacking = [c.name for c in shape.domain.columns if c.name not in known]
    same = [f"c.{identifier(name)} IS NOT DISTINCT FROM p.{identifier(name)}" for name in known]
    same += [f"c.{identifier(name)} IS NULL" for name in lacking]
    connection: duckdb.DuckDBPyConnection = shape.session.connection
    connection.register("combinations", combinations_of(shape.domain))
    found = connection.sql(
        f"SELECT p.s, c.s AS c FROM {table} p JOIN combinations c ON {' AND '.join(same) or 'TRUE'}"
    ).to_arrow_table()
    connection.unregister("combinations")
    combination[found.column("s").to_numpy()] = found.column("c").to_numpy()
    if (combination < 0).any():
        raise ReleaseRefused("R221", "the labels of a sealed release are not all listed")
    return shape.kinds.group_of[combination]


def _deciding(shape: Shape) -> SessionStrata | None:
    """The strata, where they tell all that is read of persons."""
    decided = shape.blueprint.reading.read_of_persons() <= DECIDED
    return shape.strata if shape.sites is not NOWHERE and decided else None


def groups_of_samples(shape: Shape, group_of: Indexes) -> Indexes:
    """The group of each sample, of *group_of* (`groups_here`).

    It is -1 for one in none, and where genotypes are read for one without any.
    """
    if shape.sites is NOWHERE:
        return group_of
    strata = _deciding(shape)
    if strata is not None:
        return strata.groups_of_samples(group_of)
    return np.where(shape.session.is_genotyped, group_of, -1)


def counts_at(shape: Shape, sites: Selection, group_of: Indexes) -> ClassCounts:
    """The node's persons by group, class and site; where no site is read there is one class."""
    groups = len(shape.kinds.groups)
    if sites is NOWHERE:
        counted = np.bincount(group_of[group_of >= 0], minlength=groups)
        return counted.astype(np.int32).reshape(groups, 1, 1)
    # groups that nobody of the node is in are not looked for
    here, compact = np.unique(group_of, return_inverse=True)
    nobody = int(len(here) > 0 and here[0] < 0)
    counts = np.zeros((groups, len(CLASSES), len(sites)), dtype=np.int32)
    counts[here[nobody:]] = _counted(shape, sites, compact.reshape(-1) - nobody, len(here) - nobody)
    return counts


def persons_of(shape: Shape, counts: ClassCounts) -> Grid:
    """How many persons there are of each kind at each site, of *counts* (`counts_at`)."""
    if shape.sites is not NOWHERE:
        return persons_of_kinds(shape.kinds, counts)
    grid = np.zeros((len(shape.kinds.table), 1), dtype=np.int64)
    for group, (kind,) in enumerate(shape.kinds.groups):
        if kind >= 0:
            grid[kind, 0] += counts[group, 0, 0]
    return grid


def _counted(shape: Shape, sites: Selection, group_of: Indexes, groups: int) -> ClassCounts:
    strata = _deciding(shape)
    if strata is None:
        return counts_from_calls(shape.session, sites, group_of, groups)
    counts = strata.counts(sites, group_of, groups)
    if counts is not None:
        return counts
    # the files count other persons than the session has; its own calls cannot
    return counts_from_calls(shape.session, sites, strata.groups_of_samples(group_of), groups)
