"""How much of the examples is withheld, and why: what the page says is what nodes tell and note."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.withheld.count import UNNAMED, Counted, Europe, asker_of, build, europe, examples
from benchmarks.withheld.page import DEFAULT, LEASTS, OFF, STATUSES, chart, page
from tests.conftest import REPOSITORY, with_the_audit

PAGE = REPOSITORY / "docs" / "withheld-cells.md"
TEXTS = dict(examples())
SEXES = "table_one_by_sex"
SITES = "genotype_counts"
BY_COUNTRY = "missing_ldl_by_country"


@pytest.fixture(scope="module")
def europes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Europe]]:
    """Two small countries under each threshold, held to earlier answers as outside tests."""
    folder = tmp_path_factory.mktemp("withheld")
    tomls = build(folder / "built", ("EE", "FI"), 150)
    with with_the_audit():
        made = {least: europe(tomls, folder / f"k{least}", least) for least in (OFF, *LEASTS)}
        yield made
    for one in made.values():
        one.close()


@pytest.fixture(scope="module")
def found(europes: dict[int, Europe]) -> dict[int, list[Counted]]:
    """What is counted of three examples."""
    return {
        least: [one.count(name, TEXTS[name]) for name in (SEXES, SITES, BY_COUNTRY)]
        for least, one in europes.items()
    }


def test_every_number_of_an_answer_is_counted_and_no_key(
    found: dict[int, list[Counted]], europes: dict[int, Europe]
) -> None:
    """As many as the table has values beside its keys; a number that is not shown is not ok."""
    for least, its in found.items():
        for one in its:
            # the same words are answered alike each time
            table = europes[least].federation.for_asker(asker_of(one.name)).sql(TEXTS[one.name]).table
            assert one.cells == table.num_rows * (table.num_columns - 1) > 0
            shown = sum(len(column) - column.null_count for column in table.columns[1:])
            assert one.statuses["ok"] + one.statuses["approx"] == shown


def test_rules_add_up_to_what_the_nodes_withhold(
    found: dict[int, list[Counted]], europes: dict[int, Europe]
) -> None:
    """Every value that a node withheld has one rule: counted in the log of all nodes together."""
    seen = 0
    for least in LEASTS:
        for one in found[least]:
            asked = "kind = 'answer' AND project = ? ORDER BY seq LIMIT 1"
            entries = [
                node.open_ledger().entries(asked, (asker_of(one.name).project,))
                for node in europes[least].nodes
            ]
            withheld = sum(entry.content["withheld"] for (entry,) in entries)
            assert sum(count for rule, count in one.rules.items() if rule != UNNAMED) == withheld
            seen += withheld
    assert seen > 0


def test_a_question_is_not_held_to_another(europes: dict[int, Europe]) -> None:
    """The same question by another project is told as much: nothing is marked because it was asked before."""
    here = europes[DEFAULT]
    once = here.count("first", TEXTS[SEXES])
    women = here.count("women", "SELECT avg(ldl) AS mean FROM samples WHERE sex = 'F'")
    again = here.count("second", TEXTS[SEXES])
    assert (once.statuses, once.rules) == (again.statuses, again.rules)
    assert women.statuses == Counter(ok=1)


def test_a_larger_k_tells_less(found: dict[int, list[Counted]]) -> None:
    """Genotype counts at few persons: less is told the more persons it takes."""
    told = [found[least][1].statuses["ok"] for least in (OFF, *LEASTS)]
    assert told == sorted(told, reverse=True)
    assert told[0] == found[OFF][1].cells > told[-1]


def test_the_page_of_what_was_counted(found: dict[int, list[Counted]]) -> None:
    """A row an example, a column a status, and the sums of both."""
    text = page(found, 150, "pictures/x.svg")
    for one in found[DEFAULT]:
        assert f"| {one.name} |" in text
    least = LEASTS[-1]
    total = sum((one.statuses for one in found[least]), Counter[str]())
    counts = " | ".join(f"{total[status]:,}" for status in STATUSES)
    everything = sum(one.cells for one in found[OFF])
    assert f"| {least} | {everything:,} | {total.total():,} | {counts} |" in text
    assert chart(found, Path("x.md")).count(">k = ") == 3 * len(LEASTS)


def test_the_page_is_about_these_examples() -> None:
    """docs/withheld-cells.md has a row for each example that asks a node, and they add up to its summary."""
    text = PAGE.read_text(encoding="utf-8")
    rows = {
        name: [[int(number.replace(",", "")) for number in cell.split(", ")] for cell in cells[:-1]]
        for name, *cells in (line.removeprefix("| ").split(" | ") for line in text.splitlines())
        if name in TEXTS
    }
    (others,) = map(int, re.findall(r"(\d+) more examples", text))
    newer = map(int, re.findall(r"(\d+) newer ones are not in this table yet", text))
    assert len(rows) + others + sum(newer) == len(TEXTS)
    for place, least in enumerate(LEASTS):
        (summary,) = re.findall(rf"^\| {least} \| (.*) \| [\d.]+% \|$", text, flags=re.MULTILINE)
        sums = [
            sum(numbers[column][place if len(numbers[column]) > 1 else 0] for numbers in rows.values())
            for column in range(2 + len(STATUSES))
        ]
        assert [int(number.replace(",", "")) for number in summary.split(" | ")] == sums
