"""Cells from strata, from stored genotype classes and from rows are the same, and so is their evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from goe_lake.config import read_node
from goe_lake.disclosure import Evidence, Family, Policy, Reasons, decide
from goe_lake.engine.behind import RowsBehind
from goe_lake.engine.blueprint import Blueprint
from goe_lake.engine.by_class import parts_by_class, reduced_by_class
from goe_lake.engine.evidence import gather, gather_many
from goe_lake.engine.few_totals import gather_few
from goe_lake.engine.filters import filters_of
from goe_lake.engine.low_effect import Part, gather_parts, whole
from goe_lake.engine.node import controlled, parts_by_rows, parts_of_alike
from goe_lake.engine.relation import Reading, check_release
from goe_lake.engine.select import at_one_site, select_sites
from goe_lake.engine.session import Session, open_session
from goe_lake.engine.strata import SessionStrata, session_strata
from goe_lake.lake import open_snapshot
from goe_lake.release import Release
from tests.oracle.cohort import shape_of
from tests.properties.releases import about_persons, releases
from tests.properties.worlds import Worlds, pool_size

calm = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
COVERED = ("everyone", "everyone", "general", "general", "nobody")
POLICIES = [
    Policy(min_persons=least, min_contributors=least, tell_zero=tell_zero, complement=complement)
    for least in (1, 3, 5, 10)
    for tell_zero in (False, True)
    for complement in (True, False)
]
POLICIES.append(Policy(protection="off"))


class Sessions:
    """The sessions of the worlds' nodes, each opened once."""

    def __init__(self, worlds: Worlds) -> None:
        self._worlds = worlds
        self._open: dict[tuple[int, str], list[tuple[Session, SessionStrata | None]]] = {}

    def of(self, seed: int, covered: str) -> list[tuple[Session, SessionStrata | None]]:
        """The sessions of world *seed*, of the persons of COVERED."""
        if (seed, covered) not in self._open:
            world = self._worlds.world(shape_of(seed, 2 + seed % 5))
            found = []
            for node in world.nodes:
                snapshot = open_snapshot(read_node(node.toml).lake)
                covering = {"everyone": None, "nobody": frozenset()}.get(covered, frozenset(["general"]))
                session = open_session(snapshot, world.federation.site_list, covering)
                found.append((session, session_strata(session)))
            self._open[seed, covered] = found
        return self._open[seed, covered]


@pytest.fixture(scope="session")
def sessions(worlds: Worlds) -> Sessions:
    """The sessions of this test session."""
    return Sessions(worlds)


@calm
@given(
    seed=st.integers(0, pool_size() - 1),
    covered=st.sampled_from(COVERED),
    release=st.booleans().flatmap(lambda strata_only: releases(strata_only=strata_only)),
)
def test_rows_and_classes_agree(sessions: Sessions, seed: int, covered: str, release: Release) -> None:
    """Values, evidence and decisions do not depend on how a release is computed."""
    for session, strata in sessions.of(seed, covered):
        check_release(release, session.snapshot.catalog)
        reading = Reading(release, session)
        sites = select_sites(reading)
        by_rows = list(parts_by_rows(reading, sites, Policy(), gather))
        for name, known in (("strata", strata), ("classes", None)):
            by_class = parts_by_class(reading, sites, known)
            if not session.one_sample_a_person or not len(sites) or not sites.alone:
                assert by_class is None
                continue
            assert by_class is not None
            note(f"{name} of {session.snapshot.root}")
            compare(by_rows, list(by_class), release)


@calm
@given(
    seed=st.integers(0, pool_size() - 1),
    release=st.booleans().flatmap(lambda strata_only: releases(strata_only=strata_only)),
    least=st.integers(1, 10),
)
def test_sites_that_are_left_out_have_no_cell(
    sessions: Sessions, seed: int, release: Release, least: int
) -> None:
    """A node does not look at unlisted sites of too few carriers, and says the same as if it did."""
    policy = Policy(min_persons=least, min_contributors=1)
    for session, strata in sessions.of(seed, "everyone"):
        reading = Reading(release, session)
        told = []
        for sites in (select_sites(reading), select_sites(reading, least)):
            parts = parts_by_class(reading, sites, strata) or parts_by_rows(reading, sites, policy, gather)
            cells = [
                controlled([whole(part, release)], release, policy, Reasons())[0].table(release).to_pylist()
                for part in parts
            ]
            told.append(sorted((cell for part in cells for cell in part), key=repr))
        assert told[0] == told[1]


