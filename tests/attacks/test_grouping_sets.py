"""Attacks by margins: a withheld cell is not what is left of its margin."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from goe_lake.engine.node import NodeAnswer
from goe_lake.federation import EmbeddedNode, Federation
from goe_lake.release import Release
from tests.attacks.worlds import SECRETS, K, observed, open_world

QUERIES = (
    "SELECT sex, birth_year, count(*) AS n FROM samples GROUP BY ROLLUP (sex, birth_year)",
    "SELECT sex, birth_year // 3 AS b, count(*) AS n, count(ldl) AS m FROM samples GROUP BY CUBE (sex, b)",
    "SELECT country, cohort, birth_year // 5 AS b, count(*) AS n FROM samples "
    "GROUP BY GROUPING SETS ((country, cohort, b), (country, b), (cohort), ())",
    "SELECT country, birth_year < 1910 AS old, count(*) AS n FROM samples GROUP BY ROLLUP (country, old)",
    "SELECT birth_year // 3 AS b, count(*) AS n, entropy(sex) AS e FROM samples GROUP BY ROLLUP (b)",
    "SELECT birth_year // 3 AS b, count(*) AS n FROM samples WHERE ldl < (SELECT avg(ldl) FROM samples) "
    "GROUP BY ROLLUP (b)",
)


@pytest.fixture(scope="module")
def worlds() -> Iterator[tuple[Federation, Federation]]:
    """The two worlds."""
    with tempfile.TemporaryDirectory() as folder:
        one, other = (open_world(Path(folder) / str(i), secret) for i, secret in enumerate(SECRETS))
        yield one, other


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ldl > 9 AS high, avg(birth_year) AS v, stddev(birth_year) AS s FROM samples "
        "GROUP BY ROLLUP (high) HAVING grouping(high) = 0",
        "SELECT sex, count(*) AS n FROM samples WHERE NOT (birth_year < 1910 AND t2d) GROUP BY ROLLUP (sex)",
        "SELECT sex, count_if(NOT (birth_year < 1910 AND t2d)) AS n FROM samples GROUP BY ROLLUP (sex)",
        "SELECT sum(v) - max(v) AS v FROM (SELECT birth_year < 1910 AS old, sum(ldl) AS v FROM samples "
        "WHERE t2d IS NOT NULL GROUP BY CUBE (old))",
        "SELECT high, sex, count(*) AS n FROM (SELECT ldl > 9 AS high, sex FROM samples) "
        "GROUP BY GROUPING SETS ((high, sex), (high))",
    ],
)
def test_the_worlds_look_the_same(worlds: tuple[Federation, Federation], text: str) -> None:
    """What the target has is in no margin less what stands beneath it."""
    one, other = (observed(world, text) for world in worlds)
    assert one == other
    assert "refused" not in one, one


@pytest.mark.parametrize("text", QUERIES)
def test_no_margin_minus_its_cells_is_small(
    worlds: tuple[Federation, Federation], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every node each count of a margin, less the counts told beneath it, is nobody or at least k."""
    left: list[tuple[str, Release, NodeAnswer]] = []
    whole = EmbeddedNode.answer

    def noted(node: EmbeddedNode, release: Release, purpose: str, query_id: str) -> NodeAnswer:
        answer = whole(node, release, purpose, query_id)
        left.append((str(id(node)), release, answer))
        return answer

    monkeypatch.setattr(EmbeddedNode, "answer", noted)
    worlds[0].sql(text)
    compared = 0
    for node, fine, cells in left:
        for margin in fine.margins:
            names = [key.expression for key in fine.keys if key.name in margin]
            for other, coarse, margins in left:
                if other != node or [key.expression for key in coarse.keys] != names:
                    continue
                beneath: dict[tuple[object, ...], int] = defaultdict(int)
                for row in cells.cells.to_pylist():
                    beneath[tuple(row[name] for name in margin)] += int(row["m0"] or 0)
                for row in margins.cells.to_pylist():
                    if row["m0"] is not None:
                        group = tuple(row[key.name] for key in coarse.keys)
                        assert (int(row["m0"]) - beneath[group]) == 0 or int(row["m0"]) - beneath[group] >= K
                        compared += 1
    assert compared


def test_a_margin_and_its_cells_leave_out_the_same(worlds: tuple[Federation, Federation]) -> None:
    """A condition that concerns few of one sex and many of both is not left out for one sex alone."""
    text = "SELECT sex, count(*) AS n FROM samples WHERE {} GROUP BY ROLLUP (sex)"
    compared = 0
    for federation in worlds:
        for condition in ("NOT (sex = 'M' AND birth_year < 1945)", "birth_year > 1938", "bmi < 27"):
            told = federation.sql(text.format(condition)).table.to_pylist()
            parts = [row["n"] for row in told if row["sex"] is not None]
            (whole,) = [row["n"] for row in told if row["sex"] is None]
            if None not in (*parts, whole):
                compared += 1
                assert whole == sum(parts) or abs(whole - sum(parts)) >= K
    assert compared
