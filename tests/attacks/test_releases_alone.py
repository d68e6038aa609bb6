"""Attacks on one release of allele frequencies, alone, over its nodes, and beside answers to questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from goe_lake import open_federation
from goe_lake.errors import ConfigError, InputError, QueryRefused
from goe_lake.federation import Federation
from goe_lake.federation.node import EmbeddedNode
from tests.attacks.released import ALL, MALE, SITE, K, World, moved, planted

BASE = [*planted(0, 60, "0/1"), *planted(100, 140)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A node that has released nothing yet."""
    return World(tmp_path / "EE")


def rows(federation: Federation, site: tuple[str, int] = SITE) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The rows of *site* over all nodes, by country, population and sex."""
    table = federation.frequencies(site[0]).to_pylist()
    return {(row["country"], row["population"], row["sex"]): row for row in table if row["pos"] == site[1]}


def value(federation: Federation, text: str) -> object:
    """The single value of an answer; None where it is withheld or refused."""
    try:
        found = federation.sql(text).to_arrow().to_pylist()
    except QueryRefused:
        return None
    return next(iter(found[0].values())) if found else None


# Within one release ----------------------------------------------------------------------------------


def test_a_row_of_which_few_are_called(world: World) -> None:
    """AN of 6 among 60 persons is about three; a question does not tell it either."""
    some = [*planted(3000, 3, "0/1", population="B"), *planted(3100, 57, "./.", population="B")]
    federation = world.releases([*BASE, *some])
    question = "SELECT sum(called_alleles) AS an FROM samples JOIN genotypes USING (sample_id) "
    assert (SITE, ("B", "all")) not in world.seen[0]
    assert value(federation, question + "WHERE variant_id = 'chr20-100-A-C' AND population = 'B'") is None


def test_a_population_of_few_carriers_beside_its_total(world: World) -> None:
    """120 carriers, 3 carriers, 123 in all: one of the three numbers is withheld."""
    world.releases([*BASE, *planted(3000, 3, "0/1", population="B"), *planted(3100, 57, population="B")])
    told = [world.ac(0, group) for group in (ALL, ("A", "all"), ("B", "all"))]
    assert told[2] is None
    assert None in told[:2]


def test_a_hidden_population_beside_its_total(world: World) -> None:
    """Nine persons have no row, and their number is no difference of rows."""
    world.releases([*BASE, *planted(3000, 9, "0/1", population="B")])
    shown = {group: row["n_persons"] for (site, group), row in world.seen[0].items() if site == SITE}
    assert ("B", "all") not in shown
    assert shown.get(("A", "all")) != shown[ALL] - 9


def test_few_with_the_reference_allele_beneath_a_total(world: World) -> None:
    """In B twelve are homozygous, three heterozygous: total less A has 27 of 30 alleles."""
    b = [*planted(3000, 12, "1/1", population="B"), *planted(3100, 3, "0/1", population="B")]
    world.releases([*BASE, *b])
    total, a = world.ac(0), world.ac(0, ("A", "all"))
    assert total is None or a is None


def test_nothing_follows_from_a_withheld_count(world: World) -> None:
    """Where AC is withheld, so is all that is computed from it; classes go with AC."""
    federation = world.releases(
        [*BASE, *planted(3000, 3, "0/1", population="B"), *planted(3100, 57, population="B")]
    )
    for row in rows(federation).values():
        if row["ac"] is None:
            derived = ("af", "faf95", "hwe_p", "n_het", "n_hom_alt", "n_hemi")
            assert [row[name] for name in derived] == [None] * 6
        if row["grpmax"] is not None:
            assert rows(federation)[row["country"], row["grpmax"], "all"]["ac"] is not None


def test_absent_and_unlisted_rows_look_alike(tmp_path: Path) -> None:
    """At a listed site a group with one carrier has the row of a group with none, but for the call itself."""
    told = []
    for place, genotype in enumerate(("0/1", "0/0")):
        world = World(tmp_path / str(place))
        world.releases(
            [*BASE, *planted(3000, 59, population="B"), *planted(4000, 1, genotype, population="B")]
        )
        told.append({group: row for (_, group), row in world.seen[0].items() if group[0] == "B"})
        told[-1] = {group: row for group, row in told[-1].items() if row["pos"] == SITE[1]}
    assert told[0] == told[1]


@pytest.mark.xfail(
    strict=True, reason="AN and the called persons are public, and so is who is haploid by them"
)
def test_men_of_whom_there_are_few_on_chrx(world: World) -> None:
    """Five men have no row, and twice the called persons less AN is five."""
    women = [*planted(0, 60, "0/1"), *planted(100, 140)]
    men = moved(planted(5000, 5), sex="M", at=("0/0", "0/0", "0"))
    world.releases([*moved(women, at=("0/1", "0/1", "0/1")), *men])
    row = world.seen[0].get((MALE, ALL))
    assert row is None or 2 * row["n_called"] - row["an"] != 5


@pytest.mark.xfail(
    strict=True, reason="AN and the called persons are public, and so is who is diploid by them"
)
def test_a_man_with_two_x_chromosomes(world: World) -> None:
    """One of a hundred men has two called alleles on chrX: AN less the called persons is one."""
    men = moved(planted(5000, 100), sex="M", at=("0/0", "0/0", "1"))
    odd = moved(planted(6000, 1), sex="M", at=("0/0", "0/0", "0/1"))
    world.releases([*moved(BASE, at=("0/1", "0/1", "0/1")), *men, *odd])
    row = world.seen[0].get((MALE, ("all", "M")))
    assert row is None or row["an"] - row["n_called"] != 1


def test_a_population_called_all(world: World) -> None:
    """A label that means the total is refused before anything is built, declared or found."""
    persons = [*BASE, *planted(3000, 60, population="all")]
    world.populations = ("A", "all")
    with pytest.raises(ConfigError, match="stands for the total"):
        world.built(persons)
    world.populations = ()
    with pytest.raises(InputError, match="stands for the total"):
        world.built(persons)


# Over nodes ------------------------------------------------------------------------------------------


def test_the_bound_of_a_hidden_population_holds(tmp_path: Path) -> None:
    """A is withheld in Estonia to guard B of three: the union's upper bound must leave room for all of A."""
    first, second = World(tmp_path / "EE"), World(tmp_path / "FI", country="FI")
    a = [*planted(0, 150, "0/1"), *planted(300, 50)]
    first.built([*a, *planted(3000, 3, population="B")])
    second.built(BASE)
    federation = open_federation([tmp_path / name / "node.toml" for name in ("EE", "FI")])
    found = rows(federation)
    union = found["all", "A", "all"]
    assert ("EE", "A", "all") not in found
    assert union["ac_lower"] == 60
    assert union["ac_upper"] is None or union["ac_upper"] >= 60 + 150


