"""Genotypes of several sites, joined on the person, equal DuckDB's own join of the pooled rows."""

# ruff: noqa: E501 - a query stands on one line

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from goe_lake import QueryRefused
from tests.oracle.cohort import Shape, shape_of, shapes
from tests.properties.comparison import differences, rows_of
from tests.properties.test_nothing_small_leaves import WatchedWorlds, calm, problems
from tests.properties.worlds import World, Worlds, pool_size, protected_shapes

some = settings(calm, max_examples=max(5, settings.default.max_examples // 6))
TWO = "FROM genotypes a JOIN genotypes b USING (sample_id)"
FORMS = (
    f"SELECT count(*) AS n, count(a.dosage) AS x, count(DISTINCT a.sample_id) AS p, sum(a.dosage * b.dosage) AS s, avg(b.dosage) AS m {TWO} WHERE {{a}} AND {{b}}",
    f"SELECT corr(a.dosage, b.dosage) AS r, regr_slope(a.dosage, b.dosage) AS slope, covar_pop(a.dosage, b.dosage) AS d, count(*) AS n {TWO} WHERE {{a}} AND {{b}}",
    f"SELECT a.dosage AS x, b.dosage AS y, count(*) AS n {TWO} WHERE {{a}} AND {{b}} GROUP BY a.dosage, b.dosage",
    f"SELECT a.dosage > 0 AS carrier, sex, sum(b.dosage) AS ac, sum(b.called_alleles) AS an {TWO} JOIN samples s USING (sample_id) WHERE {{a}} AND {{b}} GROUP BY ALL",
    "SELECT population, count(*) FILTER (a.dosage > 0 AND b.dosage > 0) AS both, avg(bmi) AS m FROM samples s, genotypes a, genotypes b WHERE s.sample_id = a.sample_id AND b.sample_id = a.sample_id AND {a} AND {b} GROUP BY population",
    "SELECT a.dosage + b.dosage + c.dosage AS alleles, count(*) AS n FROM genotypes a JOIN genotypes b USING (sample_id) JOIN genotypes c USING (sample_id) WHERE {a} AND {b} AND {c} GROUP BY alleles",
    "WITH x AS (SELECT sample_id, dosage AS d FROM genotypes a WHERE {a} AND dosage < 2), y AS (SELECT * FROM genotypes b WHERE {b}) SELECT y.dosage, avg(x.d) AS m, count(*) AS n FROM x JOIN y USING (sample_id) GROUP BY 1",
    f"SELECT a.variant_id, sum(a.dosage) AS ac {TWO} JOIN (SELECT sample_id, count_if(dosage > 0) AS n FROM genotypes GROUP BY 1) h USING (sample_id) WHERE {{a}} AND {{b}} AND h.n > 0 GROUP BY 1",
    f"SELECT count(*) AS n, sum(a.dosage) AS ac {TWO} SEMI JOIN (SELECT sample_id FROM scores WHERE score > 0) c USING (sample_id) WHERE {{a}} AND {{b}} AND a.dosage = b.dosage",
)  # fmt: skip
MADE = {
    "id": "{alias}.variant_id = '{variant_id}'",
    "four": "{alias}.contig = '{contig}' AND {alias}.pos = {pos} AND {alias}.ref = '{ref}' AND {alias}.alt = '{alt}'",
    "round": "{alias}.variant_id = (SELECT min(variant_id) FROM variants WHERE contig = '{contig}' AND pos = {pos})",
}


@pytest.fixture(scope="module")
def watched(worlds: Worlds) -> WatchedWorlds:
    """Protected worlds, whose nodes are watched."""
    return WatchedWorlds(worlds)


def sites_of(world: World) -> list[dict[str, object]]:
    """The sites of a world, those included that are not listed."""
    columns = ("contig", "pos", "ref", "alt", "variant_id")
    cursor = world.pooled.connection.cursor()
    rows = cursor.execute(f"SELECT {', '.join(columns)} FROM variants ORDER BY ALL").fetchall()
    return [dict(zip(columns, row, strict=True)) for row in rows]


def listed_at(world: World, site: dict[str, object]) -> int:
    """How many alleles are listed at the place of *site*."""
    listed = world.federation.site_list.sites.select(["contig", "pos"]).to_pylist()
    return sum(row == {"contig": site["contig"], "pos": site["pos"]} for row in listed)


@st.composite
def asked(draw: st.DrawFn, world: World, spellings: tuple[str, ...]) -> str:
    """A query of two or three sites of *world*, drawn with replacement."""
    places = {}
    for alias in "abc":
        site = draw(st.sampled_from(sites_of(world)))
        kind = draw(st.sampled_from(spellings))
        if kind == "round" and listed_at(world, site) != 1:
            kind = "id"  # the oracle's variants show what is not listed as well
        if kind == "four" and str(site["alt"]).startswith("<"):
            kind = "id"
        places[alias] = MADE[kind].format(alias=alias, **site)
    return draw(st.sampled_from(FORMS)).format(**places)


def test_joined_sites_equal_pooled(worlds: Worlds) -> None:
    """For every form of the join, persons spread over one to four nodes, sites listed or not."""
    counted: Counter[str] = Counter()

    @some
    @given(shape=shapes(st.none(), pool_size()), data=st.data())
    def law(shape: Shape, data: st.DataObject) -> None:
        world = worlds.world(shape)
        for _ in range(3):
            text = data.draw(asked(world, ("id", "four")))
            note(text)
            names, _, rows = world.pooled.run(text)
            answer = world.federation.sql(text)
            assert answer.table.column_names == names
            ours = sorted(rows_of(answer.table), key=repr)
            found = differences(ours, sorted(rows, key=repr), [1e3] * len(names))
            assert not found, "\n".join([text, *found[:8]])
            assert {word for row in rows_of(answer.status) for word in row} <= {"ok"}
            counted["rows"] += len(rows)

    law()
    assert counted["rows"] > 0


def test_a_place_of_one_listed_allele(worlds: Worlds) -> None:
    """Contig and pos alone are read at the one listed allele, and marked; several are refused by name."""
    told: Counter[str] = Counter()
    for seed in range(3):
        world = worlds.world(shape_of(seed, None))
        alleles = Counter((site["contig"], site["pos"]) for site in sites_of(world))
        for site in sites_of(world):
            place = f"a.contig = '{site['contig']}' AND a.pos = {site['pos']}"
            text = f"SELECT sum(a.dosage * b.dosage) AS s, count(*) AS n {TWO} WHERE {place} AND {MADE['id'].format(alias='b', **site)}"
            if listed_at(world, site) > 1:
                told["several"] += 1
                with pytest.raises(QueryRefused, match=r"G204 line 1 col \d+.*ref and alt"):
                    world.federation.sql(text)
            elif listed_at(world, site) == 1 and alleles[site["contig"], site["pos"]] == 1:
                told["one"] += 1
                answer = world.federation.sql(text)
                assert rows_of(answer.table) == world.pooled.run(text)[2]
                assert set(rows_of(answer.status)[0]) == {"approx"}
                assert any("one listed allele" in notice for notice in answer.envelope.notices)
    assert min(told["several"], told["one"]) > 0


def told_apart_by(release: dict[str, Any], measure: dict[str, Any]) -> set[str]:
    """The sites (aliases) whose genotypes a number tells apart; who has a value at all is public."""
    where = measure["where"]
    known = where is not None and where["op"] == "not" and where["args"][0]["op"] == "is_null"
    parts = [key["expression"] for key in release["keys"]] + measure["factors"] + ([] if known else [where])
    return set(re.findall(r"'column': \['(\w)', 'o\d+'\]", repr(parts)))


def test_joint_classes_are_empty_or_large(watched: WatchedWorlds) -> None:
    """Where a node tells a joint genotype count or its second moments, no joint class of its persons is small."""
    told: Counter[bool] = Counter()

    @some
    @given(shape=protected_shapes(), data=st.data())
    def law(shape: Shape, data: st.DataObject) -> None:
        world, nodes = watched.world(shape)
        a, b = (data.draw(st.sampled_from(sites_of(world))) for _ in "ab")
        where = f"WHERE {MADE['id'].format(alias='a', **a)} AND {MADE['id'].format(alias='b', **b)}"
        asked = (
            f"SELECT a.dosage, b.dosage, count(*) {TWO} {where} GROUP BY ALL",
            f"SELECT corr(a.dosage, b.dosage), count(*) {TWO} {where}",
            f"SELECT sum(a.dosage * b.dosage) {TWO} {where}",
            f"SELECT count(*) FILTER (a.dosage + b.dosage > 0), count(*) {TWO} {where}",
        )
        for text in asked:
            for node in nodes:
                node.left.clear()
            note(text)
            world.federation.sql(text)
            for place, node in enumerate(nodes):
                classes = world.pooled.connection.sql(
                    "SELECT count(DISTINCT a.person) FROM all_genotypes a JOIN all_genotypes b USING (sample_id) "
                    f"{where} AND a.node = {place} AND a.dosage + b.dosage IS NOT NULL GROUP BY a.dosage, b.dosage"
                ).fetchall()
                numbers = [
                    cell[measure["name"]]
                    for release, answer in node.left
                    for cell in answer.cells.to_pylist()
                    for measure in release["measures"]
                    if {"a", "b"} <= told_apart_by(release, measure)
                    if measure["function"] == "sum" or not measure["factors"]
                    # of a marked number a condition was left out: those whom it told apart are not
                    if not cell[f"{measure['name']}_approx"]
                ]
                if any(number is not None for number in numbers):
                    told[True] += 1
                    assert all(size >= (shape.k or 0) for (size,) in classes), (text, place, classes)
                else:
                    told[False] += 1

    law()
    assert min(told.values()) > 0


def test_nothing_small_leaves_a_node(watched: WatchedWorlds) -> None:
    """Each number that leaves a node rests on enough persons: joint classes are empty or large."""
    numbers = 0

    @some
    @given(shape=protected_shapes(), data=st.data())
    def law(shape: Shape, data: st.DataObject) -> None:
        nonlocal numbers
        world, nodes = watched.world(shape)
        for _ in range(3):
            text = data.draw(asked(world, ("id", "four", "round")))
            note(text)
            assert shape.k is not None
            found, values = problems(world, nodes, text, shape.k)
            numbers += values
            assert not found, "\n".join([f"k = {shape.k}: {text}", *found[:8]])

    law()
    assert numbers > 0
