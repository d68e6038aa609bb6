"""A node answers its gateway only: its certificate, a fresh token for the request, a release by the rules."""

from __future__ import annotations

import hmac
import json
import ssl
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from goe_lake.engine.sites import SITE_SCHEMA
from goe_lake.federation import Federation, NodeDescription
from goe_lake.federation.asker import Asker
from goe_lake.federation.keys import make_federation_keys
from goe_lake.federation.problems import KINDS, Problem
from goe_lake.federation.remote_node import RemoteNode
from goe_lake.federation.tokens import (
    ANSWER_TYPE,
    REQUEST_TYPE,
    SIGNATURE_HEADER,
    Nonces,
    RequestGate,
    Signer,
    check_answer,
    request_token,
    sha256,
)
from goe_lake.federation.wire import (
    DESCRIPTION,
    RELEASE,
    SITE_LIST,
    Question,
    read_site_list,
    write_table,
)
from goe_lake.query import prepare
from goe_lake.release import Release
from tests.services.running import GATEWAY, Running

NODE = "GOE-EE-NODE-1"
QUERY_ID = "0123456789abcdef" * 2
ASKER = Asker("demo")


@dataclass
class Line:
    """A raw connection to one node, with the gateway's certificate and key."""

    http: httpx.Client
    signer: Signer
    node: NodeDescription
    site_list_digest: str

    def question(self, release: Release) -> bytes:
        """The body that asks *release*."""
        return Question(release, ASKER, QUERY_ID, self.node.digest(), self.site_list_digest).to_bytes()

    def token(self, body: bytes, node_id: str = NODE, method: str = "POST", path: str = RELEASE) -> str:
        """A token as the gateway makes it."""
        return request_token(self.signer, node_id, method, path, body, {"asker": ASKER.to_json()})[0]

    def post(self, body: bytes, token: str | None, path: str = RELEASE) -> httpx.Response:
        """The answer to *body* with *token*."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.http.post(path, content=body, headers=headers)

    def ask(self, body: bytes, path: str = RELEASE) -> httpx.Response:
        """The answer to *body* with a token for it."""
        return self.post(body, self.token(body, path=path), path)


@pytest.fixture
def line(services: Running, embedded: Federation) -> Iterator[Line]:
    """A raw connection to the Estonian node."""
    member = services.membership.node(NODE)
    context = services.identity(GATEWAY).client_context(member.ca)
    (node,) = [node for node in embedded.nodes if node.node_id == NODE]
    digest = embedded.site_list.digest
    with httpx.Client(base_url=member.address.url, verify=context, timeout=30) as http:
        yield Line(http, services.gateway_signer(), node, digest)


@pytest.fixture
def release(embedded: Federation) -> Release:
    """A release that the node answers."""
    return prepare("SELECT sex, count(*) AS n FROM samples GROUP BY sex", embedded.catalog).releases[0]


def problem(response: httpx.Response, kind: str) -> dict[str, Any]:
    """The problem that *response* must be: RFC 9457, of this kind, and with no data."""
    told = response.json()
    assert response.headers["Content-Type"] == "application/problem+json"
    assert told["type"] == f"urn:goe-lake:problem:{kind}", told
    assert (response.status_code, told["status"], told["title"]) == (
        KINDS[kind].status,
        KINDS[kind].status,
        KINDS[kind].title,
    )
    assert set(told) <= {"type", "title", "status", "detail", "code", "query_id"}
    assert SIGNATURE_HEADER not in response.headers
    return told


def by_hand(header: dict[str, Any], claims: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """A token as no library would make it."""
    parts = [json.dumps(part).encode() for part in (header, claims)]
    text = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    return (text + b"." + urlsafe_b64encode(sign(text)).rstrip(b"=")).decode()


def test_a_release_is_answered_and_signed(line: Line, services: Running, release: Release):
    """The plain case: cells, and a receipt that names node, snapshot, release and cells."""
    body = line.question(release)
    token, nonce = request_token(line.signer, NODE, "POST", RELEASE, body, {"asker": ASKER.to_json()})
    response = line.post(body, token)
    assert response.status_code == 200
    key = services.membership.node(NODE).public_key
    claims = check_answer(response.headers[SIGNATURE_HEADER], key, NODE, GATEWAY, nonce, response.content)
    assert claims["query_id"] == QUERY_ID
    assert claims["receipt"]["release_digest"] == release.digest()
    assert claims["receipt"]["snapshot_id"] == line.node.snapshot_id


def test_a_token_is_taken_once(line: Line, release: Release):
    """Who records a request cannot send it again."""
    body = line.question(release)
    token = line.token(body)
    assert line.post(body, token).status_code == 200
    assert problem(line.post(body, token), "not-permitted")["detail"] == "the token was used before"


def test_a_token_is_for_one_body(line: Line, release: Release):
    """An altered release is turned down, and has not spent the token."""
    body, other = line.question(release), line.question(replace(release, conditions=()))
    token = line.token(body)
    altered = body.replace(b'"count', b'"sum').replace(b'"sex"', b'"cohort"')
    assert altered != body
    problem(line.post(altered, token), "not-permitted")
    assert line.post(body, token).status_code == 200
    assert other == body


def test_a_token_is_for_one_node_and_one_request(line: Line, release: Release):
    """Another node's token, and one for another address or method, are understood and not permitted."""
    body = line.question(release)
    problem(line.post(body, line.token(body, node_id="GOE-FI-NODE-1")), "not-permitted")
    problem(line.post(body, line.token(body, path=SITE_LIST)), "not-permitted")
    problem(line.post(body, line.token(body, method="PUT")), "not-permitted")


