"""Small drawings as SVG within Markdown: they need no file, and Dagster's pages show them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

import numpy as np
import numpy.typing as npt

#: From few to many: light to dark, told apart without colour vision too.
LIGHTEST: Final = (239, 243, 255)
DARKEST: Final = (8, 81, 156)
#: Groups side by side: blue and orange of Okabe and Ito, whatever the colour vision, then grey.
GROUP_COLOURS: Final = ("#0072b2", "#e69f00", "#999999")
WIDTH: Final = 460
HEIGHT: Final = 200
LEFT: Final = 56
TOP: Final = 26
BOTTOM: Final = 34


def image(title: str, drawing: str) -> str:
    """The SVG *drawing* as an image in Markdown."""
    data = base64.b64encode(drawing.encode()).decode()
    return f"![{title}](data:image/svg+xml;base64,{data})"


def svg(width: float, height: float, shapes: Sequence[str]) -> str:
    """A drawing of *width* by *height* pixels."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'font-family="sans-serif" font-size="11">{"".join(shapes)}</svg>'
    )


def text(x: float, y: float, words: str, fill: str = "black", anchor: str = "middle") -> str:
    """Words at a place."""
    return (
        f'<text x="{x:g}" y="{y:g}" fill="{fill}" text-anchor="{anchor}" dominant-baseline="central">'
        f"{escape(words)}</text>"
    )


def box(x: float, y: float, width: float, height: float, fill: str, edge: str = "none") -> str:
    """A filled box."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}" stroke="{edge}"/>'


def shade(share: float) -> str:
    """The colour for a share (0..1) of the most."""
    parts = (round(low + (high - low) * share) for low, high in zip(LIGHTEST, DARKEST, strict=True))
    return f"rgb({','.join(map(str, parts))})"


def histogram(
    title: str, groups: Mapping[str, npt.NDArray[np.float64]], low: float, high: float, bins: int = 40
) -> str:
    """How often each value from *low* to *high* occurs in up to three groups; values outside are at the edge.

    The height is that of the square root of the count, so that a single person is still seen.
    """
    edges = np.linspace(low, high, bins + 1)
    counts = {
        name: np.histogram(np.clip(values[~np.isnan(values)], low, high), edges)[0]
        for name, values in groups.items()
    }
    most = max((int(column.max()) for column in counts.values()), default=0) or 1
    step = (WIDTH - LEFT) / bins
    shapes = [text(LEFT, TOP / 2, title, anchor="start")]
    for place, (name, column) in enumerate(counts.items()):
        colour = GROUP_COLOURS[place % len(GROUP_COLOURS)]
        share = step / len(counts)
        for at, count in enumerate(column):
            tall = (HEIGHT - TOP - BOTTOM) * (count / most) ** 0.5
            shapes += (
                [box(LEFT + at * step + place * share, HEIGHT - BOTTOM - tall, share, tall, colour)]
                if count
                else []
            )
        shapes.append(text(WIDTH - 60 * place - 4, TOP / 2, f"{name} {column.sum():,}", colour, "end"))
    shapes += [
        text(LEFT - 6, TOP, f"{most:,}", anchor="end"),
        text(LEFT - 6, HEIGHT - BOTTOM, "0", anchor="end"),
        *(text(LEFT + (WIDTH - LEFT) * part, HEIGHT - BOTTOM / 2, f"{low + (high - low) * part:.3g}",
               anchor={0.0: "start", 1.0: "end"}.get(part, "middle")) for part in (0.0, 0.5, 1.0)),
    ]  # fmt: skip
    return image(title, svg(WIDTH, HEIGHT, shapes))


def bars(title: str, values: Mapping[str, float | None], bounds: tuple[float, float] | None = None) -> str:
    """One bar for each name, with lines at *bounds*; None is left out of the drawing but keeps its place."""
    most = max([value for value in values.values() if value is not None] + list(bounds or ()) + [0.0])
    scale = (HEIGHT - TOP - BOTTOM) / (most or 1.0)
    step = max(30.0, (WIDTH - LEFT) / max(1, len(values)))
    width = LEFT + step * max(1, len(values))
    floor = HEIGHT - BOTTOM
    shapes = [text(LEFT, TOP / 2, title, anchor="start")]
    for at, (name, value) in enumerate(values.items()):
        shapes.append(text(LEFT + step * (at + 0.5), floor + BOTTOM / 3, name.removeprefix("chr")))
        if value is not None:
            shapes.append(
                box(LEFT + step * at + 2, floor - value * scale, step - 4, value * scale, shade(0.8))
            )
            shapes.append(text(LEFT + step * (at + 0.5), floor + BOTTOM * 0.75, f"{value:.3g}", "#555"))
    for bound in bounds or ():
        shapes.append(box(LEFT, floor - bound * scale, width - LEFT, 1, "#d55e00"))
        shapes.append(text(LEFT - 6, floor - bound * scale, f"{bound:g}", "#d55e00", "end"))
    return image(title, svg(width, HEIGHT, shapes))


def density(title: str, counts: npt.NDArray[np.int64], across: str, up: str) -> str:
    """A square of counts from 0 to 1: its rows go across, its columns up; darker is more (log scale)."""
    size, cell = len(counts), 12
    most = float(np.log1p(counts.max())) or 1.0
    side = size * cell
    shapes = [text(LEFT, TOP / 2, title, anchor="start")]
    shapes += [
        box(
            LEFT + x * cell,
            TOP + (size - 1 - y) * cell,
            cell,
            cell,
            shade(float(np.log1p(counts[x, y])) / most),
        )
        for x, y in np.argwhere(counts > 0)
    ]
    shapes += [
        f'<path d="M{LEFT} {TOP + side} L{LEFT + side} {TOP}" stroke="#999" stroke-dasharray="3"/>',
        f'<rect x="{LEFT}" y="{TOP}" width="{side}" height="{side}" fill="none" stroke="#999"/>',
        text(LEFT + side / 2, TOP + side + BOTTOM / 2, across),
        text(LEFT / 2, TOP + side / 2, up),
    ]
    return image(title, svg(LEFT + side + 10, TOP + side + BOTTOM, shapes))
