"""The worked tables of the policy guide are what the rules say."""

from __future__ import annotations

import re

import numpy as np
import pytest

from goe_lake.disclosure import MeasureEvidence, Policy, Rule, control
from goe_lake.disclosure.families import Family, kept_apart
from tests.conftest import REPOSITORY

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
