"""Which sites a release reads; asked once for each release."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.engine.genotypes import Indexes, one_chunk
from goe_lake.engine.relation import Reading
from goe_lake.engine.selection import Selection


def select_sites(reading: Reading, least: int = 0) -> Selection:
    """The sites that *reading* reads.

    Where each cell lies at one site, those are left out at which no cell has *least* persons: at an
    unlisted site only carriers have a row.
    """
    if least and reading.keyed_by_site:
        sites = _selected(reading, reading.site_selection(least))
        if sites.alone:
            return sites
    return _selected(reading, reading.site_selection())


def _selected(reading: Reading, sql: str) -> Selection:
    session = reading.session
    # questions follow each other that differ in their persons only
    if session.last_selection is not None and session.last_selection[0] == sql:
        return session.last_selection[1]
    table = session.connection.sql(sql).to_arrow_table()

    def numbers(name: str) -> Indexes:
        return _numpy(table, name).astype(np.int64)

    alone = bool(_numpy(table, "alone").all())
    alone = alone or not reading.has_twins()
    places = one_chunk(table.column("place")).fill_null(-1).to_numpy(zero_copy_only=False)
    sites = Selection(
        numbers("site"),
        numbers("rank"),
        numbers("pos"),
        _numpy(table, "listed").astype(bool),
        _numpy(table, "par").astype(bool),
        places.astype(np.int64),
        numbers("alike"),
        table.select([key.name for key in reading.site_keys]),
        alone,
    )
    session.last_selection = (sql, sites)
    return sites


def at_one_site(reading: Reading, sites: Selection) -> bool:
    """Whether each cell of *reading* lies at one of *sites*."""
    return (reading.keyed_by_site and sites.alone) or len(sites) == 1


def _numpy(table: pa.Table, name: str) -> npt.NDArray[Any]:
    return one_chunk(table.column(name)).to_numpy(zero_copy_only=False)