def test_the_threshold_of_the_federation_holds_for_frequencies(world: World) -> None:
    """A node that publishes single carriers is held to the federation's floor."""
    world.policy = "version = 1\nmin_persons = 10\n[frequencies]\nmin_carriers = 1\n"
    config = world.built(
        [*BASE, *planted(3000, 1, "0/1", population="B"), *planted(3100, 59, population="B")]
    )
    node = EmbeddedNode(config.file, floor=K)
    assert node.policy.min_carriers == K


def test_union_less_countries_is_nothing_new(tmp_path: Path) -> None:
    """Where one of two countries withholds its part, the union tells no more than the other one."""
    one = World(tmp_path / "EE").built(BASE)
    few = [*planted(0, 3, "0/1"), *planted(100, 140)]
    two = World(tmp_path / "FI", country="FI").built(few)
    found = rows(open_federation([one.file, two.file]))
    assert found["FI", "all", "all"]["status"] == "withheld"
    union = found["all", "all", "all"]
    assert (union["ac"], union["ac_lower"], union["status"]) == (None, 60, "bounded")
    assert [union[name] for name in ("n_het", "n_hom_alt", "n_hemi", "hwe_p", "af", "faf95")] == [None] * 6


@pytest.mark.xfail(
    strict=True, reason="AN is public: calls that failed tell that the node's files hold the site"
)
def test_call_rate_tells_that_a_node_has_a_carrier(tmp_path: Path) -> None:
    """At a site that Estonia lists, a Finnish carrier with two failed calls must look like no carrier."""
    one = World(tmp_path / "EE").built(BASE)
    told = []
    for place, genotypes in enumerate((["0/1", "./.", "./."], ["0/0", "0/0", "0/0"])):
        target = [planted(900 + i, 1, genotype)[0] for i, genotype in enumerate(genotypes)]
        world = World(tmp_path / str(place), country="FI", lacks=SITE if place else None)
        two = world.built([*planted(100, 140), *target])
        told.append(rows(open_federation([one.file, two.file]))["FI", "all", "all"])
    assert told[0] == told[1]


