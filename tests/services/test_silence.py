"""What the services do not tell: values in logs, the time of the work, the text of an error."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from contextlib import suppress
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from goe_lake.errors import QueryRefused
from goe_lake.federation.client import Client
from goe_lake.web.guard import GRID, Guard, Limits, new_app
from tests.services.running import GATEWAY, Running

PLANTED = "27.1828"


def test_no_value_is_in_any_log(services: Running, client: Client):
    """Not of a person, not of a query, not of an answer: only ids, digests and numbers of rows."""
    first_id = (
        services.node_tomls["GOE-EE-NODE-1"]
        .parent.joinpath("samples.tsv")
        .read_text()
        .split("\n")[1]
        .split("\t")[0]
    )
    answer = client.sql(f"SELECT sum(ldl) AS total, count(*) AS n FROM samples WHERE bmi < {PLANTED}")
    total = str(answer.table.column("total")[0].as_py())
    for text in (
        f"SELECT count(*) FROM samples WHERE sample_id = '{first_id}'",
        f"SELECT nothing, {PLANTED}",
    ):
        with pytest.raises(QueryRefused):
            client.sql(text)
    client.sql(f"SELECT count(*) FROM samples WHERE bmi = {PLANTED} / TRY_CAST('x{first_id}' AS INTEGER)")
    logs = {name: services.log(name).read_text() for name in (*services.node_tomls, GATEWAY)}
    for name, text in logs.items():
        for value in (first_id[:10], PLANTED, total, "SELECT", "/v1/", "Traceback"):
            assert value not in text, f"{value} in the log of {name}"
        events = [json.loads(line) for line in text.splitlines()]  # every line is an event
        assert any(event["event"] in ("release_answered", "query_answered") for event in events)
    assert any(answer.envelope.query_id in text for text in logs.values())


def guarded(handler: Any, **limits: Any) -> httpx.AsyncClient:
    """A client of a service with one address, in this process."""
    app = new_app()
    app.add_api_route("/", handler, methods=["GET", "POST"])
    transport = httpx.ASGITransport(Guard(app, Limits(**limits)))
    return httpx.AsyncClient(transport=transport, base_url="http://guarded")


def test_answers_leave_on_a_grid():
    """Work of 1 ms and work of 40 ms take the same time; 60 ms take the next step."""

    async def work(request: Request) -> PlainTextResponse:
        await asyncio.sleep(float(request.query_params["s"]))
        return PlainTextResponse("done")

    async def measured() -> list[float]:
        times = []
        async with guarded(work) as http:
            for seconds in (0.001, 0.01, 0.04, 0.06, 0.09):
                began = time.perf_counter()
                await http.get("/", params={"s": seconds})
                times.append(time.perf_counter() - began)
        return times

    times = asyncio.run(measured())
    for taken, steps in zip(times, (1, 1, 1, 2, 2), strict=True):
        assert steps * GRID - 0.002 <= taken
    # on a busy machine a step may be missed, and never undercut
    assert any(min(asyncio.run(measured())) < 2 * GRID for _ in range(50))


def test_time_over_the_wire_is_on_the_grid(services: Running, client: Client):
    """Neither a refusal nor an answer comes sooner than a step of the grid."""
    client.catalog  # noqa: B018 - the connection is open from here on
    for text in ("SELECT sample_id FROM samples", "SELECT count(*) FROM samples"):
        began = time.perf_counter()
        with suppress(QueryRefused):
            client.sql(text)
        assert time.perf_counter() - began >= GRID


def test_an_unexpected_error_tells_nothing(capsys: pytest.CaptureFixture[str]):
    """Its text, which may quote a person's value, is neither in the answer nor in the log."""

    async def fail(request: Request) -> None:
        request.state.query_id = "abc"
        raise ValueError("Could not convert 'Jan Kowalski' to INT32")

    async def asked() -> httpx.Response:
        async with guarded(fail) as http:
            return await http.get("/")

    response = asyncio.run(asked())
    assert response.status_code == 500
    assert response.json()["code"] == "failed"
    assert response.json()["query_id"] == "abc"
    printed = capsys.readouterr()
    assert "Kowalski" not in response.text + printed.out + printed.err


def test_a_service_takes_so_many_requests_at_a_time():
    """The next one is told so at once."""

    async def slow() -> PlainTextResponse:
        await asyncio.sleep(0.2)
        return PlainTextResponse("done")

    async def asked() -> list[int]:
        async with guarded(slow, requests=2) as http:
            responses = await asyncio.gather(*(http.get("/") for _ in range(4)))
        return sorted(response.status_code for response in responses)

    assert asyncio.run(asked()) == [200, 200, 503, 503]


def test_a_body_that_never_ends_is_not_waited_for():
    """Neither for its bytes nor for its length."""

    async def read(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    async def asked(pieces: list[bytes], pause: float) -> int:
        async def receive() -> Message:
            await asyncio.sleep(pause)
            return {
                "type": "http.request",
                "body": pieces.pop(0) if pieces else b"",
                "more_body": bool(pieces),
            }

        return await _status(read, receive)

    assert asyncio.run(asked([b"a"] * 3, 0)) == 200
    assert asyncio.run(asked([b"a" * 5] * 3, 0)) == 413
    assert asyncio.run(asked([b"a"] * 100, 0.05)) == 408


async def _status(handler: Any, receive: Receive) -> int:
    app = new_app()
    app.add_api_route("/", handler, methods=["POST"])
    scope: Scope = {
        "type": "http", "method": "POST", "path": "/", "raw_path": b"/", "query_string": b"", "root_path": "",
        "headers": [], "scheme": "https", "server": ("guarded", 443), "http_version": "1.1",
    }  # fmt: skip
    sent: list[Message] = []

    async def keep(message: Message) -> None:
        sent.append(message)

    send: Send = keep
    await Guard(app, Limits(body_bytes=10, body_seconds=0.3))(scope, receive, send)
    return int(sent[0]["status"])


def test_the_gateway_has_problems_like_a_node(services: Running):
    """Malformed requests name the field and not what stood in it; there are no pages from elsewhere."""
    context = ssl.create_default_context(cafile=services.keys.ca)
    with httpx.Client(base_url=services.url, verify=context) as http:
        for body in (
            {},
            {"sql": 1},
            {"sql": "SELECT 1", "completeness": "some"},
            {"sql": "", "secret": PLANTED},
        ):
            response = http.post("/v1/query", json=body)
            assert response.status_code == 400
            assert response.headers["Content-Type"] == "application/problem+json"
            assert PLANTED not in response.text
        assert http.post("/v1/query", json={"sql": "x" * 2**20}).status_code == 413
        assert http.get("/docs").status_code == 404
        refused = http.post("/v1/query", json={"sql": "SELECT\n sample_id FROM samples"})
        assert refused.status_code == 422
        assert {name: refused.json()[name] for name in ("code", "line", "column", "status")} == {
            "code": "G303",
            "line": 2,
            "column": 2,
            "status": 422,
        }
        assert refused.json()["hint"]