@calm
@given(
    seed=st.integers(0, pool_size() - 1),
    covered=st.sampled_from(COVERED),
    release=releases(strata_only=False, one_site=False),
)
def test_rows_and_alike_rows_agree(sessions: Sessions, seed: int, covered: str, release: Release) -> None:
    """Over several sites, rows that stand for many say what the rows say."""
    for session, _ in sessions.of(seed, covered):
        reading = Reading(release, session)
        sites = select_sites(reading)
        alike = parts_of_alike(reading, sites, Policy(), gather)
        assert (alike is None) == at_one_site(reading, sites)
        if alike is not None:
            note(f"{session.snapshot.root}")
            compare(list(parts_by_rows(reading, sites, Policy(), gather)), list(alike), release)


@calm
@given(
    seed=st.integers(0, pool_size() - 1),
    covered=st.sampled_from(COVERED),
    release=releases(strata_only=False, one_site=False, of_quality=True),
    least=st.integers(1, 12),
)
def test_rows_and_sums_of_quality_agree(
    sessions: Sessions, seed: int, covered: str, release: Release, least: int
) -> None:
    """Sums of gq and dp by person say what the rows say, also that they tell of a few carriers."""
    policy = Policy(min_contributors=least)
    for session, _ in sessions.of(seed, covered):
        reading = Reading(release, session)
        sites = select_sites(reading)
        alike = parts_of_alike(reading, sites, policy, gather)
        assert (alike is None) == (at_one_site(reading, sites) or not reading.adds_quality())
        if alike is not None:
            note(f"{session.snapshot.root}")
            compare(list(parts_by_rows(reading, sites, policy, gather)), list(alike), release)


@calm
@given(
    seed=st.integers(0, pool_size() - 1),
    release=st.booleans().flatmap(lambda strata_only: releases(strata_only=strata_only)),
    least=st.integers(2, 10),
)
def test_rows_and_classes_leave_out_the_same(
    sessions: Sessions, seed: int, release: Release, least: int
) -> None:
    """What changes too few persons is the same however it is counted, and so is what is told without it."""
    policy = Policy(min_persons=least, min_contributors=least)
    for session, strata in sessions.of(seed, "everyone"):
        reading = Reading(release, session)
        sites, filters = select_sites(reading), filters_of(reading)
        if filters is None:
            continue
        by_rows = told_of(
            parts_by_rows(reading, sites, policy, partial(gather_parts, policy=policy, least=least)),
            release,
            policy,
        )
        for known in (strata, None):
            by_class = reduced_by_class(filters, sites, known, least)
            if by_class is not None:
                assert told_of(by_class, release, policy) == by_rows


@calm
@given(
    seed=st.integers(0, pool_size() - 1),
    covered=st.sampled_from(COVERED),
    release=st.one_of(
        about_persons(),
        about_persons(),
        releases(strata_only=False),
        releases(strata_only=False, one_site=False),
    ),
)
def test_few_and_many_totals_agree(sessions: Sessions, seed: int, covered: str, release: Release) -> None:
    """Cells that are counted in memory are those that DuckDB counts, and so is who is behind them."""
    for session, _ in sessions.of(seed, covered):
        audited = replace(session, audited=True)
        reading = Reading(release, audited)
        if reading.scans("genotypes"):
            found = parts_by_rows(reading, select_sites(reading), Policy(), both_ways)
        else:
            found = iter([both_ways(Blueprint(reading, session.one_sample_a_person))])
        for few, many in found:
            if few is None:
                continue
            assert few[0].equals(many[0])
            compare([many], [few], release)
            assert of_behind(few[1]) == of_behind(many[1])


