"""The table `genotype_rows` of a session: who has what at the sites that are read, as rows."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa

from goe_lake.engine.alike import EVERY_CLASS, Asked, alike_rows
from goe_lake.engine.calls import stored_calls
from goe_lake.engine.genotypes import SiteBlock, expand
from goe_lake.engine.relation import Reading
from goe_lake.engine.selection import Selection
from goe_lake.engine.session import Session


def load_alike(session: Session, sites: Selection, asked: Asked = EVERY_CLASS) -> None:
    """Fill it with rows that each stand for the `n` rows of a person that are alike, as *asked*.

    gq and dp are then sums, NULL for no value, and `gq_n` and `dp_n` say of how many values.
    """
    sums = "".join(f", {name} BIGINT, {name}_n BIGINT" for name in asked.fields)
    _make_genotype_rows(session.connection, f", n BIGINT{sums}")
    for table in alike_rows(session, sites, asked):
        _insert(session.connection, table)


def load_genotypes(reading: Reading, sites: Selection, ranges: list[tuple[int, int]]) -> None:
    """Fill the table `genotype_rows` with every row at *sites*, range by range."""
    connection = reading.session.connection
    fields = reading.fields()
    _make_genotype_rows(connection, "".join(f", {name} INTEGER" for name in fields))
    for start, end in ranges:
        for table in _expanded(reading.session, sites.part(start, end), fields):
            _insert(connection, table)


def _make_genotype_rows(connection: duckdb.DuckDBPyConnection, further: str) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE genotype_rows "
        f"(site INTEGER, s INTEGER, dosage TINYINT, called_alleles TINYINT{further})"
    )


def _insert(connection: duckdb.DuckDBPyConnection, rows: pa.Table) -> None:
    connection.register("expanded", rows)
    connection.execute("INSERT INTO genotype_rows SELECT * FROM expanded")
    connection.unregister("expanded")


def _expanded(session: Session, sites: Selection, fields: tuple[str, ...]) -> Iterator[pa.Table]:
    """The genotype rows at *sites*, a table for each contig and batch."""
    for contig, where in sites.by_contig():
        here = sites.part(where.start, where.stop)
        block = SiteBlock(contig, here.numbers, here.positions, here.listed, here.par)
        for digest, batch in session.batches.items():
            stored, places = stored_calls(session, contig, digest, here, fields)
            rows = expand(block, stored, places, batch, fields)
            if rows is not None:
                yield rows
