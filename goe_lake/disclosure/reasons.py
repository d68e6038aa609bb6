"""Which rules withheld, and marked, how much of an answer, for the node's own log; nothing of it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from goe_lake.disclosure import control
from goe_lake.disclosure.control import Decision
from goe_lake.disclosure.evidence import Evidence, MeasureEvidence, Rule
from goe_lake.disclosure.families import Mask
from goe_lake.disclosure.policy import Policy

#: The rules, as the log names them, by which a value is `≈`, and the second also withheld.
LOW_EFFECT: Final = "low effect"
EARLIER: Final = "earlier answers"
#: A site is rare where a number that is told of its genotypes is below so many times k.
RARE: Final = 5


@dataclass
class Reasons:
    """*groups* too small to be named; *values* withheld, and *marked* `≈`, by the first rule that does so.

    *rare* is the number of cells told that are rare.

    A cell is rare where a number of it tells of the genotypes at one site, and is below 5 k. So what is left
    of a budget, which the asker sees, follows from what the asker is told.
    """

    groups: int = 0
    values: dict[str, int] = field(default_factory=dict)
    marked: dict[str, int] = field(default_factory=dict)
    rare: int = 0

    def add(self, evidence: Evidence, decision: Decision, policy: Policy) -> None:
        """Count what *decision* withholds, and tells, of the cells of *evidence*."""
        if not policy.protects:
            return
        self.groups += int(((evidence.persons > 0) & ~decision.cells).sum())
        for rule, withheld in _withheld(evidence, decision, policy):
            _count(self.values, rule, withheld)

    def add_withheld(self, rule: str, values: int) -> None:
        """Count *values* that *rule* withholds."""
        _count(self.values, rule, values)

    def add_marked(self, rule: str, values: int) -> None:
        """Count *values* that are told as approximate because of *rule*."""
        _count(self.marked, rule, values)


def _count(counts: dict[str, int], rule: str, values: int) -> None:
    if values:
        counts[rule] = counts.get(rule, 0) + values


def _withheld(evidence: Evidence, decision: Decision, policy: Policy) -> Iterator[tuple[str, int]]:
    left = [decision.cells & ~told for told in decision.values]
    if not any(mask.any() for mask in left):
        return
    whole = {
        "complement": control.complement_of_cell(evidence, policy),
        "classes": control.classes_of_cell(evidence, policy),
    }
    for measure, withheld in zip(evidence.measures, left, strict=True):
        hidden = withheld
        for rule, kept in (*whole.items(), *_of_measure(evidence, measure, policy)):
            yield rule, int((hidden & ~kept).sum())
            hidden = hidden & kept
        # what no rule about the number itself withholds could be combined with others, or with a public total
        yield "combination", int(hidden.sum())


def _of_measure(evidence: Evidence, measure: MeasureEvidence, policy: Policy) -> Iterable[tuple[str, Mask]]:
    yield "contributors", control.contributors(measure, policy)
    yield "dominance", control.dominance(measure, policy)
    yield "few values", control.values_hidden(measure, policy)
    yield "complement of a filter", control.complement_of_filter(evidence, measure, policy)
    yield "classes", control.classes_of_measure(evidence, measure, policy)


def is_of_genotypes(measure: MeasureEvidence) -> bool:
    """Whether its numbers are about the genotypes at one site."""
    return measure.rule is Rule.ALLELE_COUNT or (measure.filter is not None and bool(measure.classes))
