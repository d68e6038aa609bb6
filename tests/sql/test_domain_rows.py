"""Groups that are not shown: listed in the envelope, and given withheld rows on request."""

from __future__ import annotations

from goe_lake.federation import Federation

QUERY = "SELECT sex, cohort, count(*) AS n FROM samples WHERE birth_year < 1941 GROUP BY sex, cohort"


def test_small_groups_are_listed_and_may_have_rows(federation: Federation) -> None:
    """The groups not shown become rows whose values are withheld; the shown ones stay as they are."""
    plain, full = federation.sql(QUERY), federation.sql(QUERY, domain_rows=True)
    assert plain.envelope.not_shown
    assert not full.envelope.not_shown
    shown = {(row["sex"], row["cohort"]): row["n"] for row in plain.table.to_pylist()}
    rows = {(row["sex"], row["cohort"]): row["n"] for row in full.table.to_pylist()}
    added = {(group["sex"], group["cohort"]) for group in plain.envelope.not_shown}
    assert rows == {**shown, **dict.fromkeys(added)}
    statuses = full.status.to_pylist()
    for row, words in zip(full.table.to_pylist(), statuses, strict=True):
        assert (words["n"] == "ok") == (row["n"] is not None)


def test_domain_rows_of_an_open_key_add_nothing(federation: Federation) -> None:
    """Where the values of a key are not public, there is nothing to list."""
    query = "SELECT floor(bmi) AS b, count(*) AS n FROM samples GROUP BY b"
    assert federation.sql(query, domain_rows=True).table.equals(federation.sql(query).table)
