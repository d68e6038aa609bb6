"""A node over the wire, asked by the same calls as one in this process."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import pyarrow as pa
import structlog

from goe_lake.engine.frequencies import Progress
from goe_lake.engine.node import NodeAnswer
from goe_lake.engine.sites import SiteList, is_site_schema
from goe_lake.errors import ConfigError, Declined, NodeFailed, ReleaseRefused
from goe_lake.federation.asker import Asker
from goe_lake.federation.listing.messages import Piece, Step
from goe_lake.federation.membership import Membership, NodeMember
from goe_lake.federation.node import FrequencyRelease, NodeDescription
from goe_lake.federation.problems import DECLINED, MOST_DETAIL, Problem, read_problem
from goe_lake.federation.sealed_sums import Parcel, SealedQuestion
from goe_lake.federation.sealed_wire import (
    OPEN,
    SEAL,
    SITE_ROUND,
    Carried,
    question_to_bytes,
    read_words,
    write_carried,
)
from goe_lake.federation.tokens import SIGNATURE_HEADER, BadSignature, Signer, check_answer, request_token
from goe_lake.federation.wire import (
    DESCRIPTION,
    FREQUENCIES,
    RELEASE,
    SITE_LIST,
    SITES,
    Question,
    read_table,
    receipt_from_json,
    write_table,
)
from goe_lake.release import BudgetLeft, Release, Spread

log = structlog.get_logger("goe_lake.gateway")

DEADLINE: Final = 10.0  # seconds in which a gateway answers or errs
FINISHING: Final = 0.5  # seconds of them that are left for its own work on the cells
RELEASING_DEADLINE: Final = 3600.0  # seconds for all allele frequencies of a country
LISTING_DEADLINE: Final = 900.0  # seconds for one step of a round that lists sites
OPENING_DEADLINE: Final = 120.0  # seconds for the site list, which is as long as the genome is wide
KEEP_ALIVE: Final = 30.0  # seconds; shorter than the server's, so that no request meets a closing connection
MOST_ANSWER: Final = 512 * 2**20  # bytes


@dataclass(frozen=True)
class Reply:
    """The body of a node's answer, the claims that the node signed with it, and the signature itself."""

    body: bytes
    claims: Mapping[str, Any]
    signature: str


@dataclass(frozen=True, eq=False)
class CarriedParcel(Parcel):
    """A parcel as it was signed."""

    carried: Carried = field(kw_only=True)


class Channel:
    """A gateway's line to one node: TLS both ways, a token on each request, a signature on each answer.

    *deadline* is the gateway's own, in seconds.
    """

    def __init__(
        self, member: NodeMember, signer: Signer, context: ssl.SSLContext, deadline: float = DEADLINE
    ) -> None:
        self.member = member
        self._seconds = max(deadline - FINISHING, deadline / 2)
        self._signer = signer
        self._client = httpx.Client(
            base_url=member.address.url,
            # a connection that fails is tried once more; a request that was sent never is
            transport=httpx.HTTPTransport(
                verify=context, retries=1, limits=httpx.Limits(keepalive_expiry=KEEP_ALIVE)
            ),
            # a proxy from the environment must not come between
            trust_env=False,
        )

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        query_id: str = "",
        seconds: float | None = None,
        asker: Asker | None = None,
    ) -> Reply:
        """The node's signed answer to one request; its token names *asker*, for whom it is sent.

        Raises Problem where the node says what is wrong, and NodeFailed where it cannot be reached,
        is late, or has not signed what it sent.
        """
        more = {"asker": asker.to_json()} if asker is not None else None
        token, nonce = request_token(self._signer, self.member.node_id, method, path, body, more)
        request = self._client.build_request(
            method, path, content=body, headers={"Authorization": f"Bearer {token}"}
        )
        try:
            response, content = self._exchange(request, seconds or self._seconds)
        except (httpx.TimeoutException, TimeoutError):
            raise self._failed(query_id, "the node did not answer within its deadline") from None
        except httpx.HTTPError as error:
            # what the socket or TLS says; a protocol error would quote what the node sent
            detail = str(error) if isinstance(error, httpx.NetworkError) else ""
            log.warning(
                "node_unreachable", node=self.member.node_id, error=type(error).__name__, detail=detail
            )
            raise self._failed(query_id, "the node cannot be reached") from None
        if not response.is_success:
            raise read_problem(response.status_code, content)
        signature = response.headers.get(SIGNATURE_HEADER, "")
        return Reply(content, self._checked(signature, nonce, content, query_id), signature)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _exchange(self, request: httpx.Request, seconds: float) -> tuple[httpx.Response, bytes]:
        """The response and its whole body, all of it within *seconds*."""
        ends = time.monotonic() + seconds
        request.extensions["timeout"] = httpx.Timeout(seconds, connect=seconds / 4).as_dict()
        response = self._client.send(request, stream=True)
        body = bytearray()
        try:
            # raw, because a node has no reason to pack its answer a second time
            for piece in response.iter_raw():
                body += piece
                if len(body) > MOST_ANSWER:
                    raise httpx.ReadError("the answer is too large", request=request)
                if time.monotonic() > ends:
                    raise TimeoutError
        finally:
            response.close()
        return response, bytes(body)

    def _checked(self, signature: str, nonce: str, body: bytes, query_id: str) -> Mapping[str, Any]:
        member = self.member
        gateway_id = self._signer.member_id
        try:
            return check_answer(signature, member.public_key, member.node_id, gateway_id, nonce, body)
        except BadSignature:
            raise self._failed(query_id, "the answer is not signed by the node as it arrived") from None

    def _failed(self, query_id: str, reason: str) -> NodeFailed:
        return NodeFailed(self.member.node_id, query_id, reason)


