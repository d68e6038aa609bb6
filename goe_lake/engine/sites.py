"""The site list, and how it is laid over a node's own sites.

A listed site is one whose carriers reach the threshold at some node; the federation's list is the
union of what its nodes may list. Every node then answers at every listed site, also where its own
files are silent, so that AN is right in every union and private sites stay unseen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from goe_lake.genome import CONTIGS, Assembly
from goe_lake.lake import Snapshot

_SITE_FIELDS: Final[list[tuple[str, pa.DataType]]] = [
    ("contig", pa.string()),
    ("pos", pa.int32()),
    ("ref", pa.string()),
    ("alt", pa.string()),
    ("variant_id", pa.string()),
    ("end_pos", pa.int32()),
    ("type", pa.string()),
    ("sv_len", pa.int32()),
    ("rsid", pa.string()),
    ("gene", pa.string()),
    ("consequence", pa.string()),
    ("filter", pa.string()),
]
SITE_SCHEMA: Final = pa.schema(_SITE_FIELDS)
KEY: Final = ("contig", "pos", "ref", "alt", "end_pos")
ATTRIBUTES: Final = tuple(name for name in SITE_SCHEMA.names if name not in KEY)


@dataclass(frozen=True)
class SiteList:
    """The federation's listed sites (`SITE_SCHEMA`), one row a site, in the order of the key."""

    sites: pa.Table

    @cached_property
    def digest(self) -> str:
        """The identity of the list: sha256 of its rows."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.sites.schema) as writer:
            writer.write_table(self.sites.combine_chunks(), max_chunksize=1 << 20)
        return hashlib.sha256(memoryview(sink.getvalue())).hexdigest()


def offered_sites(snapshot: Snapshot, min_carriers: int) -> pa.Table:
    """The sites that a node may list: those with at least *min_carriers* carriers there."""
    parts = [pa.table({name: pa.array([], kind) for name, kind in _SITE_FIELDS})]
    for contig in snapshot.contigs:
        for path in snapshot.files("variants", contig):
            table = pa.parquet.read_table(path, partitioning=None)
            enough = pc.greater_equal(table.column("carriers"), pa.scalar(min_carriers, pa.int32()))
            table = table.filter(enough)
            table = table.append_column("contig", pa.repeat(contig, table.num_rows))
            parts.append(table.select(SITE_SCHEMA.names).cast(SITE_SCHEMA))
    return pa.concat_tables(parts)


def unite(offers: Iterable[pa.Table]) -> SiteList:
    """The site list of a federation: every offered site once.

    The first node to know an attribute gives it.
    """
    numbered = [
        table.append_column("node", pa.repeat(pa.scalar(place, pa.int32()), table.num_rows))
        for place, table in enumerate(offers)
    ]
    connection = duckdb.connect()
    connection.register("offers", pa.concat_tables(numbered))
    order = contig_rank("contig")
    attributes = ", ".join(
        f"first({name} ORDER BY node) FILTER ({name} IS NOT NULL) AS {name}" for name in ATTRIBUTES
    )
    united = connection.sql(
        f"SELECT {', '.join(KEY)}, {attributes} FROM offers GROUP BY {', '.join(KEY)} "
        f"ORDER BY {order}, pos, ref, alt, end_pos"
    ).to_arrow_table()
    connection.close()
    return SiteList(united.select(SITE_SCHEMA.names).cast(SITE_SCHEMA))


def contig_rank(column: str) -> str:
    """SQL that orders *column* as chromosomes are ordered."""
    listed = ", ".join(f"'{contig}'" for contig in CONTIGS)
    return f"list_position([{listed}], {column})"


def overlay_sql(assembly: Assembly) -> str:
    """SQL of the node's full site table: `listed` sites and its `own` ones, numbered from 0.

    A listed site has the list's attributes at every node. `par` tells the stretch of chrX and chrY;
    `place` is the row of an own site among the contig's sites in the lake, and `carriers` how many of
    the node's persons have the allele; sites that are not `alone` differ from another one in nothing
    but their end; `rank` orders contigs.
    """
    shared = ", ".join(
        f"CASE WHEN l.contig IS NOT NULL THEN l.{name} ELSE o.{name} END AS {name}" for name in ATTRIBUTES
    )
    key = ", ".join(KEY)
    regions = " OR ".join(
        f"(contig = '{region.contig}' AND pos BETWEEN {region.start} AND {region.end})"
        for region in assembly.pseudo_autosomal
    )
    united = (
        f"SELECT {contig_rank('contig')}::UTINYINT AS rank, {key}, {shared}, "
        "l.contig IS NOT NULL AS listed, o.place, coalesce(o.carriers, 0) AS carriers "
        f"FROM listed l FULL JOIN own o USING ({key})"
    )
    locus = "rank, pos, ref, alt"
    same = " AND ".join(f"t.{name} = u.{name}" for name in locus.split(", "))
    return (
        f"WITH united AS MATERIALIZED ({united}), "
        f"twins AS (SELECT {locus} FROM united GROUP BY {locus} HAVING count(*) > 1) "
        f"SELECT (row_number() OVER (ORDER BY {locus}, end_pos) - 1)::INTEGER AS site, "
        f"NOT EXISTS (SELECT 1 FROM twins t WHERE {same}) AS alone, "
        f"*, coalesce({regions or 'false'}, false) AS par FROM united u ORDER BY site"
    )
