"""Releases of real lakes: persons join, leave and come again; nodes are split; builds are repeated."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from goe_lake import open_federation
from goe_lake.cli import app
from goe_lake.config import NodeConfig, read_node
from goe_lake.engine.frequency_store import folder_of, latest, releases
from goe_lake.engine.group_classes import atoms_of, covered_samples
from goe_lake.engine.joined_and_left import UNIT, State, joined_and_left
from goe_lake.engine.sites import SiteList
from goe_lake.errors import LakeError
from goe_lake.federation.node import EmbeddedNode
from goe_lake.lake import ingest, open_snapshot
from goe_lake.products.frequencies.store import open_release
from tests.lake.nodes import make_node, tree, vcf_text

K = 10
GENOTYPES = ("0/0", "0/1", "1/1", "./.")
Calls = dict[str, dict[int, str]]


def drawn(names: Sequence[str], seed: int, frequency: float = 0.3) -> Calls:
    """Genotypes of *names* at 12 sites of chr20."""
    dice = random.Random(seed)
    odds = ((1 - frequency) ** 2, 2 * frequency * (1 - frequency), frequency**2, 0.02)
    return {name: {pos: dice.choices(GENOTYPES, odds)[0] for pos in range(100, 1300, 100)} for name in names}


def delivery(calls: Calls) -> str:
    """A VCF of *calls*."""
    names = list(calls)
    records = [
        f"chr20 {pos} A C | {' '.join(calls[name][pos] for name in names)}" for pos in range(100, 1300, 100)
    ]
    return vcf_text(names, records)


def table(names: Sequence[str], country: str = "EE") -> str:
    """The samples table: three populations, two sexes."""
    rows = [f"{name}\t{'FM'[hash_of(name) % 2]}\tp{hash_of(name) % 3}\n" for name in names]
    return "sample_id\tsex\tpopulation\n" + "".join(rows)


def hash_of(name: str) -> int:
    """A number that is the same on every machine."""
    return sum(map(ord, name)) * 7 + int(name[1:]) // 3


def node(folder: Path, deliveries: Sequence[Calls], *, country: str = "EE", policy: str = "") -> NodeConfig:
    """A node and its lake, built again where it was there; policy.toml says *policy*."""
    names = [name for calls in deliveries for name in calls]
    make_node(
        folder,
        [{f"d{place}.vcf": delivery(calls)} for place, calls in enumerate(deliveries)],
        table(names),
        absent_sites=["hom_ref"] * len(deliveries),
        toml='[samples.columns.population]\ntype = "label"\nvalues = ["p0", "p1", "p2"]\n',
        node='policy = "policy.toml"\n' if policy else "",
    )
    (folder / "node.toml").write_text(
        (folder / "node.toml").read_text().replace('country = "EE"', f'country = "{country}"')
    )
    (folder / "policy.toml").write_text(policy or "version = 1\n")
    config = read_node(folder / "node.toml")
    ingest(config, min_label_persons=1)
    return config


def persons(first: int, count: int) -> list[str]:
    """Sample ids."""
    return [f"s{number:04}" for number in range(first, first + count)]


def expected_change(before: Calls, now: Calls, pos: int, chosen: set[str]) -> tuple[int, int]:
    """How many of *chosen* are carriers, and others, whose calls came or went, person by person."""
    carriers = others = 0
    for name in {*before, *now} & chosen:
        old, new = before.get(name, {}).get(pos), now.get(name, {}).get(pos)
        if old == new:
            continue
        seen = [call for call in (old, new) if call not in (None, "./.")]
        carriers += any("1" in call for call in seen)
        others += any("1" not in call for call in seen)
    return carriers, others


def test_joined_and_left_are_counted_person_by_person(tmp_path: Path) -> None:
    """A delivery more, one that was called again with some persons less: counted as by hand."""
    first, second = drawn(persons(0, 60), 1), drawn(persons(100, 45), 2)
    again = {name: calls for name, calls in first.items() if int(name[1:]) % 9}
    for name in list(again)[:8]:
        again[name] = drawn([name], 77)[name]
    old = node(tmp_path, [first])
    before = open_snapshot(old.lake)
    node(tmp_path, [again, second])
    now = open_snapshot(old.lake)
    states = [State(snapshot, covered_samples(snapshot, None)) for snapshot in (before, now)]
    atoms = atoms_of(states[1].samples, [sample.atom for sample in states[0].samples])
    sites = EmbeddedNode(tmp_path / "node.toml").offer_sites()
    change = joined_and_left(*states, sites, "chr20", atoms)
    assert sites.num_rows == 12
    for place, pos in enumerate(sites.column("pos").to_pylist()):
        for (population, sex), (row, column) in atoms.places.items():
            chosen = {
                name
                for name in [*first, *second]
                if f"p{hash_of(name) % 3}" == population and "FM"[hash_of(name) % 2] == sex
            }
            carriers, others = expected_change(first, {**again, **second}, pos, chosen)
            assert change.carriers[place, row, column] == UNIT * carriers
            assert change.others[place, row, column] == UNIT * others


def released(config: NodeConfig) -> list[dict[str, object]]:
    """What the node has released of chr20."""
    standing = latest(folder_of(config.lake, protects=True))
    assert standing is not None
    standing.verify()
    return standing.rows("chr20").to_pylist()


def test_rows_stand_until_enough_persons_joined(tmp_path: Path) -> None:
    """5 persons more change nothing that is told; 150 more make new rows, of everybody who is there."""
    first, few, many = drawn(persons(0, 300), 1), drawn(persons(400, 5), 2), drawn(persons(500, 150), 3)
    config = node(tmp_path, [first])
    tables = []
    for deliveries in ([first], [first, few], [first, few, many]):
        config = node(tmp_path, deliveries)
        open_federation([config.file]).release_frequencies()
        tables.append(released(config))
    assert [release.number for release in releases(folder_of(config.lake, protects=True))] == [1, 2, 3]
    assert tables[0] == tables[1]
    totals = [row for row in tables[2] if row["population"] == row["sex"] == "all"]
    assert {row["release"] for row in totals} == {3}
    everybody = {**first, **few, **many}
    for row in totals:
        called = [calls[row["pos"]] for calls in everybody.values() if calls[row["pos"]] != "./."]
        assert (row["an"], row["ac"]) == (2 * len(called), sum(call.count("1") for call in called))


def test_differences_of_releases_rest_on_none_or_enough(tmp_path: Path) -> None:
    """Each row of each later release was computed of k carriers who joined or left, or is the earlier row."""
    everybody = [drawn(persons(1000 * part, size), part) for part, size in enumerate((120, 14, 40, 9, 90))]
    kept: list[tuple[Calls, list[dict[str, object]]]] = []
    for count in range(1, len(everybody) + 1):
        deliveries = [dict(calls) for calls in everybody[:count]]
        if count == 4:
            deliveries[0] = {name: calls for name, calls in deliveries[0].items() if int(name[1:]) > 25}
        config = node(tmp_path, deliveries)
        open_federation([config.file]).release_frequencies()
        present = {name: calls for part in deliveries for name, calls in part.items()}
        kept.append((present, released(config)))
    fresh = 0
    for number in range(2, len(kept) + 1):
        now, rows = kept[number - 1]
        before = {(row["pos"], row["population"], row["sex"]): row for row in kept[number - 2][1]}
        for row in rows:
            old = before.get((row["pos"], row["population"], row["sex"]))
            if row["release"] < number:
                assert row == old
            elif old is not None:
                fresh += 1
                chosen = {
                    name
                    for calls, _ in kept
                    for name in calls
                    if row["population"] in ("all", f"p{hash_of(name) % 3}")
                    and row["sex"] in ("all", "FM"[hash_of(name) % 2])
                }
                then, _ = kept[old["release"] - 1]
                assert expected_change(then, now, row["pos"], chosen)[0] >= K
    assert fresh > 20


def test_a_purged_snapshot_makes_everything_stand_once(tmp_path: Path) -> None:
    """Who left cannot be counted any more: a release in between tells nothing new, the next one may."""
    first, more, later = drawn(persons(0, 200), 1), drawn(persons(300, 100), 2), drawn(persons(500, 100), 3)
    config = node(tmp_path, [first])
    open_federation([config.file]).release_frequencies()
    gone = open_snapshot(config.lake).snapshot_id
    before = released(config)
    config = node(tmp_path, [first, more])
    (config.lake / "snapshots" / f"{gone}.json").unlink()
    open_federation([config.file]).release_frequencies()
    assert released(config) == before
    config = node(tmp_path, [first, more, later])
    open_federation([config.file]).release_frequencies()
    totals = {row["release"] for row in released(config) if row["population"] == row["sex"] == "all"}
    assert totals == {3}


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two nodes of the same files make the same release; making it again makes nothing new."""
    trees = []
    for name in ("one", "two"):
        config = node(tmp_path / name, [drawn(persons(0, 120), 1)])
        federation = open_federation([config.file])
        assert federation.release_frequencies() == federation.release_frequencies()
        trees.append(tree(config.lake / "frequencies"))
    assert trees[0] == trees[1]
    assert {name.split("/")[0] for name in trees[0]} == {"1", "publishing"}


