"""The command `goe`, in processes of its own, as a newcomer with two real nodes uses it."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goe_lake import open_federation
from goe_lake.federation import Answer
from tests.conftest import with_the_audit
from tests.integration.genomes import Nodes
from tests.integration.phenotypes import COMMON_SITE, assert_true, by, mean, rows_by_key, total

QUERY = f"""SELECT population, count(*) AS n, avg(bmi) AS bmi, sum(dosage) AS ac,
  count(*) FILTER (WHERE neuro = 'multiple sclerosis') AS ms
FROM samples JOIN genotypes USING (sample_id) WHERE variant_id = '{COMMON_SITE}'
GROUP BY population ORDER BY population"""
REFUSED = "SELECT population,\n  array_agg(sex) AS sexes\nFROM samples GROUP BY population"
FORMATS = ("table", "csv", "json", "parquet", "arrow")
NODES = ("--nodes", "fi/node.toml", "gb/node.toml")

COMMANDS: Mapping[str, Sequence[str]] = {
    **{name: ("query", QUERY, *NODES, "--format", name) for name in FORMATS},
    "output": ("query", QUERY, *NODES, "--format", "parquet", "--output", "answer.parquet"),
    "refused": ("query", REFUSED, *NODES),
    "explain": ("explain", QUERY, *NODES),
    "explain refused": ("explain", REFUSED, *NODES),
    "not built": ("query", QUERY, "--nodes", "empty/node.toml", "gb/node.toml"),
    "no file": ("query", QUERY, "--nodes", "nowhere/node.toml"),
    "no nodes": ("query", QUERY),
    "no format": ("query", QUERY, *NODES, "--format", "tsv"),
    "misspelt": ("ingest", "fi/misspelt.toml"),
    "broken": ("query", QUERY, "--nodes", "broken/node.toml", "gb/node.toml"),
    "broken, any": ("query", QUERY, "--nodes", "broken/node.toml", "gb/node.toml", "--any"),
}


@dataclass(frozen=True)
class Ran:
    """What one command did."""

    code: int
    out: bytes
    err: str


def goe(arguments: Sequence[str], folder: Path) -> Ran:
    """Run the `goe` of this environment in *folder*."""
    command = shutil.which("goe", path=str(Path(sys.executable).parent))
    assert command, "goe is not installed beside this Python: pip install -e ."
    done = subprocess.run([command, *arguments], cwd=folder, capture_output=True, timeout=600, check=False)
    return Ran(done.returncode, done.stdout, done.stderr.decode())


def run(commands: Mapping[str, Sequence[str]], folder: Path) -> dict[str, Ran]:
    """What each of *commands* did; two run at a time."""
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(lambda arguments: goe(arguments, folder), commands.values())
    return dict(zip(commands, done, strict=True))


@pytest.fixture(scope="module")
def folder(europe: Mapping[str, Nodes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of two nodes without their lakes; `empty` has no lake, that of `broken` was damaged."""
    folder = tmp_path_factory.mktemp("newcomer")
    source = europe["carried records"].folder
    for name, country in (("fi", "FI"), ("gb", "GB"), ("empty", "ES")):
        shutil.copytree(source / country, folder / name, ignore=shutil.ignore_patterns("lake"))
    shutil.copytree(source / "FI", folder / "broken")
    for path in (folder / "broken" / "lake" / "calls").rglob("*.parquet"):
        path.write_bytes(bytes(path.stat().st_size))
    misspelt = (folder / "fi" / "node.toml").read_text().replace("assembly", "asembly")
    (folder / "fi" / "misspelt.toml").write_text(misspelt)
    return folder


@pytest.fixture(scope="module")
def ingested(folder: Path) -> dict[str, Ran]:
    """What `goe ingest` said of the two nodes."""
    return run({"fi": ("ingest", "fi/node.toml"), "gb": ("ingest", "gb/node.toml", "--quiet")}, folder)


