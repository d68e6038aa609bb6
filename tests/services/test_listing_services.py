"""A round that lists sites, over the wire: real processes, signatures, and an open gateway beside it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import goe_lake
from goe_lake.errors import ReleaseRefused
from goe_lake.federation import Federation
from goe_lake.federation.listing.kept import kept_sites
from goe_lake.federation.listing.messages import Kind, Round, Step
from goe_lake.federation.remote_node import RemoteNode
from goe_lake.federation.sealed_sums import new_nonce
from goe_lake.federation.sealing_keys import circle_of
from tests.federation.nodes import build_nodes
from tests.services.running import REPOSITORY, Running, prepare

BY_SITE = "SELECT variant_id, sum(dosage) AS ac FROM genotypes GROUP BY variant_id ORDER BY variant_id"


NODES = ("EE", "FI", "LV", "PT")
#: Carriers at each node of sites 1000, 2000, …: below 10 everywhere, but of the last one.
CARRIERS = {
    node: [*row, 12]
    for node, row in zip(NODES, np.random.default_rng(5).integers(0, 7, (4, 40)), strict=True)
}


@pytest.fixture(scope="module")
def tomls(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four built lakes."""
    return build_nodes(tmp_path_factory.mktemp("nodes"), CARRIERS, k=10)


@pytest.fixture(scope="module")
def running(tomls: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Their services."""
    with prepare(tmp_path_factory.mktemp("listing"), tomls).all_started() as services:
        yield services


def command(running: Running, *options: str) -> subprocess.CompletedProcess[str]:
    """What `goe federation sites` did, in the gateway's name."""
    goe = [sys.executable, "-m", "goe_lake.cli", "federation", "sites"]
    return subprocess.run(
        [*goe, "--federation", str(running.keys.federation), *options],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_round_over_the_wire(tomls: list[Path], running: Running):
    """The command lists what pooled counting would; an open gateway takes it, and every node keeps it."""
    together = np.sum(list(CARRIERS.values()), axis=0)[:-1]
    expected = {f"chr1-{1000 * place}-A-C": int(n) for place, n in enumerate(together, 1) if n >= 10}
    assert 10 < len(expected) < 40
    with goe_lake.connect(running.url, ca=running.keys.ca) as client:
        assert client.sql(BY_SITE).table.to_pylist() == [{"variant_id": "chr1-41000-A-C", "ac": 48}]
        done = command(running)
        assert done.returncode == 0, done.stderr
        told = f"{len(expected)} sites newly listed, each with 10 carriers or more in 4 nodes together"
        assert told in done.stdout
        after = {row["variant_id"]: row["ac"] for row in client.sql(BY_SITE).table.to_pylist()}
        assert after == {**expected, "chr1-41000-A-C": 48}
        listed = client.sql("SELECT variant_id FROM variants").table.column("variant_id").to_pylist()
        assert set(listed) == set(after)
    kept = [kept_sites(toml.parent / "lake") for toml in tomls]
    assert {len(tables) for tables in kept} == {1}
    assert all(tables[0].equals(kept[0][0]) for tables in kept)
    again = command(running)
    assert "0 sites newly listed" in again.stdout


def test_what_is_not_signed_is_not_taken(running: Running):
    """A gateway cannot make up what a node handed in, nor carry it to a step that it is not of."""
    channels = running.channels(60.0)
    try:
        nodes = [RemoteNode(channel, running.membership) for channel in channels]
        federation = Federation(nodes, circle=circle_of(running.membership))
        begun = Step(Kind.BEGIN, new_nonce(), federation.list_digest)
        pieces = [node.list_sites(begun, [], b"") for node in nodes]
        snapshots = tuple((piece.node_id, piece.told["snapshot"]) for piece in pieces)
        agreed = Round(begun.nonce, begun.site_list_digest, 10, tuple(sorted(snapshots)))
        asked = replace(begun, kind=Kind.AGREE, round=agreed)
        first, *others = pieces
        forged = replace(others[0], body=b"more")
        unsigned = replace(others[0], signature="")
        of_another = replace(others[0], node_id=others[1].node_id)
        for wrong in (forged, unsigned, of_another):
            with pytest.raises(ReleaseRefused, match="not signed"):
                nodes[0].list_sites(asked, [wrong, *others[1:]], b"")
        assert first.node_id == nodes[0].member.node_id
        assert nodes[0].list_sites(asked, others, b"").body == b""
    finally:
        for channel in channels:
            channel.close()


def test_a_node_that_is_away_ends_the_round(running: Running):
    """The command names the node and lists nothing."""
    name = sorted(running.node_tomls)[0]
    running.stop(name)
    try:
        done = command(running, "--quiet")
        assert done.returncode == 1
        assert name in done.stderr
    finally:
        running.start([name])
