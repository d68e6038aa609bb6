"""Rounds that list the sites which reach the threshold in all nodes together: exact, and of nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import goe_lake
from goe_lake.config import read_node
from goe_lake.errors import ConfigError, LakeError, NodeFailed, ReleaseRefused
from goe_lake.federation.ledger import Kind as Entry
from goe_lake.federation.listing import deciding
from goe_lake.federation.listing import search as searching
from goe_lake.federation.listing import seat as seating
from goe_lake.federation.listing.field import open_elements
from goe_lake.federation.listing.kept import kept_sites
from goe_lake.federation.listing.messages import Kind, Piece, Step
from goe_lake.federation.listing.one_time_tables import Bits, Lanes
from goe_lake.federation.listing.payloads import PAGES, reached_by
from goe_lake.federation.listing.search import RoundNotFinished, search
from goe_lake.federation.sealed_sums import new_nonce
from goe_lake.federation.sealing import ChaChaStream
from goe_lake.genome import CONTIGS
from goe_lake.lake.purge import purge
from tests.federation.nodes import build_nodes
from tests.federation.seats import Desk, Site, desks

BY_SITE = "SELECT variant_id, sum(dosage) AS ac FROM genotypes GROUP BY variant_id ORDER BY variant_id"
NODES = ("AT", "EE", "FI", "LV", "PT")


def found_of(worlds: dict[str, dict[Site, int]], least: int = 10) -> list[Site]:
    """The sites that a round over *worlds* finds."""
    nodes, circle = desks(worlds, least)
    sites = search(nodes, circle, "").sites
    assert all(desk.kept[0].equals(sites) for desk in nodes.values())
    return [tuple(row.values()) for row in sites.to_pylist()]


def pooled(worlds: dict[str, dict[Site, int]], least: int = 10) -> set[Site]:
    """The sites that reach *least* when everybody is counted in one place."""
    everywhere = {site for world in worlds.values() for site in world}
    return {site for site in everywhere if sum(min(least, w.get(site, 0)) for w in worlds.values()) >= least}


@st.composite
def some_worlds(draw: st.DrawFn) -> tuple[dict[str, dict[Site, int]], int]:
    """Carriers at three to six nodes, of short and of long alleles, and a threshold."""
    alleles = st.sampled_from(["A", "C", "G", "T", "AC", "ACGTTTTTT", "N"])
    site = st.tuples(st.sampled_from(CONTIGS), st.integers(1, 60), alleles, alleles)
    sites = draw(st.lists(site.filter(lambda s: s[2] != s[3]), min_size=0, max_size=25, unique=True))
    least = draw(st.integers(2, 12))
    counts = st.lists(st.integers(0, 6), min_size=len(sites), max_size=len(sites))
    nodes = [f"N{number}" for number in range(draw(st.integers(3, 6)))]
    return {node: dict(zip(sites, draw(counts), strict=True)) for node in nodes}, least


@settings(max_examples=20, deadline=None)
@given(drawn=some_worlds())
def test_a_round_finds_what_pooled_counting_finds(drawn: tuple[dict[str, dict[Site, int]], int]):
    """All sites that reach the threshold in the union, and no other."""
    worlds, least = drawn
    found = found_of(worlds, least)
    assert set(found) == pooled(worlds, least)
    assert len(found) == len(set(found))


def crowded(seed: int, sites: int, nodes: int, most: int = 4) -> dict[str, dict[Site, int]]:
    """So many *sites* with 0..*most* carriers at each of *nodes*."""
    counts = np.random.default_rng(seed).integers(0, most + 1, (nodes, sites)).tolist()
    names = [("chr7", 100 + number, "A", "CG"[number % 2]) for number in range(sites)]
    return {f"N{n:02}": dict(zip(names, row, strict=True)) for n, row in enumerate(counts)}


def test_a_table_that_is_too_full_grows(monkeypatch: pytest.MonkeyPatch):
    """No names are read of it; several stretches of a table are one table."""
    monkeypatch.setattr(searching, "FIRST_PLACES", 1024)
    worlds = crowded(1, 20_000, 4)
    nodes, circle = desks(worlds)
    found = search(nodes, circle, "")
    assert {tuple(row.values()) for row in found.sites.to_pylist()} == pooled(worlds)
    assert found.tables[:3] == (1024, 4096, 16_384)
    before = [step for step, _ in nodes["N00"].given if step.stage == 0 and step.kind is Kind.NAMES]
    assert [piece.body for step, piece in nodes["N00"].given if step in before] == [b""]


def test_29_nodes():
    """As many as there are countries."""
    worlds = crowded(2, 300, 29, 1)
    assert set(found_of(worlds)) == pooled(worlds)


# what is seen ----------------------------------------------------------------------------------------


def views(worlds: dict[str, dict[Site, int]]) -> tuple[list[Site], dict[str, Desk]]:
    """What a round finds, and the nodes with all that they handed in."""
    nodes, circle = desks(worlds)
    return [tuple(row.values()) for row in search(nodes, circle, "").sites.to_pylist()], nodes


@dataclass
class Seen:
    """What the parties of a round see."""

    found: list[Site]
    reached: list[list[int]]
    lengths: list[tuple[Kind, int, int]]
    carried: dict[Kind, bytes]
    by_readers: bytes


def seen_in(world: dict[str, dict[Site, int]], patch: pytest.MonkeyPatch) -> Seen:
    """A round over *world* whose nonce and secret are the same for every world: places of sites are."""
    sums: list[bytes] = []

    def looked_up(values: Lanes, rows: int, share: bytes | ChaChaStream) -> Bits:
        if isinstance(share, bytes):  # both readers look the same sums up
            sums.append(values.tobytes())
        return really(values, rows, share)

    with patch.context() as patched:
        really = deciding.looked_up
        patched.setattr(deciding, "looked_up", looked_up)
        patched.setattr(seating, "os", SimpleNamespace(urandom=bytes))
        patched.setattr(searching, "new_nonce", lambda: f"{1_700_000_000_000:013}-{0:032}")
        nodes, circle = desks(world, clock=lambda: 1_700_000_000.0)
        sites = search(nodes, circle, "").sites
    given = [pair for desk in nodes.values() for pair in desk.given]
    stages = sorted({step.stage for step, _ in given})
    reached = []
    for stage in stages:
        both = [p for step, p in given if step.kind is Kind.BITS and step.stage == stage]
        step = next(s for s, _ in given if s.kind is Kind.BITS and s.stage == stage)
        reached.append(np.flatnonzero(reached_by(step, both, step.roles(circle))).tolist())
    return Seen(
        [tuple(row.values()) for row in sites.to_pylist()],
        reached,
        sorted((step.kind, step.stage, len(piece.body)) for step, piece in given),
        {kind: b"".join(p.body for s, p in given if s.kind is kind) for kind in Kind},
        b"".join(sums),
    )


def test_two_worlds_look_alike(monkeypatch: pytest.MonkeyPatch):
    """Whether nobody or nine persons carry an allele that is not listed: nobody sees a difference.

    What the gateway opens is the same: the places over the threshold, at the same places, and the sites. All
    that it carries has the same lengths, and the bytes of noise; so have the sums that both readers see.
    """
    some = crowded(3, 500, 5, 3)
    world = {node: dict(row) for node, row in some.items()}
    for node, row in world.items():
        row["chr9", 77, "G", "T"] = 9 if node == "N02" else 0
    one, other = seen_in(some, monkeypatch), seen_in(world, monkeypatch)
    assert len(one.found) > 50
    assert one.found == other.found
    assert one.reached == other.reached
    assert one.lengths == other.lengths
    for view in (one, other):
        words = np.frombuffer(view.carried[Kind.NAMES], dtype=np.uint8).reshape(-1, 8)[:, :7]
        noise = [
            np.frombuffer(view.carried[kind], dtype=np.uint8) for kind in (Kind.DEAL, Kind.FILL, Kind.READ)
        ]
        for part in (*noise, words.reshape(-1), np.frombuffer(view.by_readers, dtype=np.uint8)):
            assert len(part) > 10_000
            assert stats.chisquare(np.bincount(part, minlength=256)).pvalue > 1e-7


def test_who_holds_a_found_site_is_not_told():
    """A node with one carrier hands in as much as a node with none, and both keep the same."""
    site = ("chr4", 5, "A", "G")
    worlds = {"AT": {site: 9}, "EE": {site: 1}, "FI": {}, "LV": {}}
    found, nodes = views(worlds)
    assert found == [site]
    sizes = {
        name: [len(piece.body) for step, piece in desk.given if step.kind is Kind.NAMES]
        for name, desk in nodes.items()
    }
    assert len({tuple(size) for size in sizes.values()}) == 1


# a gateway of ill will -------------------------------------------------------------------------------


class Meddling:
    """A node behind a gateway that changes what it carries."""

    def __init__(self, desk: Desk, change: object) -> None:
        self._desk, self._change = desk, change

    def list_sites(self, step: Step, carried: object, payload: bytes) -> Piece:
        step, carried, payload = self._change(step, carried, payload)
        return self._desk.list_sites(step, carried, payload)


def meddled(change: object, kind: Kind, worlds: dict[str, dict[Site, int]] | None = None) -> str:
    """Why a round ends whose gateway applies *change* to every step of *kind*."""
    nodes, circle = desks(worlds or crowded(4, 50, 4, 3))
    between = {
        name: Meddling(desk, lambda s, c, p: change(s, c, p) if s.kind is kind else (s, c, p))
        for name, desk in nodes.items()
    }
    with pytest.raises(RoundNotFinished) as failed:
        search(between, circle, "")
    assert all(not desk.kept for desk in nodes.values())
    assert failed.value.step == kind
    return str(failed.value)


def test_what_is_still_open_is_said_of_every_place():
    """A list of another length would let tokens of no table go on."""
    worlds = crowded(11, 3_000, 4, 5)
    assert "still open" in meddled(lambda s, c, p: (replace(s, payload=sha256(b"x").hexdigest()), c, b"x")
                                   if s.stage else (s, c, p), Kind.STAGE, worlds)  # fmt: skip


def test_a_part_that_is_left_out_or_stale_opens_nothing():
    """A sum over fewer nodes does not exist."""
    assert "does not open" in meddled(lambda s, c, p: (s, c[1:], p), Kind.READ)
    assert "does not open" in meddled(lambda s, c, p: (s, [*c, c[0]], p), Kind.READ)
    assert "does not open" in meddled(lambda s, c, p: (s, c[:1], p), Kind.NAMES)
    assert "does not open" in meddled(
        lambda s, c, p: (s, [replace(x, body=x.body[1:]) for x in c], p), Kind.BITS
    )


def test_garbage_opens_nothing():
    """Neither in sums nor in what one node sends to another under a key of theirs."""

    def garbled(step: Step, carried: list[Piece], payload: bytes) -> tuple[Step, list[Piece], bytes]:
        return step, [replace(piece, body=bytes(len(piece.body))) for piece in carried], payload

    assert "does not open" in meddled(garbled, Kind.READ)
    assert "does not open" in meddled(garbled, Kind.BITS)

    def other_shares(step: Step, carried: list[Piece], payload: bytes) -> tuple[Step, list[Piece], bytes]:
        shares = dict.fromkeys(carried[0].told["shares"], "00" * 48) | {carried[0].node_id: "00" * 48}
        return step, [replace(piece, told={**piece.told, "shares": shares}) for piece in carried], payload

    assert "does not open" in meddled(other_shares, Kind.AGREE)


def test_another_round_is_not_agreed_on():
    """A lower threshold, another snapshot or another node set than the nodes themselves said."""

    def with_round(**changes: object) -> object:
        return lambda s, c, p: (replace(s, round=replace(s.round, **changes)), c, p)

    assert "not what its nodes said" in meddled(with_round(least=2), Kind.AGREE)
    assert "not what its nodes said" in meddled(
        with_round(snapshots=tuple((f"N0{n}", "second" if n else "first") for n in range(4))), Kind.AGREE
    )
    assert "other nodes" in meddled(
        with_round(snapshots=tuple((f"N0{n}", "first") for n in range(3))), Kind.AGREE
    )


def test_a_site_that_was_not_found_is_not_kept():
    """The gateway cannot put a site onto the nodes' lists by saying that a round found it."""
    made_up = searching._written(searching._table_of({("chr5", 1234, "A", "T")}))

    def adds(step: Step, carried: list[Piece], payload: bytes) -> tuple[Step, list[Piece], bytes]:
        return replace(step, payload=sha256(made_up).hexdigest()), carried, made_up

    assert "did not find" in meddled(adds, Kind.KEEP)
    assert "something else than it names" in meddled(lambda s, c, p: (s, c, made_up), Kind.KEEP)


