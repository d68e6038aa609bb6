"""The union of many nodes' cells: who is missing is a set of nodes, however many there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import pyarrow as pa
import pytest

from goe_lake.catalog import Catalog
from goe_lake.engine.node import NodeAnswer
from goe_lake.federation.domains import Domain
from goe_lake.federation.merge import Part, merge
from goe_lake.federation.node import NodeDescription
from goe_lake.release import (
    ColumnRef,
    Key,
    KeyDomain,
    Measure,
    MeasureFunction,
    Receipt,
    Relation,
    Release,
    Scan,
)

SAMPLES = Relation(Scan("samples", "s"))
COUNT = Measure("m0", MeasureFunction.ROWS)
BY_SEX = Release(
    SAMPLES, conditions=(), keys=(Key("k0", ColumnRef("s", "sex"), KeyDomain.LABELS),), measures=(COUNT,)
)
BOTH = Domain(("k0",), frozenset({("F",), ("M",)}))
SCHEMA = pa.schema(
    [("k0", pa.string()), ("m0", pa.int64()), ("m0_withheld", pa.bool_()), ("m0_approx", pa.bool_())]
)


def part(told: Mapping[str, int | None], domain: Domain = BOTH, min_persons: int = 10) -> Part:
    """A node's cells by sex; None is withheld."""
    rows = [
        {"k0": sex, "m0": count, "m0_withheld": count is None, "m0_approx": False}
        for sex, count in told.items()
    ]
    description = NodeDescription("NODE", "EE", "", "", cast("Catalog", None), min_persons, "on", True)
    answer = NodeAnswer(pa.Table.from_pylist(rows, SCHEMA), Receipt("", "", "", "", min_persons))
    return Part(description, domain, answer)


def merged(parts: list[Part]) -> dict[str, tuple[Any, ...]]:
    """Value, whether it is withheld, and the bounds, by sex."""
    found = merge(BY_SEX, parts, cast("Catalog", None))
    told = found.measures["m0"]
    columns = (told.value.to_pylist(), told.held.tolist(), told.lower.to_pylist(), told.upper.to_pylist())
    return dict(zip(found.keys.column("k0").to_pylist(), zip(*columns, strict=True), strict=True))


@pytest.mark.parametrize("nodes", [1, 62, 63, 64, 130])
def test_a_node_that_does_not_name_a_group_may_hide_some(nodes: int):
    """Wherever it stands among the others."""
    everybody = [part({"F": 20, "M": 30}) for _ in range(nodes)]
    assert merged(everybody) == {
        "F": (20 * nodes, False, 20 * nodes, 20 * nodes), "M": (30 * nodes, False, 30 * nodes, 30 * nodes),
    }  # fmt: skip
    for place in {0, nodes // 2, nodes - 1} if nodes > 1 else ():
        parts = [*everybody[:place], part({"M": 30}, min_persons=7), *everybody[place + 1 :]]
        told = 20 * (nodes - 1)
        assert merged(parts) == {
            "F": (None, True, told, told + 6), "M": (30 * nodes, False, 30 * nodes, 30 * nodes),
        }  # fmt: skip


def test_a_node_that_cannot_have_a_group_hides_nobody_and_is_not_heard_of_it():
    """Its catalogue says so."""
    women = Domain(("k0",), frozenset({("F",)}))
    assert merged([part({"F": 20, "M": 30}), part({"F": 15}, women)])["M"] == (30, False, 30, 30)
    assert merged([part({"F": 20, "M": 30}), part({"F": 15, "M": 99}, women)])["M"] == (30, False, 30, 30)
    nobody = Domain(("k0",), frozenset())
    assert merged([part({"F": 20}, nobody)]) == {}


def test_what_a_node_says_twice_stands_for_no_other_node():
    """A group of which another node tells nothing stays withheld."""
    twice = part({"F": 20})
    cells = pa.concat_tables([twice.answer.cells] * 2)
    twice = replace(twice, answer=replace(twice.answer, cells=cells))
    assert merged([twice, part({"M": 12})])["F"][:2] == (None, True)


def test_sums_beyond_64_bits_are_exact():
    """As the 128 bits of the database are."""
    large = pa.schema([("k0", pa.string()), ("m0", pa.decimal128(38, 0)), *list(SCHEMA)[2:]])
    cells = part({"F": 20, "M": 30}).answer.cells.cast(large)
    number = 2**63 + 1
    row = {"k0": "F", "m0": Decimal(number), "m0_withheld": False, "m0_approx": False}
    cells = pa.concat_tables([cells.slice(1), pa.Table.from_pylist([row], large)])
    one = part({})
    parts = [
        replace(one, answer=replace(one.answer, cells=cells)),
        part({"F": 20, "M": 30}),
        part({"F": 1, "M": 2}),
    ]
    total = number + 21
    assert merged(parts) == {"F": (total, False, total, total), "M": (62, False, 62, 62)}


def test_a_release_without_keys_has_one_row_whoever_answers():
    """Also where no node can have a person in it."""
    everybody = replace(BY_SEX, keys=())
    cells = SCHEMA.remove(0).empty_table()
    for domain, known in ((Domain((), frozenset()), 0), (Domain((), frozenset({()})), None)):
        one = part({})
        parts = [replace(one, domain=domain, answer=replace(one.answer, cells=cells))] * 2
        found = merge(everybody, parts, cast("Catalog", None))
        assert found.measures["m0"].value.to_pylist() == [known]
        assert found.shown.tolist() == [True]