def test_who_does_not_prove_to_be_the_gateway_is_not_authenticated(
    line: Line, services: Running, release: Release
):
    """No token, none of ours, another key, algorithm, issuer or type: 401 with a challenge."""
    body = line.question(release)
    now = time.time()
    claims = {
        "iss": GATEWAY, "aud": NODE, "iat": now, "exp": now + 60, "jti": "x" * 24,
        "request": f"POST {RELEASE}", "body_sha256": sha256(body),
    }  # fmt: skip
    header = {"alg": "ES256", "typ": REQUEST_TYPE}
    own, node_key = (
        line.signer.key,
        services.identity(NODE).signer(services.membership.node(NODE).public_key).key,
    )
    public = services.membership.gateway.public_key.as_pem(private=False)
    tokens = [
        None,
        "not.a.token",
        "a" * 20_000,
        jwt.encode(header, claims, ECKey.generate_key("P-256")),
        jwt.encode(header, {**claims, "iss": NODE}, node_key),
        jwt.encode(header, {**claims, "iss": NODE}, own),
        jwt.encode({**header, "typ": ANSWER_TYPE}, claims, own),
        by_hand({**header, "alg": "HS256"}, claims, lambda text: hmac.digest(public, text, "sha256")),
        by_hand({**header, "alg": "none"}, claims, lambda text: b""),
        jwt.encode(header, {**claims, "exp": now + 3600}, own),
        jwt.encode(header, {name: value for name, value in claims.items() if name != "jti"}, own),
        jwt.encode(header, {**claims, "exp": "never"}, own),
    ]
    for token in tokens:
        response = line.post(body, token)
        problem(response, "not-authenticated")
        assert response.headers["WWW-Authenticate"] == "Bearer"


def test_an_expired_token_is_not_authenticated(line: Line, release: Release, monkeypatch: pytest.MonkeyPatch):
    """A minute and the difference of two clocks later a token is worth nothing."""
    body = line.question(release)
    passed = time.time() - 70
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: passed)
        token = line.token(body)
    assert problem(line.post(body, token), "not-authenticated")["detail"] == "the token is expired"


def test_a_token_from_before_the_process_is_not_taken(services: Running):
    """The nonces of an earlier process are gone, so what it may have taken is not taken again."""
    token, _ = request_token(services.gateway_signer(), NODE, "GET", DESCRIPTION, b"")
    gate = RequestGate(NODE, GATEWAY, services.membership.gateway.public_key)
    with pytest.raises(Problem, match="older than this process"):
        gate.check(f"Bearer {token}", "GET", DESCRIPTION)


def test_nonces_are_kept_while_they_matter_and_not_longer():
    """A full store forgets what is expired, and refuses rather than forget what is not."""
    nonces = Nonces(most=2)
    assert nonces.take("a", expires=10, now=0)
    assert nonces.take("b", expires=20, now=0)
    assert not nonces.take("a", expires=10, now=0)
    with pytest.raises(Problem) as busy:
        nonces.take("c", expires=20, now=5)
    assert busy.value.status == 503
    assert nonces.take("c", expires=30, now=15)
    assert not nonces.take("b", expires=20, now=15)


def test_plain_http_gets_no_answer(services: Running):
    """A request that is not encrypted reaches no application."""
    port = services.membership.node(NODE).address.port
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://localhost:{port}/health", trust_env=False)


def test_a_client_certificate_of_the_federation_is_wanted(services: Running, tmp_path: Path):
    """None, another federation's, and one that is a server's only are all turned away in the handshake."""
    address, ca = services.membership.node(NODE).address, services.keys.ca
    strangers = make_federation_keys(tmp_path, [("X", "EE", "localhost", 1)])
    none = ssl.create_default_context(cafile=ca)
    foreign, server = ssl.create_default_context(cafile=ca), ssl.create_default_context(cafile=ca)
    foreign.load_cert_chain(strangers.gateway / "tls.pem", strangers.gateway / "tls.key")
    node = services.keys.nodes[NODE]
    server.load_cert_chain(node / "tls.pem", node / "tls.key")
    for context in (none, foreign, server):
        with httpx.Client(verify=context, trust_env=False) as http, pytest.raises(httpx.TransportError):
            http.get(f"{address.url}/health")


