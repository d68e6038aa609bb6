"""Phenotypes of 2504 persons in six nodes, asked in SQL, equal pandas on one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from tests.integration.genomes import Nodes
from tests.integration.phenotypes import (
    COMMON_SITE,
    assert_true,
    by,
    mean,
    near,
    present,
    rows_by_key,
    total,
)

JOINED = f"FROM samples JOIN genotypes USING (sample_id) WHERE variant_id = '{COMMON_SITE}'"


@dataclass(frozen=True)
class Query:
    """A query, its key columns, and the same in pandas over the pooled table.

    *shown* is the least share of values that the default policy shows: a group of few persons at one
    node hides the sum over all.
    """

    sql: str
    keys: tuple[str, ...]
    pooled: Callable[[pd.DataFrame], pd.DataFrame]
    shown: float = 1


QUERIES: Mapping[str, Query] = {
    "no group": Query(
        "SELECT count(*) AS n, count(bmi) AS weighed, avg(bmi) AS bmi, sum(bmi) AS total, avg(ldl) AS ldl, "
        "sum(pulse) AS beats, count(sleep) AS slept FROM samples",
        (),
        lambda p: by(
            p, n=len, weighed=present("bmi"), bmi=mean("bmi"), total=total("bmi"), ldl=mean("ldl"),
            beats=total("pulse"), slept=present("sleep"),
        ),
    ),
    "by country": Query(
        "SELECT country, count(*) AS n, avg(bmi) AS bmi, sum(pulse) AS beats, avg(sleep) AS sleep "
        "FROM samples GROUP BY country",
        ("country",),
        lambda p: by(p, "country", n=len, bmi=mean("bmi"), beats=total("pulse"), sleep=mean("sleep")),
    ),
    "by label": Query(
        "SELECT diabetes, count(*) AS n, avg(ldl) AS ldl FROM samples GROUP BY diabetes",
        ("diabetes",),
        lambda p: by(p, "diabetes", n=len, ldl=mean("ldl")),
    ),
    "by a label that may be missing": Query(
        "SELECT neuro, count(*) AS n, count(bmi) AS weighed, avg(height) AS height "
        "FROM samples GROUP BY neuro",
        ("neuro",),
        lambda p: by(p, "neuro", n=len, weighed=present("bmi"), height=mean("height")),
        shown=3 / 12,  # the diseases have a few persons each in a node of a hundred
    ),
    "by sex, habit and country": Query(
        "SELECT sex, smoked, country, count(*) AS n, avg(height) AS height FROM samples "
        "GROUP BY sex, smoked, country",
        ("sex", "smoked", "country"),
        lambda p: by(p, "sex", "smoked", "country", n=len, height=mean("height")),
    ),
    "filters": Query(
        "SELECT count(*) FILTER (WHERE diabetes = 'Yes') AS diabetics, "
        "avg(bmi) FILTER (WHERE sex = 'F' AND smoked) AS bmi, "
        "sum(pulse) FILTER (WHERE neuro = 'alzheimer''s disease') AS beats, "
        "count(*) FILTER (WHERE neuro IS NULL) AS without FROM samples",
        (),
        lambda p: by(
            p,
            diabetics=lambda rows: (rows.diabetes == "Yes").sum(),
            bmi=lambda rows: rows[(rows.sex == "F") & rows.smoked].bmi.mean(),
            beats=lambda rows: rows[rows.neuro == "alzheimer's disease"].pulse.sum(),
            without=lambda rows: rows.neuro.isna().sum(),
        ),
        shown=2 / 4,
    ),
    "conditions": Query(
        "SELECT population, count(*) AS n, avg(ldl) AS ldl FROM samples "
        "WHERE bmi >= 22.5 AND bmi < 30 AND diabetes IN ('Yes', 'No') GROUP BY population",
        ("population",),
        lambda p: by(
            p[p.bmi.between(22.5, 30, "left") & p.diabetes.isin(["Yes", "No"])],
            "population", n=len, ldl=mean("ldl"),
        ),
    ),
    "branches": Query(
        "SELECT sex, sum(CASE WHEN bmi >= 25 THEN 1 ELSE 0 END) AS heavy, "
        "avg(CASE WHEN smoked THEN pulse END) AS pulse, avg(height / 100) AS metres, "
        "sum(2 * sleep + 1) AS slept FROM samples GROUP BY sex",
        ("sex",),
        lambda p: by(
            p, "sex",
            heavy=lambda rows: (rows.bmi >= 25).sum(),
            pulse=lambda rows: rows[rows.smoked].pulse.mean(),
            metres=lambda rows: rows.height.mean() / 100,
            slept=lambda rows: (2 * rows.sleep + 1).sum(),
        ),
        shown=6 / 8,  # sleep has eight values: with the two counts it tells small groups apart
    ),
    "expressions as keys": Query(
        "SELECT CASE WHEN ldl < 3 THEN 'low' WHEN ldl < 3.5 THEN 'normal' ELSE 'high' END AS class, "
        "count(*) AS n, avg(height) AS height FROM samples GROUP BY 1",
        ("class",),
        lambda p: by(
            p.assign(**{"class": np.select([p.ldl < 3, p.ldl < 3.5], ["low", "normal"], "high")}),
            "class", n=len, height=mean("height"),
        ),
    ),
    "after the union": Query(
        "SELECT country, count(*) AS n, avg(bmi) AS bmi FROM samples GROUP BY country "
        "HAVING count(*) < 200 ORDER BY n DESC, country LIMIT 4",
        ("country",),
        lambda p: by(p[p.country != "XX"], "country", n=len, bmi=mean("bmi"))
        .sort_values(["n", "country"], ascending=[False, True])
        .head(4),
    ),
    "by genotype": Query(
        f"SELECT dosage, count(*) AS n, avg(bmi) AS bmi, sum(pulse) AS beats {JOINED} GROUP BY dosage",
        ("dosage",),
        lambda p: by(p, "dosage", n=len, bmi=mean("bmi"), beats=total("pulse")),
    ),
    "genotypes by label": Query(
        "SELECT diabetes, sum(dosage) AS ac, sum(called_alleles) AS an, count(DISTINCT sample_id) AS n "
        f"{JOINED} GROUP BY diabetes",
        ("diabetes",),
        lambda p: by(p, "diabetes", ac=total("dosage"), an=lambda rows: 2 * len(rows), n=len),
        shown=8 / 12,  # a quarter of a node's 25 persons with one answer do not carry the allele
    ),
}  # fmt: skip
queries = pytest.mark.parametrize("name", QUERIES)


@queries
def test_open_answers_equal_pandas(name: str, europe: Mapping[str, Nodes], pooled: pd.DataFrame) -> None:
    """With protection off counts are exact, and sums and means equal those of one table of all persons."""
    query = QUERIES[name]
    answer = europe["every record"].ask(query.sql, protection=False)
    found = rows_by_key(answer.to_pandas(), query.keys)
    expected = rows_by_key(query.pooled(pooled), query.keys)
    assert set(found) == set(expected)
    assert "ORDER BY" not in query.sql or list(found) == list(expected)
    for key, row in expected.items():
        assert list(found[key]) == list(row)
        for column, value in row.items():
            if column not in query.keys:
                assert found[key][column] == near(value), (key, column)
    assert {word for row in answer.status.to_pylist() for word in row.values()} == {"ok"}


@queries
def test_what_the_default_policy_shows_is_true(
    name: str, europe: Mapping[str, Nodes], pooled: pd.DataFrame
) -> None:
    """Each value marked ok equals the pooled one, each bound holds it, and ordinary queries are answered."""
    query = QUERIES[name]
    answer = europe["every record"].ask(query.sql, protection=True)
    assert_true(answer, query.keys, rows_by_key(query.pooled(pooled), query.keys))
    words = [
        word for row in answer.status.to_pylist() for column, word in row.items() if column not in query.keys
    ]
    assert words
    shown = words.count("ok") + words.count("approx")
    assert shown >= query.shown * len(words), answer.status.to_pylist()


def test_values_out_of_bounds_are_put_aside(europe: Mapping[str, Nodes], pooled: pd.DataFrame) -> None:
    """Public bounds are facts: what lies outside is NULL for analysts, and told to the data engineer."""
    reports = europe["every record"].reports.values()
    aside = sum(report.quarantined.get("out_of_bounds", 0) for report in reports)
    assert aside == int(pooled[["bmi", "sleep"]].isna().to_numpy().sum())
    assert aside > 0
