"""Projects, budgets and the log where nodes are services: the node decides, whatever the gateway says."""

from __future__ import annotations

import os
import signal
import ssl
import threading
from pathlib import Path

import httpx
import pytest

import goe_lake
from goe_lake.cli import main
from goe_lake.config import read_node
from goe_lake.errors import GoeError, QueryRefused
from goe_lake.federation.asker import Asker
from goe_lake.federation.client import Client
from goe_lake.federation.ledger import Kind, Ledger, Record
from goe_lake.federation.ledger.mending import verify
from goe_lake.federation.tokens import request_token
from goe_lake.federation.wire import RELEASE, Question
from goe_lake.query import prepare
from tests.services.running import GATEWAY, Running

EE = "GOE-EE-NODE-1"
QUERY_ID = "0123456789abcdef" * 2
COUNTS = "SELECT country, count(*) AS n FROM samples GROUP BY country"
PROJECT = """[project]
id = "{name}"
title = "A project of this test"
purpose = "demo"
members = ["anna"]
expires = "2999-12-31"
"""


def approve(services: Running, name: str, *commands: str) -> None:
    """Let project *name* ask the Estonian node, then run further *commands* about it."""
    node = services.node_tomls[EE]
    file = services.logs / f"{name}.toml"
    file.write_text(PROJECT.format(name=name))
    main(["project", "approve", str(file), str(node)])
    for command in commands:
        main(["project", *command.split(), str(node)])


def asking(services: Running, project: str, analyst: str) -> Client:
    """A client of the gateway."""
    return goe_lake.connect(services.url, ca=services.keys.ca, project=project, analyst=analyst)


def ledger_of(services: Running) -> Ledger:
    """The Estonian node's ledger, opened beside the service."""
    config = read_node(services.node_tomls[EE])
    return Ledger.open(config.ledger, config.lake, config.node_id)


def test_who_asks_reaches_the_nodes_log(services: Running) -> None:
    """Project and analyst travel with the question; the answer tells what is left of the day."""
    with asking(services, "lipids", "anna") as client:
        answer = client.sql(COUNTS)
    ledger = ledger_of(services)
    (entry,) = ledger.entries("query_id = ?", (answer.envelope.query_id,))
    assert (entry.kind, entry.project, entry.analyst) == ("answer", "lipids", "anna")
    assert answer.envelope.budget_left.queries <= 499
    ledger.close()


@pytest.mark.parametrize(
    ("commands", "analyst", "status", "code"),
    [
        ((), "eve", 403, "G801"),
        (("hold {} on",), "anna", 409, "G803"),
        (("withdraw {} --reason stop",), "anna", 403, "G801"),
    ],
)
def test_a_node_refuses_a_project_with_a_code_and_the_mend(
    services: Running, commands: tuple[str, ...], analyst: str, status: int, code: str
) -> None:
    """One node's decision is enough; the analyst is told which, as problem+json and as an exception."""
    name = f"p{status}{len(commands)}{code}"
    approve(services, name, *(command.format(name) for command in commands))
    asked = {"sql": COUNTS, "project": name, "analyst": analyst}
    context = ssl.create_default_context(cafile=services.keys.ca)
    with httpx.Client(base_url=services.url, verify=context, timeout=30) as http:
        response = http.post("/v1/query", json=asked)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert EE in response.json()["detail"]
    with asking(services, name, analyst) as client, pytest.raises(QueryRefused) as refused:
        client.sql(COUNTS)
    assert refused.value.code == code
    assert refused.value.hint


def test_a_spent_budget_is_429(services: Running) -> None:
    """The budget is the node's, and over all that ask for the project."""
    approve(services, "spent")
    ledger = ledger_of(services)
    ledger.append(Record(Kind.ANSWER, Asker("spent", "bob"), "spent", query_id="other", cells=1_000_000))
    ledger.close()
    with asking(services, "spent", "anna") as client, pytest.raises(QueryRefused, match="G802"):
        client.sql(COUNTS)


def test_a_token_is_for_one_asker(services: Running) -> None:
    """A question in another's name than the token's is turned away before it is looked at."""
    member = services.membership.node(EE)
    context = services.identity(GATEWAY).client_context(member.ca)
    with asking(services, "demo", "anna") as client:
        release = prepare(COUNTS, client.catalog).releases[0]
    body = Question(release, Asker("demo", "eve"), QUERY_ID, "0" * 64, "0" * 64).to_bytes()
    with httpx.Client(base_url=member.address.url, verify=context, timeout=30) as http:
        for more in (None, {"asker": Asker("demo", "anna").to_json()}):
            token, _ = request_token(services.gateway_signer(), EE, "POST", RELEASE, body, more)
            response = http.post(RELEASE, content=body, headers={"Authorization": f"Bearer {token}"})
            assert (response.status_code, response.json()["code"]) == (403, "not-permitted")


def test_a_killed_node_has_logged_all_that_it_gave(services: Running) -> None:
    """kill -9 while it answers: the chain is whole, every answer that was seen is in it, it starts again."""
    given: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        with asking(services, "demo", "anna") as client:
            while not stop.is_set():
                try:
                    answer = client.sql(COUNTS, completeness="any")
                except GoeError:
                    continue
                if "answered" in {node.status for node in answer.envelope.nodes if node.node_id == EE}:
                    given.append(answer.envelope.query_id)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        while len(given) < 6:
            stop.wait(0.02)
        process = services.processes.pop(EE)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
        process.stdout.close()
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    config = read_node(Path(services.node_tomls[EE]))
    entries, faults = verify(config.ledger, config.lake)
    assert faults == []
    services.start([EE])
    ledger = ledger_of(services)
    logged = {entry.query_id for entry in ledger.entries("kind = ?", ("answer",))}
    ledger.close()
    assert set(given) <= logged
    assert entries >= len(given)
    with asking(services, "demo", "anna") as client:
        assert client.sql(COUNTS).table.num_rows == 3
