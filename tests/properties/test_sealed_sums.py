"""Both laws for sealed sums, held against the rows and against what countries tell openly beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import goe_lake
from goe_lake.federation import Federation
from tests.oracle.cohort import PURPOSE, Shape, shape_of
from tests.properties.worlds import World, Worlds

K = 3
SITE = ("contig", "pos", "ref", "alt")
JOINED = "genotypes g JOIN samples s ON g.sample_id = s.sample_id"
Key: TypeAlias = tuple[Any, ...]


def shapes() -> Iterator[Shape]:
    """Cohorts over three and four nodes."""
    for seed in (2, 3, 6, 7, 10, 11):
        shape = shape_of(seed, K)
        assert shape.nodes >= 3
        yield shape


def questions(world: World) -> Iterator[tuple[tuple[str, ...], str, dict[str, str]]]:
    """Keys, relation, and measures with SQL of who contributes to each."""
    everyone = "count(DISTINCT s.sample_id)"
    truths = [name for name, (kind, *_) in world.nodes[0].columns.items() if kind == "boolean"]
    counts = {"count(*)": everyone, "count(DISTINCT s.sample_id)": everyone}
    counts |= {f"sum(s.{name})": f"{everyone} FILTER (s.{name})" for name in truths}
    for keys in ((), ("s.sex",), ("s.sex", "s.cohort"), ("s.population",)):
        yield keys, "samples s", counts
    sites = tuple(f"g.{name}" for name in SITE)
    alleles = {"sum(g.dosage)": f"{everyone} FILTER (g.dosage > 0)", "sum(g.called_alleles)": ""}
    for keys in (sites, (*sites, "s.sex")):
        yield keys, JOINED, alleles


def ask(federation: Federation, keys: tuple[str, ...], source: str, values: list[str]) -> dict[Key, Key]:
    """The values of each cell, None where one is not told."""
    listed = [f"{key} AS k{place}" for place, key in enumerate(keys)]
    listed += [f"{value} AS v{place}" for place, value in enumerate(values)]
    group = f" GROUP BY {', '.join(keys)}" if keys else ""
    table = federation.sql(f"SELECT {', '.join(listed)} FROM {source}{group}").table.to_pylist()
    rows = [tuple(row.values()) for row in table]
    return {row[: len(keys)]: row[len(keys) :] for row in rows}


def pooled(world: World, keys: tuple[str, ...], source: str, values: list[str]) -> dict[Key, Key]:
    """The same from the pooled rows."""
    group = f" GROUP BY {', '.join(keys)}" if keys else ""
    *_, rows = world.pooled.run(f"SELECT {', '.join([*keys, *values])} FROM {source}{group}")
    return {tuple(row[: len(keys)]): tuple(row[len(keys) :]) for row in rows}


def remainder(own: Mapping[Key, Key], behind: Mapping[Key, Key], cell: Key, place: int) -> tuple[int, int]:
    """How many countries have persons in *cell* and do not tell the measure, and their contributors."""
    hiding = contributors = 0
    for (*key, country), counts in behind.items():
        if tuple(key) != cell or not counts[-1]:
            continue
        told = own.get((*key, country))
        if told is None or told[place] is None:
            hiding += 1
            contributors += counts[place]
    return hiding, contributors


def test_sealed_sums_are_the_pooled_ones_and_leave_nothing_small(worlds: Worlds):
    """What is told equals the pooled rows and rests on k; and so does what open cells leave of it."""
    told = rescued = 0
    for shape in shapes():
        world = worlds.world(shape)
        federation = goe_lake.open_federation([node.toml for node in world.nodes], project=PURPOSE)
        for keys, source, measures in questions(world):
            told_here, rescued_here = check(world, federation, keys, source, measures)
            told, rescued = told + told_here, rescued + rescued_here
    # some cells are told although a country withholds its part
    assert told > 100
    assert rescued > 5


def check(
    world: World, federation: Federation, keys: tuple[str, ...], source: str, measures: dict[str, str]
) -> tuple[int, int]:
    """How many values are told, and how many of them although a country does not tell its own."""
    values, told, rescued = list(measures), 0, 0
    group = f" GROUP BY {', '.join(keys)}" if keys else ""
    plain = f"SELECT {', '.join([*keys, *values])} FROM {source}{group}"
    explained = federation.explain(plain)
    if "cells: sealed" not in explained:
        assert "open        because" in explained
        return 0, 0
    answers, truth = ask(federation, keys, source, values), pooled(world, keys, source, values)
    who = [*(measures[value] or "0" for value in values), "count(DISTINCT s.sample_id)"]
    total, behind = pooled(world, keys, source, who), pooled(world, (*keys, "s.country"), source, who)
    own = ask(federation, (*keys, "s.country"), source, values)
    for cell, row in answers.items():
        for place, value in enumerate(row):
            if value is None:
                continue
            told += 1
            at = f"{plain}\n{cell} {values[place]} = {value}"
            assert value == truth[cell][place], at
            if not measures[values[place]]:
                continue  # allele numbers are public
            assert total[cell][place] >= K, at
            hiding, contributors = remainder(own, behind, cell, place)
            assert not hiding or contributors >= K, f"{at}: {hiding} countries hide {contributors}"
            rescued += hiding > 0
    return told, rescued
