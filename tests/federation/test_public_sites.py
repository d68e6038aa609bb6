"""Sites of public knowledge are listed whoever carries them; sealed sums tell what is common in all."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

import goe_lake
from goe_lake.errors import ConfigError
from goe_lake.federation.public_sites import read_public_sites
from tests.federation.nodes import build_nodes

BY_SITE = (
    "SELECT variant_id, sum(dosage) AS ac, sum(called_alleles) AS an FROM genotypes "
    "GROUP BY variant_id ORDER BY variant_id"
)


def write(path: Path, values: str, columns: str = "contig, pos, ref, alt") -> Path:
    """A Parquet file of the rows *values*."""
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT * FROM (VALUES {values}) t({columns})) TO '{path}' (FORMAT parquet)"
        )
    return path


def test_what_no_country_may_list_is_told_of_all(tmp_path: Path):
    """Three carriers in each of four countries: nobody offers the site, a public list names it."""
    tomls = build_nodes(tmp_path / "nodes", dict.fromkeys(("AT", "EE", "FI", "LV"), (3, 9)))
    alone = goe_lake.open_federation(tomls)
    assert alone.sql(BY_SITE).table.to_pylist() == [{"variant_id": "chr1-2000-A-C", "ac": 36, "an": 480}]
    sites = write(tmp_path / "sites.parquet", "('chr1', 1000, 'A', 'C'), ('chr1', 7000, 'G', 'T')")
    federation = goe_lake.open_federation(tomls, public_sites=sites)
    assert federation.sql(BY_SITE).table.to_pylist() == [
        {"variant_id": "chr1-1000-A-C", "ac": 12, "an": 480},
        {"variant_id": "chr1-2000-A-C", "ac": 36, "an": 480},
        {"variant_id": "chr1-7000-G-T", "ac": None, "an": 480},
    ]


def test_kinds_ends_and_names_are_worked_out(tmp_path: Path):
    """As the lake does of a VCF; a site that is named twice is listed once."""
    rows = "('chr2', 50, 'ACG', 'A', 'rs1'), ('chr1', 9, 'A', 'AT', NULL), ('chr1', 9, 'A', 'AT', 'rs2')"
    table = read_public_sites(write(tmp_path / "s.parquet", rows, "contig, pos, ref, alt, rsid"))
    told = [(row["variant_id"], row["end_pos"], row["type"], row["rsid"]) for row in table.to_pylist()]
    assert told == [("chr1-9-A-AT", 9, "ins", "rs2"), ("chr2-50-ACG-A", 52, "del", "rs1")]


@pytest.mark.parametrize(
    ("values", "columns", "problem"),
    [
        ("('1', 5, 'A', 'C')", "contig, pos, ref, alt", "1-5-A-C is not a site"),
        ("('chr1', 0, 'A', 'C')", "contig, pos, ref, alt", "is not a site"),
        ("('chr1', 5, 'A', '<DEL>')", "contig, pos, ref, alt", "is not a site"),
        ("('chr1', 5, 'AC', 'AT')", "contig, pos, ref, alt", "shortest spelling"),
        ("('chr1', 5, 'A')", "contig, pos, ref", "has no column alt"),
    ],
)
def test_complaints_name_the_site(tmp_path: Path, values: str, columns: str, problem: str):
    """What is no site, or is written longer than it need be, would be another site elsewhere."""
    with pytest.raises(ConfigError, match=problem):
        read_public_sites(write(tmp_path / "s.parquet", values, columns))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_public_sites(tmp_path / "nothing.parquet")
