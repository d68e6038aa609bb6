"""Attacks through constants of earlier rounds: a value that isolates a person, a search, a refusal that tells."""

# ruff: noqa: E501 - a query stands on one line

from __future__ import annotations

from typing import Any

import pytest

from goe_lake.engine.node import NodeAnswer
from goe_lake.errors import NodeFailed, QueryRefused
from goe_lake.federation import EmbeddedNode, Federation
from goe_lake.federation.asker import Asker
from goe_lake.release import Release
from tests.attacks.worlds import observed

#: The LDL and body mass index of the person born in 1903, as a value that a query could compute with
HERS = "(SELECT {0} FROM samples WHERE birth_year = 1903)"
WITHHELD = {
    "compared": f"SELECT count(*) AS x FROM samples WHERE ldl >= {HERS.format('avg(ldl)')}",
    "filtered": f"SELECT count(*) FILTER (WHERE bmi > {HERS.format('max(b)')}) AS x FROM samples".replace("FROM samples WHERE birth_year = 1903", "FROM (SELECT birth_year, avg(bmi) AS b FROM samples GROUP BY 1) AS t WHERE birth_year = 1903"),
    "as_key": f"SELECT bmi > {HERS.format('sum(bmi)')} AS k, count(*) AS x FROM samples GROUP BY 1",
    "as_factor": f"SELECT sum(ldl * {HERS.format('sum(ldl)')}) AS x FROM samples",
    "as_row": f"WITH m AS {HERS.format('avg(ldl) AS mu')} SELECT count(*) AS x FROM samples, m WHERE ldl > mu",
    "as_null": f"SELECT count(*) AS x FROM samples WHERE {HERS.format('sum(ldl)')} IS NULL",
    "coalesced": f"SELECT count(*) AS x FROM samples WHERE ldl > coalesce({HERS.format('sum(ldl)')}, 0)",
    "in_set": "SELECT count(*) AS x FROM samples WHERE birth_year IN (SELECT birth_year FROM samples GROUP BY 1 HAVING avg(ldl) > 9)",
    "exists": "SELECT count(*) AS x FROM samples WHERE EXISTS (SELECT 1 FROM (SELECT birth_year, avg(ldl) AS l FROM samples GROUP BY 1) AS t WHERE l > 9)",
    "counted": f"SELECT count(*) AS x FROM samples WHERE birth_year > 1900 + {HERS.format('count(*)')}",
    "ordered": "SELECT count(*) AS x FROM samples WHERE birth_year = (SELECT birth_year FROM (SELECT birth_year, avg(ldl) AS l FROM samples GROUP BY 1) AS t ORDER BY l DESC LIMIT 1)",
    "divisor": f"SELECT avg(ldl / {HERS.format('sum(t2d::INT)')}) AS x FROM samples",
    "rare_site": "SELECT count(DISTINCT sample_id) AS x FROM genotypes WHERE dosage > 0 AND variant_id IN (SELECT variant_id FROM genotypes GROUP BY 1 HAVING sum(dosage) = 1)",
}  # fmt: skip
ISOLATED = {
    "above": "SELECT country, count(*) AS x FROM samples WHERE bmi > (SELECT round(avg(bmi)) + 25 FROM samples) GROUP BY country",
    "sum_above": "WITH m AS (SELECT round(avg(bmi)) + 25 AS b FROM samples) SELECT sum(ldl) AS x, avg(bmi) AS y FROM samples, m WHERE bmi > b",
    "key_above": "SELECT bmi > (SELECT round(avg(bmi)) + 25 FROM samples) AS k, sum(ldl) AS x FROM samples WHERE sex = 'F' GROUP BY 1 HAVING bmi > (SELECT round(avg(bmi)) + 25 FROM samples)",
    "search": "WITH a AS (SELECT CASE WHEN count(*) > 0 THEN 40 ELSE 20 END AS low FROM samples WHERE bmi > 60), "
    "b AS (SELECT count(*) AS n FROM samples, a WHERE bmi > low AND birth_year < 1910) SELECT n FROM b",
}  # fmt: skip


@pytest.mark.parametrize("name", WITHHELD)
def test_a_withheld_value_is_no_constant(name: str, both: tuple[Federation, Federation]) -> None:
    """Whatever it would be used for, the query is refused, in the same words in both worlds."""
    first, second = (observed(federation, WITHHELD[name]) for federation in both)
    assert first == second
    assert first["refused"].startswith("G504")


@pytest.mark.parametrize("name", ISOLATED)
def test_a_constant_that_isolates_a_person_shows_nothing(
    name: str, both: tuple[Federation, Federation]
) -> None:
    """Rows, values, statuses, bounds and refusals of what is chosen by a released value are the same."""
    first, second = (observed(federation, ISOLATED[name]) for federation in both)
    assert first == second


class Watched:
    """A node that notes what it is asked, and is silent from its *lasts*-th question on."""

    def __init__(self, node: EmbeddedNode, lasts: int = 99) -> None:
        self.node, self.lasts = node, lasts
        self.asked: list[Release] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.node, name)

    def answer(self, release: Release, asker: Asker, query_id: str) -> NodeAnswer:
        """The node's own answer, noted."""
        self.asked.append(release)
        if len(self.asked) > self.lasts:
            raise NodeFailed("NODE-0", query_id, "it is silent")
        return self.node.answer(release, asker, query_id)


def watched(federation: Federation, lasts: int = 99) -> tuple[Federation, list[Watched]]:
    """The nodes of *federation*, the first of which answers *lasts* questions."""
    nodes = [
        Watched(member.node, lasts if not place else 99) for place, member in enumerate(federation._members)
    ]
    return Federation(nodes, project="demo"), nodes


def test_no_node_is_asked_after_a_withheld_constant(both: tuple[Federation, Federation]) -> None:
    """The round that did not release the constant is the last one."""
    federation, nodes = watched(both[0])
    with pytest.raises(QueryRefused, match="G504"):
        federation.sql(WITHHELD["compared"])
    assert [len(node.asked) for node in nodes] == [1, 1, 1]


def test_a_node_gets_constants_and_never_a_placeholder(both: tuple[Federation, Federation]) -> None:
    """What is sent in the second round can be read as release/1, and holds the released value."""
    federation, nodes = watched(both[0])
    mean = federation.sql("SELECT avg(bmi) AS m FROM samples").table.column("m")[0].as_py()
    federation.sql("SELECT count(*) AS n FROM samples WHERE bmi > (SELECT avg(bmi) FROM samples)")
    for node in nodes:
        last = node.asked[-1]
        assert Release.from_json(last.to_json()) == last
        assert f"{mean:.12g}" in str(last.conditions)


def test_a_node_lost_between_rounds_fails_the_query(both: tuple[Federation, Federation]) -> None:
    """The rounds of one answer are of one union, also where fewer nodes are accepted."""
    text = "SELECT count(*) AS n FROM samples WHERE bmi > (SELECT avg(bmi) FROM samples)"
    federation, _ = watched(both[0], lasts=1)
    assert observed(federation, text) == {"failed": "Incomplete"}
    federation, _ = watched(both[0], lasts=1)
    with pytest.raises(Exception, match="NODE-0"):
        federation.sql(text, completeness="any")
    federation, nodes = watched(both[0], lasts=0)
    answer = federation.sql(text, completeness="any")
    assert [node.status for node in answer.envelope.nodes] == ["failed", "answered", "answered"]
    assert [len(node.asked) for node in nodes] == [1, 2, 2]
