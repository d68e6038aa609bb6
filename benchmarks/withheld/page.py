"""The page about what is withheld, and its chart, from what was counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.withheld.count import UNNAMED, Counted
from goe_lake.products.plots import COLOURS, drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEASTS: Final = (5, 10, 20)
DEFAULT: Final = 10
#: The k that stands for protection switched off.
OFF: Final = 0
STATUSES: Final = {
    "ok": "ok", "approx": "≈", "bounded": "bounded", "partial": "partial", "withheld": "withheld",
}  # fmt: skip
KINDS: Final = ("persons", "scores", "genotypes")
SHADES: Final = (COLOURS[0], COLOURS[4], COLOURS[2], COLOURS[1], "#bbbbbb")
NO_ROW: Final = "no row"

#: What was counted of each example, by k.
Found = Mapping[int, Sequence[Counted]]

HEAD: Final = """# How much of each example is withheld

Every query of `sql/examples` on the demo's five countries of {persons:,} simulated persons each, under three
thresholds k and without any rule. Each is asked in a project of its own, so that none is held to another's
answers. A cell is a number of the answer; keys are not counted. *All* are the cells without any rule: the
larger k is, the fewer sites are listed and the fewer groups have a row.

    python -m benchmarks.withheld --write docs/withheld-cells.md

"""
WHY: Final = """
## Why

How many values each rule withheld, as the five nodes' own audit logs have it: nothing of this is told to an
analyst. These are values of releases: a cell may read several, and is withheld where one node withholds one.
*{unnamed}* are groups of a node that have no row. What sealed sums withhold is in nobody's log. The
[policy guide](policy-guide.md) explains the rules.

"""
EXAMPLES: Final = """
## The examples

Three numbers are for k = {leasts}; one is for each of them. *Why* is at k = {default}. {public} more examples
read public or released tables alone: no node withholds anything of these.

| example | all | cells | ok | ≈ | bounded | partial | withheld | why |
|---|---:|---:|---:|---:|---:|---:|---:|---|
"""


def page(found: Found, persons: int, picture: str) -> str:
    """The page; *picture* is where its chart lies."""
    public = sum(one.kind == "public" for one in found[DEFAULT])
    asked = {least: [one for one in its if one.kind != "public"] for least, its in found.items()}
    text = HEAD.format(persons=persons) + summary(asked)
    text += f"\n![Share of cells by status, kind of question and k]({picture})\n"
    text += WHY.format(unnamed=UNNAMED) + reasons(asked)
    text += EXAMPLES.format(leasts=", ".join(map(str, LEASTS)), default=DEFAULT, public=public)
    return text + "".join(_row(asked, place) for place in range(len(asked[DEFAULT])))


def summary(asked: Found) -> str:
    """Cells by status at each k, and the share of all cells that are told."""
    text = f"| k | all | cells | {' | '.join(STATUSES.values())} | told (ok or ≈) of all |\n"
    text += f"|---:|{'---:|' * 8}\n"
    everything = total_of(asked[OFF]).total()
    for least in LEASTS:
        total = total_of(asked[least])
        told = (total["ok"] + total["approx"]) / everything
        counts = " | ".join(f"{total[status]:,}" for status in STATUSES)
        text += f"| {least} | {everything:,} | {total.total():,} | {counts} | {told:.1%} |\n"
    return text


def reasons(asked: Found) -> str:
    """Values withheld at the nodes, by rule, at each k."""
    rules = {least: sum((one.rules for one in asked[least]), Counter[str]()) for least in LEASTS}
    names = sorted(
        {name for its in rules.values() for name in its} - {UNNAMED}, key=lambda n: -rules[DEFAULT][n]
    )
    text = f"| rule | {' | '.join(f'k = {least}' for least in LEASTS)} |\n|---|{'---:|' * len(LEASTS)}\n"
    for name in (*names, UNNAMED):
        text += f"| {name} | {' | '.join(f'{its[name]:,}' for its in rules.values())} |\n"
    return text


def _row(asked: Found, place: int) -> str:
    one = {least: asked[least][place] for least in LEASTS}
    here = one[DEFAULT]
    if here.refused:
        return f"| {here.name} | refused: {here.refused} | | | | | | | |\n"
    cells = [f"{asked[OFF][place].cells:,}", _three(counted.cells for counted in one.values())]
    cells += [_three(counted.statuses[status] for counted in one.values()) for status in STATUSES]
    why = ", ".join(f"{rule} {count:,}" for rule, count in here.rules.most_common())
    return f"| {here.name} | {' | '.join(cells)} | {why} |\n"


def _three(numbers: Iterable[int]) -> str:
    listed = [f"{number:,}" for number in numbers]
    return listed[0] if len(set(listed)) == 1 else ", ".join(listed)


def total_of(its: Iterable[Counted]) -> Counter[str]:
    """The cells of all of *its*, by status."""
    return sum((one.statuses for one in its), Counter[str]())


def chart(found: Found, file: Path) -> str:
    """Share of all cells by status, for each kind of question and each k, as SVG; raises as `drawn` does."""

    def paint(figure: Figure) -> str:
        axes = figure.subplots()
        ticks, labels = [], []
        for group, kind in enumerate(KINDS):
            own = {least: total_of(one for one in its if one.kind == kind) for least, its in found.items()}
            everything = max(1, *(total.total() for total in own.values()))
            for bar, least in enumerate(LEASTS):
                at = group * (len(LEASTS) + 1) + bar
                _stack(axes, at, own[least], everything)
                ticks.append(at)
                labels.append(f"k = {least}" + (f"\n{kind}: {everything:,} cells" if bar == 1 else ""))
        axes.set_xticks(ticks, labels)
        axes.set_ylabel("share of all cells (%)")
        axes.set_ylim(0, 100)
        parts, names = axes.get_legend_handles_labels()
        legend = dict(zip(names, parts, strict=True))
        axes.legend(
            legend.values(), legend, frameon=False, ncols=len(legend), loc="lower center",
            bbox_to_anchor=(0.5, 1.0), columnspacing=1.0, handlelength=1.2,
        )  # fmt: skip
        return "Share of the cells of all examples by status, for three kinds of question and three k."

    return drawn("withheld", paint, file).svg


def _stack(axes: Any, at: int, total: Counter[str], everything: int) -> None:
    below = 0.0
    for (status, name), shade in zip(STATUSES.items(), SHADES, strict=True):
        height = 100 * total[status] / everything
        axes.bar(at, height, 0.86, bottom=below, color=shade, label=name)
        below += height
    axes.bar(at, 100 - below, 0.86, bottom=below, color="white", edgecolor="#bbbbbb", label=NO_ROW)
