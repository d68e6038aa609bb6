"""Attacks through quantiles: what nodes send for them is recounted, and one person is looked for with them."""

# ruff: noqa: E501 - a query stands on one line

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from goe_lake.engine.node import NodeAnswer
from goe_lake.engine.relation import is_bin
from goe_lake.errors import ReleaseRefused
from goe_lake.federation import EmbeddedNode, Federation
from goe_lake.federation.asker import Asker
from goe_lake.query import prepare
from goe_lake.release import Call, Key, KeyDomain, Literal, LiteralType, Measure, MeasureFunction, Release
from tests.attacks.worlds import SECRETS, K, observed, open_world

COUNTRIES = ("EE", "FI", "LV")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the worlds lie."""
    return tmp_path_factory.mktemp("quantiles")


@pytest.fixture(scope="module")
def both(folder: Path) -> tuple[Federation, Federation]:
    """Two worlds that differ in what the person born in 1903 has."""
    first, second = (open_world(folder / str(place), secret) for place, secret in enumerate(SECRETS))
    return first, second


class Listening:
    """A node that keeps what it sends."""

    def __init__(self, node: EmbeddedNode) -> None:
        self.node = node
        self.sent: list[tuple[Release, NodeAnswer]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.node, name)

    def answer(self, release: Release, asker: Asker, query_id: str) -> NodeAnswer:
        """The node's own answer, kept."""
        answer = self.node.answer(release, asker, query_id)
        self.sent.append((release, answer))
        return answer


def sent_for(federation: Federation, text: str) -> Iterator[tuple[str, Release, list[dict[str, Any]]]]:
    """The intervals that each node sends for the query *text*, which ends with a quantile."""
    nodes = [Listening(member.node) for member in federation._members]
    Federation(nodes, project="demo").sql(text)
    for country, node in zip(COUNTRIES, nodes, strict=True):
        # the releases of a query are asked at once, in no order
        release, answer = next(
            pair for pair in node.sent if any(is_bin(key.expression) for key in pair[0].keys)
        )
        yield country, release, answer.cells.to_pylist()


@pytest.mark.parametrize(
    ("text", "keys", "where"),
    [
        ("SELECT median(bmi) FROM samples", [], "TRUE"),
        ("SELECT sex, median(bmi) FROM samples GROUP BY sex", ["sex"], "TRUE"),
        ("SELECT population, median(bmi) FROM samples WHERE t2d GROUP BY population", ["population"], "t2d"),
        ("SELECT median(bmi) FILTER (WHERE birth_year < 1950) FROM samples", [], "birth_year < 1950"),
        ("SELECT birth_year, median(bmi) FROM samples GROUP BY birth_year", ["birth_year"], "TRUE"),
        ("SELECT median(bmi) FROM samples WHERE ldl > 3 AND sex = 'F'", [], "ldl > 3 AND sex = 'F'"),
    ],
)
def test_every_interval_that_leaves_a_node_holds_enough_persons(
    text: str, keys: list[str], where: str, both: tuple[Federation, Federation], folder: Path
) -> None:
    """Recounted from the input files: persons in each interval, those that the condition keeps out of it,
    and those of the group whom no interval shows, are none or at least k.
    """
    connection = duckdb.connect()
    seen = 0
    for country, release, cells in sent_for(both[0], text):
        rows = f"read_csv('{folder / '0' / country / 'samples.tsv'}', delim='\t', header=true)"
        shown: Counter[tuple[Any, ...]] = Counter()
        for cell in cells:
            *group, first, last = (cell[key.name] for key in release.keys)
            same = " AND ".join(f"{key} = ?" for key in keys) or "TRUE"
            between = f"round((bmi - 10) * 100) BETWEEN {first} AND {last}"
            inside, outside = connection.execute(
                f"SELECT count(*) FILTER ({where}), count(*) FILTER (NOT ({where})) FROM {rows} WHERE {same} AND {between}",
                group,
            ).fetchall()[0]
            assert inside + outside >= K
            if not cell["m0_withheld"]:
                assert inside >= K
                assert outside == 0 or outside >= K
                assert int(cell["m0"]) == inside
                seen += 1
            shown[tuple(group)] += inside
        for group, count in shown.items():
            same = " AND ".join(f"{key} = ?" for key in keys) or "TRUE"
            persons = connection.execute(
                f"SELECT count(*) FROM {rows} WHERE {same} AND {where}", list(group)
            ).fetchall()[0][0]
            assert persons == count, "intervals leave somebody out"
    assert seen > 0 or keys == ["birth_year"]


