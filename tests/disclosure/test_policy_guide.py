"""The worked tables of the policy guide are what the rules say."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np
import pytest

from goe_lake.disclosure import ClassEvidence, Evidence, MeasureEvidence, Policy, Rule, control, parse_policy
from goe_lake.disclosure.families import Family, kept_apart
from goe_lake.disclosure.grouping_sets import hold_margins
from goe_lake.engine.relation import check_release
from goe_lake.errors import GoeError, QueryRefused, ReleaseRefused
from goe_lake.federation.ledger.budgets import Spending, check
from goe_lake.query import prepare
from tests.conftest import REPOSITORY
from tests.passes.test_passes import tiny_catalog

GUIDE = (REPOSITORY / "docs" / "policy-guide.md").read_text(encoding="utf-8")
POLICY = Policy()


def table(rule: str) -> list[list[str]]:
    """The rows of the table below the paragraph that begins with the name of *rule*."""
    (text,) = re.findall(rf"^\*\*{rule}\.?\*\*.*?\n\n(\|.*?)\n\n", GUIDE, flags=re.DOTALL | re.MULTILINE)
    lines = text.splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def measure(rule: Rule, persons: int, commonest: int, share: float = 0, smallest: int = 0) -> MeasureEvidence:
    """A number of one cell, of which so many *persons* hold the *commonest* total."""
    counts = (np.array([number]) for number in (persons, commonest, persons - commonest))
    return MeasureEvidence(rule, *counts, np.array([share]), smallest_class=np.array([smallest]))


def told(measure: MeasureEvidence) -> bool:
    """Whether the rules about the number itself let it out."""
    return bool(control.contributors(measure, POLICY)[0] and control.dominance(measure, POLICY)[0])


@pytest.mark.parametrize("row", table("Few values"))
def test_few_values(row: list[str]) -> None:
    """Both those who have the value and those who do not."""
    cases, others = int(row[0]), int(row[1])
    evidence = measure(Rule.FEW_VALUES, cases + others, max(cases, others))
    assert told(evidence) == (row[2] == "told")


@pytest.mark.parametrize("row", table("Dominance"))
def test_dominance(row: list[str]) -> None:
    """The share that the default policy allows is allowed."""
    assert told(measure(Rule.SUM, 500, 1, float(row[0]))) == (row[1] == "told")


@pytest.mark.parametrize("row", table("Moments"))
def test_moments(row: list[str]) -> None:
    """Persons, the largest share, and the smallest class."""
    evidence = measure(Rule.MOMENT, int(row[0]), 1, float(row[1]), int(row[2]))
    assert told(evidence) == row[3].startswith("told")


def test_sums_and_differences() -> None:
    """Two overlapping filters that leave nobody out tell who is in both, with the number of all."""
    everybody, in_a, in_b = (int(row[1]) for row in table(r"Sums and differences within a release"))
    both = in_a + in_b - everybody
    kinds = {(1, 1, 0): in_a - both, (1, 1, 1): both, (1, 0, 1): in_b - both}
    family = Family(
        measures=(0, 1),
        known=1,
        vectors=np.array(list(kinds)),
        excused=np.zeros(3, dtype=bool),
        cell=np.zeros(3, dtype=np.int64),
        kind=np.arange(3),
        persons=np.array(list(kinds.values())),
    )
    assert kept_apart(family, 1, POLICY.min_contributors).tolist() == [[True, False]]


def cells(persons: list[int], union: int | None = None, classes: tuple[ClassEvidence, ...] = ()) -> Evidence:
    """Cells of a group of *union* persons, each with one row, whom no condition keeps out."""
    counts = np.array(persons, dtype=np.int64)
    nobody = np.zeros(len(counts), dtype=np.int64)
    everybody = np.full(len(counts), counts.sum() if union is None else union, dtype=np.int64)
    rows = MeasureEvidence(Rule.ROWS, counts, counts, counts, np.zeros(len(counts)))
    return Evidence(
        counts, nobody, counts, nobody, nobody, nobody, nobody, everybody,
        np.ones(len(counts), dtype=bool), (rows,), (nobody,),
        classes=classes, cell_classes=tuple(range(len(classes))),
    )  # fmt: skip


def numbers(text: str) -> list[int]:
    """The numbers that a cell of a table lists, thousands with a comma."""
    return [int(part.replace(",", "")) for part in text.split(", ")]


@pytest.mark.parametrize("row", table(r"Margin"))
def test_margin(row: list[str]) -> None:
    """The persons of a node whom shown cells leave out are none or enough."""
    persons, out = numbers(row[0]), int(row[1])
    (kept,) = control.margin((cells(persons, sum(persons) + out),), (np.ones(len(persons), bool),), POLICY)
    assert bool(kept[persons.index(min(persons))]) == (row[2] == "told")
    assert kept[persons.index(max(persons))]


@pytest.mark.parametrize("row", table("Margins"))
def test_margins(row: list[str]) -> None:
    """What is withheld beneath a margin is nobody or enough; a margin is the sum of its cells."""
    persons = numbers(row[0])
    assert sum(persons) == int(row[1])
    evidence = cells(persons)
    told = control.enough_persons(evidence, POLICY)
    ((mask,),) = hold_margins((evidence,), ((told,),), POLICY.min_contributors)
    assert [number for number, shown in zip(persons, mask, strict=True) if shown] == numbers(row[2])


@pytest.mark.parametrize("row", table("Genotype classes"))
def test_genotype_classes(row: list[str]) -> None:
    """Every class is empty or large, and enough persons are outside the largest."""
    sizes = [size for size in (numbers(cell)[0] for cell in row[:3]) if size]
    kind = ClassEvidence(np.array([min(sizes)]), np.array([sum(sizes) - max(sizes)]))
    told = control.classes_of_cell(cells([sum(sizes)], classes=(kind,)), POLICY)
    assert bool(told[0]) == (row[4] != "withheld")
    het, hom_alt = (numbers(cell)[0] for cell in row[1:3])
    assert row[3] == "withheld" or int(row[3]) == het + 2 * hom_alt


@pytest.mark.parametrize("row", table("Domain rows"))
def test_domain_rows(row: list[str]) -> None:
    """A group of few is named no more than one of nobody."""
    named = bool(control.enough_persons(cells([int(row[0])]), POLICY)[0])
    assert (row[1], row[2]) == ((row[0], row[0]) if named else ("none", "`<k`"))


def refused(text: str) -> str:
    """The code by which the gateway, or then a node, refuses *text*; empty where both take it."""
    catalog = tiny_catalog()
    try:
        for release in prepare(text, catalog).releases:
            check_release(release, catalog)
    except QueryRefused as error:
        return str(error.code)
    except ReleaseRefused as error:
        return error.code
    return ""


@pytest.mark.parametrize("row", table("Keys"))
def test_keys(row: list[str]) -> None:
    """Keys about persons, and about sites, but not of both."""
    text = f"SELECT count(*) FROM {row[1].strip('`')} GROUP BY {row[0].strip('`')}"
    assert refused(text) == row[2].partition("no: ")[2]


@pytest.mark.parametrize("row", table("Identity"))
def test_identity(row: list[str]) -> None:
    """`sample_id` joins and counts."""
    assert refused(row[0].strip("`")) == row[1].partition("no: ")[2]


@pytest.mark.parametrize("row", table("Consent"))
def test_consent(row: list[str]) -> None:
    """By the settings that the guide shows."""
    (settings,) = re.findall(r"```toml\n(version.*?)```", GUIDE, flags=re.DOTALL)
    covering = parse_policy(settings, "policy.toml").codes_for(row[1].strip("`"))
    assert covering is not None
    assert (row[0].strip("`") in covering) == (row[2] == "yes")


@pytest.mark.parametrize("row", table("Budget"))
def test_budget(row: list[str]) -> None:
    """What an answer would make the day's sum has to be within the budget."""
    amount, what = row[0].split(" ", 1)
    names = ("queries", "cells", "rare sites")
    spending = Spending(*(numbers(amount)[0] if name == what else 0 for name in names))
    try:
        check(POLICY.budget, spending, datetime(2026, 11, 23, tzinfo=UTC))
    except GoeError:
        assert row[1] == "no"
    else:
        assert row[1] == "yes"
