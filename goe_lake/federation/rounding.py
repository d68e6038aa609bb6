"""Rounded answers: every number of a node to a multiple of 5 of its own unit, half to even."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from goe_lake.engine.genotypes import one_chunk
from goe_lake.release import Measure, Release, Spread

BASE: Final = 5


def rounded(cells: pa.Table, release: Release) -> tuple[pa.Table, Spread]:
    """The controlled *cells* with every measure rounded, and by how much each may have moved.

    Each number is rounded by itself, margins too: what is rounded from the exact number tells nothing
    that the number would not, and a total of rounded parts is not the rounded total.
    """
    grids = {measure.name: grid(measure) for measure in release.measures}
    columns = {
        name: _rounded(one_chunk(cells.column(name)), grids[name])
        if name in grids
        else one_chunk(cells.column(name))
        for name in cells.column_names
    }
    return pa.table(columns), Spread("rounded", {name: step // 2 for name, step in grids.items()})


def grid(measure: Measure) -> int:
    """How many steps of the resolution of *measure* make 5 of its unit; at least 1."""
    return max(int(Decimal(BASE) / measure.resolution), 1)


def _rounded(values: pa.Array[Any], step: int) -> pa.Array[Any]:
    multiple = pa.scalar(Decimal(step) if pa.types.is_decimal(values.type) else step, values.type)
    return pc.round_to_multiple(values, multiple, round_mode="half_to_even")
