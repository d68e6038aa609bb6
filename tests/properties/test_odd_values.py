"""Law 1 over values at the edge: the largest whole numbers, infinities, the other zero, and nothing."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from goe_lake.config import read_node
from goe_lake.errors import ConfigError
from goe_lake.federation import EmbeddedNode, Federation
from goe_lake.lake import ingest
from tests.properties.comparison import differences, rows_of

HUGE = 2**31 - 1
# sex, serial, level: each node's persons; the second node has nobody without a sex, the third one no level,
# the last one nobody at all
NODES = (
    (("F", HUGE, "-0.0"), ("F", -HUGE, "NaN"), ("", HUGE - 1, "inf"), ("M", None, ""), ("M", 3, "1.5")),
    (("F", HUGE, "0"), ("F", HUGE - 1, "2.5"), ("F", -1, "-Infinity")),
    (("M", -HUGE, ""), ("", -HUGE + 1, "nan")),
    (),
)
COUNTRIES = ("EE", "FI", "LV", "LT")
TOML = """
[node]
id = "NODE-{place}"
country = "{country}"
assembly = "GRCh38"
policy = "policy.toml"
[ingest]
max_quarantined = 1
[samples]
file = "samples.tsv"
[samples.columns.serial]
type = "integer"
bounds = [-2147483647, 2147483647]
[samples.columns.level]
type = "double"
bounds = [-10, 10]
resolution = 0.5
[samples.columns.never]
type = "double"
bounds = [0, 1]
resolution = 0.01
"""
QUERIES = (
    "SELECT sum(serial) AS s, avg(serial) AS m, count(serial) AS n, sum(-serial) AS t FROM samples",
    "SELECT sex, sum(serial) AS s, count(*) AS n, avg(level) AS l FROM samples GROUP BY sex ORDER BY sex",
    "SELECT sum(serial) FILTER (serial > 0) AS s, count_if(serial >= 2147483647) AS n FROM samples",
    "SELECT serial // 2 AS half, count(*) AS n FROM samples GROUP BY half ORDER BY half",
    "SELECT sum(never) AS s, avg(never) AS m, count(never) AS n, var_pop(never) AS v, median(never) AS q, "
    "bool_and(never > 0) AS b, count(*) AS a FROM samples",
    "SELECT level, count(*) AS n FROM samples GROUP BY level ORDER BY level",
    "SELECT sum(level) AS s, stddev_pop(level) AS d, count(level) AS n, median(level) AS q FROM samples",
    "SELECT country, sum(level) AS s, count(level) AS n FROM samples WHERE serial > 0 GROUP BY 1 ORDER BY 1",
    "SELECT corr(level, never) AS r, regr_count(level, never) AS n, covar_pop(level, never) FROM samples",
)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    """Four nodes with few persons each, without protection."""
    nodes = []
    for place, persons in enumerate(NODES):
        folder = tmp_path_factory.mktemp("odd") / str(place)
        folder.mkdir()
        rows = [["sample_id", "sex", "serial", "level", "never"]]
        for number, (sex, serial, level) in enumerate(persons):
            rows.append([f"P{place}{number}", sex, "" if serial is None else str(serial), level, ""])
        (folder / "samples.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
        (folder / "policy.toml").write_text('version = 1\nprotection = "off"\n')
        (folder / "node.toml").write_text(TOML.format(place=place, country=COUNTRIES[place]))
        ingest(read_node(folder / "node.toml"), min_label_persons=1, progress=None)
        nodes.append(EmbeddedNode(folder / "node.toml"))
    return Federation(nodes, project="demo")


@pytest.fixture(scope="module")
def pooled() -> duckdb.DuckDBPyConnection:
    """The same persons in one table: no numbers and infinities are out of bounds, and so missing."""
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE samples (country VARCHAR, sex VARCHAR, serial BIGINT, level DOUBLE, never DOUBLE)"
    )
    for country, persons in zip(COUNTRIES, NODES, strict=True):
        for sex, serial, level in persons:
            told = float(level) if level in ("-0.0", "0", "1.5", "2.5") else None
            values = [country, sex or None, serial, None if told is None else told + 0.0, None]
            connection.execute("INSERT INTO samples VALUES (?, ?, ?, ?, ?)", values)
    return connection


@pytest.mark.parametrize("text", QUERIES)
def test_odd_values_equal_pooled(
    text: str, federation: Federation, pooled: duckdb.DuckDBPyConnection
) -> None:
    """What is no number is missing, both zeros are one, and the largest whole numbers are summed exactly."""
    answer = federation.sql(text)
    rows = pooled.execute(text).fetchall()
    assert not differences(rows_of(answer.table), rows, [1.0] * len(rows[0])), text
    assert {word for row in rows_of(answer.status) for word in row} <= {"ok"}


def test_whole_numbers_that_no_answer_holds_are_refused_in_the_configuration(
    tmp_path: Path,
) -> None:
    """A node with one value of 2^62 would answer nothing at all: such bounds are refused."""
    text = TOML.format(place=0, country="EE").replace("[-2147483647, 2147483647]", f"[0, {2**62}]")
    (tmp_path / "node.toml").write_text(text)
    (tmp_path / "samples.tsv").write_text("sample_id\n")
    (tmp_path / "policy.toml").write_text('version = 1\nprotection = "off"\n')
    with pytest.raises(ConfigError, match=r"2147483647.*double with resolution 1"):
        read_node(tmp_path / "node.toml")
