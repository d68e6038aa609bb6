"""Attacks through what stands above the releases of one query: two worlds, several releases, resources."""

# ruff: noqa: E501 - a query stands on one line

from __future__ import annotations

import time

import pytest

from goe_lake.errors import QueryRefused
from goe_lake.federation import Federation
from goe_lake.federation.workspace import Limits, Workspaces
from tests.attacks.worlds import SECRETS, observed

GROUPS = "(SELECT birth_year, population, count(*) AS n, avg(ldl) AS l FROM samples GROUP BY ALL)"
ONE = "(SELECT count(*) AS n, sum(ldl) AS s, avg(bmi) AS b FROM samples WHERE birth_year = 1903)"
RARE = "chr1-5000-G-T"
LAUNDERED = {
    "is_null": f"SELECT n IS NULL AS x, s IS NULL AS y FROM {ONE} AS t",
    "is_not_distinct": f"SELECT n IS NOT DISTINCT FROM NULL AS x FROM {ONE} AS t",
    "coalesce": f"SELECT coalesce(s, -1) AS x FROM {ONE} AS t",
    "case_on_null": f"SELECT CASE WHEN s IS NULL THEN 'few' WHEN s > 9 THEN 'high' ELSE 'low' END AS x FROM {ONE} AS t",
    "nullif": f"SELECT nullif(n, 1) AS x FROM {ONE} AS t",
    "greatest": f"SELECT greatest(s, 3) AS x, least(s, 3) AS y FROM {ONE} AS t",
    "count_of_nulls": f"SELECT count(*) - count(l) AS x FROM {GROUPS} AS t",
    "count_distinct": f"SELECT count(DISTINCT l) AS x FROM {GROUPS} AS t",
    "string_agg": f"SELECT string_agg(birth_year::VARCHAR, ',' ORDER BY birth_year) AS x FROM {GROUPS} AS t",
    "list": f"SELECT list(l ORDER BY birth_year) AS x FROM {GROUPS} AS t",
    "histogram": f"SELECT histogram(n) AS x FROM {GROUPS} AS t",
    "order_limit": f"SELECT birth_year FROM {GROUPS} AS t ORDER BY l DESC LIMIT 1",
    "order_nulls_first": f"SELECT birth_year FROM {GROUPS} AS t ORDER BY n NULLS FIRST LIMIT 3",
    "window_rank": f"SELECT birth_year, rank() OVER (ORDER BY l DESC) AS x FROM {GROUPS} AS t",
    "window_rest": f"SELECT birth_year, sum(n) OVER () - sum(n) OVER (PARTITION BY birth_year) AS x FROM {GROUPS} AS t",
    "lag": f"SELECT birth_year, lag(birth_year) OVER (ORDER BY birth_year) AS x FROM {GROUPS} AS t",
    "ntile": f"SELECT birth_year, ntile(3) OVER (ORDER BY n) AS x FROM {GROUPS} AS t",
    "distinct": f"SELECT DISTINCT l > 9 AS x FROM {GROUPS} AS t",
    "except": f"SELECT birth_year FROM {GROUPS} AS t EXCEPT SELECT 1940 + i FROM range(20) AS r(i)",
    "intersect": f"SELECT n FROM {ONE} AS t INTERSECT SELECT i FROM range(10) AS r(i)",
    "anti_join": f"SELECT i FROM range(1900, 1910) AS r(i) ANTI JOIN {GROUPS} AS t ON t.birth_year = r.i",
    "full_join": f"SELECT r.i, t.n FROM range(1900, 1910) AS r(i) FULL JOIN {GROUPS} AS t ON t.birth_year = r.i",
    "exists": f"SELECT EXISTS (SELECT 1 FROM {ONE} AS t WHERE s > 9) AS x FROM contigs LIMIT 1",
    "not_in": f"SELECT i FROM range(12) AS r(i) WHERE i NOT IN (SELECT n FROM {ONE} AS t)",
    "scalar": f"SELECT contig, length + coalesce((SELECT s FROM {ONE} AS t), 0) AS x FROM contigs",
    "scalar_of_many": "SELECT (SELECT count(*) FROM samples WHERE ldl > 9 GROUP BY population) AS x FROM contigs LIMIT 1",
    "pivot": "FROM (SELECT sex, t2d, count(*) AS n FROM samples WHERE birth_year < 1940 GROUP BY ALL) PIVOT (sum(n) FOR sex IN ('F', 'M') GROUP BY t2d)",
    "error_cast": f"SELECT CAST(CASE WHEN n IS NULL THEN 'x' ELSE '1' END AS INTEGER) AS x FROM {ONE} AS t",
    "error_divide": f"SELECT 1 // n AS x FROM {ONE} AS t",
    "error_index": f"SELECT ['a', 'b'][n] AS x FROM {ONE} AS t",
    "recursive": f"WITH RECURSIVE t AS {ONE}, r(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM r, t WHERE i < coalesce(t.n, 5)) SELECT count(*) AS x FROM r",
    "rollup": f"SELECT population, sum(n) AS x FROM {GROUPS} AS t GROUP BY ROLLUP (population)",
    "having": f"SELECT population, max(l) AS x FROM {GROUPS} AS t GROUP BY population HAVING max(l) > 9",
    "qualify": f"SELECT birth_year FROM {GROUPS} AS t QUALIFY row_number() OVER (ORDER BY l DESC NULLS LAST) = 1",
    "genes": "SELECT * FROM genes",
    "columns": "SELECT * FROM columns",
    "variants": "SELECT * FROM variants",
    "frequency": f"SELECT population, sex, an, status, release, call_rate FROM allele_frequencies WHERE variant_id = '{RARE}'",
    "frequency_nulls": "SELECT count(*) FILTER (WHERE ac IS NULL) AS x, count(grpmax) AS y FROM allele_frequencies WHERE contig = 'chr1' AND pos = 5000",
    "bounds_of_released": "SELECT country, population, sex, ac_lower, ac_upper, ac IS NULL AS x FROM allele_frequencies WHERE contig = 'chr1' AND pos = 5000",
    "inner_names": 'SELECT * FROM "allele_frequencies$all"',
    "inner_levels": 'SELECT "n$level" FROM (SELECT count(*) AS n FROM samples WHERE birth_year = 1903) AS t',
}  # fmt: skip


