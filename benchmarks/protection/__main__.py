"""What gateways stop and what they answer: every attack of the suite and every example, in one table.

    python -m benchmarks.protection                          # every gateway, in two small worlds
    python -m benchmarks.protection --gateway ours --class tracker --say
    python -m benchmarks.protection --report docs/attack-suite.md

Two worlds are built that differ in one person. An attack succeeds where what the attacker computes
from the answers is that person's secret in both. The last row counts the queries of sql/examples that a
gateway answers; goe_lake is asked on the demo's cohort, the others have only to accept the text.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.protection.gateways import Gateway, Ours, PlainRewriter, RawDuckDB
from benchmarks.protection.judge import World, succeeds
from benchmarks.protection.suite import Attack, read_attacks
from goe_lake import open_federation
from goe_lake.config import read_node
from goe_lake.demo.cohort import make_cohort
from goe_lake.errors import GoeError
from goe_lake.lake import ingest
from tests.attacks.worlds import SECRETS, build_world

ROOT: Final = Path(__file__).parents[2]
EXAMPLES: Final = sorted((ROOT / "sql" / "examples").glob("*.sql"))
PERSONS: Final = 120
POLICIES: Final = {
    "on": "version = 1\nmin_persons = 10\nmin_contributors = 10\n[budget]\nqueries_per_day = 100000\n",
    "off": 'version = 1\nprotection = "off"\n',
}


@dataclass(frozen=True)
class Contender:
    """A gateway of the comparison: how it is made over a world's folder, and under which policy."""

    title: str
    make: Callable[[Path], Gateway]
    policy: str = "on"


CONTENDERS: Final[Mapping[str, Contender]] = {
    "ours": Contender("goe_lake", Ours),
    "unprotected": Contender("goe_lake, protection off", Ours, "off"),
    "rewriter": Contender("plain rewriter", PlainRewriter),
    "duckdb": Contender("DuckDB on pooled rows", RawDuckDB),
}


@dataclass(frozen=True)
class Score:
    """What came of one gateway: the *stopped* attacks by class, and how many examples it *answered*."""

    contender: Contender
    stopped: Counter[str]
    passed: tuple[str, ...]
    answered: int


def main() -> None:
    """Score the gateways that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--gateway", action="append", choices=CONTENDERS, help="only this one; may be repeated"
    )
    parser.add_argument(
        "--class", dest="classes", action="append", help="only attacks of this class; may be repeated"
    )
    parser.add_argument("--say", action="store_true", help="name every attack that succeeds")
    parser.add_argument("--report", type=Path, help="write the table as Markdown to this file")
    options = parser.parse_args()
    attacks = [
        attack for attack in read_attacks() if not options.classes or attack.class_name in options.classes
    ]
    console = Console()
    report = options.report.absolute() if options.report else None
    # some attacks write files into the folder in which they run
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        worlds = build(Path(folder))
        scores = [
            score(CONTENDERS[name], attacks, worlds, Path(folder)) for name in options.gateway or CONTENDERS
        ]
    console.print(shown(attacks, scores))
    if options.say:
        for result in scores:
            console.print(f"{result.contender.title}: {', '.join(result.passed) or 'nothing'} succeeds")
    if report:
        report.write_text(markdown(attacks, scores), encoding="utf-8")


def build(folder: Path) -> dict[str, list[Path]]:
    """The folders of the two worlds under each policy."""
    built: dict[str, list[Path]] = {}
    for name, policy in POLICIES.items():
        built[name] = [folder / name / str(place) for place in range(len(SECRETS))]
        for world, secret in zip(built[name], SECRETS, strict=True):
            build_world(world, secret, PERSONS, policy)
    return built


def score(
    contender: Contender, attacks: Sequence[Attack], worlds: Mapping[str, Sequence[Path]], folder: Path
) -> Score:
    """Try every attack on *contender*, and ask it every example."""
    folders = worlds[contender.policy]
    gateways = [contender.make(world) for world in folders]
    pooled = [World.of(world) for world in folders]
    passed = [
        attack
        for attack in track(attacks, contender.title, transient=True)
        if succeeds(attack, gateways, pooled)
    ]
    stopped = Counter(attack.class_name for attack in attacks)
    stopped.subtract(attack.class_name for attack in passed)
    names = tuple(f"{attack.class_name}.{attack.name}" for attack in passed)
    return Score(contender, stopped, names, _answered(contender, folder))


def _answered(contender: Contender, folder: Path) -> int:
    if contender.make is not Ours:
        return sum(_accepts(contender, path.read_text(encoding="utf-8")) for path in EXAMPLES)
    cohort = folder / "demo"
    if not cohort.exists():
        for toml in make_cohort(cohort, persons=200):
            ingest(read_node(toml), min_label_persons=10)
    federation = open_federation(sorted(cohort.glob("*/node.toml")))
    answered = 0
    for path in track(EXAMPLES, f"{contender.title}: examples", transient=True):
        try:
            answered += federation.sql(path.read_text(encoding="utf-8")).table.num_rows >= 0
        except GoeError:
            continue
    return answered


def _accepts(contender: Contender, text: str) -> bool:
    """Whether DuckDB plans the (rewritten) text over the tables of the contract."""
    gateway = contender.make(Path())
    assert isinstance(gateway, RawDuckDB)
    connection = duckdb.connect()
    for path in (ROOT / "sql" / "tables").glob("*.sql"):
        connection.execute(path.read_text(encoding="utf-8"))
    for column, kind in (("bmi", "DOUBLE"), ("ldl", "DOUBLE"), ("t2d", "BOOLEAN")):
        connection.execute(f"ALTER TABLE samples ADD COLUMN {column} {kind}")
    try:
        connection.execute(gateway.rewritten(text))
    except (duckdb.Error, PermissionError):
        return False
    finally:
        connection.close()
    return True


def shown(attacks: Sequence[Attack], scores: Sequence[Score]) -> Table:
    """The scores as a table for a terminal."""
    table = Table("class", "attacks", *(result.contender.title for result in scores), title="Attacks stopped")
    for cells in rows(attacks, scores):
        table.add_row(*cells)
    return table


def rows(attacks: Sequence[Attack], scores: Sequence[Score]) -> list[tuple[str, ...]]:
    """One row a class, then the sums and the examples answered."""
    sizes = Counter(attack.class_name for attack in attacks)
    lines = [
        (name, str(size), *(str(result.stopped[name]) for result in scores)) for name, size in sizes.items()
    ]
    lines.append(("all", str(len(attacks)), *(str(result.stopped.total()) for result in scores)))
    lines.append(("examples answered", str(len(EXAMPLES)), *(str(result.answered) for result in scores)))
    return lines


def markdown(attacks: Sequence[Attack], scores: Sequence[Score]) -> str:
    """The scores as a page of the documentation."""
    titles = ["class", "attacks", *(result.contender.title for result in scores)]
    lines = [f"| {' | '.join(titles)} |", f"|---|{'---:|' * (len(titles) - 1)}"]
    lines += [f"| {' | '.join(cells)} |" for cells in rows(attacks, scores)]
    passed = [
        f"- {result.contender.title}: {', '.join(f'`{name}`' for name in result.passed)}"
        for result in scores
        if result.passed and result.contender.make is Ours and result.contender.policy == "on"
    ]
    known = "\n\nWhat still succeeds:\n\n" + "\n".join(passed) if passed else ""
    page = (Path(__file__).parent / "page.md").read_text(encoding="utf-8")
    return page.format(table="\n".join(lines), known=known)


if __name__ == "__main__":
    main()
