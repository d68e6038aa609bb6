"""A gateway that keeps to no rule asks one node directly, by releases that no compiler writes.

Two worlds differ in one person, the only one born before 1940. An attack succeeds where what is computed from
the cells and errors is that person's secret in both. Each attack succeeds where protection is off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from goe_lake.engine.sites import SITE_SCHEMA, SiteList
from goe_lake.errors import GoeError
from goe_lake.federation import EmbeddedNode
from goe_lake.federation.asker import Asker
from goe_lake.release import Release
from tests.attacks.worlds import POLICY, SECRETS, build_world

Json = dict[str, Any]
Rows = list[dict[str, Any]]
OFF = 'version = 1\nprotection = "off"\n'
ANNA = Asker("demo", "anna")
RARE = {"contig": "chr1", "pos": 5000, "ref": "G", "alt": "T"}


def column(name: str, table: str = "samples") -> Json:
    """A column."""
    return {"column": [table, name]}


def number(value: object) -> Json:
    """A whole number, or a decimal one."""
    return {"literal": ["integer" if isinstance(value, int) else "decimal", str(value)]}


def call(op: str, *args: Json) -> Json:
    """An operator."""
    return {"op": op, "args": list(args)}


HERS = call("eq", column("birth_year"), number(1903))
WITHOUT_HER = call("gt", column("birth_year"), number(1903))


def summed(*factors: Json, where: Json | None = None, resolution: str = "0.1") -> Json:
    """The sum of a product of columns, in steps of *resolution*."""
    return {"function": "sum", "factors": list(factors), "where": where, "resolution": resolution}


def counted(where: Json | None = None) -> Json:
    """The number of rows."""
    return {"function": "rows", "factors": [], "where": where, "resolution": "1"}


def release(
    *measures: Json,
    where: tuple[Json, ...] = (),
    keys: tuple[Json, ...] = (),
    genotypes: bool = False,
    **more: Any,
) -> Json:
    """A release of samples, with their genotypes where asked."""
    on = [[column("sample_id"), column("sample_id", "genotypes")]]
    joined = [{"scan": {"table": "genotypes", "alias": "genotypes"}, "on": on}] if genotypes else []
    return {
        "version": "release/1",
        "relation": {"first": {"table": "samples", "alias": "samples"}, "joins": joined, "derived": []},
        "conditions": list(where),
        "keys": [
            {"name": f"k{place}", "expression": key, "domain": "open"} for place, key in enumerate(keys)
        ],
        "measures": [{"name": f"m{place}", **measure} for place, measure in enumerate(measures)],
        "cells": "open",
        **more,
    }


def at_rare_site() -> tuple[Json, ...]:
    """Conditions on the site at which she alone may carry."""
    texts = (
        {"literal": ["text", str(value)]} if isinstance(value, str) else number(value)
        for value in RARE.values()
    )
    return tuple(
        call("eq", column(name, "genotypes"), value) for name, value in zip(RARE, texts, strict=True)
    )


@dataclass
class FalseGateway:
    """Asks *node* whatever it likes, under any name, each time under a query of its own."""

    node: EmbeddedNode
    queries: int = 0

    def ask(self, content: Json, asker: Asker = ANNA) -> Rows:
        """The cells; none where the node refuses."""
        self.queries += 1
        try:
            answer = self.node.answer(Release.from_json(content), asker, f"{self.queries:032x}")
        except GoeError:
            return []
        return answer.cells.to_pylist()

    def value(self, content: Json, asker: Asker = ANNA) -> float | None:
        """The first measure of the only cell, None where it is not told."""
        rows = self.ask(content, asker)
        return None if len(rows) != 1 or rows[0]["m0"] is None else float(rows[0]["m0"])

    def list_her_site(self) -> None:
        """Lay a site list that names the site of her allele alone."""
        (like,) = self.node.offer_sites().slice(0, 1).select(SITE_SCHEMA.names).to_pylist()
        row = {**like, **RARE, "end_pos": RARE["pos"]}
        self.node.lay(SiteList(pa.Table.from_pylist([row], schema=SITE_SCHEMA)))


def less(one: float | None, other: float | None) -> float | None:
    """A difference, None where a part of it is."""
    return None if one is None or other is None else one - other


def of_key(rows: Rows, value: object, name: str = "k0") -> float | None:
    """The first measure of the cell with this key."""
    found = [row["m0"] for row in rows if row[name] == value]
    return None if not found or found[0] is None else float(found[0])


def ldl(steps: float | None) -> float | None:
    """LDL from steps of 0.1."""
    return None if steps is None else steps / 10


def difference(gateway: FalseGateway) -> float | None:
    """Everybody, and everybody but her."""
    everybody = gateway.value(release(summed(column("ldl"))))
    return ldl(less(everybody, gateway.value(release(summed(column("ldl")), where=(WITHOUT_HER,)))))


def difference_under_two_names(gateway: FalseGateway) -> float | None:
    """The two halves are asked by two analysts in two projects, neither of which anybody approved."""
    one = gateway.value(release(summed(column("ldl"))), Asker("first", "anna"))
    other = gateway.value(release(summed(column("ldl")), where=(WITHOUT_HER,)), Asker("second", "ben"))
    return ldl(less(one, other))


def overlapping_selections(gateway: FalseGateway) -> float | None:
    """Two selections without parts to leave out, that differ in her alone."""
    shifted = call("sub", column("birth_year"), number(1940))
    selections = [
        call("eq", call("mod", year, number(4)), number(3)) for year in (column("birth_year"), shifted)
    ]
    asked = [release(summed(column("ldl")), where=(one,)) for one in selections]
    return ldl(less(gateway.value(asked[0], Asker("a", "x")), gateway.value(asked[1], Asker("b", "y"))))


def her_alone(gateway: FalseGateway) -> float | None:
    """A filter that she alone passes."""
    return ldl(gateway.value(release(summed(column("ldl"), where=HERS))))


def her_year_as_key(gateway: FalseGateway) -> float | None:
    """A cell for each year of birth."""
    return ldl(of_key(gateway.ask(release(summed(column("ldl")), keys=(column("birth_year"),))), 1903))


def indicator_as_factor(gateway: FalseGateway) -> float | None:
    """A product with an indicator of her, as a CASE among the factors."""
    alone = call("case", HERS, column("ldl"), number(0))
    return ldl(gateway.value(release(summed(alone))))


def case_among_many(gateway: FalseGateway) -> float | None:
    """A truth of her beside a truth of many, as one filter."""
    either = call("or", call("eq", column("sex"), {"literal": ["text", "M"]}), HERS)
    men = call("eq", column("sex"), {"literal": ["text", "M"]})
    rows = gateway.ask(release(summed(column("ldl"), where=either), summed(column("ldl"), where=men)))
    if len(rows) != 1 or rows[0]["m0"] is None or rows[0]["m1"] is None:
        return None
    return ldl(float(rows[0]["m0"]) - float(rows[0]["m1"]))


def dosage_of_her(gateway: FalseGateway) -> float | None:
    """Her dosage at the site where nobody else carries."""
    return gateway.value(
        release(summed(column("dosage", "genotypes"), resolution="1"), where=at_rare_site(), genotypes=True)
    )


def a_list_of_her_site(gateway: FalseGateway) -> float | None:
    """A site list that lists her site, so that everybody has a row there; then the carriers."""
    gateway.list_her_site()
    carries = call("gt", column("dosage", "genotypes"), number(0))
    return gateway.value(release(counted(carries), where=at_rare_site(), genotypes=True)) or 0.0


def narrow_intervals(gateway: FalseGateway) -> float | None:
    """Intervals of LDL as wide as a step: hers is the highest, or the lowest."""
    grid = (column("ldl"), number("0"), number("0.1"), number(120), number(1))
    keys = (call("bin_first", *grid), call("bin_last", *grid))
    present = call("not", call("is_null", column("ldl")))
    rows = gateway.ask(
        release(counted(), where=(present, call("lt", column("birth_year"), number(1940))), keys=keys)
    )
    return ldl(float(rows[0]["k0"])) if len(rows) == 1 else None


Attack = Callable[[FalseGateway], float | None]
ATTACKS: dict[Attack, str] = {
    difference: "ldl",
    difference_under_two_names: "ldl",
    overlapping_selections: "ldl",
    her_alone: "ldl",
    her_year_as_key: "ldl",
    indicator_as_factor: "ldl",
    case_among_many: "ldl",
    dosage_of_her: "rare",
    a_list_of_her_site: "rare",
    narrow_intervals: "ldl",
}
#: What is no release at all, whatever the node's policy is.
NEVER: tuple[Attack, ...] = (indicator_as_factor,)


def secret(world: dict[str, str], name: str) -> float:
    """Her secret as a number."""
    return float(world[name].count("1")) if name == "rare" else float(world[name])


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Her node in both worlds."""
    return [build_world(tmp_path_factory.mktemp("on"), world, policy=POLICY)[0] for world in SECRETS]


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same without protection."""
    return [build_world(tmp_path_factory.mktemp("off"), world, policy=OFF)[0] for world in SECRETS]


@pytest.fixture
def ask(request: pytest.FixtureRequest) -> Iterator[Callable[[list[Path], Attack], list[float | None]]]:
    """Runs an attack at the node in each world."""
    nodes: list[EmbeddedNode] = []

    def run(tomls: list[Path], attack: Attack) -> list[float | None]:
        found = []
        for toml in tomls:
            node = EmbeddedNode(toml)
            nodes.append(node)
            node.lay(SiteList(node.offer_sites().select(SITE_SCHEMA.names).cast(SITE_SCHEMA)))
            found.append(attack(FalseGateway(node)))
        return found

    yield run
    for node in nodes:
        node.close()


def near(found: list[float | None], name: str) -> bool:
    """Whether the secret was found in both worlds."""
    wanted = [secret(world, name) for world in SECRETS]
    return all(one is not None and abs(one - other) < 1e-6 for one, other in zip(found, wanted, strict=True))


Run = Callable[[list[Path], Attack], list[float | None]]


@pytest.mark.usefixtures("audited")
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_node_protects_itself(attack: Attack, protected: list[Path], ask: Run) -> None:
    """What is computed is not the secret in both worlds, whatever the gateway leaves out of its part."""
    assert not near(ask(protected, attack), ATTACKS[attack])


@pytest.mark.parametrize(
    "attack", [one for one in ATTACKS if one not in NEVER], ids=lambda attack: attack.__name__
)
def test_without_protection_it_succeeds(attack: Attack, open_to_all: list[Path], ask: Run) -> None:
    """Each is a real attack."""
    assert near(ask(open_to_all, attack), ATTACKS[attack])


@pytest.mark.parametrize("field", ["min_persons", "policy", "protection", "site_list", "purpose"])
def test_a_release_sets_no_rule(field: str) -> None:
    """A lowered threshold has no place in a release: it is no release with it."""
    with pytest.raises(GoeError, match="R1"):
        Release.from_json(release(counted(), where=(HERS,), **{field: 1}))


@pytest.mark.parametrize("name", ["sample_id", "person", "s"])
def test_no_cell_is_named_by_a_person(name: str, protected: list[Path], ask: Run) -> None:
    """Neither by an identifier nor by a place in the lake."""
    told = ask(protected, lambda gateway: float(len(gateway.ask(release(counted(), keys=(column(name),))))))
    assert max(one or 0 for one in told) <= 1  # a column that is not there is NULL for everybody
