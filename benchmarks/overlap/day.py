"""A day of one analyst: how much of what is told does the overlap audit mark?

    python -m benchmarks.overlap.day [--persons 1000] [--countries EE,FI] [--write docs/an-analysts-day.md]

The queries of day.sql are asked in order, in one project, of some countries of the demo's cohort; once
with the audit and once without. Of three countries and more, sums are sealed where they can be.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlglot
from sqlglot import exp

from goe_lake import QueryRefused, open_federation
from goe_lake.config import read_node
from goe_lake.demo import make_cohort
from goe_lake.lake import ingest

QUERIES = Path(__file__).with_name("day.sql")
COUNTRIES = "EE,FI"
STATUSES = ("ok", "approx", "withheld")
HEAD = """# An analyst's day

Sixty queries in one project, in the order of asking: table one, missing values, refinements of a
cohort, frequencies and Hardy-Weinberg counts, a region of slopes, polygenic scores. {persons:,} persons
in each of {countries}; k = 10. Each value that is not a key is a cell; *before* is without the audit.

**With the overlap audit {share:.1%} of {cells:,} cells are `≈`, {before:.1%} without it** (where a condition
of low effect was left out); {withheld:.1%} are withheld, and {withheld_before:.1%} without it.

Slopes on the dosage are `≈` wherever they are asked at several sites: the sum of the trait over those
who were called differs from site to site by the few who were not, whose values it would tell.

Made by `python -m benchmarks.overlap.day --persons {persons}{named} --write docs/an-analysts-day.md`.

| query | cells | ok | ≈ | withheld | ≈ before | withheld before |
|---|---:|---:|---:|---:|---:|---:|
"""


@dataclass(frozen=True)
class Asked:
    """One query, and how many of its cells have each status."""

    title: str
    statuses: Counter[str]


def main() -> None:
    """Ask, count and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--persons", type=int, default=1_000)
    parser.add_argument("--countries", default=COUNTRIES, help=f"codes of the demo (default: {COUNTRIES})")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        countries = options.countries.split(",")
        nodes = cohort(Path(folder) / "cohort", options.persons, countries)
        audited, before = days(nodes, Path(folder))
    text = page(options.persons, countries, audited, before)
    if options.write:
        options.write.write_text(text, encoding="utf-8")
    print(text)


def cohort(folder: Path, persons: int, countries: Sequence[str] = tuple(COUNTRIES.split(","))) -> list[Path]:
    """The built nodes of a small Europe."""
    nodes = list(make_cohort(folder, countries, persons, seed=1))
    for node in nodes:
        ingest(read_node(node), min_label_persons=10, progress=None)
    return nodes


def days(nodes: list[Path], folder: Path) -> tuple[list[Asked], list[Asked]]:
    """The day with the audit and without it, each at nodes of its own that were asked nothing before."""
    found = []
    for switch in ("true", "false"):
        copies = []
        for node in nodes:
            copy = folder / switch / node.parent.name
            shutil.copytree(node.parent, copy)
            shutil.rmtree(copy / "ledger", ignore_errors=True)
            policy = copy / "policy.toml"
            written = policy.read_text() if policy.exists() else "version = 1\n"
            policy.write_text(f"overlap_audit = {switch}\n{written}")
            text = (copy / "node.toml").read_text()
            if "policy" not in text:
                (copy / "node.toml").write_text(text.replace("[node]", '[node]\npolicy = "policy.toml"', 1))
            copies.append(copy / "node.toml")
        found.append(day(copies))
    return found[0], found[1]


def day(nodes: list[Path]) -> list[Asked]:
    """Every query of the day, asked of *nodes* in one project."""
    federation = open_federation(nodes, project="demo")
    asked = []
    for title, text in queries():
        try:
            answer = federation.sql(text)
        except QueryRefused as refused:
            asked.append(Asked(f"{title} ({refused.code})", Counter()))
            continue
        names = {name for name in measures(text) if name in answer.status.column_names}
        counted = Counter[str]()
        for name in names:
            counted.update(answer.status.column(name).to_pylist())
        asked.append(Asked(title, counted))
    return asked


def queries() -> Iterator[tuple[str, str]]:
    """The title and text of each query."""
    for part in QUERIES.read_text(encoding="utf-8").split("\n\n")[1:]:
        title, text = part.split("\n", 1)
        yield title.removeprefix("-- "), text.strip().removesuffix(";")


def measures(text: str) -> set[str]:
    """The output columns that are no keys."""
    select = sqlglot.parse_one(text, dialect="duckdb")
    assert isinstance(select, exp.Select)
    return {part.alias_or_name for part in select.expressions if part.find(exp.AggFunc)}


def share(asked: list[Asked], status: str) -> float:
    """The share of cells of one status."""
    cells = sum(one.statuses.total() for one in asked)
    return sum(one.statuses[status] for one in asked) / max(1, cells)


def page(persons: int, countries: list[str], audited: list[Asked], before: list[Asked]) -> str:
    """The page of documentation."""
    cells, codes = sum(one.statuses.total() for one in audited), ",".join(countries)
    text = HEAD.format(
        persons=persons,
        countries=", ".join(countries),
        named="" if codes == COUNTRIES else f" --countries {codes}",
        cells=cells,
        share=share(audited, "approx"),
        before=share(before, "approx"),
        withheld=share(audited, "withheld"),
        withheld_before=share(before, "withheld"),
    )
    for one, other in zip(audited, before, strict=True):
        counts = [one.statuses.total(), *(one.statuses[status] for status in STATUSES)]
        counts += [other.statuses["approx"], other.statuses["withheld"]]
        text += f"| {one.title} | {' | '.join(f'{count:,}' for count in counts)} |\n"
    return text


if __name__ == "__main__":
    main()
