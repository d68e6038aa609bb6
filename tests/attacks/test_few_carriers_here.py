"""At a site that is listed because others carry it: one carrier of a node, or none, shows nowhere."""

# ruff: noqa: E501 - a statement stands on one line

from __future__ import annotations

import pytest

from goe_lake.federation import Federation
from tests.attacks.worlds import SECRETS, assert_answered_alike, observed, open_world

RARE = "variant_id = 'chr1-5000-G-T'"
ROWS = "genotypes JOIN samples USING (sample_id)"
DIGITS = (
    "dosage * CASE WHEN variant_id = 'chr1-1000-A-C' THEN 1 WHEN variant_id = 'chr1-5000-G-T' THEN 1000 END"
)
ATTACKS = (
    f"SELECT country, dosage, count(*) FROM {ROWS} WHERE {RARE} GROUP BY ALL",
    f"SELECT country, variant_id, dosage, count(*) FROM {ROWS} WHERE contig = 'chr1' GROUP BY ALL",
    f"SELECT country, variant_id, dosage > 0 AS k, count(*) FROM {ROWS} WHERE contig = 'chr1' GROUP BY ALL",
    f"SELECT country, sex, dosage, count(*), avg(birth_year) FROM {ROWS} WHERE {RARE} GROUP BY ALL",
    f"SELECT country, sum(dosage), sum(dosage * dosage), count_if(dosage = 0) FROM {ROWS} WHERE {RARE} GROUP BY ALL",
    f"SELECT country, x, count(*) FROM samples JOIN (SELECT sample_id, max(dosage) AS x FROM genotypes WHERE {RARE} GROUP BY 1) b USING (sample_id) GROUP BY ALL",
    f"SELECT country, sex, x > 0 AS k, count(*) FROM samples JOIN (SELECT sample_id, max(dosage) AS x FROM genotypes WHERE {RARE} GROUP BY 1) b USING (sample_id) GROUP BY ALL",
    f"SELECT country, count_if(x > 0), count_if(x = 0), count(*) FROM samples JOIN (SELECT sample_id, max(dosage) AS x FROM genotypes WHERE {RARE} GROUP BY 1) b USING (sample_id) GROUP BY ALL",
    f"SELECT country, a.dosage, b.dosage, count(*) FROM samples JOIN genotypes a USING (sample_id) JOIN genotypes b USING (sample_id) WHERE a.variant_id = 'chr1-1000-A-C' AND b.{RARE} GROUP BY ALL",
    f"SELECT country, floor(x / 1000) AS k, count(*) FROM samples JOIN (SELECT sample_id, sum({DIGITS}) AS x FROM genotypes GROUP BY 1) b USING (sample_id) GROUP BY ALL",
    f"SELECT country, x, count(*) FROM samples JOIN (SELECT sample_id, sum(dosage * CASE WHEN {RARE} THEN 0.001 ELSE 0 END) AS x FROM genotypes GROUP BY 1) b USING (sample_id) GROUP BY ALL",
    f"SELECT country, count_if(x IN (1, 2)), count_if(y IN (1, 2)) FROM samples JOIN (SELECT sample_id, sum({DIGITS}) AS x, sum(dosage) FILTER (variant_id = 'chr1-1000-A-C') AS y FROM genotypes GROUP BY 1) b USING (sample_id) GROUP BY country",
    f"SELECT country, count_if(a + 10 * b IN (1, 2)), count_if(a > 0) FROM samples JOIN (SELECT sample_id, max(dosage) FILTER (variant_id = 'chr1-1000-A-C') AS a, max(dosage) FILTER ({RARE}) AS b FROM genotypes GROUP BY 1) x USING (sample_id) GROUP BY country",
    f"SELECT country, sex, count(*) FROM samples WHERE sample_id NOT IN (SELECT sample_id FROM genotypes WHERE {RARE} AND dosage > 0) GROUP BY ALL",
    f"SELECT country, count_if(sample_id IN (SELECT sample_id FROM genotypes WHERE {RARE} AND dosage > 0)), count(*) FROM samples GROUP BY country",
)  # fmt: skip
#: Refused whoever carries: the first or last site of a person would tell sites apart.
REFUSED = (
    "SELECT country, x, count(*) FROM samples JOIN (SELECT sample_id, max(pos) AS x FROM genotypes WHERE dosage > 0 GROUP BY 1) b USING (sample_id) GROUP BY ALL",
    "SELECT count_if(x > 4999) FROM (SELECT sample_id, max(pos) AS x FROM genotypes WHERE contig = 'chr1' GROUP BY 1) b",
    "SELECT x, count(*) FROM (SELECT sample_id, min(variant_id) FILTER (dosage > 0) AS x FROM genotypes GROUP BY 1) b GROUP BY x",
)


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Federation, Federation]:
    """The two worlds in which the rare site is common in two other countries."""
    folder = tmp_path_factory.mktemp("listed")
    first, second = (
        open_world(folder / str(place), secret, listed=True) for place, secret in enumerate(SECRETS)
    )
    return first, second


@pytest.mark.parametrize("text", ATTACKS)
def test_one_carrier_and_none_look_alike(text: str, listed: tuple[Federation, Federation]) -> None:
    """Rows, their number and order, statuses, bounds and envelope are the same in both worlds."""
    assert_answered_alike(listed, text)


@pytest.mark.parametrize("text", REFUSED)
def test_places_are_not_aggregated_by_person(text: str, listed: tuple[Federation, Federation]) -> None:
    """The refusal does not depend on anybody."""
    first, second = (observed(federation, text) for federation in listed)
    assert first == second
    assert "refused" in first
