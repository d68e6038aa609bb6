"""Both laws for sealed sums of one project before and after deliveries and withdrawals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import goe_lake
from goe_lake.config import read_node
from goe_lake.federation import Federation
from goe_lake.lake import ingest
from tests.oracle.cohort import PURPOSE, NodeFiles, Shape, write_cohort
from tests.oracle.pooled import Pooled, pool
from tests.properties.test_sealed_sums import JOINED, LABELS, SITE, K, calm, cohorts
from tests.properties.worlds import SITE as LISTED

SITES = tuple(f"g.{name}" for name in SITE)
#: Each builds lakes twice.
few = settings(calm, max_examples=max(3, settings.default.max_examples // 10))


@dataclass(frozen=True)
class Asked:
    """One measure by *keys*: SQL of its value and of its contributors, and of what it is a number."""

    keys: tuple[str, ...]
    source: str
    value: str
    who: str
    quantity: str


@dataclass(frozen=True)
class Told:
    """A number that is called ok: the persons who contribute to it, and what it can be compared with."""

    of: tuple[Any, ...]
    persons: frozenset[str]
    text: str


@st.composite
def chains(draw: st.DrawFn) -> list[Asked]:
    """Questions by no label, by one, and by that and another one: by more and by fewer of the same."""
    labels = tuple(draw(st.permutations(LABELS))[:2])
    found = []
    for keys in ((), labels[:1], labels):
        if keys:  # how many persons a node has is public
            found.append(Asked(keys, "samples s", "count(*)", "true", "persons"))
        found.append(Asked((*SITES, *keys), JOINED, "sum(g.dosage)", "g.dosage > 0", "alleles"))
    return found


def text_of(asked: Asked, value: str) -> str:
    """The query for *value*."""
    group = f" GROUP BY {', '.join(asked.keys)}" if asked.keys else ""
    columns = [f"{key} AS k{place}" for place, key in enumerate(asked.keys)]
    return f"SELECT {', '.join([*columns, f'{value} AS v'])} FROM {asked.source}{{where}}{group}"


def ask(federation: Federation, pooled: Pooled, asked: Asked, absent: Sequence[str]) -> Iterator[Told]:
    """What is called ok of the cells; each is the pooled value without who is *absent*."""
    names = ", ".join(f"'{name}'" for name in absent)
    where = f" WHERE s.sample_id NOT IN ({names})" if absent else ""
    *_, rows = pooled.run(text_of(asked, asked.value).format(where=where))
    truth = {tuple(row[:-1]): row[-1] for row in rows}
    who = f"list(DISTINCT s.sample_id) FILTER ({asked.who})"
    *_, rows = pooled.run(text_of(asked, who).format(where=where))
    persons = {tuple(row[:-1]): frozenset(row[-1] or ()) for row in rows}
    text = text_of(asked, asked.value).format(where="")
    answer = federation.sql(text)
    for row, status in zip(answer.table.to_pylist(), answer.status.to_pylist(), strict=True):
        *key, value = row.values()
        if status["v"] == "ok" and value is not None:
            assert value == truth[tuple(key)], f"{text} {key}"
            site = tuple(key[: len(SITES)]) if asked.quantity == "alleles" else ()
            yield Told((asked.quantity, site), persons[tuple(key)], f"{text} {key}")


def without(node: NodeFiles, names: Sequence[str]) -> None:
    """Publish a snapshot of *node* without these persons."""
    (node.folder / "withdrawn.txt").write_text("".join(f"{name}\n" for name in names))
    text = node.toml.read_text()
    if "withdrawn" not in text:
        node.toml.write_text(text.replace("[samples]\n", '[samples]\nwithdrawn = "withdrawn.txt"\n', 1))
    ingest(read_node(node.toml), min_label_persons=1, progress=None)


@pytest.mark.usefixtures("audited")
def test_sums_before_and_after_differ_by_nobody_or_by_enough(tmp_path: Path) -> None:
    """Of any two sums of a project that are called ok, none or k persons contribute to one only."""
    compared = told_later = 0

    @few
    @given(data=st.data(), shape=cohorts(K, (120, 200)))
    def law(data: st.DataObject, shape: Shape) -> None:
        nonlocal compared, told_later
        nodes = write_cohort(shape, Path(mkdtemp(dir=tmp_path)))
        changes = [node for node in nodes if data.draw(st.booleans())] or [nodes[0]]
        gone = {node.country: data.draw(_some_of(node)) for node in changes}
        joins = data.draw(st.booleans())
        told: list[Told] = []
        for later in (False, True):
            absent = () if joins is later else tuple(name for names in gone.values() for name in names)
            for node in nodes:
                without(node, gone[node.country] if node in changes and absent else ())
            federation = goe_lake.open_federation([node.toml for node in nodes], project=PURPOSE)
            listed = federation.site_list.sites.select(LISTED).to_pylist()
            pooled = pool(nodes, [tuple(site.values()) for site in listed])
            for asked in data.draw(chains()):
                found = list(ask(federation, pooled, asked, absent))
                told += found
                told_later += later * len(found)
        for one, other in combinations(told, 2):
            if one.of == other.of:
                compared += 1
                apart = len(one.persons ^ other.persons)
                assert apart == 0 or apart >= K, f"{one.text}\n{other.text}\n{apart} persons"

    law()
    assert compared > 0
    assert told_later > 0


def _some_of(node: NodeFiles) -> st.SearchStrategy[list[str]]:
    """One to four persons of *node*."""
    rows = (node.folder / "samples.tsv").read_text().splitlines()[1:]
    names = [row.split("\t")[0] for row in rows]
    return st.lists(st.sampled_from(names), unique=True, min_size=1, max_size=min(4, len(names) - 1))
