"""`node.toml`: what it says becomes a NodeConfig, and every mistake names its setting and the mend."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from goe_lake.catalog import ColumnType
from goe_lake.config import read_node
from goe_lake.errors import ConfigError

GOOD = """
[node]
country = "EE"
name = "Estonian node"
assembly = "GRCh38"
lake = "lake"

[[genotypes]]
files = ["vcf/*.vcf.gz"]
absent_sites = "hom_ref"
format_fields = ["GQ", "DP"]

[samples]
file = "samples.tsv"

[samples.columns.bmi]
type = "double"
unit = "kg/m2"
bounds = [10, 80]
resolution = 0.01
description = "Body mass index at recruitment"

[samples.columns.cohort]
values = ["EstBB"]
nullable = false

[[scores]]
file = "scores.tsv"
[scores.columns.PGS000018]
bounds = [-4.5, 6.25]
resolution = 0.0001
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the good node.toml names."""
    (tmp_path / "vcf").mkdir()
    for name in ("vcf/b.vcf.gz", "vcf/a.vcf.gz", "samples.tsv", "scores.tsv"):
        (tmp_path / name).write_text("x")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    """A node.toml with that text."""
    path = folder / "node.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_good_file_is_read_as_written(folder: Path) -> None:
    """Paths are relative to the file, globs are sorted, decimals stay exact, defaults are filled in."""
    config = read_node(written(folder, GOOD))
    assert config.node_id == "GOE-EE-NODE-1"
    assert config.lake == folder / "lake"
    assert [path.name for path in config.genotypes[0].files] == ["a.vcf.gz", "b.vcf.gz"]
    catalog = config.catalog()
    bmi = catalog.column("samples", "bmi")
    assert (bmi.type, bmi.bounds, bmi.resolution) == (
        ColumnType.DOUBLE,
        (Decimal(10), Decimal(80)),
        Decimal("0.01"),
    )
    assert catalog.column("samples", "cohort").domain() == ("EstBB",)
    assert catalog.column("samples", "country").domain() == ("EE",)
    assert catalog.column("scores", "pgs_id").values == ("PGS000018",)
    assert catalog.column("scores", "score").resolution == Decimal("0.0001")


MISTAKES = {
    "country is missing": ('country = "EE"', "", "node.country"),
    "country is not a code": ('country = "EE"', 'country = "Estonia"', "node.country"),
    "a setting is misspelt": ('name = "Estonian node"', 'nmae = "x"', "node.nmae"),
    "assembly is not known": ('"GRCh38"', '"hg38"', "node.assembly"),
    "absent_sites is not known": ('"hom_ref"', '"ref"', "genotypes[1].absent_sites"),
    "no file matches": ("vcf/*.vcf.gz", "vcf/*.bcf", "genotypes[1].files"),
    "a FORMAT field has no column": ('"GQ", "DP"', '"GQ", "AD"', "genotypes[1].format_fields"),
    "the samples file is absent": ('"samples.tsv"', '"people.tsv"', "samples.file"),
    "bounds are reversed": ("[10, 80]", "[80, 10]", "samples.columns.bmi.bounds"),
    "bounds are missing": ("bounds = [10, 80]\n", "", "samples.columns.bmi.bounds"),
    "resolution is missing": ("resolution = 0.01\n", "", "samples.columns.bmi.resolution"),
    "resolution is zero": ("resolution = 0.01", "resolution = 0", "samples.columns.bmi.resolution"),
    "type is not known": ('type = "double"', 'type = "float"', "samples.columns.bmi.type"),
    "a label is given twice": ('["EstBB"]', '["EstBB", "EstBB"]', "samples.columns.cohort.values"),
    "score bounds are missing": ("bounds = [-4.5, 6.25]\n", "", "scores[1].columns.PGS000018.bounds"),
    "a number is a text": ("[10, 80]", '["10", "80"]', "samples.columns.bmi.bounds"),
    "true is not a text": ('name = "Estonian node"', "name = true", "node.name"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_names_its_setting_and_the_mend(mistake: str, folder: Path) -> None:
    """The error says which file and setting, what is wrong, and what to do."""
    before, after, setting = MISTAKES[mistake]
    assert before in GOOD
    with pytest.raises(ConfigError) as caught:
        read_node(written(folder, GOOD.replace(before, after)))
    assert caught.value.setting == setting
    assert caught.value.file.endswith("node.toml")
    assert caught.value.mend


def test_misspelt_setting_suggests_the_right_one(folder: Path) -> None:
    """The mend of a misspelling is the name that was meant."""
    with pytest.raises(ConfigError, match="did you mean lake"):
        read_node(written(folder, GOOD.replace('lake = "lake"', 'lakee = "lake"')))


def test_text_that_is_not_toml_is_one_clear_error(folder: Path) -> None:
    """A syntax error names the file and the line."""
    with pytest.raises(ConfigError, match=r"not valid TOML.*line 2"):
        read_node(written(folder, "[node]\ncountry = EE\n"))


def test_absent_file_is_one_clear_error(tmp_path: Path) -> None:
    """A wrong path is said to be one."""
    with pytest.raises(ConfigError, match="cannot be read"):
        read_node(tmp_path / "nothing.toml")