def both_ways(blueprint: Blueprint) -> tuple[tuple[pa.Table, Evidence] | None, tuple[pa.Table, Evidence]]:
    """The cells counted in memory, where they can be, and by DuckDB."""
    return gather_few(blueprint), gather_many(blueprint)


def of_behind(evidence: Evidence) -> dict[str, Any]:
    """Who is behind cells, as plain values."""
    behind = evidence.behind
    assert isinstance(behind, RowsBehind)
    codes = {name: code.tolist() for name, code in behind.codes.items()}
    sites = None if behind.sites is None else behind.sites.tolist()
    return {**codes, "cell": behind.cell.tolist(), "person": behind.person.tolist(),
            "sites": sites, "rows": behind.by_rows}  # fmt: skip


def told_of(blocks: Iterable[list[Part]], release: Release, policy: Policy) -> list[dict[str, Any]]:
    """The cells that are told, in one order."""
    tables = [
        told.table(release) for parts in blocks for told in controlled(parts, release, policy, Reasons())
    ]
    return sorted((cell for table in tables for cell in table.to_pylist()), key=repr)


def compare(
    expected: list[tuple[pa.Table, Evidence]], found: list[tuple[pa.Table, Evidence]], release: Release
) -> None:
    """Assert that two ways of computing say the same."""
    assert len(expected) == len(found) == 1
    (table, evidence), (other, of_other) = expected[0], found[0]
    assert other.schema == table.schema
    keys = [key.name for key in release.keys]
    order, order_of_other = in_order(table, keys), in_order(other, keys)
    assert table.take(order).to_pylist() == other.take(order_of_other).to_pylist()
    assert said(evidence, order) == said(of_other, order_of_other)
    for policy in POLICIES:
        decisions, others = decide(evidence, policy), decide(of_other, policy)
        assert decisions.cells[order].tolist() == others.cells[order_of_other].tolist()
        for mask, mask_of_other in zip(decisions.values, others.values, strict=True):
            assert mask[order].tolist() == mask_of_other[order_of_other].tolist()


def in_order(table: pa.Table, keys: list[str]) -> np.ndarray:
    """The places of the cells, sorted by their keys."""
    rows = [tuple(repr(row[key]) for key in keys) for row in table.select(keys).to_pylist()]
    return np.array(sorted(range(len(rows)), key=rows.__getitem__), dtype=np.int64)


def said(evidence: Evidence, order: np.ndarray) -> dict[str, Any]:
    """Everything that *evidence* says, cells in *order*, as plain values."""
    plain = {"persons", "outside", "known_persons", "known_outside", "unknown_persons", "unknown_outside"}
    found: dict[str, Any] = {name: getattr(evidence, name)[order].tolist() for name in plain}
    for name in ("union", "disjoint"):
        found[name] = getattr(evidence, name)[order].tolist()
    numbers: dict[int, int] = {}
    found["group"] = [numbers.setdefault(group, len(numbers)) for group in evidence.group[order].tolist()]
    found["measures"] = [values(measure, order) for measure in evidence.measures]
    found["filters"] = [values(part, order) for part in evidence.filters]
    found["classes"] = [values(part, order) for part in evidence.classes]
    found["cell_classes"], found["tangled"] = evidence.cell_classes, evidence.tangled
    place = np.argsort(order)
    found["families"] = [
        (family.measures, family.known, Counter(kinds_of(family, place))) for family in evidence.families
    ]
    return found


def values(part: Any, order: np.ndarray) -> dict[str, Any]:
    """The fields of a piece of evidence."""
    whole = {field.name: getattr(part, field.name) for field in fields(part)}
    # sums of doubles depend on their order
    return {
        name: np.round(value[order], 12).tolist() if isinstance(value, np.ndarray) else value
        for name, value in whole.items()
    }


def kinds_of(family: Family, place: np.ndarray) -> Iterator[tuple[Any, ...]]:
    """Each kind in each cell: the cell, the vector, whether excused, and the persons."""
    for cell, kind, persons in zip(family.cell, family.kind, family.persons, strict=True):
        vector = tuple(family.vectors[kind].tolist())
        yield int(place[cell]), vector, bool(family.excused[kind]), int(persons)