@pytest.fixture(scope="module")
def ran(folder: Path, ingested: Mapping[str, Ran]) -> dict[str, Ran]:
    """What each of `COMMANDS` did, after the ingests."""
    assert {done.code for done in ingested.values()} == {0}
    return run(COMMANDS, folder)


@pytest.fixture(scope="module")
def in_process(folder: Path, ingested: Mapping[str, Ran]) -> Answer:
    """The answer to `QUERY` from the library."""
    with with_the_audit():
        return open_federation([folder / "fi/node.toml", folder / "gb/node.toml"]).sql(QUERY)


def test_ingest_publishes_what_the_library_does(
    folder: Path, ingested: Mapping[str, Ran], europe: Mapping[str, Nodes]
) -> None:
    """Same input, same bytes: the snapshot has the id of the one that was made in another folder."""
    for name, country in (("fi", "FI"), ("gb", "GB")):
        assert ingested[name].code == 0, ingested[name].err
        published = (folder / name / "lake" / "CURRENT").read_text().strip()
        assert published == europe["carried records"].reports[country].snapshot_id
    assert "99" in ingested["fi"].err
    assert (ingested["gb"].out, ingested["gb"].err) == (b"", "")


def test_ingest_names_a_misspelt_setting(ran: Mapping[str, Ran]) -> None:
    """The error names the file, the setting and the likely one."""
    assert ran["misspelt"].code == 1
    for part in ("misspelt.toml", "node.asembly", "did you mean assembly?"):
        assert part in ran["misspelt"].err
    assert "Traceback" not in ran["misspelt"].err


def test_the_answer_is_true(in_process: Answer, pooled: pd.DataFrame) -> None:
    """Two populations with persons, mean and AC as pooled; few with a disease are not told apart."""
    expected = by(
        pooled[pooled.country.isin(["FI", "GB"])],
        "population",
        n=len,
        bmi=mean("bmi"),
        ac=total("dosage"),
        ms=lambda rows: (rows.neuro == "multiple sclerosis").sum(),
    )
    assert expected.ms.between(1, 9).all()
    assert_true(in_process, ["population"], rows_by_key(expected, ["population"]))
    # the population is the whole country: its number is held to the country's, which is known
    words = {"population": "ok", "n": "approx", "bmi": "approx", "ac": "ok"}
    assert in_process.status.to_pylist() == [words | {"ms": "approx"}, words | {"ms": "withheld"}]


@pytest.mark.parametrize("name", FORMATS)
def test_query_prints_the_answer_and_nothing_else(
    name: str, ran: Mapping[str, Ran], in_process: Answer
) -> None:
    """Every format holds what the library answers; stderr is empty."""
    assert (ran[name].code, ran[name].err) == (0, "")
    read = {"table": read_table, "csv": read_csv, "json": read_json, "parquet": read_parquet}
    found = read.get(name, read_arrow)(ran[name].out)
    rows = in_process.table.to_pylist()
    if name == "table":
        rows = [
            {
                **{column: str(value) for column, value in row.items()},
                "n": f"{row['n']} ≈",
                "bmi": f"{row['bmi']:.6g} ≈",
                "ms": "withheld" if row["ms"] is None else f"{row['ms']} ≈",
            }
            for row in rows
        ]
    assert found == rows


def read_table(out: bytes) -> list[dict[str, object]]:
    """The rows between the lines of a drawn table."""
    heads = [line for line in out.decode().splitlines() if line.startswith("┃")]
    lines = [line for line in out.decode().splitlines() if line.startswith("│")]
    names = [cell.strip() for cell in heads[0].strip("┃").split("┃")]
    return [
        dict(zip(names, (cell.strip() for cell in line.strip("│").split("│")), strict=True)) for line in lines
    ]


def read_csv(out: bytes) -> list[dict[str, object]]:
    """The rows of a CSV; an empty field is no value."""
    rows = csv.DictReader(out.decode().splitlines())
    kinds = {"population": str, "n": int, "bmi": float, "ac": int, "ms": int}
    return [{name: kinds[name](text) if text else None for name, text in row.items()} for row in rows]


