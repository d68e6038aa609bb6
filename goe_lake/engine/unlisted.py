"""The sites of a node that the federation does not list, with how many carriers each has there."""

from __future__ import annotations

from typing import Final

import duckdb
import pyarrow as pa

from goe_lake.engine.sites import SiteList, contig_rank
from goe_lake.engine.sql import quoted
from goe_lake.lake import Snapshot

_FIELDS: Final[list[tuple[str, pa.DataType]]] = [
    ("rank", pa.uint64()),
    ("pos", pa.uint64()),
    ("ref", pa.string()),
    ("alt", pa.string()),
    ("name", pa.string()),
    ("digest", pa.binary()),
    ("carriers", pa.uint16()),
]
#: `rank` is the contig's place among all contigs, `digest` the SHA-256 of `name` (chr1-1000-A-C).
UNLISTED: Final = pa.schema(_FIELDS)


def unlisted_sites(snapshot: Snapshot, site_list: SiteList, most: int, letters: int) -> pa.Table:
    """The sites (UNLISTED) of *snapshot* that are not on *site_list*.

    More carriers than *most* count as so many. Alleles that are not spelled out (`<DEL>`), and names of
    more than so many *letters*, are left out.
    """
    parts = [UNLISTED.empty_table()]
    with duckdb.connect() as connection:
        connection.register("listed", site_list.sites.select(["contig", "pos", "ref", "alt", "end_pos"]))
        for contig in snapshot.contigs:
            files = [quoted(str(path)) for path in snapshot.files("variants", contig)]
            if files:
                parts.append(_of_contig(connection, contig, files, most, letters))
    return pa.concat_tables(parts)


def _of_contig(
    connection: duckdb.DuckDBPyConnection, contig: str, files: list[str], most: int, letters: int
) -> pa.Table:
    name = f"{quoted(contig)} || '-' || v.pos || '-' || v.ref || '-' || v.alt"
    found = connection.sql(f"""
        SELECT {contig_rank(quoted(contig))} - 1 AS rank, v.pos, v.ref, v.alt, {name} AS name,
               unhex(sha256({name})) AS digest, least(v.carriers, {most}) AS carriers
        FROM read_parquet([{", ".join(files)}], hive_partitioning = false) v
        WHERE v.carriers > 0 AND regexp_full_match(v.ref || v.alt, '[ACGTN]+') AND v.ref <> v.alt
          AND v.end_pos = v.pos + length(v.ref) - 1 AND length({name}) <= {letters}
          AND NOT EXISTS (
            SELECT 1 FROM listed l WHERE l.contig = {quoted(contig)}
            AND l.pos = v.pos AND l.ref = v.ref AND l.alt = v.alt AND l.end_pos = v.end_pos)
    """).to_arrow_table()
    sites: pa.Table = found.cast(UNLISTED)
    return sites
