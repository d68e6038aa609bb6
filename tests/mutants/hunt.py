"""Ask queries of a package until a value is wrong: how many it takes to find a mistake.

`python -P -m tests.mutants.hunt WORLDS NEAR` with the package first on PYTHONPATH; it prints a line of JSON.
NEAR is an aggregate or a relation shape, of which is asked first.
"""

from __future__ import annotations

import json
import logging
import pickle
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import structlog

import goe_lake
from goe_lake.disclosure import Policy
from tests.oracle.cohort import NodeFiles, Shape
from tests.oracle.whole import AGGREGATES, EVERY_SHAPE, is_offered
from tests.properties.whole_language import Apart, K, Told, pairs, run
from tests.properties.worlds import World, opened

#: Cohorts, by their number, of which queries are asked: of two nodes and of three.
PLACES = (1, 2)
#: Each step asks two queries of every aggregate, at these thresholds.
STEPS = (None, K, None, None)


class Built:
    """Worlds that were built before, each opened when it is first asked."""

    def __init__(self, nodes: dict[Shape, tuple[NodeFiles, ...]]) -> None:
        self.nodes = nodes
        self._opened: dict[Shape, World] = {}

    def world(self, shape: Shape) -> World:
        """The world of *shape*."""
        if shape not in self._opened:
            self._opened[shape] = opened(self.nodes[shape])
        return self._opened[shape]


def kinds(near: str) -> Iterator[tuple[str, str, int | None]]:
    """Aggregates, shapes and thresholds in the order in which they are asked."""
    for k in (None, K):
        for shape in EVERY_SHAPE:
            yield from (
                (name, shape, k) for name in AGGREGATES if near in (name, shape) and is_offered(name, shape)
            )
    for step, k in enumerate(STEPS):
        yield from ((name, shape, k) for name, shape in pairs(5 * step))


def hunt(worlds: Built, near: str) -> dict[str, object]:
    """The number of queries until a value is wrong, that query, and what was told of others before it."""
    told = Told()
    for name, shape, k in kinds(near):
        run(worlds, name, shape, told, times=2, places=PLACES, k=k)
        wrong = next((apart for apart in told.apart if apart.kind == "value"), None)
        if wrong is not None:
            return found(told, wrong, f"{name} over {shape}{f' at {k} persons' if k else ''}")
    return found(told, None, "")


def found(told: Told, wrong: Apart | None, by: str) -> dict[str, object]:
    """What a hunt tells."""
    return {
        "queries": told.asked,
        "by": by,
        "query": wrong.text if wrong else "",
        "told": wrong.told if wrong else "",
        "apart": [str(apart) for apart in told.apart if apart.kind != "value"],
    }


def main(file: Path, near: str) -> None:
    """Hunt in the worlds that *file* names, *near* an aggregate or shape first."""
    warnings.simplefilter("ignore")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    Policy.audits = property(lambda _: False)  # type: ignore[assignment,method-assign]
    worlds = Built(pickle.loads(file.read_bytes()))
    sys.stdout.write(json.dumps({"package": goe_lake.__file__, **hunt(worlds, near)}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
