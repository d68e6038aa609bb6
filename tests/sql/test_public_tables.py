"""Rows of public and released tables: read freely, without asking a node."""

# ruff: noqa: E501 - a query stands on one line

from __future__ import annotations

from copy import copy
from typing import Any

import pyarrow as pa
import pytest

from goe_lake.catalog import PUBLIC_TABLES
from goe_lake.errors import QueryRefused
from goe_lake.federation import Federation
from goe_lake.federation.tables import ARROW_TYPES, FederationTables
from goe_lake.federation.workspace import Limits, Workspaces
from goe_lake.genome import GRCH38


@pytest.fixture
def silent(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> Federation:
    """A federation whose nodes fail when they are asked for cells."""
    for node in federation._members:
        monkeypatch.setattr(node.node, "answer", lambda *_: pytest.fail("a node was asked"))
    return federation


def test_the_site_list_is_read_row_by_row(silent: Federation) -> None:
    """variants shows the federation's site list, and all of it."""
    answer = silent.sql("SELECT * FROM variants")
    assert answer.table.equals(silent.site_list.sites)
    assert answer.envelope.rows == "ok"
    assert {node.status for node in answer.envelope.nodes} == {"not_asked"}
    assert set(answer.status.column("pos").to_pylist()) == {"ok"}


def test_limits_filters_and_order(silent: Federation) -> None:
    """The rows of a LIMIT are the first of the list, and the same every time."""
    text = "SELECT variant_id, pos FROM variants WHERE contig = 'chr1' LIMIT 5"
    first, second = silent.sql(text).table, silent.sql(text).table
    assert first.equals(second)
    sites = [row for row in silent.site_list.sites.to_pylist() if row["contig"] == "chr1"]
    assert first.column("variant_id").to_pylist() == [row["variant_id"] for row in sites[:5]]


def test_genes_span_their_sites(silent: Federation) -> None:
    """A gene's row holds its listed sites, in 1-based positions."""
    genes = silent.sql("SELECT * FROM genes").table.to_pylist()
    sites = silent.site_list.sites.to_pylist()
    assert genes
    for gene in genes:
        own = [site for site in sites if (site["gene"], site["contig"]) == (gene["gene"], gene["contig"])]
        assert gene["sites"] == len(own)
        assert gene["start_pos"] == min(site["pos"] for site in own)
        assert gene["end_pos"] == max(site["end_pos"] or site["pos"] for site in own)


def test_contigs_are_those_of_the_assembly(silent: Federation) -> None:
    """Lengths and pseudo-autosomal regions are the assembly's."""
    rows = {row["contig"]: row for row in silent.sql("SELECT * FROM contigs").table.to_pylist()}
    assert {name: row["length"] for name, row in rows.items()} == dict(GRCH38.lengths)
    assert (rows["chrX"]["par1_start"], rows["chrX"]["par1_end"]) == (10001, 2781479)
    assert rows["chr1"]["par1_start"] is None


def test_nodes_and_columns_tell_public_facts(silent: Federation) -> None:
    """Each node's policy and snapshot, and every column of every table."""
    nodes = silent.sql("SELECT node_id, min_persons, protection, snapshot_id FROM nodes").table.to_pylist()
    assert nodes == [
        {
            "node_id": node.node_id,
            "min_persons": node.min_persons,
            "protection": node.protection,
            "snapshot_id": node.snapshot_id,
        }
        for node in silent.nodes
    ]
    columns = silent.sql("SELECT table_name, column_name FROM columns").table.to_pylist()
    assert [tuple(row.values()) for row in columns] == [
        (table.name, column.name) for table in silent.catalog.tables.values() for column in table.columns
    ]


def test_without_a_release_frequencies_are_refused(silent: Federation) -> None:
    """Where nodes have released no frequencies, the refusal says so before anything is asked."""
    bare = copy(silent)
    bare.tables = FederationTables(silent.catalog, silent.nodes, silent.site_list)
    with pytest.raises(QueryRefused, match="G503"):
        bare.sql("SELECT ac FROM allele_frequencies")


def frequency_rows(federation: Federation, contig: str) -> pa.Table:
    """Made-up released rows on one contig: of three sites, the second withheld, the third bounded."""
    sites = [row for row in federation.site_list.sites.to_pylist() if row["contig"] == contig][:3]
    rows: list[dict[str, Any]] = []
    for place, site in enumerate(sites):
        row: dict[str, Any] = {
            key: site[key] for key in ("contig", "pos", "ref", "alt", "variant_id", "end_pos")
        }
        row |= {
            "country": "all",
            "population": "all",
            "sex": "all",
            "an": 720,
            "release": 1,
            "call_rate": 1.0,
        }
        if place == 0:
            row |= {
                "ac": 72,
                "af": 0.1,
                "faf95": 0.08,
                "n_het": 60,
                "n_hom_alt": 6,
                "n_hemi": 0,
                "hwe_p": 0.5,
            }
            row["status"] = "ok"
        elif place == 1:
            row["status"] = "withheld"
        else:
            row |= {"status": "bounded", "ac_lower": 40, "ac_upper": 58}
        rows.append(row)
    schema = pa.schema(
        [(column.name, ARROW_TYPES[column.type]) for column in PUBLIC_TABLES["allele_frequencies"].columns]
    )
    return pa.Table.from_pylist(rows, schema=schema)


@pytest.fixture
def released(federation: Federation) -> tuple[Federation, list[str]]:
    """The federation with a provider of released frequencies, and the contigs that it was asked for."""
    asked: list[str] = []

    def frequencies(contig: str) -> pa.Table:
        asked.append(contig)
        return frequency_rows(federation, contig)

    other = copy(federation)
    other.tables = FederationTables(federation.catalog, federation.nodes, federation.site_list, frequencies)
    return other, asked


def test_released_frequencies_equal_a_question_of_the_same_group(federation: Federation) -> None:
    """AN of a listed site over all persons is what a query of one's own gives; AC where both are told."""
    text = (
        "WITH own AS (SELECT variant_id, sum(dosage) AS ac, sum(called_alleles) AS an FROM genotypes "
        "WHERE contig = 'chr19' GROUP BY variant_id) SELECT f.variant_id, f.ac, own.ac AS own_ac, f.an, own.an AS own_an "
        "FROM allele_frequencies AS f JOIN own USING (variant_id) WHERE f.contig = 'chr19' AND f.country = 'all' "
        "AND f.population = 'all' AND f.sex = 'all'"
    )
    answer = federation.sql(text)
    rows, words = answer.table.to_pylist(), answer.status.to_pylist()
    assert rows
    compared = 0
    for row, status in zip(rows, words, strict=True):
        for name in ("ac", "an"):
            if status[name] == status[f"own_{name}"] == "ok":
                assert row[name] == row[f"own_{name}"]
                compared += 1
    assert compared > 0


def test_withheld_frequencies_say_so(released: tuple[Federation, list[str]]) -> None:
    """A NULL that stands for a withheld number is marked, and its bounds are told."""
    federation, asked = released
    contig = federation.site_list.sites.column("contig")[0].as_py()
    text = f"SELECT pos, ac, af, n_het, an FROM allele_frequencies WHERE contig = '{contig}' ORDER BY pos"
    answer = federation.sql(text)
    assert asked == [contig]
    assert answer.table.column("ac").to_pylist() == [72, None, None]
    assert answer.status.column("ac").to_pylist() == ["ok", "withheld", "bounded"]
    assert answer.status.column("n_het").to_pylist() == ["ok", "withheld", "withheld"]
    assert answer.status.column("an").to_pylist() == ["ok", "ok", "ok"]
    assert [(bound.row, bound.lower, bound.upper) for bound in answer.envelope.bounds] == [(2, "40", "58")]


def test_bounds_of_frequencies_decide_and_withheld_ones_do_not(
    released: tuple[Federation, list[str]],
) -> None:
    """ac > 30 holds for 40..58 and is not known for what is withheld; a sum over it has no value."""
    federation, _ = released
    contig = federation.site_list.sites.column("contig")[0].as_py()
    where = f"WHERE contig = '{contig}'"
    answer = federation.sql(f"SELECT pos FROM allele_frequencies {where} AND ac > 30")
    assert answer.table.num_rows == 2
    assert answer.envelope.rows == "partial"
    total = federation.sql(
        f"SELECT sum(ac) AS ac, sum(an) AS an, count(*) AS n FROM allele_frequencies {where}"
    )
    assert total.table.to_pylist() == [{"ac": None, "an": 2160, "n": 3}]
    assert total.status.to_pylist() == [{"ac": "partial", "an": "ok", "n": "ok"}]
    known = federation.sql(f"SELECT sum(ac) AS ac FROM allele_frequencies {where} AND status = 'ok'")
    assert known.table.to_pylist() == [{"ac": 72}]
    assert known.envelope.rows == "ok"


def test_a_release_is_joined_with_frequencies(released: tuple[Federation, list[str]]) -> None:
    """Counts of a question of one's own stand beside the released ones."""
    federation, _ = released
    contig = federation.site_list.sites.column("contig")[0].as_py()
    text = (
        f"WITH own AS (SELECT variant_id, sum(called_alleles) AS an FROM genotypes WHERE contig = '{contig}' "
        f"GROUP BY variant_id) SELECT f.variant_id, f.ac, own.an FROM allele_frequencies AS f "
        f"JOIN own USING (variant_id) WHERE f.contig = '{contig}' ORDER BY f.pos"
    )
    answer = federation.sql(text)
    assert answer.table.num_rows == 3
    own = federation.sql(
        f"SELECT variant_id, sum(called_alleles) AS an FROM genotypes WHERE contig = '{contig}' GROUP BY ALL"
    )
    called = {row["variant_id"]: row["an"] for row in own.table.to_pylist()}
    assert answer.table.column("an").to_pylist() == [
        called[name] for name in answer.table.column("variant_id").to_pylist()
    ]
    assert answer.status.column("ac").to_pylist() == ["ok", "withheld", "bounded"]


BOMBS = (
    "SELECT count(*) FROM variants AS a, variants AS b, variants AS c, variants AS d, variants AS e",
    "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r",
    "SELECT sum(a.i * b.i * c.i) FROM range(1000000) AS a(i), range(1000000) AS b(i), range(1000000) AS c(i)",
    "WITH c0 AS (SELECT 'xxxxxxxxxx' AS s), "
    + ", ".join(f"c{i} AS (SELECT s || s AS s FROM c{i - 1})" for i in range(1, 31))
    + " SELECT length(s) FROM c30",
    "SELECT count(*) FROM range(30000) AS a(i), range(30000) AS b(i) WHERE regexp_matches(concat(a.i, b.i), '(1|2|12)*x')",
    "SELECT len(list(a.i || b.i)) FROM range(1000000) AS a(i), range(1000) AS b(i)",
)  # fmt: skip


@pytest.mark.parametrize("text", BOMBS, ids=lambda text: text[:40])
def test_bombs_end_within_limits(text: str, silent: Federation) -> None:
    """What takes too much time or memory is ended with a refusal, and the gateway answers on."""
    small = copy(silent)
    small.workspaces = Workspaces(Limits(memory="200MB", seconds=1))
    with pytest.raises(QueryRefused, match=r"G60[12]|G104"):
        small.sql(text)
    assert small.sql("SELECT count(*) AS n FROM contigs").table.to_pylist() == [{"n": 25}]


HOSTILE = (
    "SELECT * FROM read_parquet('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "SELECT * FROM glob('*')",
    "SELECT * FROM read_text('/etc/passwd')", "FROM query('SELECT 1')", "FROM query_table('variants')",
    "SELECT getenv('HOME')", "SELECT current_setting('threads')", "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_tables()", "SELECT * FROM information_schema.tables", "SELECT * FROM pragma_version()",
    "SELECT error('x')", "COPY variants TO 'x.csv'", "ATTACH 'x.db'", "PRAGMA version", "INSTALL httpfs",
    "LOAD httpfs", "CREATE MACRO f() AS 1", "SET memory_limit = '1TB'", "CALL pragma_version()", "SHOW TABLES",
    "DESCRIBE variants", "SUMMARIZE variants", "EXPLAIN SELECT 1", "SELECT * FROM generate_series(1, 1000000000000)",
    "SELECT range(1000000000000)", "SELECT repeat('x', 1000000000)", "SELECT lpad('x', 1000000000, 'y')",
    "SELECT printf('%1000000000d', 1)", "SELECT format('{:1000000000}', 1)", "SELECT printf('%*d', 1000000000, 1)",
    "SELECT random()", "SELECT uuid()", "SELECT now()", "SELECT pg_typeof(1)", "SELECT version()", "SELECT txid_current()",
    "SELECT nextval('s')", "SELECT list_transform([1], lambda x: x + 1)",
    "SELECT * FROM variants USING SAMPLE 2 ROWS", "SELECT * FROM variants TABLESAMPLE 10%",
    "SELECT * FROM variants POSITIONAL JOIN genes", "SELECT json_serialize_sql('SELECT 1')", "SELECT sha256('x')",
    "SELECT * FROM variants, LATERAL (SELECT 1)", "SELECT getvariable('x')", "SELECT write_log('x')",
    "SELECT * FROM cells", "SELECT * FROM s1", 'SELECT * FROM "cells$all"', "SELECT hash(variant_id) FROM variants",
    'WITH RECURSIVE "r(i) AS (SELECT 1) SELECT * FROM duckdb_settings() --" AS (SELECT 1 AS i UNION ALL SELECT i + 1 '
    'FROM "r(i) AS (SELECT 1) SELECT * FROM duckdb_settings() --" WHERE i < 3) SELECT nothing FROM genes',
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_what_reaches_beyond_the_tables_is_refused(text: str, silent: Federation) -> None:
    """Nothing that reads files, settings, the clock or chance, or runs text as SQL, passes the gateway."""
    with pytest.raises(QueryRefused):
        silent.sql(text)


def test_explain_names_releases_tables_and_steps(federation: Federation) -> None:
    """Each release, each public table and each step is told, and nothing is asked."""
    told = federation.explain(
        "WITH c AS (SELECT gene, sum(dosage) AS ac FROM genotypes JOIN variants USING (contig, pos, ref, alt) GROUP BY gene) "
        "SELECT c.gene, c.ac, g.sites FROM c JOIN genes AS g USING (gene) WHERE c.ac > (SELECT count(*) FROM samples)"
    )
    assert "release 1 of 2" in told
    assert "release 2 of 2" in told
    assert "public table genes" in told
    assert "  s1 = SELECT" in told
    assert "no node is asked" in federation.explain("SELECT gene FROM variants WHERE contig = 'chr2'")
    assert "public table variants, rows on chr2" in federation.explain(
        "SELECT gene FROM variants WHERE contig = 'chr2'"
    )


def test_a_text_that_cannot_be_read_is_in_no_log(
    federation: Federation, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """The parser's warnings quote the text, and with it whatever the analyst looks for."""
    with pytest.raises(QueryRefused):
        federation.sql("PREPARE p AS SELECT * FROM samples WHERE birth_year = 1903")
    assert "1903" not in caplog.text + "".join(capsys.readouterr())