@pytest.mark.parametrize("name", LAUNDERED)
def test_what_is_withheld_stays_so_whatever_is_made_of_it(
    name: str, both: tuple[Federation, Federation]
) -> None:
    """Rows, their number and order, statuses, bounds, refusals and envelope are the same in both worlds."""
    first, second = (observed(federation, LAUNDERED[name]) for federation in both)
    assert first == second
    assert "failed" not in first


TRACKERS = {
    "joined": "WITH a AS (SELECT sum(ldl) AS s FROM samples WHERE country = 'EE' AND (sex = 'M' OR birth_year = 1903)), "
    "b AS (SELECT sum(ldl) AS s FROM samples WHERE country = 'EE' AND (sex = 'F' OR birth_year = 1903)), "
    "c AS (SELECT sum(ldl) AS s FROM samples WHERE country = 'EE') SELECT a.s + b.s - c.s AS x FROM a, b, c",
    "nested": "SELECT (SELECT sum(ldl) FROM samples WHERE country = 'EE' AND (sex = 'M' OR birth_year = 1903)) + "
    "(SELECT sum(ldl) FROM samples WHERE country = 'EE' AND (sex = 'F' OR birth_year = 1903)) - "
    "(SELECT sum(ldl) FROM samples WHERE country = 'EE') AS x",
    "united": "SELECT sum(s) AS x FROM (SELECT sum(ldl) AS s FROM samples WHERE country = 'EE' AND (sex = 'M' OR birth_year = 1903) "
    "UNION ALL SELECT sum(ldl) FROM samples WHERE country = 'EE' AND (sex = 'F' OR birth_year = 1903) "
    "UNION ALL SELECT -sum(ldl) FROM samples WHERE country = 'EE') AS t",
}  # fmt: skip