def test_older_tls_is_not_spoken(services: Running):
    """TLS 1.3 is the least."""
    context = services.identity(GATEWAY).client_context(services.keys.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    for url in (services.url, services.membership.node(NODE).address.url):
        with httpx.Client(verify=context, trust_env=False) as http, pytest.raises(httpx.ConnectError):
            http.get(f"{url}/health")


def test_health_has_no_data(line: Line):
    """It needs no token, and tells only that the process answers."""
    assert line.http.get("/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data["measures"].clear(), "R105"),
        (lambda data: data["conditions"].append({"op": "exec", "args": []}), "R102"),
        (lambda data: data["conditions"].append({"sql": "1 = 1"}), "R100"),
        (
            lambda data: data["conditions"].append(
                {
                    "op": "eq",
                    "args": [{"column": ["samples", "sample_id"]}, {"literal": ["text", "GOE-EE-000001"]}],
                }
            ),
            "R107",
        ),
        (lambda data: data["relation"]["first"].update(table="passwords"), None),
    ],
)
def test_what_the_node_does_not_compute_is_refused_with_a_code(
    line: Line, release: Release, change: Any, code: str | None
):
    """The gateway's signature does not help: the node holds a release to its own rules."""
    data = json.loads(line.question(release))
    change(data["release"])
    told = problem(line.ask(json.dumps(data).encode()), "release-refused")
    assert told["code"] == code if code else told["code"].startswith("R")
    assert "GOE-EE" not in json.dumps(told)


@pytest.mark.parametrize(
    "change",
    [
        {"query_id": "1\n{}"},
        {"asker": {"project": "a\nb", "analyst": "a"}},
        {"asker": {"project": "a", "analyst": ""}},
        {"asker": {"project": "a"}},
        {"purpose": "a"},
        {"version": "question/1"},
        {"release": []},
        {"more": 1},
    ],
)
def test_what_is_no_question_is_malformed(line: Line, release: Release, change: dict[str, Any]):
    """A question has its fields and no others, and nothing in it can break a line of the log."""
    data = json.loads(line.question(release)) | change
    response = line.ask(json.dumps(data).encode())
    assert response.status_code in (400, 422)
    assert response.headers["Content-Type"] == "application/problem+json"


def test_bodies_have_an_end(line: Line):
    """Neither broken JSON, nor deep JSON, nor a body of any length reaches further than the door."""
    problem(line.ask(b"{"), "malformed")
    problem(line.ask(b"[" * 100_000), "malformed")
    problem(line.ask(b" " * (2**20 + 1)), "too-large")


def test_unknown_addresses_are_problems_too(line: Line):
    """404 and 405, and no page that loads anything from elsewhere."""
    for path in ("/", "/docs", "/redoc", "/openapi.json", "/v1/samples", "/health/"):
        problem(line.http.get(path), "not-found")
    problem(line.http.get(RELEASE), "wrong-method")


def test_a_site_list_that_would_count_persons_twice_is_refused(embedded: Federation):
    """A node takes a site list only with each site once, and answers by the list that a question names."""
    sites = embedded.site_list.sites
    assert read_site_list(write_table(sites)).digest == embedded.site_list.digest
    for table in (
        pa.concat_tables([sites, sites.slice(0, 1)]),
        sites.drop_columns(["type"]),
        with_column(sites, "contig", ["chrUn"] * sites.num_rows),
        with_column(sites, "pos", [None] * sites.num_rows),
    ):
        with pytest.raises(Problem) as refused:
            read_site_list(write_table(table))
        assert refused.value.kind == "site-list-refused"
    with pytest.raises(Problem):
        read_site_list(b"no arrow")


def with_column(sites: pa.Table, name: str, values: list[Any]) -> pa.Table:
    """*sites* with other values in one column."""
    field = SITE_SCHEMA.field(name)
    return sites.set_column(SITE_SCHEMA.get_field_index(name), field, pa.array(values, field.type))


def test_another_site_list_is_not_answered_by(line: Line, release: Release):
    """A question that relies on another list or threshold than the node's is a conflict, not a number."""
    data = json.loads(line.question(release)) | {"site_list_digest": "0" * 64}
    problem(line.ask(json.dumps(data).encode()), "site-list-unknown")
    data = json.loads(line.question(release)) | {
        "description_digest": replace(line.node, min_persons=5).digest()
    }
    problem(line.ask(json.dumps(data).encode()), "node-moved")


def test_a_node_that_describes_itself_otherwise_is_not_taken(services: Running):
    """The id, the country, the assembly and the floor of federation.toml hold."""
    channel = services.channels()[0]
    for membership, member in (
        (services.membership, replace(channel.member, country="FI")),
        (replace(services.membership, assembly="T2T-CHM13v2.0"), channel.member),
        (replace(services.membership, min_persons=11), channel.member),
    ):
        channel.member = member
        with pytest.raises(Exception, match=NODE):
            RemoteNode(channel, membership).describe()
    channel.close()
