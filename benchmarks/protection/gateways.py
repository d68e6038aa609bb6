"""The gateways that are compared: each takes a question and gives a table, or an error."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import exp

from benchmarks.protection.suite import ANALYSTS, COUNTRIES, Step
from goe_lake import open_federation
from goe_lake.federation import Federation
from goe_lake.federation.asker import Asker
from goe_lake.federation.ledger.officer import office
from goe_lake.federation.ledger.projects import Project
from goe_lake.federation.workspace import Limits, Workspaces

SECONDS: Final = 5.0
#: Where goe_lake's gateway ends a statement: the default of 20 s, shortened so that the suite is done sooner.
LIMITS: Final = Limits(seconds=2)
PERSONAL: Final = ("samples", "genotypes", "scores")


class Gateway(Protocol):
    """What is attacked. A gateway of others takes part by an adapter with these two methods."""

    def begin(self, attack: str) -> None:
        """Forget whoever asked before: *attack* names the next attacker."""

    def ask(self, step: Step) -> pa.Table:
        """The answer to *step*; any exception is an error whose text the attacker reads."""


class Ours:
    """goe_lake over the built nodes of one world; each attack is asked as approved projects of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._attack = 0
        self._approved: set[str] = set()
        self._federations: dict[tuple[str, ...], Federation] = {}

    def begin(self, attack: str) -> None:
        """Ask as new projects from now on, which every node approves."""
        self._attack += 1

    def ask(self, step: Step) -> pa.Table:
        """The answer of a federation over the step's nodes."""
        if step.nodes not in self._federations:
            tomls = [self._folder / country / "node.toml" for country in step.nodes]
            federation = open_federation(tomls)
            federation.workspaces = Workspaces(LIMITS)
            self._federations[step.nodes] = federation
        project = f"{step.project}-{self._attack}"
        self._approve(project)
        federation = self._federations[step.nodes].for_asker(Asker(project, step.analyst))
        return federation.sql(step.sql).to_arrow()

    def _approve(self, project: str) -> None:
        if project in self._approved:
            return
        self._approved.add(project)
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        asked = Project(project, "An attack", "research", ANALYSTS, tomorrow)
        for country in COUNTRIES:
            with office(self._folder / country / "node.toml", "officer") as desk:
                desk.approve(asked)


class RawDuckDB:
    """DuckDB over the pooled rows: what an analyst could ask without any protection."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, attack: str) -> None:
        """Nothing is remembered."""

    def rewritten(self, text: str) -> str:
        """What is run for *text*: the text itself."""
        return text

    def ask(self, step: Step) -> pa.Table:
        """DuckDB's answer over the rows of the step's nodes."""
        text = self.rewritten(step.sql)
        connection = duckdb.connect()
        connection.execute("SET threads = 1")
        connection.execute("SET memory_limit = '1GB'")
        connection.execute(f"SET file_search_path = '{self._folder / COUNTRIES[0]}'")
        load_pooled(connection, self._folder, step.nodes)
        timer = threading.Timer(SECONDS, connection.interrupt)
        timer.start()
        try:
            relation = connection.sql(text)
            return relation.to_arrow_table() if relation is not None else pa.table({})
        except duckdb.InterruptException:
            raise TimeoutError(f"ran for more than {SECONDS:.0f} s") from None
        finally:
            timer.cancel()
            connection.close()


class PlainRewriter(RawDuckDB):
    """A rewriter as many write it: aggregates only, with HAVING count(DISTINCT sample_id) >= k."""

    LEAST: Final = 10

    def rewritten(self, text: str) -> str:
        """*text* with the threshold; PermissionError for anything that is not one SELECT of aggregates."""
        trees = sqlglot.parse(text, dialect="duckdb")
        if len(trees) != 1 or not isinstance(trees[0], exp.Query):
            raise PermissionError("only one SELECT is answered")
        tree = trees[0]
        for select in tree.find_all(exp.Select):
            tables = [table.name for table in select.find_all(exp.Table) if table.parent_select is select]
            if not set(tables) & set(PERSONAL):
                continue
            if not select.find(exp.AggFunc):
                raise PermissionError("only aggregates of persons are answered")
            counted = sqlglot.parse_one(f"count(DISTINCT sample_id) >= {self.LEAST}", dialect="duckdb")
            select.having(counted, copy=False)
        return tree.sql(dialect="duckdb")


def load_pooled(connection: duckdb.DuckDBPyConnection, folder: Path, countries: Sequence[str]) -> None:
    """Fill samples, genotypes, scores and variants of *connection* with the rows of *countries*' files."""
    connection.execute(
        "CREATE TABLE genotypes (contig VARCHAR, pos INTEGER, ref VARCHAR, alt VARCHAR, variant_id VARCHAR, "
        "sample_id VARCHAR, dosage INTEGER, called_alleles INTEGER, gq INTEGER, dp INTEGER)"
    )
    for place, country in enumerate(countries):
        node = folder / country
        verb = "CREATE TABLE {} AS" if place == 0 else "INSERT INTO {}"
        samples = (
            f"SELECT sample_id, '{country}' AS country, sex, birth_year::INTEGER AS birth_year, population, "
            "cohort, NULL::VARCHAR AS consent, bmi::DOUBLE AS bmi, ldl::DOUBLE AS ldl, t2d::BOOLEAN AS t2d "
            f"FROM read_csv('{node / 'samples.tsv'}', delim='\t')"
        )
        connection.execute(f"{verb.format('samples')} {samples}")
        connection.execute(f"{verb.format('scores')} FROM read_csv('{node / 'scores.tsv'}', delim='\t')")
        _load_calls(connection, node / "calls.vcf")
    connection.execute(
        "CREATE TABLE variants AS SELECT DISTINCT contig, pos, ref, alt, variant_id, pos AS end_pos, "
        "'snv' AS type, NULL::INTEGER AS sv_len, NULL::VARCHAR AS rsid, NULL::VARCHAR AS gene, "
        "NULL::VARCHAR AS consequence, 'PASS' AS filter FROM genotypes"
    )


def _load_calls(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Add the rows of a small VCF of diploid calls."""
    lines = [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("##")]
    names = lines[0][9:]
    columns: dict[str, list[str | int]] = {
        name: [] for name in ("contig", "pos", "ref", "alt", "sample_id", "call")
    }
    for contig, pos, _, ref, alt, _, _, _, _, *calls in lines[1:]:
        for name, call in zip(names, calls, strict=True):
            row = (contig, int(pos), ref, alt, name, call)
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
    connection.register("calls", pa.table(columns))
    connection.execute(
        "INSERT INTO genotypes SELECT contig, pos, ref, alt, "
        "contig || '-' || pos || '-' || ref || '-' || alt, sample_id, "
        "length(call) - length(replace(call, '1', '')), 2, NULL, NULL FROM calls"
    )
    connection.unregister("calls")
