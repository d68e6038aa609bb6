"""Charts draw what is shown, leave out what is not, and are the same bytes each time."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from goe_lake.errors import ConfigError
from goe_lake.federation import Answer
from goe_lake.products.reports.charts import MEDIAN_CHI_SQUARED, draw, expected_chi_squared, plane
from goe_lake.products.reports.definition import CHART_COLUMNS, Chart, ChartKind, Query
from goe_lake.release import Envelope, Status

QUERY = Query("rows", "SELECT", "C", (), 1)


def answer(columns: Mapping[str, Sequence[object]], hidden: Collection[tuple[str, int]] = ()) -> Answer:
    """An answer of *columns*, withheld at the *hidden* (column, row) places."""
    words = {
        name: [Status.WITHHELD if (name, row) in hidden else Status.OK for row in range(len(values))]
        for name, values in columns.items()
    }
    return Answer(pa.table(columns), pa.table(words), Envelope("q", (), (), Status.OK))


PAIRS = {
    "a": ["EE", "EE", "FI", "EE"],
    "b": ["FI", "LV", "LV", "LT"],
    "d": [0.01, 0.002, 0.011, 0.003],
}
SQUARE = {"a": [*PAIRS["a"], "FI", "LV"], "b": [*PAIRS["b"], "LT", "LT"], "d": [*PAIRS["d"], 0.012, 0.001]}
CHARTS: dict[ChartKind, tuple[dict[str, str], Mapping[str, Sequence[object]]]] = {
    "bar": ({"x": "c", "y": "n"}, {"c": ["EE", None, "FI"], "n": [3, 4, 5]}),
    "line": ({"x": "x", "y": "n", "series": "s"}, {"x": [1, 2, 1], "n": [3, 4, 5], "s": ["F", "F", "M"]}),
    "points": ({"x": "x", "y": "n"}, {"x": ["a", "b"], "n": [3.5, -4.5]}),
    "matrix": ({"x": "a", "y": "b", "value": "d"}, SQUARE),
    "map": ({"x": "a", "y": "b", "value": "d"}, SQUARE),
    "qq": ({"value": "chi"}, {"chi": [0.1, 0.4, 2.5, 7.0]}),
}


def test_every_kind_is_tried() -> None:
    """No kind of chart is without an example here."""
    assert set(CHARTS) == set(CHART_COLUMNS)


@pytest.mark.parametrize("kind", CHARTS)
def test_a_chart_is_well_formed_and_repeatable(kind: ChartKind) -> None:
    """SVG that parses, refers to nothing outside, and does not change."""
    columns, rows = CHARTS[kind]
    drawings = [draw(Chart(kind, columns, "Title"), QUERY, answer(rows), "r.sql") for _ in range(2)]
    assert drawings[0] == drawings[1]
    root = ET.fromstring(drawings[0].svg)
    assert root.tag.endswith("svg")
    links = [value for element in root.iter() for name, value in element.items() if name.endswith("href")]
    assert all(link.startswith(("#", "data:image/png;")) for link in links)
    assert "Title" in drawings[0].svg


def test_a_withheld_value_is_left_out_and_said() -> None:
    """It is not drawn as 0, and the caption counts it."""
    rows = {"c": ["EE", "FI"], "n": [30, None]}
    drawing = draw(Chart("bar", {"x": "c", "y": "n"}), QUERY, answer(rows, {("n", 1)}), "r.sql")
    assert "FI" not in drawing.svg
    assert drawing.caption == "n by c. 1 row is not drawn: a value in it is not shown."


def test_nothing_to_draw_is_said() -> None:
    """An answer without rows gives a picture that says so."""
    drawing = draw(Chart("qq", {"value": "chi"}), QUERY, answer({"chi": []}), "r.sql")
    assert drawing.caption == "No value is shown."


def test_a_column_that_the_answer_lacks_is_named() -> None:
    """The error names the query, the role and the columns that there are."""
    with pytest.raises(ConfigError, match=r"query rows, chart bar: y: no column 'm'\. have c, n"):
        draw(Chart("bar", {"x": "c", "y": "m"}), QUERY, answer({"c": ["EE"], "n": [1]}), "r.sql")


def test_an_incomplete_square_is_not_laid_out() -> None:
    """A map that lacks a pair would be made up."""
    columns = {"x": "a", "y": "b", "value": "d"}
    drawing = draw(Chart("map", columns), QUERY, answer(dict(PAIRS)), "r.sql")
    assert drawing.caption.startswith("Not drawn")


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=3, max_size=8, unique=True))
def test_the_plane_keeps_distances_of_the_plane(points: list[tuple[float, float]]) -> None:
    """Points that lie in a plane come out with the same distances."""
    places = np.array(points)
    distances = np.linalg.norm(places[:, None] - places[None, :], axis=2)
    found = plane(distances)
    again = np.linalg.norm(found[:, None] - found[None, :], axis=2)
    assert np.allclose(again, distances, atol=1e-6)


def test_expected_chi_squared_agrees_with_scipy() -> None:
    """The quantiles of the null distribution, and its median."""
    levels = (np.arange(1, 101) - 0.5) / 100
    assert np.allclose(expected_chi_squared(100), chi2.ppf(levels, 1), rtol=1e-9)
    assert np.isclose(chi2.median(1), MEDIAN_CHI_SQUARED, rtol=1e-12)