class RemoteNode:
    """A node over the wire, as it was when it was first asked about itself.

    *moved* says that the node has published another snapshot or changed its rules since, and
    answers no more questions that rely on what it was.
    """

    def __init__(self, channel: Channel, membership: Membership) -> None:
        self.member = channel.member
        self.moved = False
        self._channel, self._membership = channel, membership
        self._description: NodeDescription | None = None
        self._site_list: SiteList | None = None

    def describe(self) -> NodeDescription:
        """The node's public facts; ConfigError where they are not what federation.toml says."""
        if self._description is None:
            reply = self._ask("GET", DESCRIPTION)
            try:
                description = NodeDescription.from_json(json.loads(reply.body))
            except (ValueError, KeyError, TypeError, AttributeError):
                raise self._failed("", "its description cannot be read") from None
            self._check(description)
            self._description = description
        return self._description

    def offer_sites(self) -> pa.Table:
        """The sites that the node may list."""
        reply = self._ask("GET", SITES, seconds=OPENING_DEADLINE)
        table = self._table(reply, "")
        if not is_site_schema(table.schema):
            raise self._failed("", "the sites that it offers are not written as such")
        return table

    def lay(self, site_list: SiteList) -> None:
        """Make *site_list* the list that the node answers by."""
        self._site_list = site_list
        self._ask("PUT", SITE_LIST, write_table(site_list.sites), seconds=OPENING_DEADLINE)

    def answer(self, release: Release, asker: Asker, query_id: str) -> NodeAnswer:
        """The controlled cells of *release*, as the node signed them."""
        assert self._description is not None
        assert self._site_list is not None
        body = Question(
            release, asker, query_id, self._description.digest(), self._site_list.digest
        ).to_bytes()
        try:
            reply = self._channel.send("POST", RELEASE, body, query_id=query_id, asker=asker)
        except Problem as problem:
            if problem.kind != "site-list-unknown":
                raise self._failure(problem, query_id) from None
            # the node was started again; it has computed nothing, so asking once more is safe
            self.lay(self._site_list)
            reply = self._ask("POST", RELEASE, body, query_id=query_id, asker=asker)
        return self._answer(reply, query_id)

    def _answer(self, reply: Reply, query_id: str) -> NodeAnswer:
        cells = self._table(reply, query_id)
        try:
            receipt = receipt_from_json(reply.claims.get("receipt"))
            left = BudgetLeft.from_json(reply.claims.get("budget_left"))
            spread = Spread.from_json(reply.claims.get("spread"))
        except (ValueError, TypeError):
            raise self._failed(query_id, "the answer has no receipt") from None
        log.info("receipt", node=self.member.node_id, query_id=query_id, signed=reply.signature)
        return NodeAnswer(cells, receipt, left, spread)

    def seal(self, question: SealedQuestion) -> Parcel:
        """The node's sealed numbers for *question*; kept as it was signed, for the opener."""
        reply = self._of_question(SEAL, question, lambda asked: asked)
        try:
            rules, left = dict(reply.claims["rules"]), BudgetLeft.from_json(reply.claims["budget_left"])
            words = read_words(reply.body)
        except (ValueError, TypeError, KeyError):
            raise self._failed(question.query_id, "its sealed numbers cannot be read") from None
        carried = Carried(self.member.node_id, reply.signature, reply.body)
        return CarriedParcel(self.member.node_id, words, rules, left, carried=carried)

    def open(self, question: SealedQuestion, parcels: Sequence[Parcel]) -> NodeAnswer:
        """The controlled cells over all nodes, from the *parcels* of all others."""
        carried = [parcel.carried for parcel in parcels if isinstance(parcel, CarriedParcel)]
        reply = self._of_question(OPEN, question, lambda asked: write_carried(asked, carried))
        return self._answer(reply, question.query_id)

    def _of_question(self, path: str, question: SealedQuestion, body: Callable[[bytes], bytes]) -> Reply:
        """The answer to a request about *question*; a node that was started again is given its site list."""
        assert self._description is not None
        assert self._site_list is not None
        asked = body(question_to_bytes(question, self._description.digest()))
        try:
            return self._channel.send("POST", path, asked, query_id=question.query_id, asker=question.asker)
        except Problem as problem:
            if problem.kind != "site-list-unknown":
                raise self._failure(problem, question.query_id) from None
            self.lay(self._site_list)
            return self._ask("POST", path, asked, query_id=question.query_id, asker=question.asker)

    def list_sites(self, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        """The node's part in one *step* of a round that lists sites; signed for those it is carried to."""
        pieces = [Carried(piece.node_id, piece.signature, piece.body) for piece in carried]
        if payload:
            pieces.append(Carried("", "", payload))
        body = write_carried(step.to_bytes(), pieces)
        reply = self._ask("POST", SITE_ROUND, body, seconds=LISTING_DEADLINE)
        told = reply.claims.get("told")
        if not isinstance(told, dict):
            raise self._failed("", "what it handed in cannot be read")
        step_digest = str(reply.claims.get("site_step"))
        return Piece(self.member.node_id, step_digest, reply.body, told, reply.signature)

    def frequencies(self, contig: str) -> pa.Table:
        """The allele frequencies that the node has released (NODE_ROWS), or would release, of *contig*."""
        return self._table(self._under_list("GET", f"{FREQUENCIES}/{contig}", OPENING_DEADLINE), "")

    def release_frequencies(self, progress: Progress | None = None) -> FrequencyRelease:
        """Make the node's next release of allele frequencies; the standing one where nothing changed."""
        reply = self._under_list("POST", FREQUENCIES, RELEASING_DEADLINE)
        try:
            release = FrequencyRelease(**json.loads(reply.body))
        except (ValueError, TypeError):
            raise self._failed("", "the facts of its release cannot be read") from None
        log.info("receipt", node=self.member.node_id, query_id="", signed=reply.signature)
        if progress is not None:
            for contig in release.unchanged_since:
                progress(contig)
        return release

    def _under_list(self, method: str, path: str, seconds: float) -> Reply:
        """The answer to a request that needs the site list, laid again where the node was started again."""
        assert self._site_list is not None
        try:
            return self._channel.send(method, path, seconds=seconds)
        except Problem as problem:
            if problem.kind != "site-list-unknown":
                raise self._failure(problem, "") from None
            self.lay(self._site_list)
            return self._ask(method, path, seconds=seconds)

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        query_id: str = "",
        seconds: float | None = None,
        asker: Asker | None = None,
    ) -> Reply:
        try:
            return self._channel.send(method, path, body, query_id=query_id, seconds=seconds, asker=asker)
        except Problem as problem:
            raise self._failure(problem, query_id) from None

    def _failure(self, problem: Problem, query_id: str) -> NodeFailed | ReleaseRefused:
        """What a problem that the node told means to the federation."""
        if DECLINED.get(problem.code) == problem.kind:
            return Declined(problem.code, problem.detail, str(problem.more.get("mend", ""))[:MOST_DETAIL])
        if problem.kind == "release-refused":
            return ReleaseRefused(problem.code, problem.detail)
        if problem.kind == "node-moved":
            self.moved = True
        log.warning("node_problem", node=self.member.node_id, query_id=query_id, problem=problem.kind)
        return self._failed(query_id, problem.title)

    def _failed(self, query_id: str, reason: str) -> NodeFailed:
        return NodeFailed(self.member.node_id, query_id, reason)

    def _table(self, reply: Reply, query_id: str) -> pa.Table:
        try:
            return read_table(reply.body)
        except ValueError:
            raise self._failed(query_id, "the answer is not one table") from None

    def _check(self, description: NodeDescription) -> None:
        """Refuse a node that is not the one, or does not hold to what, federation.toml says."""
        member, membership = self.member, self._membership
        told = (description.node_id, description.country, description.catalog.assembly)
        if told != (member.node_id, member.country, membership.assembly):
            problem = f"describes itself as {', '.join(told)}"
        elif description.protects and description.min_persons < membership.min_persons:
            problem = f"has a threshold of {description.min_persons} persons"
        elif not description.protects and membership.min_persons > 1:
            problem = "has its protection off"
        else:
            return
        raise ConfigError(
            membership.file, f"nodes.{member.node_id}", problem, "mend node.toml or federation.toml"
        )