def read_json(out: bytes) -> list[dict[str, object]]:
    """The rows of a JSON answer."""
    return json.loads(out)["rows"]


def read_parquet(out: bytes) -> list[dict[str, object]]:
    """The rows of a Parquet file."""
    return pq.read_table(pa.BufferReader(out)).to_pylist()


def read_arrow(out: bytes) -> list[dict[str, object]]:
    """The rows of an Arrow stream."""
    return pa.ipc.open_stream(out).read_all().to_pylist()


def test_the_drawn_table_names_the_nodes(ran: Mapping[str, Ran]) -> None:
    """Below the rows stands who answered."""
    assert "2 rows from 2 of 2 nodes (FI, GB)" in ran["table"].out.decode()


def test_json_holds_status_and_envelope(ran: Mapping[str, Ran], in_process: Answer) -> None:
    """Besides the rows, JSON tells what each value is worth and from which snapshots it comes."""
    told = json.loads(ran["json"].out)
    assert told["status"] == in_process.status.to_pylist()
    new = {name: told["envelope"][name] for name in ("query_id", "budget_left")}
    envelope = {**in_process.envelope.to_json(), **new}
    assert told["envelope"] == json.loads(json.dumps(envelope))


def test_query_writes_a_file(folder: Path, ran: Mapping[str, Ran], in_process: Answer) -> None:
    """With --output the answer is in the file, and the screen stays empty."""
    assert ran["output"] == Ran(0, b"", "")
    assert pq.read_table(folder / "answer.parquet").equals(in_process.table)


@pytest.mark.parametrize("name", ["refused", "explain refused"])
def test_a_refusal_points_at_the_text(name: str, ran: Mapping[str, Ran]) -> None:
    """Exit code 3; on stderr the rule, the line and a caret below the aggregate; nothing on stdout."""
    assert (ran[name].code, ran[name].out) == (3, b"")
    assert ran[name].err.startswith(
        "G401 line 2 col 3: the aggregate array_agg over persons is not answered. "
    )
    assert ran[name].err.splitlines()[-2:] == ["    array_agg(sex) AS sexes", "    ^"]


def test_explain_tells_what_would_be_asked(ran: Mapping[str, Ran]) -> None:
    """The measures, the key, each node's threshold and the final SQL."""
    assert (ran["explain"].code, ran["explain"].err) == (0, "")
    told = ran["explain"].out.decode()
    for part in ("samples.population", "genotypes.dosage", "GOE-FI-NODE-1", "GOE-GB-NODE-1", "10 persons"):
        assert part in told
    assert "FROM cells" in told


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("not built", ["empty/lake", "nothing is published", "goe ingest"]),
        ("no file", ["nowhere/node.toml", "cannot be read"]),
        ("no nodes", ["--nodes"]),
        ("no format", ["tsv", *FORMATS]),
    ],
)
def test_a_mistake_gets_a_message(name: str, parts: Sequence[str], ran: Mapping[str, Ran]) -> None:
    """Exit code 1, no answer, and words instead of a traceback."""
    assert (ran[name].code, ran[name].out) == (1, b"")
    assert "Traceback" not in ran[name].err
    for part in parts:
        assert part in ran[name].err


def test_a_node_that_fails_is_left_out_only_when_told(ran: Mapping[str, Ran]) -> None:
    """Exit code 4 names the node and repeats no message of an engine; with --any the others answer."""
    assert (ran["broken"].code, ran["broken"].out) == (4, b"")
    assert "no answer from GOE-FI-NODE-1" in ran["broken"].err
    for word in ("Traceback", "parquet", "duckdb", "Invalid", "Error"):
        assert word not in ran["broken"].err
    assert ran["broken, any"].code == 0
    told = ran["broken, any"].out.decode()
    for part in ("GBR", "without GOE-FI-NODE-1"):
        assert part in told
    assert "FIN" not in told
