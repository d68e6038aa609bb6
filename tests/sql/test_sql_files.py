"""The SQL that people read: table definitions agree with the catalogue, and every example is answered."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import jsonschema
import pytest

from goe_lake.catalog import SQL_TYPES, Catalog, node_catalog, with_public_tables
from goe_lake.federation import Federation

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "sql" / "examples").glob("*.sql"))
TABLES = sorted((ROOT / "sql" / "tables").glob("*.sql"))
SCHEMA = ROOT / "goe_lake" / "schemas" / "envelope-1.schema.json"


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """The tables of the contract, without phenotypes."""
    return with_public_tables(node_catalog("GRCh38", "EE", [], []))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_table_definition_agrees_with_the_catalogue(path: Path, catalog: Catalog) -> None:
    """DuckDB reads the definition, and finds the catalogue's columns, types and NOT NULLs."""
    connection = duckdb.connect()
    connection.execute(path.read_text(encoding="utf-8"))
    found = [
        (name, kind, null == "YES")
        for name, kind, null, *_ in connection.execute(f"DESCRIBE {path.stem}").fetchall()
    ]
    expected = [
        (column.name, SQL_TYPES[column.type], column.nullable) for column in catalog.tables[path.stem].columns
    ]
    assert found == expected


def test_every_table_has_a_definition(catalog: Catalog) -> None:
    """No table of the contract is left undescribed."""
    assert {path.stem for path in TABLES} == set(catalog.tables)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_answered(path: Path, federation: Federation) -> None:
    """Each example begins with a sentence, and gives rows with a status for each value."""
    text = path.read_text(encoding="utf-8")
    assert text.startswith("-- ")
    assert text.splitlines()[0].endswith(".")
    answer = federation.sql(text)
    assert answer.table.num_rows > 0
    assert answer.status.column_names == answer.table.column_names
    assert answer.status.num_rows == answer.table.num_rows


def test_envelope_keeps_to_its_schema(federation: Federation) -> None:
    """The envelope of an answer with bounds, partial rows and groups not shown is a valid envelope/1."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    answer = federation.sql(
        "SELECT sex, cohort, count(*) AS n, avg(ldl) AS ldl FROM samples WHERE birth_year < 1945 "
        "GROUP BY sex, cohort HAVING avg(ldl) > 1 ORDER BY n DESC LIMIT 2"
    )
    jsonschema.validate(answer.envelope.to_json(), schema)


def test_envelope_schema_refuses_another_version(federation: Federation) -> None:
    """The schema is strict: an unknown version or field is not an envelope/1."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    envelope = federation.sql("SELECT count(*) FROM samples").envelope.to_json()
    for change in ({"version": "envelope/2"}, {"persons": 3}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**envelope, **change}, schema)