def test_a_step_is_taken_once():
    """A mask is of one vector: the same step twice, with other noise beneath, would show a difference."""
    nodes, circle = desks(crowded(7, 30, 4, 3))
    search(nodes, circle, "")
    for desk in nodes.values():
        for step, _ in desk.given:
            with pytest.raises(ReleaseRefused, match="R226"):
                desk.seat.take(step, [], b"")
    nodes, circle = desks(crowded(7, 30, 4, 3))

    class Stop(Exception):
        pass

    def until_names(step: Step, carried: list[Piece], payload: bytes) -> tuple[Step, list[Piece], bytes]:
        if step.kind is Kind.NAMES:
            raise Stop
        return step, carried, payload

    with pytest.raises(Stop):
        search({n: Meddling(desk, until_names) for n, desk in nodes.items()}, circle, "")
    for desk in nodes.values():
        for step, _ in desk.given:
            with pytest.raises(ReleaseRefused, match=r"before|part"):
                desk.seat.take(step, [], b"")


def test_a_round_is_not_begun_twice_nor_late():
    """Nonces are of now, and used once."""
    nodes, _ = desks(crowded(8, 5, 3))
    desk = nodes["N00"]
    step = Step(Kind.BEGIN, new_nonce(), "")
    desk.list_sites(step, [], b"")
    for again in (step, replace(step, nonce="0000000000001-" + "0" * 32), replace(step, nonce="x")):
        with pytest.raises(ReleaseRefused, match="nonce"):
            desk.list_sites(again, [], b"")


