"""docs/frequency-reference.md holds: its examples run, and it names every column and field."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import duckdb
import pytest

from goe_lake.cli import main
from goe_lake.products.frequencies.export_gdi import GDI
from goe_lake.products.frequencies.export_vcf import FIELDS
from goe_lake.products.frequencies.formats import ExportFormat
from goe_lake.products.frequencies.schema import FREQUENCIES, STATUSES
from tests.products.releases import small_release, small_tables, write

TEXT = (Path(__file__).parents[2] / "docs" / "frequency-reference.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with two releases."""
    made = tmp_path_factory.mktemp("reference")
    first = small_release(made / "releases" / "1")
    rows = small_tables(seed=1, number=2)
    write(made / "releases" / "2", rows, "EE", "FI", number=2, previous=first.manifest.release_id)
    return made


@pytest.mark.parametrize("line", [line for block in blocks("sh") for line in block.splitlines()])
def test_each_command_runs(line, folder, monkeypatch):
    """What the guide types, works."""
    monkeypatch.chdir(folder)
    words = shlex.split(line)
    assert words[0] == "goe"
    main(words[1:])


@pytest.mark.parametrize("query", blocks("sql"))
def test_each_query_answers(query, folder, monkeypatch):
    """DuckDB reads the files as the guide asks."""
    monkeypatch.chdir(folder)
    assert duckdb.sql(query).to_arrow_table().num_rows > 0


@pytest.mark.parametrize("code", blocks("python"))
def test_the_python_example_runs(code, folder, monkeypatch, capsys):
    """As it stands in the guide."""
    monkeypatch.chdir(folder)
    exec(compile(code, "frequency-reference.md", "exec"), {})
    assert "sites" in capsys.readouterr().out


def test_everything_is_named():
    """Each column, status, INFO field, format, and each column of the GDI layout that needs a word."""
    names = [*FREQUENCIES.names, *STATUSES, *(field.name for field in FIELDS)]
    names += ["AC_HET", "AC_HOM", "AC_HEMI", "POPULATION"]
    assert set(names[-4:]) <= set(GDI.names)
    assert [name for name in names if f"`{name}`" not in TEXT] == []
    assert all(f"--format {format_}" in TEXT for format_ in ExportFormat)
