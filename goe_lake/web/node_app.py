"""A node for its gateway.

| request | answer |
|---|---|
| `GET /health` | `{"status": "ok"}`: the process answers; no token, no data |
| `GET /v1/description` | the node's public facts, at its current snapshot (JSON) |
| `GET /v1/sites` | the sites that it may list (Arrow) |
| `PUT /v1/site-list` | takes the federation's site list (Arrow); 204 |
| `POST /v1/release` | takes a `question/1`; the controlled cells (Arrow), the receipt in the signature |
| `POST /v1/sealed` | takes a `sealed-question/1`; the node's masked numbers (Arrow), rules in the signature |
| `POST /v1/opened` | to the opener, with what all others sent (Arrow); the controlled cells of the sum |
| `POST /v1/site-round` | a step of a round that lists sites, with what others sent; the node's part (bytes) |
| `POST /v1/frequencies` | makes the next release of allele frequencies; its public facts (JSON) |
| `GET /v1/frequencies/chr20` | the released allele frequencies of one contig (Arrow) |

Every request but the first carries a token, every answer with status 200 or 204 a signature
(`GOE-Signature`); see `goe_lake.federation.tokens`. Everything else is a problem+json.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import structlog
from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp

from goe_lake.errors import Declined, ReleaseRefused
from goe_lake.federation.node_service import NodeService, WiredCells
from goe_lake.federation.problems import DECLINED, Problem
from goe_lake.federation.sealed_sums import SealedQuestion
from goe_lake.federation.sealed_wire import (
    OPEN,
    SEAL,
    SITE_ROUND,
    question_from_bytes,
    read_carried,
    write_words,
)
from goe_lake.federation.tokens import SIGNATURE_HEADER, RequestGate, Signer, sign_answer
from goe_lake.federation.wire import (
    ARROW_TYPE,
    DESCRIPTION,
    FREQUENCIES,
    HEALTH,
    RELEASE,
    SITE_LIST,
    SITES,
    Question,
    read_site_list,
    write_table,
)
from goe_lake.genome import CONTIGS
from goe_lake.web.guard import Guard, Limits, new_app

T = TypeVar("T")
log = structlog.get_logger("goe_lake.node")

BYTES_TYPE: Final = "application/octet-stream"
MOST_SITE_LIST: Final = 512 * 2**20  # bytes
MOST_PARCELS: Final = 1100 * 2**20  # bytes; `sealed_sums.MOST_CARRIED` words and what is around them
REPLY: Final = 0.1  # seconds of the deadline that are left for the way back


class Turns:
    """Runs what changes or reads the engine one at a time, each within what is left of its time."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="release")

    async def answer(self, service: NodeService, question: Question) -> WiredCells:
        """The cells, or `late`."""
        return await self.work(lambda left: service.answer(question, left))

    async def work(self, work: Callable[[float], T]) -> T:
        """What *work* makes of the seconds left, or `late`.

        What is still waiting then never runs, what runs is interrupted.
        """
        ends = time.monotonic() + self.deadline - REPLY
        turn = self._worker.submit(lambda: work(ends - time.monotonic()))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(turn), ends - time.monotonic())
        except TimeoutError:
            raise Problem("late") from None

    async def lay(self, service: NodeService, body: bytes) -> None:
        """Lay the site list that *body* holds, when no release runs."""
        await asyncio.wrap_future(self._worker.submit(lambda: service.lay(read_site_list(body))))