def test_letters_are_told_of_reached_places_only():
    """A gateway that asks for the letters of all places gets nothing of those below the threshold."""
    common, rare = ("chr6", 10, "A", "ACGTACGT"), ("chr6", 20, "A", "AGGGGG")
    nodes, circle = desks({f"N0{n}": {common: 4, rare: 2} for n in range(4)})
    everywhere = np.array([(place, 1) for place in range(1 << 16)], dtype=PAGES).tobytes()

    def all_places(step: Step, carried: list[Piece], payload: bytes) -> tuple[Step, list[Piece], bytes]:
        if step.kind is Kind.PAGES:
            return replace(step, payload=sha256(everywhere).hexdigest()), carried, everywhere
        return step, carried, payload

    with pytest.raises(RoundNotFinished, match="not for this step"):
        search({name: Meddling(desk, all_places) for name, desk in nodes.items()}, circle, "")
    given = [desk.given[-1] for desk in nodes.values()]
    assert {step.kind for step, _ in given} == {Kind.PAGES}
    words = [np.frombuffer(piece.body, dtype=np.uint64) for _, piece in given]
    opened = open_elements(words, given[0][0].agreement(circle, 2 << 16))
    assert np.count_nonzero(opened) == 2


def test_a_node_that_is_lost_on_the_way_is_named():
    """Whatever the step: nothing is listed, and a new round over the same snapshots finds what there is."""
    worlds = crowded(12, 60, 4, 3)

    def lost(step: Step, carried: list[Piece], payload: bytes) -> tuple[Step, list[Piece], bytes]:
        raise NodeFailed("N02", "", "the node cannot be reached")

    for kind in (Kind.BEGIN, Kind.AGREE, Kind.STAGE, Kind.NAMES, Kind.KEEP):
        nodes, circle = desks(worlds)
        between = {
            name: Meddling(desk, lambda s, c, p, kind=kind: lost(s, c, p) if s.kind is kind else (s, c, p))
            if name == "N02"
            else desk
            for name, desk in nodes.items()
        }
        with pytest.raises(RoundNotFinished, match="N02: the node cannot be reached") as failed:
            search(between, circle, "")
        assert ("is listed" in str(failed.value)) == (kind is Kind.KEEP)
    assert set(found_of(worlds)) == pooled(worlds)


