"""Sites that are public knowledge and listed whoever carries them: a Parquet file of them as a site list.

A node offers the sites of which it has enough carriers itself. What is rare in every country is offered by
none, however common it is in Europe. Listing what a public catalogue lists (dbSNP, gnomAD, an earlier
release) tells nothing of persons, and sealed sums then tell the counts that reach the threshold together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from goe_lake.engine.sites import KEY, SITE_SCHEMA, contig_rank
from goe_lake.engine.sql import quoted
from goe_lake.errors import ConfigError
from goe_lake.genome import CONTIGS

REQUIRED: Final = ("contig", "pos", "ref", "alt")
ATTRIBUTES: Final = ("rsid", "gene", "consequence")
MEND: Final = (
    "write a Parquet file with the columns contig (chr1 .. chrM), pos (1-based), ref and alt (A, C, G, T, N, "
    "in their shortest spelling), and perhaps rsid, gene, consequence"
)
_WRONG: Final = f"""
    contig IS NULL OR contig NOT IN ({", ".join(quoted(contig) for contig in CONTIGS)}) OR pos IS NULL
    OR pos < 1 OR NOT coalesce(regexp_full_match(ref, '[ACGTN]+'), false)
    OR NOT coalesce(regexp_full_match(alt, '[ACGTN]+'), false) OR ref = alt
    OR (length(ref) > 1 AND length(alt) > 1 AND (ref[1] = alt[1] OR ref[-1] = alt[-1]))
"""
_TYPE: Final = """
    CASE WHEN length(ref) = length(alt) THEN CASE WHEN length(ref) = 1 THEN 'snv' ELSE 'mnv' END
    WHEN ref[1] = alt[1] AND length(ref) = 1 THEN 'ins'
    WHEN ref[1] = alt[1] AND length(alt) = 1 THEN 'del' ELSE 'indel' END
"""


def read_public_sites(path: Path) -> pa.Table:
    """The sites of the Parquet file at *path* as a site list (`SITE_SCHEMA`), each once.

    Raises ConfigError naming the file, and the first site that is not written as one.
    """
    with duckdb.connect() as connection:
        file = f"read_parquet({quoted(str(path))})"
        try:
            names = connection.sql(f"SELECT * FROM {file} LIMIT 0").columns
            lacking = [name for name in REQUIRED if name not in names]
            if lacking:
                raise ConfigError(path, "public_sites", f"has no column {', '.join(lacking)}", MEND)
            wrong = connection.execute(
                f"SELECT contig, pos, ref, alt FROM {file} WHERE {_WRONG} LIMIT 1"
            ).fetchone()
            if wrong is not None:
                told = "-".join(map(str, wrong))
                raise ConfigError(
                    path, "public_sites", f"{told} is not a site in its shortest spelling", MEND
                )
            return _site_list(connection, file, names)
        except duckdb.Error as error:
            raise ConfigError(path, "public_sites", f"cannot be read: {type(error).__name__}", MEND) from None


def as_site_list(sites: pa.Table) -> pa.Table:
    """*sites* (contig, pos, ref, alt, perhaps rsid, gene, consequence) as a site list, each once."""
    with duckdb.connect() as connection:
        connection.register("sites", sites)
        return _site_list(connection, "sites", sites.column_names)


def _site_list(connection: duckdb.DuckDBPyConnection, file: str, names: list[str]) -> pa.Table:
    facts: dict[str, str] = {
        "variant_id": "contig || '-' || pos || '-' || ref || '-' || alt",
        "end_pos": "pos + length(ref) - 1",
        "type": _TYPE,
    }
    facts |= {name: f"any_value({name})" for name in ATTRIBUTES if name in names}
    columns = [
        name if name in REQUIRED else f"{facts.get(name, 'NULL')} AS {name}" for name in SITE_SCHEMA.names
    ]
    order = f"{contig_rank('contig')}, pos, ref, alt"
    table = connection.sql(
        f"SELECT {', '.join(columns)} FROM {file} GROUP BY {', '.join(REQUIRED)} ORDER BY {order}"
    ).to_arrow_table()
    assert set(KEY) <= set(table.column_names)
    listed: pa.Table = table.cast(SITE_SCHEMA)
    return listed
