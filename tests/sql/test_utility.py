"""What researchers expect to have answered is answered, under the default policy, and right.

The questions are a collection made by others (`utility.jsonl`); the sites and the score that they name
are those of the demo here. Three countries of 500 persons each, with the calls of one contig.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks.withheld.count import Europe, europe, numbers, statuses
from benchmarks.withheld.page import STATUSES
from goe_lake.config import read_node
from goe_lake.demo.cohort import make_cohort
from goe_lake.lake import ingest
from goe_lake.query import prepare
from tests.conftest import with_the_audit
from tests.oracle.pooled import pool
from tests.properties.comparison import rows_of, same
from tests.sql.test_examples_equal_pooled import files_of

PERSONS = 500
COUNTRIES = ("EE", "FI", "LV")
CONTIG = "chr11"
QUESTIONS = [json.loads(line) for line in Path(__file__).with_name("utility.jsonl").read_text().splitlines()]
#: The least share of a question's values that is told, and that is told exactly.
TOLD, OK = 0.8, 0.55


@dataclass(frozen=True)
class World:
    """Three countries as a federation, and the rows that it stands for in one database."""

    europe: Europe
    pooled: duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Worlds:
    """The same persons under the default policy and without protection; *told* are statuses by question."""

    protected: World
    unprotected: World
    sites: tuple[int, int]
    told: dict[str, Counter[str]]

    def text(self, question: dict[str, Any]) -> str:
        """The question, about two common sites of the demo, one of its genes and one of its scores."""
        text = question["sql"].replace("PGS000027", "GOE000002").replace("HMGCR", "HBB")
        return str(text.replace("5227002", str(self.sites[0])).replace("5226774", str(self.sites[1])))


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    """Built once; answers are held to earlier ones of their project, as outside tests."""
    folder = tmp_path_factory.mktemp("utility")
    tomls = make_cohort(folder / "built", countries=COUNTRIES, persons=PERSONS)
    for toml in tomls:
        toml.write_text(toml.read_text().replace("vcf/*.vcf.gz", f"vcf/{CONTIG}.vcf.gz"))
        ingest(read_node(toml), min_label_persons=10, progress=None)
    with with_the_audit():
        protected, unprotected = (europe(tomls, folder / f"k{least}", least) for least in (10, 0))
        # without protection every site is listed: all rows that there are
        rows = pool([files_of(toml) for toml in tomls], sites_of(unprotected)).connection
        yield Worlds(pooled(protected, rows), pooled(unprotected, rows), common_sites(rows), {})
    protected.close()
    unprotected.close()


def sites_of(there: Europe) -> list[tuple[Any, ...]]:
    """The listed sites, as the oracle names them."""
    sites = there.federation.site_list.sites.select(["contig", "pos", "ref", "alt", "end_pos"])
    return [tuple(site.values()) for site in sites.to_pylist()]


def pooled(there: Europe, rows: duckdb.DuckDBPyConnection) -> World:
    """*there* with its pooled rows: *rows* at its listed sites, and carriers elsewhere."""
    connection = duckdb.connect(config={"threads": 1})
    for name in ("samples", "scores", "genotypes"):
        connection.register("rows", rows.sql(f"FROM {name}").to_arrow_table())
        connection.execute(f"CREATE TABLE {name} AS FROM rows")
    # what is public is taken from the gateway: it is not what is compared here
    for name in ("nodes", "genes", "contigs", "columns", "variants"):
        connection.register("rows", there.federation.tables.table(name, None))
        connection.execute(f"CREATE TABLE {name} AS FROM rows")
    connection.execute(
        "DELETE FROM genotypes WHERE variant_id NOT IN (SELECT variant_id FROM variants) "
        "AND coalesce(dosage, 0) = 0"
    )
    return World(there, connection)


def common_sites(rows: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """The positions of the two sites with the most even frequencies, of one allele each."""
    found = rows.execute(
        f"SELECT pos FROM genotypes WHERE contig = '{CONTIG}' GROUP BY pos "
        "HAVING count(DISTINCT alt) = 1 ORDER BY abs(avg(dosage) - 1), pos LIMIT 2"
    ).fetchall()
    return found[0][0], found[1][0]


Row = tuple[Any, ...]


def by_keys(rows: Iterable[Row], of_persons: Sequence[bool]) -> dict[Row, Row]:
    """Rows by their keys; *of_persons* says which columns are numbers and no keys."""
    return {key_of(row, of_persons): row for row in rows}


def key_of(row: Row, of_persons: Sequence[bool]) -> Row:
    """The values of *row* that are keys."""
    return tuple(value for value, number in zip(row, of_persons, strict=True) if not number)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["id"])
def test_the_question_is_answered_by_default(question: dict[str, Any], worlds: Worlds) -> None:
    """It is not refused; what is `ok` is what DuckDB says of the pooled rows, and bounds hold."""
    text, here = worlds.text(question), worlds.protected
    answer = here.europe.ask(question["id"], text)
    plan = prepare(text, here.europe.federation.catalog)
    of_persons = numbers(plan)
    worlds.told[question["id"]] = statuses(answer, plan)
    theirs = by_keys(rows_of(here.pooled.sql(text).to_arrow_table()), of_persons)
    ours = rows_of(answer.table)
    for row, words in zip(ours, rows_of(answer.status), strict=True):
        for place, word in enumerate(words):
            # what DuckDB itself estimates is told exactly
            if of_persons[place] and word == "ok" and question["merge"] != "sketch":
                assert same(row[place], theirs[key_of(row, of_persons)][place], 1.0)
    for bound in answer.envelope.bounds:
        place = answer.table.column_names.index(bound.column)
        value = theirs[key_of(ours[bound.row], of_persons)][place]
        if not isinstance(value, list):
            assert bound.lower is None or float(bound.lower) <= value
            assert bound.upper is None or value <= float(bound.upper)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["id"])
def test_the_question_without_protection_equals_pooled(question: dict[str, Any], worlds: Worlds) -> None:
    """The same rows; an `exact` question has every value as DuckDB has it on the pooled rows."""
    text, here = worlds.text(question), worlds.unprotected
    answer = here.europe.ask(question["id"], text)
    of_persons = numbers(prepare(text, here.europe.federation.catalog))
    ours = by_keys(rows_of(answer.table), of_persons)
    theirs = by_keys(rows_of(here.pooled.sql(text).to_arrow_table()), of_persons)
    assert ours.keys() == theirs.keys()
    if question["merge"] != "sketch":
        assert all(
            same(one, other, 1.0)
            for key, row in ours.items()
            for one, other in zip(row, theirs[key], strict=True)
        )


def test_most_values_are_told_by_default(worlds: Worlds, capsys: pytest.CaptureFixture[str]) -> None:
    """On average over the questions, under the default thresholds; genotypes at rare sites are not."""
    if len(worlds.told) < len(QUESTIONS):
        pytest.skip("only with all questions of this file")
    asked = [its for its in worlds.told.values() if its]
    words = [word for word in STATUSES if any(its[word] for its in asked)]
    shares = {word: sum(its[word] / its.total() for its in asked) / len(asked) for word in words}
    with capsys.disabled():
        shown = ", ".join(f"{STATUSES[word]} {share:.1%}" for word, share in shares.items())
        sys.stdout.write(f"\nof a question's values, by default, on average over {len(asked)}: {shown}\n")
    assert shares["ok"] > OK, worlds.told
    assert shares["ok"] + shares["approx"] > TOLD
