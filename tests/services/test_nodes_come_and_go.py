"""A node that is down, late, back again or at a new snapshot: named or taken in, never silently left out."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import duckdb
import pytest

import goe_lake
from goe_lake.cli import main
from goe_lake.config import read_node
from goe_lake.errors import Incomplete
from goe_lake.federation import Federation
from goe_lake.federation.asker import Asker
from goe_lake.federation.client import Client
from goe_lake.federation.deadline import interrupted_after
from goe_lake.federation.membership import parse_address
from goe_lake.federation.node_service import NodeService
from goe_lake.federation.problems import Problem
from goe_lake.federation.standing import StandingFederation
from goe_lake.federation.wire import Question
from goe_lake.lake import current_id, ingest
from goe_lake.query import prepare
from goe_lake.web.node_app import Turns
from tests.services.running import Running

TEXT = "SELECT country, count(*) AS n FROM samples GROUP BY country"
LATE = 5.0  # seconds: others use this machine too
EE, FI, LV = "GOE-EE-NODE-1", "GOE-FI-NODE-1", "GOE-LV-NODE-1"


def persons(
    federation: Federation | Client | StandingFederation, completeness: str = "all"
) -> dict[str, int]:
    """The persons of each country."""
    rows = federation.sql(TEXT, completeness=completeness).table.to_pylist()
    return {row["country"]: row["n"] for row in rows}


@pytest.fixture
def standing(services: Running, request: pytest.FixtureRequest) -> Iterator[StandingFederation]:
    """A gateway's federation in this process; its nodes have the seconds that a test gives, or 20."""
    deadline = getattr(request, "param", 20.0)
    federation = StandingFederation(services.membership, services.channels(deadline))
    yield federation
    federation.close()


def test_a_node_that_is_down_is_named(services: Running, client: Client, capsys: pytest.CaptureFixture[str]):
    """In the error, or in the envelope of an answer without it; once it is back, it answers again."""
    assert services.stop(FI) == 0, "SIGTERM is an orderly end"
    try:
        with pytest.raises(Incomplete) as incomplete:
            client.sql(TEXT)
        assert incomplete.value.missing == (FI,)
        answer = client.sql(TEXT, completeness="any")
        assert {node.node_id: node.status for node in answer.envelope.nodes} == {
            EE: "answered",
            FI: "failed",
            LV: "answered",
        }
        assert f"without {FI}" in answer.envelope.notices
        with pytest.raises(SystemExit) as left:
            main(["query", TEXT, "--gateway", services.url, "--ca", str(services.keys.ca)])
        assert left.value.code == 4
        assert FI in capsys.readouterr().err
    finally:
        services.start([FI])
    # the process is new, and was never given the site list
    assert persons(client) == {"EE": 130, "FI": 130, "LV": 130}


@pytest.mark.parametrize("standing", [LATE], indirect=True)
def test_a_node_that_is_late_is_named(services: Running, standing: StandingFederation):
    """It has its time and no more, and does not hold the others up."""
    assert persons(standing) == {"EE": 130, "FI": 130, "LV": 130}
    services.freeze(LV)
    try:
        began = time.monotonic()
        with pytest.raises(Incomplete) as incomplete:
            standing.sql(TEXT)
        assert incomplete.value.missing == (LV,)
        assert LATE / 2 <= time.monotonic() - began < 4 * LATE
        assert persons(standing, "any") == {"EE": 130, "FI": 130}
    finally:
        services.thaw(LV)
    assert persons(standing) == {"EE": 130, "FI": 130, "LV": 130}


def test_a_federation_opens_without_a_node_and_takes_it_in_later(
    services: Running, standing: StandingFederation, monkeypatch: pytest.MonkeyPatch
):
    """Absent from the start is named like down; a refusal comes before both; nobody need tell the gateway."""
    stop = threading.Event()
    watcher = threading.Thread(target=standing.watch, args=[stop])
    services.stop(EE)
    try:
        assert standing.open() == (EE,)
        with pytest.raises(Incomplete) as incomplete:
            standing.sql(TEXT)
        assert incomplete.value.missing == (EE,)
        with pytest.raises(goe_lake.QueryRefused):
            standing.sql("SELECT sample_id FROM samples")
        answer = standing.sql(TEXT, completeness="any")
        assert [(node.node_id, node.status) for node in answer.envelope.nodes] == [
            (EE, "failed"),
            (FI, "answered"),
            (LV, "answered"),
        ]
        assert f"without {EE}" in answer.envelope.notices
        monkeypatch.setattr("goe_lake.federation.standing.RETRY", 0.3)
        watcher.start()
    finally:
        services.start([EE])
    while standing.sql(TEXT, completeness="any").envelope.notices:
        time.sleep(0.1)
    stop.set()
    watcher.join()
    assert persons(standing) == {"EE": 130, "FI": 130, "LV": 130}


