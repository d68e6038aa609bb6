"""The charts of a release's notes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from goe_lake.products.frequencies.diff import Difference
from goe_lake.products.frequencies.summary import AF_EDGES, P_EDGES, Floats, Numbers, Summary
from goe_lake.products.plots import COLOURS, WIDTH, Drawing, drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Countries that get a colour of their own; more are thin grey lines behind the union.
MOST_COLOURS: Final = 7
UNION: Final = "all countries"
GREY: Final = "#999999"


def spectrum(summary: Summary, file: object) -> Drawing:
    """Sites by allele frequency: how many each country and the union tell."""

    def paint(figure: Figure) -> str:
        from matplotlib.ticker import LogLocator

        axes = figure.subplots()
        counts = _folded(summary.spectrum)
        if not counts.any():
            return _nothing(axes)
        for place, label, colour, width in _lines(summary):
            values = np.where(counts[place] > 0, counts[place], np.nan)
            axes.stairs(values, AF_EDGES, label=label, color=colour, linewidth=width, baseline=None)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.yaxis.set_minor_formatter(lambda *_: "")
        axes.set_xlabel("allele frequency (four bins a decade)")
        axes.set_ylabel("sites")
        _legend(axes)
        zero, hidden = int(summary.spectrum[0, 0]), int(summary.status[0, 1:].sum())
        return (
            f"Sites by allele frequency, of all persons. Of the union {zero:,} sites lie below "
            f"{AF_EDGES[0]:g} (or at 0) and {hidden:,} are withheld; neither is drawn."
        )

    return drawn("spectrum", paint, file)


def withheld(summary: Summary, file: object) -> Drawing:
    """The share of withheld sites by country and by frequency in the union."""
    countries = summary.countries[1:]

    def paint(figure: Figure) -> str:
        axes = figure.subplots()
        placed, hidden = _folded(summary.placed)[1:], _folded(summary.hidden)[1:]
        share = np.divide(hidden, placed, out=np.full(placed.shape, np.nan), where=placed > 0)
        used = np.flatnonzero(placed.sum(axis=0) > 0)
        first, last = (used[0], used[-1] + 1) if len(used) else (0, len(AF_EDGES) - 1)
        share = share[:, first:last]
        known = np.ma.masked_invalid(share)
        image = axes.pcolormesh(known, vmin=0, vmax=1, cmap="cividis", edgecolors="face")
        figure.colorbar(image, ax=axes, label="share withheld", aspect=12 + 2 * len(countries))
        edges = np.arange(first, last + 1)
        decades = [place for place in edges if place % 4 == 0]
        axes.set_xticks([place - first for place in decades], [f"{AF_EDGES[place]:g}" for place in decades])
        axes.set_yticks(np.arange(len(countries)) + 0.5, countries)
        axes.invert_yaxis()
        axes.grid(visible=False)
        axes.set_xlabel("allele frequency in the union of all countries")
        return (
            "Share of sites at which a country's allele count is withheld, by the frequency in the union, or "
            "its lower bound where the union's is withheld in part; white where there is no site."
        )

    return drawn("withheld", paint, file, size=(WIDTH, 1.8 + 0.28 * max(3, len(countries))))


def hardy_weinberg(summary: Summary, file: object) -> Drawing:
    """Quantiles of the Hardy-Weinberg p-values against those of a uniform distribution."""

    def paint(figure: Figure) -> str:
        axes = figure.subplots()
        top = 1.0
        for place, label, colour, width in _lines(summary):
            expected, observed = quantiles(summary.departures[place])
            if len(expected):
                top = max(top, float(expected.max()))
                axes.plot(expected, observed, label=label, color=colour, linewidth=width)
        axes.plot([0, top], [0, top], color="#555555", linewidth=0.8, linestyle="--")
        axes.set_xlabel("expected −log10 p")
        axes.set_ylabel("observed −log10 p")
        _legend(axes)
        return (
            "Exact Hardy-Weinberg tests of all persons with told genotype classes. Exact tests of rare "
            "alleles are conservative, so curves begin below the dashed line; the union also departs because "
            f"allele frequencies differ between countries. Values above {P_EDGES[-1]:g} are drawn there."
        )

    return drawn("hardy-weinberg", paint, file, size=(WIDTH, 4.4))


def quantiles(counts: Numbers) -> tuple[Floats, Floats]:
    """Expected and observed -log10 p at each bin of a histogram that holds something."""
    total = counts.sum()
    held = np.flatnonzero(counts)
    above = counts[::-1].cumsum()[::-1][held]  # tests at least as extreme
    return -np.log10((above - 0.5) / max(1, total)), P_EDGES[held]


def call_rates(summary: Summary, file: object) -> Drawing:
    """The spread of call rates over sites, by country."""
    shares = (0.01, 0.05, 0.5)
    low, lower, middle = summary.call_rates(shares)

    def paint(figure: Figure) -> str:
        axes = figure.subplots()
        labels = [UNION, *summary.countries[1:]]
        places = np.arange(len(labels))
        axes.hlines(places, low, 1, color=COLOURS[4], linewidth=3, label="99 % of sites")
        axes.hlines(places, lower, 1, color=COLOURS[0], linewidth=6, label="95 % of sites")
        axes.plot(middle, places, "o", color=COLOURS[5], markersize=5, label="median", zorder=3)
        axes.set_yticks(places, labels)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        left = min(0.99, float(low.min(initial=1)))
        axes.set_xlim(left - 0.03 * (1 - left), 1 + 0.03 * (1 - left))
        axes.set_xlabel("call rate")
        _legend(axes)
        return "Call rates of sites: the median, and the range in which 95 % and 99 % of sites lie."

    return drawn("call-rate", paint, file, size=(WIDTH, 1.4 + 0.28 * max(4, len(summary.countries))))


def growth(difference: Difference, file: object) -> Drawing:
    """Sites of each contig that stood in the release before, and those newly listed."""

    def paint(figure: Figure) -> str:
        axes = figure.subplots()
        labels = [change.contig.removeprefix("chr") for change in difference.sites]
        new = np.array([change.newly_listed for change in difference.sites])
        known = np.array([change.sites for change in difference.sites]) - new
        axes.bar(labels, known, color=COLOURS[0], label="listed before")
        axes.bar(labels, new, bottom=known, color=COLOURS[1], label="newly listed")
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("chromosome")
        axes.set_ylabel("sites")
        _legend(axes)
        return f"Listed sites by chromosome; {int(new.sum()):,} are newly listed in this release."

    return drawn("growth", paint, file)


def _nothing(axes: Axes) -> str:
    axes.text(0.5, 0.5, "no frequency is told", ha="center", va="center", transform=axes.transAxes)
    axes.set_axis_off()
    return "No frequency above 0 is told, so there is nothing to draw."


def _folded(counts: Numbers) -> Numbers:
    """A histogram by frequency without the bin below all edges; frequency 1 joins the last bin."""
    folded = counts[:, 1:-1].copy()
    folded[:, -1] += counts[:, -1]
    return folded


def _lines(summary: Summary) -> list[tuple[int, str | None, str, float]]:
    """For each line its row, label, colour and width; the union comes last, on top."""
    countries = list(enumerate(summary.countries))[1:]
    few = len(countries) <= MOST_COLOURS
    lines: list[tuple[int, str | None, str, float]] = []
    for place, country in countries:
        label = country if few else "single countries" if place == 1 else None
        lines.append((place, label, COLOURS[place - 1] if few else GREY, 1.2 if few else 0.6))
    return [*lines, (0, UNION, "#000000", 2.0)]


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, fontsize=8, frameon=False
        )
