"""What goes wrong over the wire: RFC 9457 problem+json, with a code and without data."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from goe_lake.errors import GoeError

PROBLEM_TYPE: Final = "application/problem+json"
_PREFIX: Final = "urn:goe-lake:problem:"
_CODE: Final = re.compile(r"[A-Za-z0-9-]{1,40}")
MOST_DETAIL: Final = 500


@dataclass(frozen=True)
class Kind:
    """A kind of problem: its HTTP status, and the sentence that it always has."""

    status: int
    title: str


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "malformed": Kind(400, "the request is not one that this service reads"),
        "not-authenticated": Kind(401, "the request does not say, or does not prove, who sends it"),
        "not-permitted": Kind(403, "the sender is known, and may not ask this"),
        "project-refused": Kind(403, "a node does not answer this project"),
        "not-found": Kind(404, "there is nothing at this address"),
        "wrong-method": Kind(405, "this address is not asked in this way"),
        "too-slow": Kind(408, "the request was sent too slowly"),
        "node-moved": Kind(409, "the node has published another snapshot, or changed its rules"),
        "site-list-unknown": Kind(409, "the node does not hold this site list"),
        "answer-held": Kind(409, "a node's officer has not let the answer go"),
        "too-large": Kind(413, "the request is larger than this service reads"),
        "release-refused": Kind(422, "the node does not compute this release"),
        "query-refused": Kind(422, "the query is refused"),
        "site-list-refused": Kind(422, "the node does not take this site list"),
        "budget-spent": Kind(429, "the project has asked enough of a node for today"),
        "failed": Kind(500, "the service could not answer"),
        "busy": Kind(503, "too many requests are under way"),
        "incomplete": Kind(503, "nodes that the caller requires did not answer"),
        "not-open": Kind(503, "the federation is not open"),
        "late": Kind(504, "the answer was not ready within the deadline"),
    }
)


#: The kind of problem for each code of a node that declines.
DECLINED: Final[Mapping[str, str]] = MappingProxyType(
    {"G801": "project-refused", "G802": "budget-spent", "G803": "answer-held", "G804": "query-refused"}
)


class Problem(GoeError):
    """One thing that went wrong, as it travels; *detail* and *more* hold nothing about persons.

    *code* is the rule's own code for a refusal, else the kind.
    """

    def __init__(
        self, kind: str, detail: str = "", code: str = "", more: Mapping[str, object] | None = None
    ) -> None:
        self.kind, self.detail, self.code, self.more = kind, detail, code or kind, dict(more or {})
        self.status, self.title = KINDS[kind].status, KINDS[kind].title
        super().__init__(f"{self.title}{': ' + detail if detail else ''}")

    def to_json(self) -> dict[str, Any]:
        """The problem as RFC 9457 writes it, with *code* and *more* as extension members."""
        members = {"type": _PREFIX + self.kind, "title": self.title, "status": self.status}
        if self.detail:
            members["detail"] = self.detail
        return {**members, "code": self.code, **self.more}

    def to_bytes(self) -> bytes:
        """The problem as the body of an answer."""
        return json.dumps(self.to_json(), ensure_ascii=False).encode()


def read_problem(status: int, body: bytes) -> Problem:
    """The problem in an answer with *status*; `failed` where the body is not one that this version knows."""
    try:
        data = json.loads(body)
        kind, code = str(data["type"]).removeprefix(_PREFIX), str(data.get("code", ""))
        detail = str(data.get("detail", ""))[:MOST_DETAIL]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Problem("failed", f"status {status}")
    if kind not in KINDS or KINDS[kind].status != status or not _CODE.fullmatch(code):
        return Problem("failed", f"status {status}")
    known = {"type", "title", "status", "detail", "code"}
    return Problem(kind, detail, code, {name: value for name, value in data.items() if name not in known})