def test_a_crash_leaves_the_earlier_release_standing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were half written are not seen, and are gone when the next release is made."""
    config = node(tmp_path, [drawn(persons(0, 120), 1)])
    open_federation([config.file]).release_frequencies()
    before = released(config)
    config = node(tmp_path, [drawn(persons(0, 120), 1), drawn(persons(300, 150), 2)])
    federation = open_federation([config.file])
    with monkeypatch.context() as patch:
        patch.setattr("goe_lake.engine.frequency_store.sync", fails)
        with pytest.raises(OSError, match="no space"):
            federation.release_frequencies()
    assert released(config) == before
    federation.release_frequencies()
    names = {path.name for path in (config.lake / "frequencies").iterdir()}
    assert names == {"1", "2", "publishing"}


def fails(path: Path) -> None:
    """A disk that is full."""
    raise OSError("no space left on the device")


def test_a_listed_site_stays_listed(tmp_path: Path) -> None:
    """Carriers who leave do not take their sites off the list; a list without them is refused."""
    first = drawn(persons(0, 120), 1)
    for calls in first.values():
        calls[100] = "0/0"
    for name in persons(0, 12):
        first[name][100] = "0/1"
    config = node(tmp_path, [first])
    open_federation([config.file]).release_frequencies()
    config = node(tmp_path, [{name: calls for name, calls in first.items() if int(name[1:]) >= 12}])
    federation = open_federation([config.file])
    assert 100 in federation.site_list.sites.column("pos").to_pylist()
    alone = EmbeddedNode(config.file)
    alone.lay(SiteList(federation.site_list.sites.slice(1)))
    with pytest.raises(LakeError, match="sites once listed stay listed"):
        alone.release_frequencies()


def test_protection_off_never_mixes_with_protection_on(tmp_path: Path) -> None:
    """A release made without protection is not what a protected node gives out."""
    config = node(tmp_path, [drawn(persons(0, 60), 1)], policy='version = 1\nprotection = "off"\n')
    open_federation([config.file]).release_frequencies()
    (tmp_path / "policy.toml").write_text("version = 1\n")
    rows = open_federation([config.file]).frequencies("chr20").to_pylist()
    assert any(row["status"] == "withheld" for row in rows)
    assert (config.lake / "frequencies_unprotected" / "1").is_dir()


@settings(max_examples=5)
@given(assigned=st.lists(st.integers(0, 2), min_size=40, max_size=40), seed=st.integers(0, 99))
def test_the_union_of_nodes_is_the_release_of_everybody(
    assigned: list[int], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Law 1: however persons are spread over nodes, the rows over all countries are the pooled ones."""
    folder = tmp_path_factory.mktemp("law")
    off = 'version = 1\nprotection = "off"\n'
    everybody = drawn(persons(0, 40), seed)
    parts: Mapping[str, Calls] = {
        country: {
            name: calls for (name, calls), to in zip(everybody.items(), assigned, strict=True) if to == place
        }
        for place, country in enumerate(("EE", "FI", "LV"))
    }
    files = [
        node(folder / country, [calls], country=country, policy=off).file
        for country, calls in parts.items()
        if calls
    ]
    pooled = node(folder / "pooled", [everybody], policy=off).file
    union, whole = (
        [row for row in open_federation(nodes).frequencies("chr20").to_pylist() if row["country"] == "all"]
        for nodes in (files, [pooled])
    )
    assert [key_of(row) for row in union] == [key_of(row) for row in whole]
    for found, expected in zip(union, whole, strict=True):
        for name, value in expected.items():
            if isinstance(value, float):
                np.testing.assert_allclose(found[name], value, rtol=1e-12)
            else:
                assert found[name] == value
    shutil.rmtree(folder)


