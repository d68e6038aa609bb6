"""A report as it is written: one SQL file with a header in TOML.

The header stands in comments, between `-- /// report` and `-- ///`, and each query of the file begins
with a block of its own, `-- /// query NAME`:

    -- /// report
    -- title = "Persons of each country"
    -- about = "How many persons each node holds."
    -- completeness = "all"
    -- schedule = "0 6 * * 1"
    -- [parameters.least]
    -- type = "integer"
    -- description = "Fewest persons of a country that is shown"
    -- default = "10"
    -- ///

    -- /// query persons
    -- caption = "Persons by country"
    -- [[charts]]
    -- kind = "bar"
    -- x = "country"
    -- y = "persons"
    -- ///
    SELECT country, count(*) AS persons FROM samples GROUP BY country HAVING persons >= $least
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

from goe_lake.errors import ConfigError
from goe_lake.products.reports.parameters import Parameter, read_parameters, used
from goe_lake.settings import Section, parse_toml

ChartKind = Literal["bar", "line", "points", "matrix", "map", "qq"]
#: What each kind of chart reads: the columns that it needs, and those that it may have.
CHART_COLUMNS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "bar": (("x", "y"), ("series",)),
    "line": (("x", "y"), ("series",)),
    "points": (("x", "y"), ("series",)),
    "matrix": (("x", "y", "value"), ()),  # a square of pairs, e.g. Fst of two countries
    "map": (("x", "y", "value"), ()),  # the same pairs, laid out in the plane by their distances
    "qq": (
        ("value",),
        ("series",),
    ),  # chi-squared statistics of one degree of freedom against their expectation
}
REPORTS: Final = "reports"
NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_OPENS: Final = re.compile(r"--\s*///\s*(report|query)\b\s*(\S*)\s*$")
_CLOSES: Final = re.compile(r"--\s*///\s*$")


@dataclass(frozen=True)
class Chart:
    """One chart of a query's answer; *columns* gives the answer's column for each role (x, y, …)."""

    kind: ChartKind
    columns: dict[str, str]
    title: str = ""


@dataclass(frozen=True)
class Query:
    """One query of a report; *sql* may hold `$parameter`; *line* is where it begins in the file (1-based)."""

    name: str
    sql: str
    caption: str
    charts: tuple[Chart, ...]
    line: int


@dataclass(frozen=True)
class Report:
    """A report as written in *file*; *digest* is the SHA-256 of the file.

    *completeness* `all` fails where a node does not answer, `any` goes on and says which is missing.
    *schedule* is a cron expression, empty for none.
    """

    name: str
    file: str
    digest: str
    title: str
    about: str
    completeness: Literal["all", "any"]
    schedule: str
    project: str
    parameters: tuple[Parameter, ...]
    queries: tuple[Query, ...]


def reports_folder() -> Path:
    """The folder of the reports that come with the package: `sql/reports`."""
    package = Path(__file__).resolve().parents[2]
    within = package / "sql" / REPORTS
    return within if within.is_dir() else package.parent / "sql" / REPORTS


def list_reports(folder: Path) -> tuple[Report, ...]:
    """Every report of *folder*, by name."""
    return tuple(read_report(path) for path in sorted(folder.glob("*.sql")))


def find_report(name: str, folder: Path) -> Report:
    """The report *name* of *folder*.

    Raises ConfigError, with the names that there are, where there is none.
    """
    path = folder / f"{name}.sql"
    if not NAME.fullmatch(name) or not path.is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.sql"))) or "none"
        raise ConfigError(folder, name, "there is no such report", f"reports here: {known}")
    return read_report(path)


def read_report(path: Path) -> Report:
    """The report that the file at *path* defines.

    Raises ConfigError naming the setting or line and the mend.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigError(path, "(whole file)", "cannot be read as UTF-8 text", "check the path") from None
    return parse_report(text, path.stem, str(path))


def parse_report(text: str, name: str, file: str) -> Report:
    """The report *name* that *text* defines; *file* is named in errors."""
    blocks = list(_blocks(text, file))
    if not blocks or blocks[0].kind != "report":
        raise ConfigError(file, "(header)", "there is none", "begin the file with -- /// report")
    if any(block.kind == "report" for block in blocks[1:]):
        raise ConfigError(file, "(header)", "there are two", "keep one -- /// report")
    if blocks[0].body.strip():
        raise ConfigError(file, "(header)", "SQL follows it", "begin each query with -- /// query NAME")
    queries = tuple(_query(block, file) for block in blocks[1:])
    if not queries:
        raise ConfigError(file, "(whole file)", "there is no query", "begin one with -- /// query NAME")
    names = [query.name for query in queries]
    for query in queries:
        if names.count(query.name) > 1:
            raise ConfigError(file, f"query {query.name}", "there are two", "give each a name of its own")
    report = _report(blocks[0], name, file, hashlib.sha256(text.encode()).hexdigest(), queries)
    _check_parameters(report)
    return report


