"""Who asks, and who answered: short-lived ES256 tokens on requests, signatures on answers.

A request's token names its sender, the node, the method and path, the digest of its body, and a
nonce; it lives a minute and is taken once. The answer's signature names the node, that nonce, and
the digest of the answer's body; for a release it holds the receipt too.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import ECKey

from goe_lake.errors import GoeError
from goe_lake.federation.problems import Problem

ALGORITHM: Final = "ES256"
REQUEST_TYPE: Final = "goe-request+jwt"
ANSWER_TYPE: Final = "goe-answer+jwt"
LIFETIME: Final = 60  # seconds
LEEWAY: Final = 5  # seconds that two clocks may differ by
MOST_TOKEN: Final = 8_192
WANTED: Final[Mapping[str, jwt.ClaimsOption]] = {
    name: {"essential": True} for name in ("aud", "iat", "exp", "jti", "request", "body_sha256")
}
MOST_NONCES: Final = 100_000
SIGNATURE_HEADER: Final = "GOE-Signature"


class BadSignature(GoeError):
    """An answer was not signed by the node that was asked, or not as an answer to this request."""


@dataclass(frozen=True)
class Signer:
    """A service that signs: its id, and its private key."""

    member_id: str
    key: ECKey

    def sign(self, kind: str, claims: Mapping[str, Any]) -> str:
        """*claims* as a signed token of type *kind*."""
        header = {"alg": ALGORITHM, "typ": kind}
        return jwt.encode(header, {"iss": self.member_id, **claims}, self.key, algorithms=[ALGORITHM])


def sha256(body: bytes) -> str:
    """The digest of *body*, in hex."""
    return hashlib.sha256(body).hexdigest()


def request_token(
    signer: Signer, node_id: str, method: str, path: str, body: bytes, more: Mapping[str, Any] | None = None
) -> tuple[str, str]:
    """A token for one request to *node_id*, and its nonce; *more* are further claims, such as who asks."""
    now, nonce = time.time(), secrets.token_urlsafe(24)
    claims = {
        "aud": node_id,
        "iat": now,
        "exp": now + LIFETIME,
        "jti": nonce,
        "request": f"{method} {path}",
        "body_sha256": sha256(body),
        **(more or {}),
    }
    return signer.sign(REQUEST_TYPE, claims), nonce


class RequestGate:
    """Admits the requests of one gateway to one node, each once.

    401 means that the sender is not proven (no token, another signature, expired); 403 that it is,
    and that the token is not for this request (another node, another body, used before).
    """

    def __init__(
        self,
        node_id: str,
        gateway_id: str,
        gateway_key: ECKey,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.node_id, self.gateway_id = node_id, gateway_id
        self._key, self._clock = gateway_key, clock
        self._nonces = Nonces()
        # the nonces of an earlier process are forgotten, so what it may have taken is not taken again
        self._started = clock()

    def check(self, authorization: str | None, method: str, path: str) -> Mapping[str, Any]:
        """The claims of a request's token, as far as they can be judged before the body is read.

        Raises Problem.
        """
        token = (authorization or "").removeprefix("Bearer ")
        if not token or token == authorization or len(token) > MOST_TOKEN:
            raise Problem("not-authenticated", "a bearer token is wanted")
        claims = self._proven(token)
        if claims["aud"] != self.node_id:
            raise Problem("not-permitted", "the token is for another node")
        if claims["request"] != f"{method} {path}":
            raise Problem("not-permitted", "the token is for another request")
        return claims

    def admit(self, claims: Mapping[str, Any], body: bytes) -> str:
        """The nonce of a request whose token had *claims*, now that its body is known.

        Raises Problem.
        """
        if claims["body_sha256"] != sha256(body):
            raise Problem("not-permitted", "the token is for another body")
        if not self._nonces.take(claims["jti"], claims["exp"] + LEEWAY, self._clock()):
            raise Problem("not-permitted", "the token was used before")
        return str(claims["jti"])

    def _proven(self, token: str) -> Mapping[str, Any]:
        try:
            decoded = jwt.decode(token, self._key, algorithms=[ALGORITHM])
            registry = jwt.JWTClaimsRegistry(
                now=lambda: int(self._clock()),
                leeway=LEEWAY,
                iss={"essential": True, "value": self.gateway_id},
                **WANTED,
            )
            registry.validate(decoded.claims)
        except ExpiredTokenError:
            raise Problem("not-authenticated", "the token is expired") from None
        except (JoseError, ValueError, TypeError):
            raise Problem("not-authenticated", "the token is not one of this federation's gateway") from None
        claims = decoded.claims
        if decoded.header.get("typ") != REQUEST_TYPE or claims["exp"] - claims["iat"] > LIFETIME + LEEWAY:
            raise Problem("not-authenticated", "the token is of another type, or lives too long")
        if claims["iat"] < self._started:
            raise Problem("not-authenticated", "the token is older than this process")
        return claims


class Nonces:
    """The nonces that were used, each remembered for as long as its token could be used again."""

    def __init__(self, most: int = MOST_NONCES) -> None:
        self._most = most
        self._expiry: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, nonce: str, expires: float, now: float) -> bool:
        """Whether *nonce* is new; from now on it is not.

        Raises Problem where too many are remembered: forgetting one would let it pass again.
        """
        with self._lock:
            if nonce in self._expiry:
                return False
            if len(self._expiry) >= self._most:
                self._expiry = {name: end for name, end in self._expiry.items() if end > now}
            if len(self._expiry) >= self._most:
                raise Problem("busy")
            self._expiry[nonce] = expires
            return True


def sign_answer(
    signer: Signer, gateway_id: str, nonce: str, body: bytes, more: Mapping[str, Any] | None = None
) -> str:
    """The signature of an answer with *body* to the request with *nonce*."""
    claims = {"aud": gateway_id, "iat": time.time(), "nonce": nonce, "body_sha256": sha256(body)}
    return signer.sign(ANSWER_TYPE, {**claims, **(more or {})})


def check_signed(signature: str, key: ECKey, node_id: str, body: bytes) -> Mapping[str, Any]:
    """The claims of a *signature* that another service passes on: who asked for it is not this service.

    Raises BadSignature where it is not the node's over *body*.
    """
    try:
        decoded = jwt.decode(signature, key, algorithms=[ALGORITHM])
    except (JoseError, ValueError, TypeError):
        raise BadSignature(f"{node_id}: this is not signed by the node") from None
    told = (decoded.header.get("typ"), decoded.claims.get("iss"), decoded.claims.get("body_sha256"))
    if told != (ANSWER_TYPE, node_id, sha256(body)):
        raise BadSignature(f"{node_id}: the signature is for something else")
    return decoded.claims


def check_answer(
    signature: str | None, key: ECKey, node_id: str, gateway_id: str, nonce: str, body: bytes
) -> Mapping[str, Any]:
    """The claims of an answer's *signature*.

    Raises BadSignature where it is not the node's, or is for something else.
    """
    try:
        decoded = jwt.decode(signature or "", key, algorithms=[ALGORITHM])
    except (JoseError, ValueError, TypeError):
        raise BadSignature(f"{node_id}: the answer is not signed by this node") from None
    expected = {"iss": node_id, "aud": gateway_id, "nonce": nonce, "body_sha256": sha256(body)}
    told = {name: decoded.claims.get(name) for name in expected}
    if decoded.header.get("typ") != ANSWER_TYPE or told != expected:
        raise BadSignature(f"{node_id}: the answer's signature is for something else")
    return decoded.claims
