"""Variances, correlations and regressions from sums: exact, and odd exactly where DuckDB is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from goe_lake.catalog import Catalog
from goe_lake.query import prepare
from goe_lake.query.moments import macro_statements
from tests.passes.test_passes import release_sql, tiny_catalog

OF_ONE = ("var_pop", "var_samp", "variance", "stddev_pop", "stddev_samp", "stddev", "sem")
SHAPES = ("skewness", "kurtosis", "kurtosis_pop")
OF_TWO = (
    "covar_pop", "covar_samp", "corr", "regr_slope", "regr_intercept", "regr_r2", "regr_count", "regr_avgx",
    "regr_avgy", "regr_sxx", "regr_syy", "regr_sxy",
)  # fmt: skip
# (bmi, birth_year) of each person; None where not measured
ROWS: dict[str, list[tuple[float | None, int | None]]] = {
    "nobody": [],
    "nobody with both": [(20.5, None), (None, 1950)],
    "one person": [(20.51, 1950)],
    "one person with both": [(20.51, 1950), (30.0, None), (None, 1980)],
    "two persons": [(20.51, 1950), (31.07, 1972)],
    "three persons": [(20.51, 1950), (31.07, 1972), (25.0, 1961)],
    "x constant": [(20.51 + i, 1950) for i in range(6)],
    "y constant": [(24.13, 1950 + i) for i in range(6)],
    "both constant": [(24.13, 1950)] * 6,
    "both two values": [(24.13 + i % 2, 1950 + i // 3) for i in range(6)],
    "with missing": [(20 + i * 0.37 if i % 3 else None, 1940 + i * i if i % 4 else None) for i in range(30)],
    "close together": [(80 - 0.01 * (i % 3), 2029 + i % 2) for i in range(40)],
}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """A federation of one node with a BMI."""
    return tiny_catalog()


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database that knows the macros."""
    with duckdb.connect() as connection:
        for statement in macro_statements():
            connection.execute(statement)
        yield connection


def both_answers(catalog: Catalog, rows: str, asked: list[str]) -> list[tuple[str, object, object]]:
    """Each of *asked*, with its value from sums, and DuckDB's from the rows themselves."""
    text = f"SELECT {', '.join(asked)} FROM samples"
    connection = duckdb.connect()
    for statement in macro_statements():
        connection.execute(statement)
    connection.execute("CREATE TABLE samples (bmi DOUBLE, birth_year INTEGER, t2d BOOLEAN)")
    for bmi, year in ROWS[rows]:
        connection.execute("INSERT INTO samples VALUES (?, ?, ?)", [bmi, year, bmi is not None and bmi > 25])
    plan = prepare(text, catalog)
    connection.execute(f"CREATE TABLE cells AS {release_sql(plan.releases[0])}")
    (ours,), (theirs,) = (connection.execute(sql).fetchall() for sql in (plan.final_sql(), text))
    return list(zip(asked, ours, theirs, strict=True))


def equal(ours: object, theirs: object, scale: float) -> bool:
    """Both missing, both no number, or equal to 1e-9 of *scale*."""
    if not isinstance(ours, float) or not isinstance(theirs, float):
        return ours == theirs
    if math.isnan(ours) or math.isnan(theirs):
        return math.isnan(ours) and math.isnan(theirs)
    return math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9 * scale)


@pytest.mark.parametrize("rows", ROWS)
def test_one_variable(catalog: Catalog, rows: str) -> None:
    """Of few or equal values a variance is 0, or missing, exactly where DuckDB says so."""
    arguments = ("bmi", "birth_year", "2 * bmi + 1", "t2d::INT", "(bmi - 27.1) / 4.2")
    asked = [f"{function}({argument})" for function in OF_ONE for argument in arguments]
    # skewness and kurtosis of whole numbers, which DuckDB sums without error
    asked += [f"{function}(birth_year - 1950)" for function in SHAPES if rows != "close together"]
    for text, ours, theirs in both_answers(catalog, rows, asked):
        assert equal(ours, theirs, 1.0), (text, ours, theirs)


@pytest.mark.parametrize("rows", ROWS)
def test_two_variables(catalog: Catalog, rows: str) -> None:
    """Only who has both values counts; a constant gives what DuckDB gives: NaN, NULL, 0 or 1."""
    pairs = ("bmi, birth_year", "birth_year, bmi", "bmi, t2d::INT", "-bmi, birth_year / 10", "bmi, bmi")
    pairs += ("CASE WHEN bmi > 22 THEN 1 ELSE 0 END, birth_year",)
    asked = [f"{function}({pair})" for function in OF_TWO for pair in pairs]
    for text, ours, theirs in both_answers(catalog, rows, asked):
        assert equal(ours, theirs, 2000.0), (text, ours, theirs)


def test_shape_equals_scipy(catalog: Catalog) -> None:
    """Skewness and kurtosis have the corrections for small samples that statisticians use."""
    values = [bmi for bmi, _ in ROWS["with missing"] if bmi is not None]
    expected = {
        "skewness(bmi)": stats.skew(values, bias=False),
        "kurtosis(bmi)": stats.kurtosis(values, bias=False),
        "kurtosis_pop(bmi)": stats.kurtosis(values),
    }
    for text, ours, _ in both_answers(catalog, "with missing", list(expected)):
        assert equal(ours, float(expected[text]), 1.0), text


whole = st.one_of(st.integers(-5, 5), st.integers(-(10**6), 10**6), st.just(8_000), st.integers(7_990, 8_000))


@given(pairs=st.lists(st.tuples(whole, whole), max_size=30))
def test_distances_from_the_mean_are_exact(
    connection: duckdb.DuckDBPyConnection, pairs: list[tuple[int, int]]
) -> None:
    """The sums about the mean lose nothing: 1e-14 of the sum of absolute terms, and 0 for a constant."""
    n = len(pairs)
    powers = {f"s{p}{q}": sum(x**p * y**q for x, y in pairs) for p in range(5) for q in range(2)}
    values = ", ".join(f"{value}::HUGEINT AS {name}" for name, value in powers.items())
    asked = {
        (2, 0): "comoment(s00, s10, s10, s20)",
        (1, 1): "comoment(s00, s10, s01, s11)",
        (3, 0): "moment3(s00, s10, s20, s30)",
        (4, 0): "moment4(s00, s10, s20, s30, s40)",
    }
    found = connection.execute(f"SELECT {', '.join(asked.values())} FROM (SELECT {values})").fetchall()[0]
    mean_x, mean_y = (Fraction(sum(part), max(1, n)) for part in (*zip(*pairs, strict=True),) or ((), ()))
    for (p, q), ours in zip(asked, found, strict=True):
        terms = [(x - mean_x) ** p * (y - mean_y) ** q for x, y in pairs]
        if not n:
            assert ours is None
            continue
        assert abs(ours - sum(terms)) <= 1e-14 * sum(map(abs, terms))
