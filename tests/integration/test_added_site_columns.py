"""Columns that some nodes add to `variants` from INFO and ClinVar are asked like any other."""

from __future__ import annotations

from pathlib import Path

import pytest

import goe_lake
import goe_lake.config
from goe_lake.errors import QueryRefused
from goe_lake.federation import Federation
from tests.lake.nodes import built, make_node, vcf_text

META = (
    '##INFO=<ID=CADD,Number=A,Type=Float,Description="CADD">\n'
    '##INFO=<ID=DB,Number=0,Type=Flag,Description="In dbSNP">\n'
    '##INFO=<ID=CLASS,Number=1,Type=String,Description="A class">\n'
)
OPEN = 'policy = "policy.toml"\n'


def node(folder: Path, country: str, *, info: bool, protection: str = "on") -> Path:
    """Thirty persons, who carry at chr1:100 and not at chr1:200; only with *info* are sites annotated."""
    names = [f"{country}{number}" for number in range(30)]
    half = " ".join(["0/1"] * 15 + ["0/0"] * 15)
    records = [
        f"1 100 A C INFO=CADD=25.5;DB;CLASS=hot | {half}",
        f"1 200 A C INFO=CADD=3;CLASS=cold | {' '.join(['0/1'] * 14 + ['0/0'] * 16)}",
    ]
    fields = '[annotation]\ninfo_fields = ["CADD", "DB", "CLASS"]\n' if info else ""
    config = make_node(
        folder, [{"x.vcf": vcf_text(names, records, meta=META)}], people=names,
        absent_sites=("hom_ref",), node=OPEN, toml=fields,
    )  # fmt: skip
    (folder / "node.toml").write_text((folder / "node.toml").read_text().replace('"EE"', f'"{country}"'))
    (folder / "policy.toml").write_text(f'version = 1\nprotection = "{protection}"\n')
    built(goe_lake.config.read_node(config.file))
    return folder / "node.toml"


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    """One node with INFO columns and one without."""
    folder = tmp_path_factory.mktemp("added")
    return goe_lake.open_federation(
        [node(folder / "ee", "EE", info=True), node(folder / "fi", "FI", info=False)], project="demo"
    )


JOIN = "FROM genotypes g JOIN variants v ON g.variant_id = v.variant_id"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("v.info_cadd > 20", 30),
        ("v.info_cadd <= 20", 28),
        ("v.info_db", 30),
        ("v.info_class = 'cold'", 28),
        ("v.info_class IN ('hot', 'cold')", 58),
    ],
)
def test_a_condition_on_an_added_column(federation: Federation, condition: str, expected: int) -> None:
    """A node without the column has the value of the site list: the answer is about all persons."""
    answer = federation.sql(f"SELECT sum(g.dosage) AS ac {JOIN} WHERE {condition}")
    assert answer.to_arrow()["ac"].to_pylist() == [expected]


def test_an_added_column_as_a_key(federation: Federation) -> None:
    """Groups of sites by a text of INFO."""
    answer = federation.sql(f"SELECT v.info_class AS class, sum(g.dosage) AS ac {JOIN} GROUP BY 1 ORDER BY 1")
    assert answer.to_arrow().to_pylist() == [{"class": "cold", "ac": 28}, {"class": "hot", "ac": 30}]


def test_added_columns_are_told_apart_from_unknown_ones(federation: Federation) -> None:
    """A name that no node has is refused as any unknown column is."""
    with pytest.raises(QueryRefused, match="there is no column"):
        federation.sql(f"SELECT sum(g.dosage) AS ac {JOIN} WHERE v.info_nobody > 1")


def test_an_added_column_selects_no_few_persons(tmp_path: Path) -> None:
    """It is judged as the site columns are: what rests on few carriers is withheld all the same."""
    path = node(tmp_path, "EE", info=True)
    answer = goe_lake.open_federation([path], project="demo").sql(
        f"SELECT sum(g.dosage) AS ac {JOIN} JOIN samples s ON s.sample_id = g.sample_id "
        "WHERE v.info_cadd > 20 AND s.birth_year IS NULL AND g.dosage = 1"
    )
    assert answer.to_arrow()["ac"].to_pylist() in ([15], [None])
