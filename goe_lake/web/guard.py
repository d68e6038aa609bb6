"""What every service does around every request, whatever the request is.

- No more than so many at a time, and no body longer or slower than the service reads.
- An answer leaves on a grid of 50 ms, so that its time tells little of the work.
- An error that nobody expected becomes a problem with a query id: error texts quote values, so
  neither the answer nor the log holds them.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from goe_lake.federation.problems import PROBLEM_TYPE, Problem

log = structlog.get_logger("goe_lake.web")

GRID: Final = 0.05  # seconds
MOST_BODY: Final = 2**20  # bytes
_OF_STATUS: Final[Mapping[int, str]] = {
    404: "not-found",
    405: "wrong-method",
    408: "too-slow",
    413: "too-large",
}


@dataclass(frozen=True)
class Limits:
    """How many requests at a time; how large a body may be (by path, where it differs), and how slow."""

    requests: int = 32
    body_bytes: int = MOST_BODY
    body_bytes_at: Mapping[str, int] = field(default_factory=dict)
    body_seconds: float = 60.0


class Guard:
    """The outermost layer of a service, around *app*."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app, self._limits = app, limits
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on the start and the stop of the service."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = PaddedAnswer(send)
        self._under_way += 1
        try:
            if self._under_way > self._limits.requests:
                await problem_response(Problem("busy"))(scope, receive, answer)
            else:
                await self._app(scope, self._limited(scope, receive), answer)
        except Exception as error:  # noqa: BLE001 - the server would log the text of the error, and that quotes values
            log.error("request_failed", error=type(error).__name__, query_id=_query_id(scope))
            if not answer.started:
                await problem_response(Problem("failed"))(scope, receive, answer)
        finally:
            self._under_way -= 1

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """*receive*, with an end to how much it takes and how long it waits."""
        most = self._limits.body_bytes_at.get(scope["path"], self._limits.body_bytes)
        ends = time.monotonic() + self._limits.body_seconds
        taken, whole = 0, False

        async def limited() -> Message:
            nonlocal taken, whole
            if whole:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), ends - time.monotonic())
            except TimeoutError:
                raise HTTPException(408) from None
            taken += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if taken > most:
                raise HTTPException(413)
            return message

        return limited


class PaddedAnswer:
    """A `send` that holds the start of the answer until the next point of the grid."""

    def __init__(self, send: Send) -> None:
        self._send, self._began = send, time.monotonic()
        self.started = False

    async def __call__(self, message: Message) -> None:
        """Send *message*."""
        if message["type"] == "http.response.start":
            self.started = True
            elapsed = time.monotonic() - self._began
            await asyncio.sleep(math.ceil(elapsed / GRID) * GRID - elapsed)
        await self._send(message)


def new_app() -> FastAPI:
    """An application whose errors are problems, and that has no pages of its own to load from elsewhere."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_malformed)
    app.add_exception_handler(Exception, _on_unexpected)
    return app


def problem_response(problem: Problem) -> Response:
    """*problem* as an answer."""
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else {}
    return Response(problem.to_bytes(), problem.status, headers, PROBLEM_TYPE)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    query_id = _query_id(request.scope)
    log.info("request_refused", problem=error.kind, code=error.code, query_id=query_id)
    return problem_response(Problem(error.kind, error.detail, error.code, _more(query_id) | error.more))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem_response(Problem(_OF_STATUS.get(error.status_code, "malformed")))


async def _on_malformed(request: Request, error: Exception) -> Response:
    """The places that are wrong, without what stood there."""
    assert isinstance(error, RequestValidationError)
    places = {".".join(map(str, item["loc"][1:])) or "body" for item in error.errors()}
    return problem_response(Problem("malformed", f"check {', '.join(sorted(places))}"))


async def _on_unexpected(request: Request, error: Exception) -> Response:
    """Nothing but the query id; the guard logs the error's type."""
    return problem_response(Problem("failed", more=_more(_query_id(request.scope))))


def _query_id(scope: Scope) -> str:
    return str(scope.get("state", {}).get("query_id", ""))


def _more(query_id: str) -> dict[str, object]:
    return {"query_id": query_id} if query_id else {}