def test_nobody_there_is_incomplete(services: Running):
    """Without a single node there is nothing to plan by: every node is named."""
    nobody = parse_address("https://localhost:1")
    members = tuple(replace(member, address=nobody) for member in services.membership.nodes)
    down = replace(services, membership=replace(services.membership, nodes=members))
    federation = StandingFederation(down.membership, down.channels())
    with pytest.raises(Incomplete) as incomplete:
        federation.sql(TEXT)
    assert incomplete.value.missing == (EE, FI, LV)
    federation.close()


def test_a_new_snapshot_is_read_by_the_next_query(services: Running, client: Client, node_tomls: list[Path]):
    """What a node publishes is what it answers from, at once and without a restart.

    It differs by more than k persons: else the earlier number would be told again.
    """
    config = read_node(node_tomls[2])
    before, samples = current_id(config.lake), config.samples.read_text()
    text = "SELECT count(bmi) AS n FROM samples WHERE country = 'LV'"
    (measured,) = client.sql(text).table.column("n").to_pylist()
    try:
        config.samples.write_text(without_bmis(samples, 12))
        ingest(config, min_label_persons=10)
        assert current_id(config.lake) != before
        assert client.sql(text).table.column("n").to_pylist() == [measured - 12]
    finally:
        config.samples.write_text(samples)
        ingest(config, min_label_persons=10)
    assert current_id(config.lake) == before, "the same input is the same snapshot"
    assert client.sql(text).table.column("n").to_pylist() == [measured]


def without_bmis(samples: str, number: int) -> str:
    """The samples table with the first *number* measured BMIs taken out."""
    header, *lines = samples.splitlines()
    place = header.split("\t").index("bmi")
    rows = [line.split("\t") for line in lines]
    for row in islice((row for row in rows if row[place]), number):
        row[place] = ""
    return "\n".join([header, *("\t".join(row) for row in rows)]) + "\n"


def test_an_endless_statement_is_stopped():
    """The interrupt reaches the statement that runs, and the connection is good afterwards."""
    connection = duckdb.connect()
    began = time.monotonic()
    with interrupted_after(0.2, connection.interrupt) as late, pytest.raises(duckdb.InterruptException):
        connection.execute("SELECT count(*) FROM range(10_000_000) a, range(10_000_000) b").fetchall()
    assert late.is_set()
    assert time.monotonic() - began < 60
    assert connection.execute("SELECT 1").fetchall() == [(1,)]
    with interrupted_after(60, connection.interrupt) as late:
        assert connection.execute("SELECT 2").fetchall() == [(2,)]
    assert not late.is_set()
    connection.close()


def test_a_release_without_time_is_late_and_does_no_harm(services: Running, embedded: Federation):
    """A node whose time is over says so, and answers the next question."""
    service = NodeService(services.node_tomls[EE], services.membership)
    service.lay(embedded.site_list)
    release = prepare(
        "SELECT variant_id, sum(dosage) AS ac FROM genotypes GROUP BY variant_id", embedded.catalog
    ).releases[0]
    digest = service.describe().digest()
    question = Question(release, Asker("demo"), "0" * 32, digest, embedded.site_list.digest)
    expected = service.answer(question, 60)
    with pytest.raises(Problem) as late:
        service.answer(question, 0)
    assert late.value.kind == "late"
    again = service.answer(question, 60)
    assert (again.body, again.receipt) == (expected.body, expected.receipt)


class Stuck:
    """A service whose engine hears no interrupt until it is let go; *asked* counts what reached it."""

    def __init__(self) -> None:
        self.asked, self.let_go = 0, threading.Event()

    def answer(self, question: object, seconds: float) -> str:
        """Answer when let go."""
        self.asked += 1
        self.let_go.wait(30)
        return "cells"


def test_the_deadline_holds_whatever_the_engine_does():
    """Who asks is told in time; what waits behind a stuck release is never run once its own time is over."""

    async def asked() -> None:
        turns, service, question = Turns(deadline=0.5), Stuck(), Question(None, Asker("", ""), "", "", "")
        began = time.monotonic()
        outcomes = await asyncio.gather(
            *(turns.answer(service, question) for _ in range(3)), return_exceptions=True
        )
        assert [outcome.kind for outcome in outcomes] == ["late"] * 3
        assert time.monotonic() - began < 10
        service.let_go.set()
        assert await turns.answer(service, question) == "cells"
        assert service.asked == 2

    asyncio.run(asked())
