"""Nodes that do not fit together are not asked: each error names the setting and the mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from goe_lake import open_federation
from goe_lake.config import read_node
from goe_lake.errors import ConfigError, LakeError
from goe_lake.lake import ingest

BMI = 'type = "double"\nunit = "kg/m2"\nbounds = [10, 80]\nresolution = 0.01'
DIFFERENT = {
    "unit": BMI.replace("kg/m2", "lb/in2"),
    "bounds": BMI.replace("[10, 80]", "[10, 90]"),
    "resolution": BMI.replace("0.01", "0.1"),
    "type": 'type = "integer"\nunit = "kg/m2"\nbounds = [10, 80]',
}


def small_node(
    folder: Path, country: str, bmi: str = BMI, *, assembly: str = "GRCh38", built: bool = True
) -> Path:
    """The node.toml of twelve persons without genotypes."""
    folder.mkdir()
    rows = "".join(f"{country}{number}\t{20 + number}\n" for number in range(12))
    (folder / "samples.tsv").write_text(f"sample_id\tbmi\n{rows}")
    path = folder / "node.toml"
    path.write_text(
        f'[node]\ncountry = "{country}"\nassembly = "{assembly}"\n[samples]\nfile = "samples.tsv"\n'
        f"[samples.columns.bmi]\n{bmi}\n"
    )
    if built:
        ingest(read_node(path), min_label_persons=1)
    return path


@pytest.mark.parametrize("fact", DIFFERENT)
def test_nodes_that_disagree_on_a_column(fact: str, tmp_path: Path) -> None:
    """Two meanings of a column make no federation; the error names column, fact, both nodes and the mend."""
    nodes = [small_node(tmp_path / "ee", "EE"), small_node(tmp_path / "fi", "FI", DIFFERENT[fact])]
    with pytest.raises(ConfigError) as caught:
        open_federation(nodes)
    error = caught.value
    assert error.setting == "samples.bmi"
    for part in (fact, "GOE-EE-NODE-1", "GOE-FI-NODE-1"):
        assert part in error.problem
    for part in (fact, "ingest again"):
        assert part in error.mend
    assert str(error) == f"federation: samples.bmi: {error.problem}. {error.mend}"


def test_nodes_that_spell_a_fact_differently(tmp_path: Path) -> None:
    """10 and 10.0, 0.01 and 0.010 are one fact, and descriptions may differ."""
    other = BMI.replace("[10, 80]", "[10.0, 80.00]").replace("0.01", "0.010") + '\ndescription = "measured"'
    nodes = [small_node(tmp_path / "ee", "EE"), small_node(tmp_path / "fi", "FI", other)]
    answer = open_federation(nodes).sql("SELECT count(bmi) AS n FROM samples")
    assert answer.table.to_pylist() == [{"n": 24}]


def test_nodes_on_different_assemblies(tmp_path: Path) -> None:
    """Positions on two assemblies are never added; the error names both."""
    nodes = [small_node(tmp_path / "ee", "EE"), small_node(tmp_path / "fi", "FI", assembly="GRCh37")]
    with pytest.raises(ConfigError) as caught:
        open_federation(nodes)
    assert caught.value.setting == "assembly"
    for part in ("GOE-EE-NODE-1 has GRCh38", "GOE-FI-NODE-1 has GRCh37", "use one assembly"):
        assert part in str(caught.value)


def test_two_nodes_of_one_id(tmp_path: Path) -> None:
    """A second node of a country needs an id of its own; one that stands twice would count persons twice."""
    first, second = small_node(tmp_path / "one", "EE"), small_node(tmp_path / "two", "EE")
    for nodes in ([first, second], [first, first]):
        with pytest.raises(ConfigError) as caught:
            open_federation(nodes)
        assert caught.value.setting == "node.id"
        assert "GOE-EE-NODE-1" in caught.value.problem
        assert "an id of its own" in caught.value.mend
    second.write_text(second.read_text().replace("[node]\n", '[node]\nid = "GOE-EE-NODE-2"\n'))
    ingest(read_node(second), min_label_persons=1)
    answer = open_federation([first, second]).sql("SELECT count(*) AS n FROM samples")
    assert answer.table.to_pylist() == [{"n": 24}]


def test_a_node_whose_lake_is_not_built(tmp_path: Path) -> None:
    """The error gives the lake's folder and the command that builds it."""
    nodes = [small_node(tmp_path / "ee", "EE"), small_node(tmp_path / "fi", "FI", built=False)]
    with pytest.raises(LakeError) as caught:
        open_federation(nodes)
    assert caught.value.path == str(tmp_path / "fi" / "lake")
    assert "nothing is published" in caught.value.problem
    assert "goe ingest" in caught.value.mend


@pytest.mark.parametrize(
    ("setting", "old", "new"),
    [
        ("node.country", 'country = "EE"', 'country = "LV"'),
        ("node.assembly", 'assembly = "GRCh38"', 'assembly = "GRCh37"'),
    ],
)
def test_a_node_toml_that_changed_since_the_ingest(setting: str, old: str, new: str, tmp_path: Path) -> None:
    """A lake of one country or assembly is not served as another: the error asks for a new ingest."""
    path = small_node(tmp_path / "ee", "EE")
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ConfigError) as caught:
        open_federation([path])
    assert caught.value.setting == setting
    assert caught.value.file == str(path)
    assert "goe ingest" in caught.value.mend


def test_no_node_at_all() -> None:
    """An empty federation would answer 0 to everything."""
    with pytest.raises(ConfigError, match=r"nodes: there is no node\. name at least one node\.toml"):
        open_federation([])
