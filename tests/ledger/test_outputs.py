"""Rounded and noisy answers: marked, with how far they may be off; noise is drawn once and paid for."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import cast

import jsonschema
import pytest

import goe_lake
from goe_lake.cli import main
from goe_lake.errors import QueryRefused
from goe_lake.federation import Answer, EmbeddedNode
from goe_lake.federation.sealed_sums import Seat
from goe_lake.federation.wire import read_answer, write_answer
from goe_lake.release import Spread
from tests.ledger.conftest import COUNTS, World, make_world

NOISY = 'version = 1\noutput = "noisy"\n[noise]\nepsilon = {whole}\nepsilon_per_release = {one}\n'
MEANS = "SELECT sex, count(*) AS n, sum(bmi) AS s, avg(bmi) AS m FROM samples GROUP BY sex ORDER BY sex"


def words(answer: Answer) -> set[str]:
    """The statuses of all values that are not keys."""
    return {word for row in answer.status.to_pylist() for name, word in row.items() if name != "sex"}


def test_rounded_numbers_are_multiples_of_5_and_say_so(world: World) -> None:
    """Counts and sums of each node to 5, half to even; the ratio of both; no bound contradicts them."""
    (exact,) = world.federation().sql("SELECT sum(bmi) AS s FROM samples").table.to_pylist()
    world.policy('output = "rounded"')
    answer = world.federation().sql("SELECT count(*) AS n, sum(bmi) AS s, avg(bmi) AS m FROM samples")
    (row,) = answer.table.to_pylist()
    assert row["n"] == 200
    assert row["s"] % 5 == 0
    assert abs(row["s"] - exact["s"]) <= 2.5
    assert row["m"] == pytest.approx(row["s"] / row["n"])
    assert words(answer) == {"approx"}
    told = {margin.column: (margin.within, margin.confidence) for margin in answer.envelope.margins}
    assert (told["n"], told["s"]) == (("2", 1.0), ("2.5", 1.0))
    assert world.entries()[-1].content["output"] == "rounded"


def test_rounding_adds_over_nodes(world: World, tmp_path: object) -> None:
    """Each node rounds its own number; the error that is told is that of the sum."""
    other = make_world(world.node.parent.parent / "fi", "FI")
    world.policy('output = "rounded"')
    federation = goe_lake.open_federation([world.node, other.node])
    answer = federation.sql("SELECT count(*) AS n FROM samples WHERE bmi > 21.5")
    exact = goe_lake.open_federation([other.node]).sql("SELECT count(*) AS n FROM samples WHERE bmi > 21.5")
    (n,), (one,) = answer.table.column("n").to_pylist(), exact.table.column("n").to_pylist()
    assert (n - one) % 5 == 0
    assert abs(n - 2 * one) <= 2
    assert [(margin.column, margin.within) for margin in answer.envelope.margins] == [("n", "2")]


def test_noisy_numbers_are_repeated_and_paid_for_once(world: World) -> None:
    """The same question has the same answer, from any process; another spelling is another question."""
    world.policy(NOISY.format(whole=1, one="0.5"))
    first = world.federation().sql(MEANS)
    again = world.federation(analyst="bob").sql(MEANS)
    assert first.table.equals(again.table)
    assert words(first) == {"approx"}
    noise = [entry for entry in world.entries() if entry.kind == "noise"]
    assert [entry.content["micro_epsilon"] for entry in noise] == [500_000]
    margins = {margin.column: margin for margin in first.envelope.margins}
    assert margins["n"].confidence == 0.95
    # three numbers for the three columns and one for the persons: the scale of a count is 4 / 0.5, and
    # that of the sum 80 kg/m2 times as much
    assert margins["n"].within == "24"
    assert 1916 <= float(margins["s"].within) <= 1918
    assert len(first.table) <= 2


def test_a_spent_epsilon_is_a_refusal(world: World) -> None:
    """New questions are refused, old ones repeated; another name of a project is no other epsilon."""
    world.policy(NOISY.format(whole=1, one="0.5"))
    federation = world.federation()
    federation.sql(MEANS)
    federation.sql(COUNTS)
    for asker in (federation, world.federation("another", "bob")):
        with pytest.raises(QueryRefused, match="epsilon of 1"):
            asker.sql("SELECT count(*) AS n FROM samples")
    assert federation.sql(MEANS).table.num_rows == federation.sql(MEANS).table.num_rows
    assert [entry.kind for entry in world.entries()].count("noise") == 2


@pytest.mark.parametrize(
    "query",
    [
        "SELECT birth_year, count(*) AS n FROM samples GROUP BY birth_year",  # which groups there are is data
        "SELECT sum(dosage) AS ac FROM genotypes",  # a person has any number of rows
        "SELECT avg(score) AS m FROM scores",
    ],
)
def test_what_no_noise_covers_is_refused(world: World, query: str) -> None:
    """Fail closed: a release whose groups or rows a person can multiply gets no answer."""
    world.policy(NOISY.format(whole=1, one="0.5"))
    with pytest.raises(QueryRefused, match="G804"):
        world.federation().sql(query)
    assert "answer" not in world.kinds()


def test_margins_travel_in_the_envelope(world: World) -> None:
    """As the schema writes them, and back."""
    world.policy(NOISY.format(whole=1, one="0.5"))
    answer = world.federation().sql(MEANS)
    assert read_answer(write_answer(answer)).envelope == answer.envelope
    schema = json.loads(files("goe_lake").joinpath("schemas/envelope-1.schema.json").read_text())
    jsonschema.validate(answer.envelope.to_json(), schema)
    spread = Spread("noisy", {"m0": 8.0})
    assert Spread.from_json(spread.to_json()) == spread
    for wrong in ({}, {"kind": "exact", "by_measure": {}}, {"kind": "noisy", "by_measure": {"m0": -1}}):
        with pytest.raises(ValueError, match="spread"):
            Spread.from_json(wrong)


def test_a_node_with_noise_takes_no_part_in_sealed_sums(world: World) -> None:
    """What it would seal could not be rounded, nor given noise, once."""
    for text, seals in (("", True), (NOISY.format(whole=1, one="0.5"), False), ('output = "rounded"', False)):
        world.policy(text)
        node = EmbeddedNode(world.node)
        node.sit(cast(Seat, object()))
        assert node.describe().seals is seals
        node.close()


def test_the_command_line_tells_the_margin(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """With each answer, in words."""
    world.policy(NOISY.format(whole=1, one="0.5"))
    main(["query", "SELECT count(*) AS n FROM samples", "--nodes", str(world.node)])
    assert "≈: n, rows() is within 12 of the exact number with 95% confidence" in capsys.readouterr().out