class NodeApp:
    """The answers of one node, each to an admitted request and signed."""

    def __init__(self, service: NodeService, gate: RequestGate, signer: Signer, deadline: float) -> None:
        self._service, self._gate, self._signer = service, gate, signer
        self._turns = Turns(deadline)

    async def health(self) -> dict[str, str]:
        """That the process answers."""
        return {"status": "ok"}

    async def description(self, request: Request) -> Response:
        """The node's public facts."""
        nonce, _ = await self._admitted(request)
        description = await run_in_threadpool(self._service.describe)
        return self._signed(nonce, json.dumps(description.to_json()).encode(), "application/json")

    async def sites(self, request: Request) -> Response:
        """The sites that the node may list."""
        nonce, _ = await self._admitted(request)
        body = await run_in_threadpool(lambda: write_table(self._service.offer_sites()))
        return self._signed(nonce, body, ARROW_TYPE)

    async def site_list(self, request: Request) -> Response:
        """Take the federation's site list."""
        nonce, body = await self._admitted(request)
        await self._turns.lay(self._service, body)
        return self._signed(nonce, b"", None, status=204)

    async def release(self, request: Request) -> Response:
        """The controlled cells of a release, with a receipt."""
        nonce, body, claims = await self._admitted_with_claims(request)
        question = _question(body)
        if claims.get("asker") != question.asker.to_json():
            raise Problem("not-permitted", "the token is for another asker")
        request.state.query_id = question.query_id
        digest = question.release.digest()
        try:
            cells = await self._turns.answer(self._service, question)
        except ReleaseRefused as refused:
            raise _refusal(refused) from None
        log.info("release_answered", query_id=question.query_id, release=digest, rows=cells.rows)
        more = {
            "query_id": question.query_id,
            "receipt": cells.receipt.to_json(),
            "budget_left": cells.budget_left.to_json() if cells.budget_left else None,
            "spread": cells.spread.to_json() if cells.spread else None,
        }
        return self._signed(nonce, cells.body, ARROW_TYPE, more=more)

    async def sealed(self, request: Request) -> Response:
        """The node's sealed numbers for a sum that another node opens."""
        nonce, body, claims = await self._admitted_with_claims(request)
        question, description = _sealed_question(body, claims)
        request.state.query_id = question.query_id
        parcel = await self._sealed_work(lambda left: self._service.seal(question, description, left))
        log.info("release_sealed", query_id=question.query_id, release=question.release.digest())
        words = await run_in_threadpool(write_words, parcel.words)
        left = parcel.left.to_json() if parcel.left else None
        sealed = {"sealed": question.digest(), "rules": parcel.rules}
        more = {"query_id": question.query_id, **sealed, "budget_left": left}
        return self._signed(nonce, words, ARROW_TYPE, more=more)

    async def opened(self, request: Request) -> Response:
        """The controlled cells of a sum that this node opens, with a receipt."""
        nonce, body, claims = await self._admitted_with_claims(request)
        asked, carried = await run_in_threadpool(read_carried, body)
        question, description = _sealed_question(asked, claims)
        request.state.query_id = question.query_id
        cells = await self._sealed_work(lambda left: self._service.open(question, description, carried, left))
        digest = question.release.digest()
        log.info("sum_opened", query_id=question.query_id, release=digest, rows=cells.rows)
        left = cells.budget_left.to_json() if cells.budget_left else None
        more = {"query_id": question.query_id, "receipt": cells.receipt.to_json(), "budget_left": left}
        return self._signed(nonce, cells.body, ARROW_TYPE, more=more)

    async def _sealed_work(self, work: Callable[[float], T]) -> T:
        try:
            return await self._turns.work(work)
        except ReleaseRefused as refused:
            raise _refusal(refused) from None

    async def list_sites(self, request: Request) -> Response:
        """The node's part in one step of a round that lists sites."""
        nonce, body = await self._admitted(request)
        asked, carried = await run_in_threadpool(read_carried, body)
        try:
            piece = await run_in_threadpool(self._service.list_sites, asked, carried)
        except ReleaseRefused as refused:
            raise _refusal(refused) from None
        log.info("site_round", step=piece.step, bytes=len(piece.body))
        more = {"site_step": piece.step, "told": piece.told}
        return self._signed(nonce, piece.body, BYTES_TYPE, more=more)

    async def frequencies(self, request: Request) -> Response:
        """The released allele frequencies of one contig."""
        nonce, _ = await self._admitted(request)
        contig = request.path_params["contig"]
        if contig not in CONTIGS:
            raise Problem("not-found")
        body = await run_in_threadpool(self._service.frequencies, contig)
        log.info("frequencies_answered", contig=contig, bytes=len(body))
        return self._signed(nonce, body, ARROW_TYPE)

    async def release_frequencies(self, request: Request) -> Response:
        """Make the next release of allele frequencies."""
        nonce, _ = await self._admitted(request)
        release = await run_in_threadpool(self._service.release_frequencies)
        log.info("frequencies_released", number=release.number, release=release.release_id)
        return self._signed(nonce, json.dumps(release.to_json()).encode(), "application/json")

    async def _admitted(self, request: Request) -> tuple[str, bytes]:
        """The nonce and the body of a request that the gateway sent; nothing is read of any other's body."""
        nonce, body, _ = await self._admitted_with_claims(request)
        return nonce, body

    async def _admitted_with_claims(self, request: Request) -> tuple[str, bytes, Mapping[str, Any]]:
        path = request.url.path
        claims = self._gate.check(request.headers.get("Authorization"), request.method, path)
        body = await request.body()
        return self._gate.admit(claims, body), body, claims

    def _signed(
        self,
        nonce: str,
        body: bytes,
        media_type: str | None,
        *,
        status: int = 200,
        more: Mapping[str, Any] | None = None,
    ) -> Response:
        signature = sign_answer(self._signer, self._gate.gateway_id, nonce, body, more)
        return Response(body, status, {SIGNATURE_HEADER: signature}, media_type)


def _question(body: bytes) -> Question:
    try:
        return Question.from_bytes(body)
    except ReleaseRefused as refused:
        raise _refusal(refused) from None


def _sealed_question(body: bytes, claims: Mapping[str, Any]) -> tuple[SealedQuestion, str]:
    try:
        question, description = question_from_bytes(body)
        if claims.get("asker") != question.asker.to_json():
            raise Problem("not-permitted", "the token is for another asker")
        return question, description
    except ReleaseRefused as refused:
        raise _refusal(refused) from None


def _refusal(refused: ReleaseRefused) -> Problem:
    if isinstance(refused, Declined):
        return Problem(DECLINED[refused.code], refused.message, refused.code, {"mend": refused.mend})
    return Problem("release-refused", refused.message, refused.code)


def node_app(service: NodeService, gate: RequestGate, signer: Signer, deadline: float) -> ASGIApp:
    """The whole service of one node."""
    node = NodeApp(service, gate, signer, deadline)
    app = new_app()
    app.add_api_route(HEALTH, node.health, methods=["GET"])
    app.add_api_route(DESCRIPTION, node.description, methods=["GET"])
    app.add_api_route(SITES, node.sites, methods=["GET"])
    app.add_api_route(SITE_LIST, node.site_list, methods=["PUT"])
    app.add_api_route(RELEASE, node.release, methods=["POST"])
    app.add_api_route(SEAL, node.sealed, methods=["POST"])
    app.add_api_route(OPEN, node.opened, methods=["POST"])
    app.add_api_route(SITE_ROUND, node.list_sites, methods=["POST"])
    app.add_api_route(FREQUENCIES, node.release_frequencies, methods=["POST"])
    app.add_api_route(FREQUENCIES + "/{contig}", node.frequencies, methods=["GET"])
    larger = {SITE_LIST: MOST_SITE_LIST, OPEN: MOST_PARCELS, SITE_ROUND: MOST_PARCELS}
    return Guard(app, Limits(body_bytes_at=larger))
