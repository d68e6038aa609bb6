"""What a checked query becomes: releases for the nodes, and steps for the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from goe_lake.query.steps import SelectStep, Step, steps_as_sql
from goe_lake.release import Release


@dataclass(frozen=True)
class Plan:
    """What is asked of the nodes, and what is made of their cells and of public tables.

    *tables* are the public tables that are read, each with the contigs that matter (None: all).
    *source* is the query as the parser wrote it again.
    """

    releases: tuple[Release, ...]
    steps: tuple[Step, ...]
    tables: Mapping[str, tuple[str, ...] | None]
    source: str

    @property
    def last(self) -> Step:
        """The step whose table is the answer."""
        return self.steps[-1]

    @property
    def single(self) -> Release | None:
        """The release, where the answer is its cells and nothing lies between."""
        alone = len(self.releases) == 1 and isinstance(self.last, SelectStep) and self.last.cells
        return self.releases[0] if alone else None

    def final_sql(self) -> str:
        """The steps as one readable statement, for `explain`; the gateway runs their guarded form."""
        return steps_as_sql(self.steps)


def cells_name(number: int) -> str:
    """The name of the table with the merged cells of release *number*, counted from 0."""
    return "cells" if number == 0 else f"cells{number + 1}"