LOOKING = {
    "of_one": "SELECT median(ldl) AS x FROM samples WHERE birth_year = 1903",
    "of_one_filtered": "SELECT median(ldl) FILTER (WHERE birth_year = 1903) AS x FROM samples",
    "by_year": "SELECT birth_year, median(ldl) AS x, quantile_disc(bmi, 1.0) AS y FROM samples WHERE birth_year < 1930 GROUP BY birth_year",
    "part_of_one": "WITH q AS (SELECT ntile(3) OVER (ORDER BY score) AS k, sample_id FROM scores) SELECT k, count(*) AS x FROM q JOIN samples USING (sample_id) WHERE birth_year = 1903 GROUP BY k",
}  # fmt: skip


@pytest.mark.parametrize("name", LOOKING)
def test_one_person_is_not_found_by_quantiles(name: str, both: tuple[Federation, Federation]) -> None:
    """Rows, values, bounds and refusals are the same whatever she has."""
    first, second = (observed(federation, LOOKING[name]) for federation in both)
    for seen in (first, second):  # how near cut points are to those of all persons is released
        seen.get("envelope", {}).pop("notices", None)
    assert first == second
    assert "failed" not in first


def test_an_extreme_quantile_tells_of_at_least_k_persons(both: tuple[Federation, Federation]) -> None:
    """The bounds of the largest value reach from within the others to the public bound, hers or not."""
    text = (
        "SELECT quantile_disc(bmi, 1.0) AS x, quantile_cont(bmi, 0.0) AS y FROM samples WHERE country = 'EE'"
    )
    for federation in both:
        largest, least = federation.sql(text).envelope.bounds
        assert largest.upper is not None
        assert least.upper is not None
        assert float(largest.lower) < 36 < 80 <= float(largest.upper)
        assert float(least.lower) <= 10 < 18 < float(least.upper)


def bins_of(federation: Federation, text: str) -> Release:
    """The release that counts by intervals for the query *text*."""
    return prepare(text, federation.catalog).releases[-1]


def test_a_node_takes_intervals_in_one_form_only(both: tuple[Federation, Federation]) -> None:
    """Not beside other measures, not in conditions, not alone, and not with two grids."""
    node = both[0]._members[0].node
    good = bins_of(both[0], "SELECT sex, median(bmi) FROM samples GROUP BY sex")
    assert node.answer(good, Asker("demo"), "q").cells.num_rows > 0
    sex, first, last = good.keys
    assert isinstance(first.expression, Call)
    column, *grid = first.expression.args
    finer = Call("bin_last", (column, *grid[:-1], Literal(LiteralType.INTEGER, "7")))
    odd = Call("bin_first", (column, *grid[:1], Literal(LiteralType.DECIMAL, "0"), *grid[2:]))
    forms = {
        "one end": (sex, first),
        "other order": (sex, last, first),
        "two grids": (sex, first, Key(last.name, finer, KeyDomain.OPEN)),
        "not last": (first, last, Key("k9", sex.expression, KeyDomain.LABELS)),
        "no step": (Key("k1", odd, KeyDomain.OPEN), Key("k2", Call("bin_last", odd.args), KeyDomain.OPEN)),
    }
    for keys in forms.values():
        with pytest.raises(ReleaseRefused):
            node.answer(Release(good.relation, good.conditions, keys, good.measures), Asker("demo"), "q")
    condition = Call("lt", (first.expression, Literal(LiteralType.INTEGER, "5")))
    with pytest.raises(ReleaseRefused):
        node.answer(Release(good.relation, (condition,), good.keys, good.measures), Asker("demo"), "q")
    more = (*good.measures, Measure("m1", MeasureFunction.PERSONS))
    with pytest.raises(ReleaseRefused):
        node.answer(Release(good.relation, good.conditions, good.keys, more), Asker("demo"), "q")