@pytest.mark.parametrize("name", TRACKERS)
def test_tracker_over_several_releases(name: str, both: tuple[Federation, Federation]) -> None:
    """(men or T) + (women or T) - everyone, each a release of its own: "or T" is left out of each."""
    found = [observed(federation, TRACKERS[name])["rows"][0]["x"] for federation in both]
    ldl = [float(secret["ldl"]) for secret in SECRETS]
    assert found != [pytest.approx(value) for value in ldl]


# Availability ----------------------------------------------------------------------------------------

LONG = "(SELECT string_agg('abcdefgh', '') AS s FROM range(40000) AS r(i))"
EXPENSIVE = {
    "levenshtein": f"SELECT levenshtein(s, reverse(s)) AS x FROM {LONG} AS t",
    "replace_by_itself": f"SELECT length(replace(replace(replace(s, 'a', s), 'b', s), 'c', s)) AS x FROM {LONG} AS t",
    "replace_by_more": f"SELECT length(replace(s, 'a', '{'a' * 100}')) AS x FROM {LONG} AS t",
    "regexp_replace": f"SELECT length(regexp_replace(s, '', s, 'g')) AS x FROM {LONG} AS t",
    "format_again": f"SELECT length(format('{'{0}' * 300}', s)) AS x FROM {LONG} AS t",
    "format_wide": "SELECT format('{:>2000000000}', 1) AS x FROM nodes",
    "printf_wide": "SELECT printf('%2000000000d', 1) AS x FROM nodes",
    "range": "SELECT count(*) AS x FROM range(1000000000000) AS t(i)",
    "deep_case": f"SELECT {'CASE WHEN 1 = 1 THEN ' * 200}1{' ELSE 0 END' * 200} AS x FROM nodes",
    "deep_brackets": f"SELECT {'(' * 900}1{')' * 900} AS x FROM nodes",
    "many_releases": " UNION ALL ".join(f"SELECT count(*) AS x FROM samples WHERE bmi > {i}" for i in range(99)),
    "many_characters": f"SELECT {'+'.join(['1'] * 20_000)} AS x FROM nodes",
}  # fmt: skip


@pytest.mark.parametrize("name", EXPENSIVE)
def test_expensive_query_is_refused_at_once(name: str, both: tuple[Federation, Federation]) -> None:
    """What nothing could stop once it runs, or what takes memory that is not counted, does not begin."""
    started = time.process_time()
    with pytest.raises(QueryRefused):
        both[0].sql(EXPENSIVE[name])
    assert time.process_time() - started < 5


@pytest.fixture
def short(both: tuple[Federation, Federation], monkeypatch: pytest.MonkeyPatch) -> Federation:
    """A gateway that gives a statement one second."""
    monkeypatch.setattr(both[0], "workspaces", Workspaces(Limits(seconds=1)))
    return both[0]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT count(*) AS x FROM range(1000000) AS a(i), range(1000000) AS b(i) WHERE a.i * b.i % 7 = 3",
        "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT max(i) AS x FROM r",
        "WITH RECURSIVE r(s) AS (SELECT 'aaaaaaaa' UNION ALL SELECT s || s FROM r) SELECT max(length(s)) AS x FROM r",
    ],
    ids=["cross", "recursive", "doubling"],
)
def test_endless_query_ends(text: str, short: Federation) -> None:
    """A statement that has no end is stopped, and the next query is answered."""
    started = time.process_time()
    with pytest.raises(QueryRefused, match="G601"):
        short.sql(text)
    assert short.sql("SELECT count(*) AS n FROM contigs").to_arrow().num_rows == 1
    assert time.process_time() - started < 15


def test_merge_that_is_stopped_is_a_refusal(
    both: tuple[Federation, Federation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit that ends the merge beneath the analyst's steps is told as theirs is, without the database's words."""
    monkeypatch.setattr(both[0], "workspaces", Workspaces(Limits(seconds=0.001)))
    cells = ", ".join(f"count(*) FILTER (birth_year > {1900 + year}) AS n{year}" for year in range(40))
    with pytest.raises(QueryRefused, match="G601"):
        both[0].sql(f"SELECT sex, floor(bmi) AS b, {cells} FROM samples GROUP BY ALL")