@dataclass(frozen=True)
class _Block:
    """A header of the file, and the SQL that follows it."""

    kind: str
    name: str
    settings: str
    body: str
    line: int


def _blocks(text: str, file: str) -> Iterator[_Block]:
    lines = text.splitlines()
    place = 0
    while place < len(lines):
        opening = _OPENS.match(lines[place])
        if opening is None:
            if lines[place].strip() and not lines[place].lstrip().startswith("--"):
                raise ConfigError(
                    file, f"line {place + 1}", "SQL outside a query", "begin it with -- /// query NAME"
                )
            place += 1
            continue
        end = next((at for at in range(place + 1, len(lines)) if _CLOSES.match(lines[at])), None)
        if end is None:
            raise ConfigError(file, f"line {place + 1}", "this block has no end", "end it with -- ///")
        settings = "\n".join(_uncommented(lines[at], at, file) for at in range(place + 1, end))
        after = end + 1
        while after < len(lines) and not _OPENS.match(lines[after]):
            after += 1
        yield _Block(opening.group(1), opening.group(2), settings, "\n".join(lines[end + 1 : after]), end + 2)
        place = after


def _uncommented(line: str, place: int, file: str) -> str:
    if not line.startswith("--"):
        raise ConfigError(file, f"line {place + 1}", "stands inside a header", "begin it with --")
    return line[2:].removeprefix(" ")


def _report(block: _Block, name: str, file: str, digest: str, queries: tuple[Query, ...]) -> Report:
    top = parse_toml(block.settings, file)
    report = Report(
        name=name,
        file=file,
        digest=digest,
        title=top.text("title", "a line that says what the report shows"),
        about=top.text("about", "a sentence or two for the reader"),
        completeness=cast(
            Literal["all", "any"],
            top.text_or("completeness", "all", 'write "all" or "any"', choices=("all", "any")),
        ),
        schedule=_schedule(top),
        project=top.text_or("project", "reporting", "the project that asks"),
        parameters=read_parameters(top.section("parameters")),
        queries=queries,
    )
    top.done()
    return report


def _schedule(top: Section) -> str:
    mend = 'a cron expression of five fields, e.g. "0 6 * * 1"'
    schedule = top.text_or("schedule", "", mend)
    if schedule and len(schedule.split()) != 5:
        raise top.error("schedule", f"{schedule!r} has not five fields", mend)
    return schedule


def _query(block: _Block, file: str) -> Query:
    if not NAME.fullmatch(block.name):
        raise ConfigError(file, f"query {block.name!r}", "is not a name", "small letters, digits and _")
    sql = block.body.strip()
    leading = block.body[: len(block.body) - len(block.body.lstrip())]
    if not sql:
        raise ConfigError(file, f"query {block.name}", "has no SQL", "write a SELECT below its header")
    top = parse_toml(block.settings, file)
    query = Query(
        name=block.name,
        sql=sql.removesuffix(";").rstrip(),
        caption=top.text("caption", "say what the rows are"),
        charts=tuple(_chart(section) for section in top.sections("charts")),
        line=block.line + leading.count("\n"),
    )
    top.done()
    return query


def _chart(section: Section) -> Chart:
    kind = section.text("kind", f"one of {', '.join(CHART_COLUMNS)}", choices=tuple(CHART_COLUMNS))
    needed, possible = CHART_COLUMNS[kind]
    columns = {role: section.text(role, f"the column that a {kind} chart shows there") for role in needed}
    for role in possible:
        column = section.text_or(role, "", "a column of the query")
        if column:
            columns[role] = column
    chart = Chart(cast(ChartKind, kind), columns, section.text_or("title", "", "a text"))
    section.done()
    return chart


def _check_parameters(report: Report) -> None:
    """Every `$name` is declared, and every parameter is used."""
    declared = {parameter.name for parameter in report.parameters}
    found = set().union(*(used(query.sql) for query in report.queries))
    for name in sorted(found - declared):
        raise ConfigError(report.file, f"${name}", "is not a parameter", "declare it under [parameters]")
    for name in sorted(declared - found):
        raise ConfigError(report.file, f"parameters.{name}", "stands in no query", f"write ${name}")