def test_who_cannot_seal_makes_no_round(tmp_path: Path):
    """Two nodes, no keys, or a node whose protection is off."""
    tomls = build_nodes(tmp_path, dict.fromkeys(("AT", "EE", "FI"), (3,)))
    for few in (goe_lake.open_federation(tomls[:2]), goe_lake.open_federation(tomls, sealed=False)):
        with pytest.raises(ConfigError, match="at least 3 nodes"):
            few.list_sites()
    (tmp_path / "EE" / "policy.toml").write_text('version = 1\nprotection = "off"\n')
    with pytest.raises(RoundNotFinished, match="NODE-EE: protection is off here"):
        goe_lake.open_federation(tomls).list_sites()
    (tmp_path / "EE" / "policy.toml").write_text("version = 1\nmin_persons = 5\nsite_rounds = false\n")
    with pytest.raises(RoundNotFinished, match="NODE-EE: its policy lets it take part in no round"):
        goe_lake.open_federation(tomls).list_sites()


# one round after another -----------------------------------------------------------------------------


@pytest.mark.parametrize("changed", [1, 2, 3, 4])
def test_a_round_that_tells_of_one_or_two_countries_is_refused(changed: int):
    """What is newly listed since the last round came from those whose snapshot is new."""
    names = ["N00", "N01", "N02", "N03"]
    now = {name: "second" if number < changed else "first" for number, name in enumerate(names)}
    nodes, circle = desks(crowded(9, 30, 4, 3), last=dict.fromkeys(names, "first"), snapshots=now)
    if changed < 3:
        with pytest.raises(RoundNotFinished, match="tells of them alone"):
            search(nodes, circle, "")
    else:
        assert search(nodes, circle, "").sites.num_rows


