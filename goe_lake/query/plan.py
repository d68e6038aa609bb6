"""What a checked query becomes: releases for the nodes, and steps for the gateway."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from goe_lake.query.lookups import Known, Lookup
from goe_lake.query.quantiles import Quantile
from goe_lake.query.refusals import within_limits
from goe_lake.query.rounds import Value, Waiting
from goe_lake.query.steps import DIALECT, Nested, SelectStep, Step, marks_of
from goe_lake.release import Release


@dataclass(frozen=True)
class Plan:
    """What is asked of the nodes, and what is made of their cells and of public tables.

    *tables* are the public tables that are read, each with the contigs that matter (None: all).
    *source* is the query as the parser wrote it again. *waiting* are the releases, by their places, that
    need constants of earlier rounds, and *rounds* gives for each step and table of cells the round in
    which it can be made: 0 where no node is asked, 1 for the first. *quantiles* are columns of the cells of
    a release, by its place, each with the place of the release that counts by intervals for it. The rows
    of *lookups*, from the first that is not yet known, stand in later releases: *again* plans with them.
    """

    releases: tuple[Release, ...]
    steps: tuple[Step, ...]
    tables: Mapping[str, tuple[str, ...] | None]
    source: str
    waiting: Mapping[int, Waiting] = field(default_factory=dict)
    rounds: Mapping[str, int] = field(default_factory=dict)
    quantiles: Mapping[int, tuple[tuple[Quantile, int], ...]] = field(default_factory=dict)
    by_place: bool = False
    lookups: tuple[Lookup, ...] = ()
    again: Callable[[Known], Plan] | None = field(default=None, compare=False)

    @property
    def last(self) -> Step:
        """The step whose table is the answer."""
        return self.steps[-1]

    @property
    def single(self) -> Release | None:
        """The release, where the answer is its cells and nothing lies between."""
        alone = (
            len(self.releases) - len(self.bins) == 1 and isinstance(self.last, SelectStep) and self.last.cells
        )
        return self.releases[0] if alone else None

    @property
    def bins(self) -> frozenset[int]:
        """The places of the releases that count by intervals for quantiles."""
        return frozenset(place for its in self.quantiles.values() for _, place in its)

    @property
    def last_round(self) -> int:
        """The number of rounds in which nodes are asked."""
        return max(self.rounds.values(), default=0)

    def asked_in(self, number: int) -> list[int]:
        """The places of the releases of round *number*."""
        return [
            place for place in range(len(self.releases)) if self.rounds.get(cells_name(place), 1) == number
        ]

    def resolved(self, place: int, values: Mapping[str, Sequence[Value]]) -> Plan:
        """The plan with the constants *values* in release number *place*.

        QueryRefused where they cannot stand there, e.g. 0 as a divisor.
        """
        with within_limits():
            made = self.waiting[place].resolved(values)
        releases = list(self.releases)
        # those that count by intervals follow their release
        whole = replace(made.release, margins=self.releases[place].margins)
        for number, release in enumerate((whole, *made.bins.values()), place):
            releases[number] = release
        step = replace(
            made.step,
            nested={mark: its for mark, its in self._nested().items() if mark in marks_of(made.step.select)},
        )
        steps = tuple(step if old.name == step.name else old for old in self.steps)
        left = {other: its for other, its in self.waiting.items() if other != place}
        return replace(self, releases=tuple(releases), steps=steps, waiting=left)

    def _nested(self) -> dict[str, Nested]:
        steps = (step for step in self.steps if isinstance(step, SelectStep))
        return {mark: its for step in steps for mark, its in step.nested.items()}

    def step_sql(self, step: Step) -> str:
        """A step as SQL over earlier tables, for `explain`.

        Where a constant is computed with, what the step makes of its cells depends on it; until that is
        known this is the SELECT itself, over tables about persons.
        """
        waiting = next((its for its in self.waiting.values() if its.step == step.name), None)
        if waiting is None or not waiting.computes():
            return step.sql()
        return f"FINISH {waiting.cells} OF {waiting.select.query.sql(DIALECT)}"

    def final_sql(self) -> str:
        """The steps as one readable statement, for `explain`; the gateway runs their guarded form."""
        *earlier, last = [(step.name, self.step_sql(step)) for step in self.steps]
        ctes = ", ".join(f"{name} AS ({text})" for name, text in earlier)
        return f"WITH {ctes} {last[1]}" if ctes else last[1]


def cells_name(number: int) -> str:
    """The name of the table with the merged cells of release *number*, counted from 0."""
    return "cells" if number == 0 else f"cells{number + 1}"
