"""A federation behind a gateway: the same calls, answers and errors as one in this process."""

from __future__ import annotations

import json
import ssl
import weakref
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import httpx

from goe_lake.catalog import Catalog
from goe_lake.errors import ConfigError, GoeError, Incomplete, QueryRefused
from goe_lake.federation.answer import Answer
from goe_lake.federation.asker import ANONYMOUS
from goe_lake.federation.estimate import Estimate
from goe_lake.federation.gateway import Completeness
from goe_lake.federation.membership import parse_address
from goe_lake.federation.problems import DECLINED, Problem, read_problem
from goe_lake.federation.wire import ARROW_TYPE, ESTIMATE, EXPLAIN, QUERY, TABLES, read_answer

TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)


class GatewayFailed(GoeError):
    """The gateway could not be reached, or could not answer; carries no data."""


class Client:
    """A federation behind the gateway at *url*, asked for *project* by *analyst*.

    *ca* is the certificate authority that signs the gateway's certificate; without it, those that
    the system trusts. *token* says who asks.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        ca: Path | str | None = None,
        project: str = "demo",
        analyst: str = ANONYMOUS,
    ) -> None:
        try:
            address = parse_address(url)
        except ValueError as error:
            raise ConfigError("connect", "url", str(error), "e.g. https://gateway.example:8443") from None
        self.url, self.project, self.analyst = address.url, project, analyst
        self._http = httpx.Client(
            base_url=address.url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=TIMEOUT,
            verify=_context(ca),
        )
        # nobody closes a connection in a notebook
        weakref.finalize(self, self._http.close)

    def sql(self, text: str, *, completeness: Completeness = "all", domain_rows: bool = False) -> Answer:
        """Answer the query *text*, as `Federation.sql` does.

        Raises QueryRefused, Incomplete where nodes do not answer that *completeness* requires, and
        GatewayFailed.
        """
        asked = {
            "sql": text,
            "project": self.project,
            "analyst": self.analyst,
            "completeness": completeness,
            "domain_rows": domain_rows,
        }
        body = self._ask("POST", QUERY, asked, accept=ARROW_TYPE)
        try:
            return read_answer(body)
        except ValueError as error:
            raise GatewayFailed(f"{self.url}: {error}") from None

    def explain(self, text: str) -> str:
        """What the query *text* would ask of each node, and what is made of it; asks nothing."""
        told = json.loads(self._ask("POST", EXPLAIN, {"sql": text, "project": self.project}))
        return str(told["explanation"])

    def estimate(self, text: str) -> Estimate:
        """The most that the query *text* can cost of each node's budget, by public facts; asks nothing."""
        return Estimate(**json.loads(self._ask("POST", ESTIMATE, {"sql": text, "project": self.project})))

    @cached_property
    def catalog(self) -> Catalog:
        """The tables of the federation, as they were when first asked for."""
        return Catalog.from_json(json.loads(self._ask("GET", TABLES)))

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(
        self, method: str, path: str, data: dict[str, Any] | None = None, accept: str = "application/json"
    ) -> bytes:
        try:
            response = self._http.request(method, path, json=data, headers={"Accept": accept})
        except httpx.HTTPError as error:
            raise GatewayFailed(f"{self.url} cannot be reached: {_reason(error)}") from None
        if not response.is_success:
            raise _error(self.url, read_problem(response.status_code, response.content))
        return response.content


def _context(ca: Path | str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
    except OSError:
        raise ConfigError(
            "connect", "ca", f"{ca} cannot be read as certificates", "give a PEM file"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _reason(error: httpx.HTTPError) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "no authority that is known here signs its certificate. Name the one that does, as ca or --ca"
    return type(error).__name__


def _error(url: str, problem: Problem) -> GoeError:
    """The exception that the embedded federation would have raised, or GatewayFailed."""
    more = problem.more
    if problem.kind == "query-refused" or DECLINED.get(problem.code) == problem.kind:
        return QueryRefused(
            problem.code,
            problem.detail,
            _whole(more.get("line")),
            _whole(more.get("column")),
            _text(more, "hint"),
        )
    missing = more.get("missing")
    if problem.kind == "incomplete" and isinstance(missing, list):
        return Incomplete(tuple(map(str, missing)), _text(more, "query_id"))
    query_id = _text(more, "query_id")
    return GatewayFailed(f"{url}: {problem}{f' (query {query_id})' if query_id else ''}")


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _text(more: dict[str, object], name: str) -> str:
    value = more.get(name)
    return value if isinstance(value, str) else ""