def test_what_is_told_is_noted_before():
    """The node's log has the round when its names may be read, and what was kept."""
    _, nodes = views(crowded(10, 30, 4, 4))
    for desk in nodes.values():
        first, *_, kept = desk.noted
        assert set(first) == {"round", "least", "nodes"}
        assert kept["sites"] == desk.kept[0].num_rows
        assert dict(kept["nodes"]) == dict.fromkeys(nodes, "first")


# over lakes ------------------------------------------------------------------------------------------


def test_lakes_list_what_no_country_may(tmp_path: Path):
    """Queries and later openings have the site, every node keeps it, and a second round finds nothing new."""
    carriers = {"AT": (1, 3, 4, 0, 9), "EE": (1, 3, 0, 1, 9), "FI": (1, 3, 0, 0, 0), "LV": (1, 1, 0, 0, 0)}
    tomls = build_nodes(tmp_path, carriers)
    federation = goe_lake.open_federation(tomls)
    assert federation.site_list.sites.column("variant_id").to_pylist() == ["chr1-5000-A-C"]
    found = federation.list_sites()
    assert (found.sites.to_pylist(), found.least) == (
        [{"contig": "chr1", "pos": 2000, "ref": "A", "alt": "C"}],
        5,
    )
    assert federation.sql(BY_SITE).table.to_pylist()[0] == {"variant_id": "chr1-2000-A-C", "ac": 10}
    names = ["chr1-2000-A-C", "chr1-5000-A-C"]
    assert federation.sql("SELECT variant_id FROM variants").table.column("variant_id").to_pylist() == names
    later = goe_lake.open_federation(tomls)
    assert later.site_list.digest == federation.site_list.digest
    assert later.sql(BY_SITE).table.equals(federation.sql(BY_SITE).table)
    assert later.list_sites().sites.num_rows == 0
    assert later.site_list.digest == federation.site_list.digest
    for toml in tomls:
        purge(read_node(toml))
        (kept,) = kept_sites(toml.parent / "lake")
        assert kept.column("type").to_pylist() == ["snv"]
    # releases have the site as well, with its allele number
    later.release_frequencies()
    released = later.frequencies("chr1").filter(pc.field("country") == "all").to_pylist()
    assert {(row["pos"], row["an"]) for row in released if row["population"] == row["sex"] == "all"} == {
        (2000, 480),
        (5000, 480),
    }
    log = later._members[0].node.open_ledger().entries("kind = ?", [Entry.SITES])
    assert [entry.content.get("sites") for entry in log] == [None, 1, None, 0]


