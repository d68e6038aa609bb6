"""The public tables of a federation, as Arrow tables: loaded when a query first reads them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from goe_lake.catalog import PUBLIC_TABLES, SQL_TYPES, Catalog, ColumnType, Table
from goe_lake.engine.sites import SiteList
from goe_lake.engine.sql import identifier
from goe_lake.federation.held import Held, Worth, level_of, looked_at, lower_of, upper_of
from goe_lake.federation.node import NodeDescription
from goe_lake.genome import ASSEMBLIES, CONTIGS
from goe_lake.vcf.arrow import nulls

ARROW_TYPES: Final[Mapping[ColumnType, pa.DataType]] = {
    ColumnType.DOUBLE: pa.float64(),
    ColumnType.INTEGER: pa.int32(),
    ColumnType.BIGINT: pa.int64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.LABEL: pa.string(),
    ColumnType.DATE: pa.date32(),
    ColumnType.TEXT: pa.string(),
    ColumnType.PERSON: pa.string(),
}
Contigs = tuple[str, ...] | None


class PublicTables(Protocol):
    """Where the rows of public tables come from."""

    def has(self, name: str) -> bool:
        """Whether the table *name* can be read."""

    def table(self, name: str, contigs: Contigs) -> pa.Table:
        """The table *name*; where *contigs* are given, at least its rows there."""


@dataclass
class FederationTables:
    """The public tables of one opened federation.

    *frequencies* gives the released allele frequencies of one contig, None where there are none.
    """

    catalog: Catalog
    nodes: Sequence[NodeDescription]
    site_list: SiteList
    frequencies: Callable[[str], pa.Table] | None = None
    _made: dict[tuple[str, str], pa.Table] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def has(self, name: str) -> bool:
        """Whether the table *name* can be read."""
        return name != "allele_frequencies" or self.frequencies is not None

    def table(self, name: str, contigs: Contigs) -> pa.Table:
        """The table *name*; where *contigs* are given, at least its rows there."""
        if name == "allele_frequencies":
            known = [contig for contig in CONTIGS if contigs is None or contig in contigs]
            parts = [self._once(name, contig, partial(self._frequencies, contig)) for contig in known]
            return pa.concat_tables([_schema(PUBLIC_TABLES[name]).empty_table(), *parts])
        return self._once(name, "", lambda: _MAKERS[name](self))

    def _frequencies(self, contig: str) -> pa.Table:
        assert self.frequencies is not None
        schema = _schema(PUBLIC_TABLES["allele_frequencies"])
        listed = pc.any(
            pc.is_in(self.site_list.sites.column("contig"), pa.array([contig])), min_count=0
        ).as_py()
        if not listed:
            return schema.empty_table()
        return self.frequencies(contig).select(schema.names).cast(schema)

    def _once(self, name: str, contig: str, make: Callable[[], pa.Table]) -> pa.Table:
        with self._lock:
            if (name, contig) not in self._made:
                self._made[name, contig] = make()
            return self._made[name, contig]


def _schema(table: Table) -> pa.Schema:
    return pa.schema([(column.name, ARROW_TYPES[column.type]) for column in table.columns])


def _of_rows(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows], schema=_schema(PUBLIC_TABLES[name]))


def _variants(tables: FederationTables) -> pa.Table:
    """The site list with the columns of the catalogue; one that no listed site has is NULL."""
    sites = tables.site_list.sites
    columns = tables.catalog.tables["variants"].columns
    lacking = {
        column.name: nulls(sites.num_rows, ARROW_TYPES[column.type])
        for column in columns
        if column.name not in sites.column_names
    }
    for name, empty in lacking.items():
        sites = sites.append_column(name, empty)
    return sites.select([column.name for column in columns])


def _genes(tables: FederationTables) -> pa.Table:
    """One row a contig and gene of the site list, in the order of the genome."""
    sites = tables.site_list.sites
    named = sites.filter(pc.is_valid(sites.column("gene")))
    ends = pc.coalesce(named.column("end_pos"), named.column("pos"))
    named = named.select(["contig", "gene", "pos"]).append_column("end_pos", ends)
    # the list is in the order of the genome, and groups keep the order in which they are first met
    grouped = named.group_by(["contig", "gene"], use_threads=False).aggregate(
        [("pos", "min"), ("end_pos", "max"), ("pos", "count")]
    )
    columns: dict[str, pa.ChunkedArray[Any]] = {
        "contig": grouped.column("contig"),
        "start_pos": grouped.column("pos_min"),
        "end_pos": grouped.column("end_pos_max"),
        "gene": grouped.column("gene"),
        "sites": grouped.column("pos_count"),
    }
    return pa.table(list(columns.values()), names=list(columns)).cast(_schema(PUBLIC_TABLES["genes"]))


def _contigs(tables: FederationTables) -> pa.Table:
    assembly = ASSEMBLIES[tables.catalog.assembly]
    rows = []
    for contig in CONTIGS:
        row: dict[str, Any] = {
            "contig": contig,
            "length": assembly.lengths[contig],
            "assembly": assembly.name,
        }
        regions = [region for region in assembly.pseudo_autosomal if region.contig == contig]
        for place, region in enumerate(regions, 1):
            row |= {f"par{place}_start": region.start, f"par{place}_end": region.end}
        rows.append(row)
    return _of_rows("contigs", rows)


def _nodes(tables: FederationTables) -> pa.Table:
    return _of_rows(
        "nodes",
        [
            {
                "node_id": node.node_id,
                "country": node.country,
                "name": node.name,
                "snapshot_id": node.snapshot_id,
                "min_persons": node.min_persons,
                "protection": node.protection,
                "one_sample_a_person": node.one_sample_a_person,
            }
            for node in tables.nodes
        ],
    )


def _columns(tables: FederationTables) -> pa.Table:
    rows = []
    for table in tables.catalog.tables.values():
        for place, column in enumerate(table.columns, 1):
            low, high = column.bounds or (None, None)
            rows.append(
                {
                    "table_name": table.name,
                    "kind": table.kind.value,
                    "ordinal": place,
                    "column_name": column.name,
                    "type": column.type.value,
                    "sql_type": SQL_TYPES[column.type],
                    "unit": column.unit or None,
                    "low": float(low) if low is not None else None,
                    "high": float(high) if high is not None else None,
                    "resolution": float(column.resolution) if column.resolution is not None else None,
                    "labels": ", ".join(column.values) if column.values is not None else None,
                    "nullable": column.nullable,
                    "description": column.description,
                }
            )
    return _of_rows("columns", rows)


_MAKERS: Final[Mapping[str, Callable[[FederationTables], pa.Table]]] = {
    "variants": _variants,
    "genes": _genes,
    "contigs": _contigs,
    "nodes": _nodes,
    "columns": _columns,
}

# For each column that a released table may withhold: SQL of its level, and of its bounds
WITHHELD_COLUMNS: Final[Mapping[str, Mapping[str, tuple[str, str | None, str | None]]]] = {
    "allele_frequencies": {
        "ac": ("CASE WHEN status = 'ok' THEN 0 ELSE 4 END", "ac_lower", "ac_upper"),
        **dict.fromkeys(("af", "faf95"), ("CASE WHEN status = 'ok' THEN 0 ELSE 4 END", None, None)),
        **dict.fromkeys(
            ("n_het", "n_hom_alt", "n_hemi", "hwe_p"),
            ("CASE WHEN n_het IS NULL THEN 4 ELSE 0 END", None, None),
        ),
    },
}


def hold_public(name: str, table: pa.Table, connection: duckdb.DuckDBPyConnection) -> Held:
    """Let the workspace read *table* as *name*; what it withholds carries its level."""
    columns = tuple(table.column_names)
    held = WITHHELD_COLUMNS.get(name)
    if held is None:
        connection.register(name, table)
        return Held(name, name, columns)
    store = f"{name}$all"
    source = f"{name}$rows"
    connection.register(source, table)
    parts = [identifier(column) for column in columns]
    worth = {}
    for column, (level, lower, upper) in held.items():
        parts.append(f"({level})::TINYINT AS {level_of(column)}")
        worth[column] = Worth(tainted=True, bounded=lower is not None)
        if lower is not None:
            parts += [
                f"({lower})::HUGEINT AS {lower_of(column)}",
                f"({upper})::HUGEINT AS {upper_of(column)}",
            ]
    connection.execute(
        f"CREATE TEMP VIEW {identifier(store)} AS SELECT {', '.join(parts)} FROM {identifier(source)}"
    )
    connection.execute(f"CREATE TEMP VIEW {name} AS FROM {identifier(source)}")
    kept, _ = looked_at(connection, store, worth, maybe=False)
    return Held(name, store, columns, kept)