def key_of(row: Mapping[str, object]) -> tuple[object, ...]:
    """What names a row."""
    return tuple(row[name] for name in ("pos", "population", "sex"))


def test_the_command_builds_and_takes_over_what_did_not_change(tmp_path: Path) -> None:
    """goe release build writes a verified folder; with --previous, unchanged contigs keep their bytes."""
    files = [
        str(node(tmp_path / country, [drawn(persons(0, 150), place)], country=country).file)
        for place, country in enumerate(("EE", "FI"))
    ]
    runner = CliRunner()
    first = runner.invoke(app, ["release", "build", *files, "--out", str(tmp_path / "R1")])
    assert first.exit_code == 0, first.output
    again = runner.invoke(
        app,
        ["release", "build", *files, "--out", str(tmp_path / "R2"), "--previous", str(tmp_path / "R1")],
    )
    assert again.exit_code == 0, again.output
    one, two = open_release(tmp_path / "R1"), open_release(tmp_path / "R2")
    two.verify()
    assert (two.manifest.number, two.manifest.previous) == (2, one.manifest.release_id)
    assert one.manifest.files == two.manifest.files
    assert one.path("frequencies", "chr20").samefile(two.path("frequencies", "chr20"))
    alone = runner.invoke(app, ["release", "node", files[0], "--sites", str(tmp_path / "R1")])
    assert alone.exit_code == 0, alone.output
    taken = runner.invoke(app, ["release", "build", *files, "--out", str(tmp_path / "R2")])
    assert taken.exit_code == 1


def test_nothing_is_released_without_a_site_list(tmp_path: Path) -> None:
    """A node that belongs to no federation yet says what to do."""
    config = node(tmp_path, [drawn(persons(0, 30), 1)])
    with pytest.raises(LakeError, match="no site list"):
        EmbeddedNode(config.file).frequencies("chr20")
