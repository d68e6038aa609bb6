"""The charts of a report, as SVG text: the same answer gives the same bytes.

A value that is not shown is left out and counted under the chart, never drawn as 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from goe_lake.errors import ConfigError
from goe_lake.products.plots import COLOURS, HEIGHT, STYLE, WIDTH, Drawing, matplotlib_for, svg_of
from goe_lake.products.reports.definition import Chart, ChartKind, Query
from goe_lake.release import Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from goe_lake.federation import Answer

Numbers = npt.NDArray[np.float64]

MOST_LABELS: Final = 40
#: The median of a chi-squared variable of one degree of freedom (R: qchisq(0.5, 1)).
MEDIAN_CHI_SQUARED: Final = 0.4549364231195724


def draw(chart: Chart, query: Query, answer: Answer, file: str) -> Drawing:
    """*chart* of the *answer* to *query*.

    Raises ConfigError where the answer lacks a column of the chart, or matplotlib is not installed.
    """
    for role, column in chart.columns.items():
        if column not in answer.table.column_names:
            have = ", ".join(answer.table.column_names)
            raise ConfigError(
                file,
                f"query {query.name}, chart {chart.kind}: {role}",
                f"no column {column!r}",
                f"have {have}",
            )
    plotting = matplotlib_for(file)
    rows, left_out = _rows(chart, answer)
    with plotting.rc_context(STYLE):
        figure = plotting.figure.Figure(figsize=(WIDTH, HEIGHT))
        axes = figure.subplots()
        said = _DRAWERS[chart.kind](figure, axes, chart, rows) if rows else _nothing(axes)
        if chart.title:
            axes.set_title(chart.title, loc="left", fontsize=11)
        svg = svg_of(figure)
    return Drawing(svg, " ".join([said, *_told(left_out)]).strip())


Row = Mapping[str, Any]


def _rows(chart: Chart, answer: Answer) -> tuple[list[Row], int]:
    """The rows by role, and how many are left out because a value in them is not shown."""
    roles = chart.columns
    table = answer.table.select(list(dict.fromkeys(roles.values()))).to_pylist()
    words = answer.status.select(list(dict.fromkeys(roles.values()))).to_pylist()
    rows: list[Row] = []
    left_out = 0
    for values, status in zip(table, words, strict=True):
        row = {role: values[column] for role, column in roles.items()}
        measured = [role for role in roles if role in ("y", "value") or (role == "x" and _numeric(row[role]))]
        hidden = any(status[roles[role]] in (Status.WITHHELD, Status.BOUNDED) for role in roles)
        if hidden or any(row[role] is None for role in measured):
            left_out += 1
        else:
            rows.append(row)
    return rows, left_out


def _told(left_out: int) -> list[str]:
    if not left_out:
        return []
    rows, them = ("row is", "it") if left_out == 1 else ("rows are", "them")
    return [f"{left_out:,} {rows} not drawn: a value in {them} is not shown."]


def _numeric(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _label(value: object) -> str:
    return "not recorded" if value is None else str(value)


def _nothing(axes: Axes) -> str:
    axes.text(0.5, 0.5, "no value is shown", ha="center", va="center", transform=axes.transAxes)
    axes.set_axis_off()
    return "No value is shown."


def _by_series(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(_label(row["series"]) if "series" in row else "", []).append(row)
    return found


def _legend(axes: Axes, chart: Chart, series: Mapping[str, object]) -> None:
    if "series" in chart.columns:
        columns = 1 + (len(series) - 1) // 12
        axes.legend(
            title=chart.columns["series"],
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            borderaxespad=0.0,
            fontsize=8,
            frameon=False,
            ncols=columns,
        )


def _bar(figure: Figure, axes: Axes, chart: Chart, rows: list[Row]) -> str:
    labels = list(dict.fromkeys(_label(row["x"]) for row in rows))
    series = _by_series(rows)
    width = 0.8 / len(series)
    for place, (name, members) in enumerate(series.items()):
        at = [labels.index(_label(row["x"])) + (place - (len(series) - 1) / 2) * width for row in members]
        heights = [float(row["y"]) for row in members]
        axes.bar(at, heights, width, label=name, color=COLOURS[place % len(COLOURS)])
    _name_places(axes, labels)
    axes.set_xlabel(chart.columns["x"])
    axes.set_ylabel(chart.columns["y"])
    axes.grid(visible=False, axis="x")
    _legend(axes, chart, series)
    return f"{chart.columns['y']} by {chart.columns['x']}."


def _name_places(axes: Axes, labels: list[str]) -> None:
    step = 1 + (len(labels) - 1) // MOST_LABELS
    shown = labels[::step]
    long = len(shown) > 12 or max(map(len, shown)) > 10
    axes.set_xticks(
        range(0, len(labels), step), shown, rotation=45 if long else 0, ha="right" if long else "center"
    )


def _line(figure: Figure, axes: Axes, chart: Chart, rows: list[Row]) -> str:
    return _curves(axes, chart, rows, "-o")


def _points(figure: Figure, axes: Axes, chart: Chart, rows: list[Row]) -> str:
    return _curves(axes, chart, rows, "o")


def _curves(axes: Axes, chart: Chart, rows: list[Row], form: str) -> str:
    series = _by_series(rows)
    numeric = all(_numeric(row["x"]) for row in rows)
    labels = list(dict.fromkeys(_label(row["x"]) for row in rows))
    for place, (name, members) in enumerate(series.items()):
        at = [float(row["x"]) if numeric else float(labels.index(_label(row["x"]))) for row in members]
        values = [float(row["y"]) for row in members]
        axes.plot(at, values, form, markersize=3.5, label=name, color=COLOURS[place % len(COLOURS)])
    if not numeric:
        _name_places(axes, labels)
    axes.set_xlabel(chart.columns["x"])
    axes.set_ylabel(chart.columns["y"])
    _legend(axes, chart, series)
    return f"{chart.columns['y']} against {chart.columns['x']}."


def pairs(rows: list[Row]) -> tuple[list[str], Numbers]:
    """The names of *rows* of pairs (x, y, value), sorted, and their symmetric matrix; NaN where not known."""
    names = sorted({_label(row[role]) for row in rows for role in ("x", "y")})
    matrix = np.full((len(names), len(names)), np.nan)
    np.fill_diagonal(matrix, 0.0)
    for row in rows:
        one, other = names.index(_label(row["x"])), names.index(_label(row["y"]))
        matrix[one, other] = matrix[other, one] = float(row["value"])
    return names, matrix


def _matrix(figure: Figure, axes: Axes, chart: Chart, rows: list[Row]) -> str:
    names, matrix = pairs(rows)
    image = axes.imshow(matrix, cmap="viridis")
    figure.colorbar(image, ax=axes, label=chart.columns["value"])
    axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 12 else 0)
    axes.set_yticks(range(len(names)), names)
    axes.grid(visible=False)
    if len(names) <= 12:
        middle = (np.nanmin(matrix) + np.nanmax(matrix)) / 2
        for one, other in np.argwhere(np.isfinite(matrix)):
            value = matrix[one, other]
            colour = "black" if value > middle else "white"
            axes.text(other, one, f"{value:.2g}", ha="center", va="center", fontsize=7, color=colour)
    return f"{chart.columns['value']} of each pair."


def plane(matrix: Numbers) -> Numbers:
    """Places in the plane, (names, 2), whose distances are near those of *matrix*: classical scaling.

    The axes are the two leading eigenvectors of the doubly centred squared distances (Torgerson 1952),
    each turned so that its largest entry is positive.
    """
    squared = matrix**2
    centred = squared - squared.mean(axis=0) - squared.mean(axis=1)[:, None] + squared.mean()
    values, vectors = np.linalg.eigh(-centred / 2)
    leading = np.argsort(values)[::-1][:2]
    places = vectors[:, leading] * np.sqrt(np.maximum(values[leading], 0.0))
    turned = np.where(places[np.abs(places).argmax(axis=0), range(places.shape[1])] < 0, -1.0, 1.0)
    # beyond this digit results differ between builds of LAPACK
    return np.asarray(np.round(places * turned, 9) + 0.0, dtype=np.float64)


def _map(figure: Figure, axes: Axes, chart: Chart, rows: list[Row]) -> str:
    names, matrix = pairs(rows)
    if len(names) < 3 or not np.isfinite(matrix).all():
        axes.text(0.5, 0.5, "a map needs three names and every pair", ha="center", transform=axes.transAxes)
        axes.set_axis_off()
        return "Not drawn: a map needs three names, and a value for every pair."
    # Fst is a squared distance between frequencies, and may come out a little below 0
    places = plane(np.sqrt(np.maximum(matrix, 0.0)))
    axes.plot(places[:, 0], places[:, 1], "o", color=COLOURS[0])
    for name, (x, y) in zip(names, places, strict=True):
        axes.annotate(name, (x, y), xytext=(4, 4), textcoords="offset points")
    axes.set_xlabel("first axis")
    axes.set_ylabel("second axis")
    axes.margins(0.15)
    return f"Places whose distances are near the square root of {chart.columns['value']} (classical scaling)."


def expected_chi_squared(count: int) -> Numbers:
    """The expected order statistics of *count* chi-squared variables of one degree of freedom, ascending.

    Each is taken as the quantile at (i - 0.5) / count, which is the square of a normal quantile.
    """
    normal = NormalDist()
    levels = (np.arange(1, count + 1) - 0.5) / count
    return np.array([normal.inv_cdf((1 + level) / 2) ** 2 for level in levels.tolist()])


def _qq(figure: Figure, axes: Axes, chart: Chart, rows: list[Row]) -> str:
    said = []
    for place, (name, members) in enumerate(_by_series(rows).items()):
        observed = np.sort(np.array([float(row["value"]) for row in members]))
        expected = expected_chi_squared(len(observed))
        inflation = float(np.median(observed)) / MEDIAN_CHI_SQUARED
        label = f"{name} (λ = {inflation:.3f})".strip()
        axes.plot(expected, observed, "o", markersize=3, color=COLOURS[place % len(COLOURS)], label=label)
        said.append(f"{name + ': ' if name else ''}λ = {inflation:.3f} over {len(observed):,} tests.")
    top = math.ceil(max(axes.get_xlim()[1], 1.0))
    axes.plot([0, top], [0, top], color="#555555", linewidth=0.8)
    axes.set_xlabel("expected chi-squared")
    axes.set_ylabel("observed chi-squared")
    axes.legend(fontsize=8, frameon=False)
    return " ".join(said)


_DRAWERS: Final[dict[ChartKind, Callable[[Figure, Axes, Chart, list[Row]], str]]] = {
    "bar": _bar,
    "line": _line,
    "points": _points,
    "matrix": _matrix,
    "map": _map,
    "qq": _qq,
}
