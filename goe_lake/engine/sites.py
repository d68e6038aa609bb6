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
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from goe_lake.catalog import is_added
from goe_lake.engine.plain import clean
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
_ADDED_TYPES: Final = {pa.int64(), pa.float64(), pa.bool_(), pa.string()}
MOST_ADDED: Final = 200


def added_columns(schema: pa.Schema) -> list[pa.Field[pa.DataType]]:
    """The columns of a site table that nodes add from INFO or ClinVar, in alphabetical order."""
    added = [field for field in schema if field.name not in SITE_SCHEMA.names and is_added(field.name)]
    return sorted(added, key=lambda field: field.name)


def is_site_schema(schema: pa.Schema) -> bool:
    """Whether *schema* is that of a site list: the fixed columns, then added ones of allowed types."""
    added = added_columns(schema)
    whole = pa.schema([*SITE_SCHEMA, *added])
    return (
        schema.equals(whole) and len(added) <= MOST_ADDED and {field.type for field in added} <= _ADDED_TYPES
    )


@dataclass(frozen=True)
class SiteList:
    """The federation's listed sites (`SITE_SCHEMA`), one row a site, in the order of the key."""

    sites: pa.Table

    @cached_property
    def digest(self) -> str:
        """The identity of the list: sha256 of its rows, the same wherever the list came from."""
        sink, sites = pa.BufferOutputStream(), clean(self.sites)
        with pa.ipc.new_stream(sink, sites.schema) as writer:
            writer.write_table(sites.combine_chunks(), max_chunksize=1 << 20)
        return hashlib.sha256(memoryview(sink.getvalue())).hexdigest()


def offered_sites(snapshot: Snapshot, min_carriers: int) -> pa.Table:
    """The sites that a node may list: those with at least *min_carriers* carriers there."""
    added = _added_by(snapshot)
    schema = pa.schema([*SITE_SCHEMA, *added])
    parts = [schema.empty_table()]
    for contig in snapshot.contigs:
        for path in snapshot.files("variants", contig):
            table = pa.parquet.read_table(path, partitioning=None)
            enough = pc.greater_equal(table.column("carriers"), pa.scalar(min_carriers, pa.int32()))
            table = table.filter(enough)
            table = table.append_column("contig", pa.repeat(contig, table.num_rows))
            parts.append(table.select(schema.names).cast(schema))
    return pa.concat_tables(parts)


def _added_by(snapshot: Snapshot) -> list[pa.Field[pa.DataType]]:
    """The columns that the node of *snapshot* adds; all contigs of a lake have the same."""
    files = snapshot.files("variants")
    return added_columns(pa.parquet.read_schema(files[0])) if files else []


def unite(offers: Iterable[pa.Table]) -> SiteList:
    """The site list of a federation: every offered site once.

    The first node to know an attribute gives it.
    """
    numbered = [
        table.append_column("node", pa.repeat(pa.scalar(place, pa.int32()), table.num_rows))
        for place, table in enumerate(offers)
    ]
    together = pa.concat_tables(numbered, promote_options="default")
    schema = pa.schema([*SITE_SCHEMA, *added_columns(together.schema)])
    connection = duckdb.connect()
    connection.register("offers", together)
    order = contig_rank("contig")
    attributes = ", ".join(
        f"first({name} ORDER BY node) FILTER ({name} IS NOT NULL) AS {name}"
        for name in schema.names
        if name not in KEY
    )
    united = connection.sql(
        f"SELECT {', '.join(KEY)}, {attributes} FROM offers GROUP BY {', '.join(KEY)} "
        f"ORDER BY {order}, pos, ref, alt, end_pos"
    ).to_arrow_table()
    connection.close()
    return SiteList(united.select(schema.names).cast(schema))


def keys_of_sites(connection: duckdb.DuckDBPyConnection, source: str) -> npt.NDArray[np.uint64]:
    """A key of each row of *source*, the same in every snapshot and in the order of the genome.

    *source* is SQL of an ordered relation with rank, pos, ref, alt and end_pos. 5 bits are the contig's
    rank, 28 the position, and 30 tell alleles at one position apart.
    """
    alleles_of = "md5_number_lower(concat_ws('>', ref, alt, end_pos))"
    table = connection.sql(f"SELECT rank, pos, {alleles_of} AS alleles FROM {source}").to_arrow_table()
    rank, pos, alleles = (
        table.column(name).to_numpy().astype(np.uint64) for name in ("rank", "pos", "alleles")
    )
    keys = (rank << np.uint64(58)) | (pos << np.uint64(30)) | (alleles % np.uint64(1 << 30))
    return np.asarray(keys, dtype=np.uint64)


def contig_rank(column: str) -> str:
    """SQL that orders *column* as chromosomes are ordered."""
    listed = ", ".join(f"'{contig}'" for contig in CONTIGS)
    return f"list_position([{listed}], {column})"


def overlay_sql(assembly: Assembly, listed: Iterable[str] = (), own: Iterable[str] = ()) -> str:
    """SQL of the node's full site table: `listed` sites and its `own` ones, numbered from 0.

    *listed* and *own* are the columns that the list and the node add to the fixed ones.

    A listed site has the list's attributes at every node. `par` tells the stretch of chrX and chrY;
    `place` is the row of an own site among the contig's sites in the lake, and `carriers` how many of
    the node's persons have the allele; sites that are not `alone` differ from another one in nothing
    but their end; `rank` orders contigs.
    """
    theirs, mine = {*ATTRIBUTES, *listed}, {*ATTRIBUTES, *own}
    names = [*ATTRIBUTES, *sorted((theirs | mine) - {*ATTRIBUTES})]
    shared = ", ".join(
        f"CASE WHEN l.contig IS NOT NULL THEN {f'l.{name}' if name in theirs else 'NULL'} "
        f"ELSE {f'o.{name}' if name in mine else 'NULL'} END AS {name}"
        for name in names
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