@pytest.mark.nightly
def test_29_lakes(tmp_path: Path):
    """A round over as many lakes as there are countries; afterwards sealed sums tell the sites."""
    counts = np.random.default_rng(13).integers(0, 2, (29, 12))
    countries = [f"{a}{b}" for a in "ABCDEF" for b in "KLMNO"][:29]
    carriers = {name: tuple(map(int, row)) for name, row in zip(countries, counts, strict=True)}
    federation = goe_lake.open_federation(build_nodes(tmp_path, carriers, persons=30))
    assert federation.site_list.sites.num_rows == 0
    federation.list_sites()
    expected = {f"chr1-{1000 * place}-A-C": int(n) for place, n in enumerate(counts.sum(axis=0), 1) if n >= 5}
    told = {row["variant_id"]: row["ac"] for row in federation.sql(BY_SITE).table.to_pylist()}
    assert told == expected


def test_newly_listed_sites_lie_in_genes(tmp_path: Path):
    """By a node's file of genes, which says the same whoever carries what."""
    tomls = build_nodes(tmp_path, dict.fromkeys(("AT", "EE", "FI"), (3, 0, 2)))
    (tmp_path / "EE" / "genes.bed").write_text("chr1\t2900\t3100\tGENE3\n")
    text = tomls[1].read_text()
    tomls[1].write_text(text + '\n[annotation]\ngenes = "genes.bed"\n')
    federation = goe_lake.open_federation(tomls)
    federation.list_sites()
    answer = federation.sql("SELECT variant_id, gene FROM variants ORDER BY pos").table
    assert answer.to_pylist() == [
        {"variant_id": "chr1-1000-A-C", "gene": None},
        {"variant_id": "chr1-3000-A-C", "gene": "GENE3"},
    ]


def test_a_changed_list_is_not_read(tmp_path: Path):
    """What a round listed stays as it was."""
    tomls = build_nodes(tmp_path, dict.fromkeys(("AT", "EE", "FI"), (3,)))
    goe_lake.open_federation(tomls).list_sites()
    (path,) = (tmp_path / "AT" / "lake" / "listed").glob("*.parquet")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(LakeError, match="not as it was written"):
        goe_lake.open_federation(tomls)
