"""Charts as SVG text, with matplotlib: the same numbers give the same bytes, and text stays text.

What every page of charts shares: colours, style, and a drawing with its caption.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

from goe_lake.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Okabe and Ito's palette, which people of every colour vision tell apart.
COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
STYLE: Final = {
    "svg.hashsalt": "goe_lake",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "figure.constrained_layout.use": True,
}
WIDTH, HEIGHT = 7.2, 3.8  # inches


@dataclass(frozen=True)
class Drawing:
    """A chart as SVG; *caption* says in words what it shows and what it leaves out."""

    svg: str
    caption: str

    def figure(self) -> str:
        """The chart as an HTML figure, its caption also as the text for those who do not see it."""
        caption = escape(self.caption)
        label = f'role="img" aria-label="{caption}"'
        return f"<figure {label}>{self.svg}<figcaption>{caption}</figcaption></figure>"


def matplotlib_for(file: object) -> Any:
    """matplotlib; raises ConfigError about *file*, which needs a chart, where it is not installed."""
    try:
        import matplotlib
        import matplotlib.figure
    except ImportError:
        raise ConfigError(
            str(file), "charts", "need matplotlib, which is not installed", "pip install 'goe-lake[plots]'"
        ) from None
    return matplotlib


def drawn(
    name: str, paint: Callable[[Figure], str], file: object, *, size: tuple[float, float] = (WIDTH, HEIGHT)
) -> Drawing:
    """What *paint* puts on a figure of *size* inches; it returns the caption.

    *name* goes before every id of the SVG, so that several may stand in one page. Raises ConfigError
    about *file* where matplotlib is not installed.
    """
    plotting = matplotlib_for(file)
    with plotting.rc_context(STYLE):
        figure = plotting.figure.Figure(figsize=size)
        caption = paint(figure)
        svg = svg_of(figure)
    return Drawing(_own_ids(svg, name), caption)


def svg_of(figure: Figure) -> str:
    """*figure* as an `<svg>` element without a date."""
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": "goe_lake"})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def _own_ids(svg: str, name: str) -> str:
    """Put *name* before every id and every reference to one."""
    return re.sub(r'( id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