# Beside answers to questions -------------------------------------------------------------------------


@pytest.mark.xfail(strict=True, reason="a release and an answer are a sequence of answers")
def test_a_question_about_what_a_release_withholds_for_others(world: World) -> None:
    """A is withheld, since total less A would be three carriers of B; asked alone it is told."""
    federation = world.releases(
        [*BASE, *planted(3000, 3, "0/1", population="B"), *planted(3100, 57, population="B")]
    )
    told = {group: world.ac(0, group) for group in (ALL, ("A", "all"))}
    missing = next(group for group, ac in told.items() if ac is None)
    condition = "" if missing == ALL else " AND population = 'A'"
    asked = value(
        federation,
        "SELECT sum(dosage) AS ac FROM samples JOIN genotypes USING (sample_id) "
        f"WHERE variant_id = 'chr20-100-A-C'{condition}",
    )
    assert asked is None


@pytest.mark.xfail(
    strict=True, reason="by class a group without non-carriers is told, for none are not few; AC asks for k"
)
def test_everybody_carries_the_allele(world: World) -> None:
    """Neither the release nor questions by class tell AC of a group in which nobody lacks the allele."""
    federation = world.releases(
        [*BASE, *planted(3000, 30, "0/1", population="B"), *planted(3100, 30, "1/1", population="B")]
    )
    assert world.ac(0, ("B", "all")) is None
    text = (
        "SELECT count(*) AS n FROM samples JOIN genotypes USING (sample_id) "
        "WHERE variant_id = 'chr20-100-A-C' AND population = 'B' AND dosage = {}"
    )
    assert None in [value(federation, text.format(dosage)) for dosage in (1, 2)]


# What travels ----------------------------------------------------------------------------------------


def test_nothing_lies_beneath_what_is_withheld(world: World) -> None:
    """The bytes of a node's tables hold no number of a withheld row, nor a label of a hidden group."""
    few = [*planted(3000, 7, "0/1", population="B"), *planted(3100, 57, population="B")]
    config = world.built([*BASE, *few, *planted(4000, 5, population="C")])
    federation = open_federation([config.file])
    assert federation is not None
    node = EmbeddedNode(config.file)
    node.lay(federation.site_list)
    table = node.frequencies("chr20")
    assert set(table.column_names).isdisjoint({"in_step", "consent"})
    for name in ("ac", "n_het", "n_hom_alt", "n_hemi"):
        for chunk in table.column(name).chunks:
            raw = pa.Array.from_buffers(
                pa.int64(), len(chunk), [None, chunk.buffers()[1]], offset=chunk.offset
            )
            beneath = {
                number
                for number, there in zip(raw.to_pylist(), chunk.is_valid().to_pylist(), strict=True)
                if not there
            }
            assert beneath <= {-1, 0}
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    labels = set(table.column("population").to_pylist())
    assert "C" not in labels
    assert b"in_step" not in sink.getvalue().to_pybytes()
