"""Both laws for sealed sums, held against the rows and against what countries tell openly beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeAlias

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import goe_lake
from goe_lake.engine.sites import KEY
from goe_lake.federation import Federation
from tests.oracle.cohort import (
    PURPOSE,
    NodeFiles,
    Shape,
    has_one_sample_a_person,
    spread_shapes,
    write_cohort,
)
from tests.oracle.pooled import Site, pool
from tests.properties.worlds import World, build

K = 3
#: More alleles reach this in all nodes together, and in none of them.
K_OF_ROUNDS = 7
SITE = ("contig", "pos", "ref", "alt")
JOINED = "genotypes g JOIN samples s ON g.sample_id = s.sample_id"
Key: TypeAlias = tuple[Any, ...]


#: Cohorts are built, so that there are fewer of them than of other examples; each is asked several times.
COHORTS = max(3, settings.default.max_examples // 6)
QUESTIONS = 6
calm = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=COHORTS
)


def cohorts(k: int, persons: tuple[int, int] = (40, 120)) -> st.SearchStrategy[Shape]:
    """Any small cohort over three to five nodes; several samples of a person are not sealed."""
    return spread_shapes(k, (3, 5), persons).filter(has_one_sample_a_person)


@dataclass(frozen=True)
class Question:
    """Keys, relation with conditions on sites, and measures with SQL of who contributes to each."""

    keys: tuple[str, ...]
    source: str
    measures: dict[str, str]


def measures_of_persons(world: World) -> dict[str, str]:
    """What is counted of persons."""
    everyone = "count(DISTINCT s.sample_id)"
    truths = [name for name, (kind, *_) in world.nodes[0].columns.items() if kind == "boolean"]
    counts = {"count(*)": everyone, "count(DISTINCT s.sample_id)": everyone}
    return counts | {f"sum(s.{name})": f"{everyone} FILTER (s.{name})" for name in truths}


ALLELES = {
    "sum(g.dosage)": "count(DISTINCT s.sample_id) FILTER (g.dosage > 0)",
    "sum(g.called_alleles)": "",
}
LABELS = ("s.sex", "s.cohort", "s.population")
CONDITIONS = (
    "",
    " WHERE g.pos BETWEEN 1000 AND 5000",
    " WHERE g.contig IN ('chr1', 'chrX')",
    " WHERE g.ref = 'A'",
)


@st.composite
def questions(draw: st.DrawFn, world: World) -> Question:
    """A question whose cells are sealed wherever the labels of *world* let that be."""
    labels = tuple(draw(st.lists(st.sampled_from(LABELS), unique=True, max_size=2)))
    if draw(st.booleans()):
        source = JOINED + draw(st.sampled_from(CONDITIONS))
        sites = tuple(f"g.{name}" for name in SITE)
        chosen = draw(st.lists(st.sampled_from(sorted(ALLELES)), unique=True, min_size=1))
        return Question((*sites, *labels), source, {name: ALLELES[name] for name in chosen})
    counts = measures_of_persons(world)
    chosen = draw(st.lists(st.sampled_from(sorted(counts)), unique=True, min_size=1))
    return Question(labels, "samples s", {name: counts[name] for name in chosen})


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


def test_sealed_sums_are_the_pooled_ones_and_leave_nothing_small(tmp_path: Path):
    """What is told equals the pooled rows and rests on k; and so does what open cells leave of it."""
    told = rescued = 0

    @calm
    @given(data=st.data(), shape=cohorts(K))
    def laws(data: st.DataObject, shape: Shape) -> None:
        nonlocal told, rescued
        world = build(write_cohort(shape, Path(mkdtemp(dir=tmp_path))))
        federation = goe_lake.open_federation([node.toml for node in world.nodes], project=PURPOSE)
        for _ in range(QUESTIONS):
            told_here, rescued_here = check(world, federation, data.draw(questions(world)))
            told, rescued = told + told_here, rescued + rescued_here

    laws()
    # some cells are told although a country withholds its part
    assert told > 50
    assert rescued > 1


def carriers(nodes: tuple[NodeFiles, ...]) -> dict[Site, int]:
    """How many persons of all consents carry each allele that is spelled out, by the files."""
    everybody = pool([replace(node, covering=None) for node in nodes], [])
    spelt = "WHERE dosage > 0 AND regexp_full_match(ref || alt, '[ACGTN]+')"
    *_, rows = everybody.run(
        "SELECT contig, pos, ref, alt, pos + length(ref) - 1 AS end_pos, count(DISTINCT (node, person)) "
        f"FROM all_genotypes {spelt} GROUP BY ALL"
    )
    return {tuple(row[:5]): row[5] for row in rows}


def test_a_round_lists_what_the_files_hold(tmp_path: Path):
    """Exactly the alleles that k persons of all files carry; and both laws hold at them too."""
    found = told = 0

    @calm
    @given(shape=cohorts(K_OF_ROUNDS))
    def law(shape: Shape) -> None:
        nonlocal found, told
        nodes = write_cohort(shape, Path(mkdtemp(dir=tmp_path)))
        before = build(nodes)
        federation = goe_lake.open_federation([node.toml for node in nodes], project=PURPOSE)
        expected = {site for site, count in carriers(nodes).items() if count >= K_OF_ROUNDS}
        listed = {tuple(row.values()) for row in before.federation.site_list.sites.select(KEY).to_pylist()}
        new = federation.list_sites().sites
        assert {tuple(row.values()) for row in new.to_pylist()} == {site[:4] for site in expected - listed}
        found += new.num_rows
        now = [tuple(row.values()) for row in federation.site_list.sites.select(KEY).to_pylist()]
        world = World(nodes, federation, pool(nodes, now))
        by_site = Question(tuple(f"g.{name}" for name in SITE), JOINED, ALLELES)
        told += check(world, federation, by_site, K_OF_ROUNDS)[0]

    law()
    assert found > 3
    assert told > 10


def check(world: World, federation: Federation, asked: Question, k: int = K) -> tuple[int, int]:
    """How many values are told, and how many of them although a country does not tell its own."""
    keys, source, measures = asked.keys, asked.source, asked.measures
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
            assert total[cell][place] >= k, at
            hiding, contributors = remainder(own, behind, cell, place)
            assert not hiding or contributors >= k, f"{at}: {hiding} countries hide {contributors}"
            rescued += hiding > 0
    check_margins(asked, answers, total, k)
    return told, rescued


def check_margins(asked: Question, answers: Mapping[Key, Key], total: Mapping[Key, Key], k: int) -> None:
    """What is withheld of a sum over fewer labels, which may be asked for as well, rests on none or k."""
    labels = [place for place, key in enumerate(asked.keys) if key in LABELS]
    for place, who in enumerate(asked.measures.values()):
        for kept in (chosen for size in range(len(labels)) for chosen in combinations(labels, size)):
            dropped = set(labels) - set(kept)
            sums: dict[Key, list[int]] = {}
            for cell, counts in total.items():
                margin = tuple(value for at, value in enumerate(cell) if at not in dropped)
                told = cell in answers and answers[cell][place] is not None
                sums.setdefault(margin, [0, 0])[told] += counts[place] if who else 0
            for margin, (withheld, shown) in sums.items():
                few = f"{asked} {margin}: {withheld} contributors are withheld beside {shown}"
                assert not shown or withheld == 0 or withheld >= k, few
