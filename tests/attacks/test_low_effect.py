"""Whether a condition concerns nobody or one person shows nowhere; without the rule each of these tells.

Two worlds differ in the secrets of one person: the only one born before 1940. In the first she has
diabetes, an LDL above 9 and a body mass index above 60; in the second she has not, and nobody has.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from goe_lake.disclosure import Policy
from goe_lake.engine import node
from goe_lake.federation import Federation
from tests.attacks.worlds import observed

HERS = "birth_year = 1903 AND t2d"
GENOTYPED = "samples JOIN genotypes USING (sample_id) WHERE pos = 6000000"
CLASSES = {
    "where": f"SELECT count(*) FROM samples WHERE NOT ({HERS})",
    "where by country": f"SELECT country, count(*) FROM samples WHERE NOT ({HERS}) GROUP BY country",
    "filter": f"SELECT count(*) FILTER (WHERE NOT ({HERS})) FROM samples",
    "not not": f"SELECT count(*) FROM samples WHERE NOT (NOT (NOT ({HERS})))",
    "de morgan": "SELECT count(*) FROM samples WHERE birth_year <> 1903 OR NOT t2d",
    "de morgan again": "SELECT count(*) FROM samples WHERE NOT (NOT (birth_year <> 1903) AND NOT (NOT t2d))",
    "or": f"SELECT count_if(sex = 'M' OR ({HERS})), count_if(sex = 'M') FROM samples",
    "in": "SELECT count_if(NOT (birth_year IN (1903, 1904) AND t2d)) FROM samples",
    "case": f"SELECT count(*) FROM samples WHERE CASE WHEN {HERS} THEN false ELSE true END",
    "case of numbers": f"SELECT count(*) FROM samples WHERE CASE WHEN {HERS} THEN 0 ELSE 1 END = 1",
    "truths compared": f"SELECT count(*) FROM samples WHERE ({HERS}) = false",
    "truths as numbers": f"SELECT count(*) FROM samples WHERE ({HERS})::INT < 1",
    "coalesce": f"SELECT count(*) FROM samples WHERE NOT coalesce({HERS}, false)",
    "nullif": f"SELECT count(*) FROM samples WHERE nullif({HERS}, true) IS NOT NULL",
    "always null": (
        f"SELECT count(*) FROM samples WHERE NOT ({HERS}) AND (nullif(sex, sex) IS NULL OR sex = 'x')"
    ),
    "said three times": "SELECT count(*) FROM samples WHERE ldl <= 9 AND ldl <= 9 AND ldl <= 9",
    "contradiction": "SELECT count_if(NOT (ldl > 9 AND NOT (bmi < 60))), count(*) FROM samples",
    "having": f"SELECT sex, count(*) FROM samples WHERE NOT ({HERS}) GROUP BY sex HAVING count(*) > 5",
    "order and limit": (
        f"SELECT cohort, count_if(NOT ({HERS})) AS n FROM samples GROUP BY cohort ORDER BY n DESC LIMIT 1"
    ),
    "at a site": f"SELECT count(*) FROM {GENOTYPED} AND NOT ({HERS})",
    "at each site": (
        "SELECT variant_id, count(*) FROM samples JOIN genotypes USING (sample_id) "
        f"WHERE contig = 'chrX' AND NOT ({HERS}) GROUP BY variant_id"
    ),
    "key": f"SELECT {HERS} AS k, count(*) FROM samples GROUP BY k",
    "key by case": (
        "SELECT CASE WHEN ldl > 9 THEN 'x' WHEN sex = 'M' THEN 'm' ELSE 'f' END AS k, count(*) "
        "FROM samples GROUP BY k"
    ),
    "key of a part": (
        f"SELECT sex = 'M' OR ({HERS}) AS k, count(*), count_if(sex = 'M') FROM samples GROUP BY k"
    ),
}
# Answers that the other rules make alike by themselves: they withhold both, or tell both
HELD_ANYWAY = {"or", "key of a part"}


@contextmanager
def without_the_rule(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nodes that leave nothing out; no setting does that."""

    def never(_: Policy) -> int:
        return 0

    with monkeypatch.context() as patch:
        patch.setattr(node, "least_effect", never)
        yield


@pytest.mark.parametrize("name", CLASSES)
def test_nobody_and_one_person_look_alike(name: str, both: tuple[Federation, Federation]) -> None:
    """Rows, statuses, bounds and envelope are the same in both worlds."""
    first, second = (observed(federation, CLASSES[name]) for federation in both)
    assert first == second
    assert "rows" in first


def test_few_carriers_are_not_told_by_a_condition(both: tuple[Federation, Federation]) -> None:
    """At a site of one carrier: those who carry and those who do not are nobody and everybody."""
    text = "SELECT count(*) AS n FROM genotypes WHERE pos = 5000 AND dosage {} 0"
    for operator in (">", "=", "<>"):
        first, second = (observed(federation, text.format(operator)) for federation in both)
        assert first == second


@pytest.mark.parametrize("name", [name for name in CLASSES if name not in HELD_ANYWAY])
def test_without_the_rule_they_do_not(
    name: str, both: tuple[Federation, Federation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack is one: it succeeds where nothing is left out."""
    with without_the_rule(monkeypatch):
        first, second = (observed(federation, CLASSES[name]) for federation in both)
    assert first != second


def test_what_was_left_out_is_not_told(both: tuple[Federation, Federation]) -> None:
    """A mark and one sentence; no condition, node or number of persons."""
    answer = both[0].sql(CLASSES["where by country"])
    assert set(answer.status.column(1).to_pylist()) == {"approx"}
    assert answer.table.column(1).to_pylist() == [40, 40, 40]
    assert answer.envelope.notices == (
        "≈: a condition that changed fewer than k persons of a country was left out there, or an earlier "
        "value of nearly the same persons was told again",
    )


def test_a_condition_of_large_effect_is_not_marked(both: tuple[Federation, Federation]) -> None:
    """Ordinary conditions are asked as they are."""
    answer = both[0].sql("SELECT country, count(*) FROM samples WHERE sex = 'M' GROUP BY country")
    assert set(answer.status.column(1).to_pylist()) == {"ok"}
    assert answer.envelope.notices == ()
