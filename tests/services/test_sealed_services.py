"""Sealed sums over the wire: real processes, and a gateway of ill will between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from goe_lake.errors import Incomplete, NodeFailed
from goe_lake.federation import Federation
from goe_lake.federation.asker import Asker
from goe_lake.federation.client import Client
from goe_lake.federation.remote_node import CarriedParcel, Channel, RemoteNode
from goe_lake.federation.sealable import public_domain
from goe_lake.federation.sealed_sums import SealedQuestion, new_nonce
from goe_lake.federation.sealed_wire import write_words
from goe_lake.federation.sealing_keys import circle_of
from goe_lake.release import CellKind
from tests.services.running import Running

BY_SEX = "SELECT sex, count(*) AS n, sum(t2d) AS ill FROM samples GROUP BY sex ORDER BY sex"
BY_SITE = "SELECT variant_id, sum(dosage) AS ac, sum(called_alleles) AS an FROM genotypes GROUP BY variant_id"


@pytest.fixture(scope="module")
def channels(services: Running) -> Iterator[list[Channel]]:
    """A gateway's lines to the nodes."""
    opened = services.channels(60.0)
    yield opened
    for channel in opened:
        channel.close()


@pytest.fixture
def remote(services: Running, channels: list[Channel]) -> tuple[Federation, dict[str, RemoteNode]]:
    """A federation in this process over the running nodes, as the gateway has it; and the nodes."""
    nodes = [RemoteNode(channel, services.membership) for channel in channels]
    federation = Federation(nodes, circle=circle_of(services.membership))
    return federation, {node.member.node_id: node for node in nodes}


def question_for(federation: Federation, text: str) -> SealedQuestion:
    """The sealed question of *text*."""
    release = federation._plan(text)[0].releases[0]
    return SealedQuestion(
        replace(release, cells=CellKind.SEALED),
        Asker("demo"),
        "0" * 32,
        public_domain(release, federation.catalog),
        federation.site_list.digest,
        new_nonce(),
    )


@pytest.mark.parametrize("text", [BY_SEX, BY_SITE])
def test_the_wire_and_one_process_tell_the_same(client: Client, embedded: Federation, text: str):
    """Sealed at both, with the same values and status; more is told than with open cells."""
    assert "cells: sealed" in client.explain(text)
    assert "cells: sealed" in embedded.explain(text)
    there, here = client.sql(text), embedded.sql(text)
    assert there.table.equals(here.table)
    assert there.status.equals(here.status)
    assert [node.status for node in there.envelope.nodes] == ["answered"] * 3


def test_messages_are_noise(services: Running, remote: tuple[Federation, dict[str, RemoteNode]]):
    """What a node sends to the gateway has the bytes of noise, and as many for everybody."""
    federation, nodes = remote
    circle = circle_of(services.membership)
    assert circle is not None
    question = question_for(federation, BY_SITE)
    parcels = [node.seal(question) for name, node in nodes.items() if name != question.opener(circle)]
    assert len({len(parcel.words) for parcel in parcels}) == 1
    for parcel in parcels:
        counts = np.bincount(np.frombuffer(parcel.words.tobytes(), dtype=np.uint8), minlength=256)
        assert stats.chisquare(counts).pvalue > 1e-6
        assert (parcel.words > 100_000).all()


@pytest.mark.parametrize(
    "forged", ["changed", "of another question", "of another node", "without a signature"]
)
def test_a_forged_parcel_opens_nothing(
    services: Running, remote: tuple[Federation, dict[str, RemoteNode]], forged: str
):
    """A gateway that adds persons to get a small sum over the threshold has no signature for it."""
    federation, nodes = remote
    circle = circle_of(services.membership)
    assert circle is not None

    def handed_in(question: SealedQuestion) -> list[CarriedParcel]:
        names = [name for name in nodes if name != question.opener(circle)]
        found = [nodes[name].seal(question) for name in names]
        return [parcel for parcel in found if isinstance(parcel, CarriedParcel)]

    question = question_for(federation, BY_SEX)
    first, *rest = handed_in(question)
    carried = first.carried
    if forged == "changed":
        added = first.words.copy()
        added[0] += np.uint64(50)
        carried = replace(carried, body=write_words(added))
    elif forged == "of another question":
        other = replace(question, nonce=new_nonce())
        while other.opener(circle) != question.opener(circle):
            other = replace(question, nonce=new_nonce())
        carried = handed_in(other)[0].carried
    elif forged == "of another node":
        carried = replace(carried, node_id=rest[0].node_id)
    else:
        carried = replace(carried, signature="")
    opener = nodes[question.opener(circle)]
    with pytest.raises(NodeFailed):
        opener.open(question, [replace(first, carried=carried), *rest])
    # what is handed in honestly opens
    again = question_for(federation, BY_SEX)
    assert isinstance(nodes[again.opener(circle)].open(again, handed_in(again)).cells, pa.Table)


def test_a_node_that_is_away_is_named(services: Running, client: Client):
    """A sum is over all nodes; whoever accepts fewer gets open cells, and is told of whom."""
    name = "GOE-LV-NODE-1"
    services.stop(name)
    try:
        with pytest.raises(Incomplete) as incomplete:
            client.sql(BY_SEX)
        assert incomplete.value.missing == (name,)
        answer = client.sql(BY_SEX, completeness="any")
        assert {node.node_id: node.status for node in answer.envelope.nodes}[name] == "failed"
        assert sum(answer.table.column("n").to_pylist()) == 260
    finally:
        services.start([name])
