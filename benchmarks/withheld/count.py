"""One question in a project of its own: how many of its numbers are told, and which rules withheld others."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlglot import exp

from goe_lake.config import read_node
from goe_lake.demo import make_cohort
from goe_lake.errors import QueryRefused
from goe_lake.federation import EmbeddedNode, Federation
from goe_lake.federation.answer import Answer
from goe_lake.federation.asker import Asker
from goe_lake.federation.ledger import Entry
from goe_lake.federation.ledger.officer import Office
from goe_lake.federation.ledger.projects import Project
from goe_lake.federation.sealed_sums import seat_in_memory
from goe_lake.lake import ingest
from goe_lake.query import Plan, prepare
from goe_lake.query.steps import SelectStep, SetStep, Step

EXAMPLES: Final = sorted((Path(__file__).parents[2] / "sql" / "examples").glob("*.sql"))
#: Groups of a node that are too few persons to have a row.
UNNAMED: Final = "group too small"


@dataclass(frozen=True)
class Counted:
    """A question's numbers by status, and what its nodes withheld, by rule.

    *kind* is `persons`, `scores` or `genotypes`: the most telling table that it reads; `public` where
    no node is asked. *refused* is the code where it is not answered.
    """

    name: str
    kind: str
    statuses: Counter[str]
    rules: Counter[str]
    refused: str = ""

    @property
    def cells(self) -> int:
        """How many numbers the answer has, told or not."""
        return self.statuses.total()


@dataclass(frozen=True)
class Europe:
    """Nodes under one threshold, and the federation over them."""

    nodes: Sequence[EmbeddedNode]
    tomls: Sequence[Path]
    federation: Federation

    def ask(self, name: str, text: str) -> Answer:
        """The answer to *text*, asked by a project that every officer approved for it; raises as `sql`."""
        who = asker_of(name)
        later = (datetime.now(UTC) + timedelta(days=2)).date()
        project = Project(who.project, name, "demo", (who.analyst,), later)
        for node, toml in zip(self.nodes, self.tomls, strict=True):
            Office(read_node(toml), node.open_ledger(), "Data protection office").approve(project)
        return self.federation.for_asker(who).sql(text)

    def count(self, name: str, text: str) -> Counted:
        """What is told of the question *text*, asked in a project of its own."""
        plan = prepare(text, self.federation.catalog)
        kind = kind_of(plan)
        try:
            answer = self.ask(name, text)
        except QueryRefused as refused:
            return Counted(name, kind, Counter(), Counter(), refused.code)
        return Counted(name, kind, statuses(answer, plan), self._rules(answer.envelope.query_id))

    def _rules(self, query_id: str) -> Counter[str]:
        found = Counter[str]()
        for node in self.nodes:
            for entry in node.open_ledger().entries("query_id = ? AND kind = 'answer'", (query_id,)):
                found += rules_of(entry)
        return found

    def close(self) -> None:
        """Let go of every node."""
        for node in self.nodes:
            node.close()


def asker_of(name: str) -> Asker:
    """Who asks the question *name*, and nothing else."""
    return Asker(f"of-{name.replace('_', '-')}", f"{name}@example.org")


def rules_of(entry: Entry) -> Counter[str]:
    """Values that one answer of a node withheld, by rule, and the groups that it did not name."""
    content = entry.content
    if content.get("sealed"):
        return Counter()
    return Counter({**content["rules"], UNNAMED: content["unnamed"]})


def build(folder: Path, countries: Sequence[str], persons: int) -> list[Path]:
    """The node.toml of simulated countries with lakes below *folder*; made once."""
    done = folder / "built"
    if not done.exists():
        for toml in make_cohort(folder, countries, persons, seed=1):
            ingest(read_node(toml), min_label_persons=10, progress=None)
        done.touch()
    return sorted(folder.glob("*/node.toml"))


def europe(tomls: Sequence[Path], folder: Path, least: int) -> Europe:
    """Copies in *folder* of the nodes of *tomls*, which were asked nothing yet, under a k of *least*.

    A *least* of 0 switches every rule off.
    """
    copies = []
    for toml in tomls:
        copy = folder / toml.parent.name
        shutil.copytree(toml.parent, copy)
        policy = copy / "policy.toml"
        text = policy.read_text().replace("= 10\n", f"= {max(1, least)}\n")
        policy.write_text(text if least else text.replace('= "on"', '= "off"'))
        copies.append(copy / "node.toml")
    nodes = [EmbeddedNode(copy) for copy in copies]
    assert all(node.policy.protects == bool(least) for node in nodes)
    assert all(node.policy.min_persons == node.policy.min_contributors == max(1, least) for node in nodes)
    return Europe(nodes, copies, Federation(nodes, circle=seat_in_memory(nodes)))


def kind_of(plan: Plan) -> str:
    """The most telling table that is read of persons."""
    read = {scan.table for release in plan.releases for scan in release.relation.scans}
    read |= {
        scan.table for release in plan.releases for part in release.relation.derived
        for scan in part.relation.scans
    }  # fmt: skip
    if not plan.releases:
        return "public"
    return next((name for name in ("genotypes", "scores") if name in read), "persons")


def statuses(answer: Answer, plan: Plan) -> Counter[str]:
    """How many numbers of *answer* have each status; keys are not counted."""
    found = Counter[str]()
    for column, number in zip(answer.status.columns, numbers(plan), strict=True):
        if number:
            found.update(column.to_pylist())
    return found


def numbers(plan: Plan) -> list[bool]:
    """Of each column of the answer: whether it is computed from what nodes count and sum."""
    steps: dict[str, Step] = {}
    known: dict[str, list[bool]] = {}
    for step in plan.steps:
        steps[step.name] = step
        if isinstance(step, SetStep):
            known[step.name] = [a or b for a, b in zip(known[step.left], known[step.right], strict=True)]
        elif isinstance(step, SelectStep):
            known[step.name] = [_is_number(item, step, steps, known) for item in step.select.expressions]
        else:
            known[step.name] = [False] * len(step.columns)
    return known[plan.last.name]


def _is_number(
    item: exp.Expr, step: SelectStep, steps: dict[str, Step], known: dict[str, list[bool]]
) -> bool:
    tables = {table.alias_or_name: table.name for table in step.select.find_all(exp.Table)}

    def read(column: exp.Column) -> bool:
        places = [tables.get(column.table, column.table)] if column.table else list(tables.values())
        return any(_column_is_number(place, column.name, steps, known) for place in places)

    nested = (mark.name for mark in item.find_all(exp.Placeholder))
    return (
        any(read(column) for column in item.find_all(exp.Column))
        or any(known[step.nested[mark].step][0] for mark in nested)
        or any(True for count in item.find_all(exp.Count) if isinstance(count.this, exp.Star))
    )


def _column_is_number(table: str, name: str, steps: dict[str, Step], known: dict[str, list[bool]]) -> bool:
    if table.startswith("cells"):
        return not (name.startswith("k") and name[1:].isdigit())
    if table not in known:
        return False
    columns = [column.lower() for column in steps[table].columns]
    return name.lower() in columns and known[table][columns.index(name.lower())]


def examples() -> Iterator[tuple[str, str]]:
    """The name and the text of each example."""
    for path in EXAMPLES:
        yield path.stem, path.read_text(encoding="utf-8")
