"""The gateway for analysts.

| request | answer |
|---|---|
| `GET /health` | `{"status": "ok"}` |
| `GET /v1/tables` | the catalogue: tables, columns, types, units, bounds, labels (JSON) |
| `POST /v1/query` | takes `{"sql", "project"?, "analyst"?, "completeness"?, "domain_rows"?}`; the answer |
| `POST /v1/explain` | takes `{"sql", "project"?}`; `{"explanation"}` |
| `POST /v1/estimate` | takes the same; its most `queries`, `releases`, `cells`, `rare_sites`, or null |

An answer is JSON, `{"rows": [...], "status": [...], "envelope": {...}}`, where *status* has one word
for each value of *rows*, and exact decimals and numbers that are not finite are texts. With `Accept:
application/vnd.apache.arrow.stream` it is two Arrow streams, one behind the other: the table, whose
schema metadata holds the envelope as JSON under `goe_lake.envelope`; then the status, of the same
shape. A reader of one stream finds the table.

Errors are problem+json. A refused query is 422 with `code`, `line`, `column` and `hint`, or 403, 429 or 409
where a node does not answer the project, its day is spent, or an officer holds the answer; nodes that
did not answer are 503 with `missing` and `query_id`.
"""

from __future__ import annotations

from typing import Any, Literal

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp

from goe_lake.errors import ConfigError, Incomplete, QueryRefused
from goe_lake.federation.asker import ANONYMOUS, LINE, Asker
from goe_lake.federation.problems import DECLINED, Problem
from goe_lake.federation.standing import StandingFederation
from goe_lake.federation.wire import (
    ARROW_TYPE,
    ESTIMATE,
    EXPLAIN,
    HEALTH,
    QUERY,
    TABLES,
    answer_to_json,
    write_answer,
)
from goe_lake.web.guard import Guard, Limits, new_app, problem_response

MOST_SQL = 200_000  # characters


class ExplainRequest(BaseModel):
    """A query and the project that asks it."""

    model_config = ConfigDict(extra="forbid", strict=True)
    sql: str = Field(max_length=MOST_SQL)
    project: str = Field("demo", pattern=f"^{LINE.pattern}$")


class QueryRequest(ExplainRequest):
    """A query, who asks it, whether fewer nodes will do, and whether small groups get rows."""

    analyst: str = Field(ANONYMOUS, pattern=f"^{LINE.pattern}$")
    completeness: Literal["all", "any"] = "all"
    domain_rows: bool = False


class GatewayApp:
    """The answers of the gateway of one federation."""

    def __init__(self, federation: StandingFederation) -> None:
        self._federation = federation

    async def health(self) -> dict[str, str]:
        """That the process answers."""
        return {"status": "ok"}

    def tables(self) -> dict[str, Any]:
        """The catalogue of the federation."""
        return self._federation.catalog.to_json()

    def query(self, asked: QueryRequest, request: Request) -> Response:
        """The answer to a query."""
        answer = self._federation.sql(
            asked.sql,
            completeness=asked.completeness,
            domain_rows=asked.domain_rows,
            asker=Asker(asked.project, asked.analyst),
        )
        if ARROW_TYPE in request.headers.get("Accept", ""):
            return Response(write_answer(answer), media_type=ARROW_TYPE)
        return Response(answer_to_json(answer), media_type="application/json")

    def explain(self, asked: ExplainRequest) -> dict[str, str]:
        """What a query would ask of each node."""
        return {"explanation": self._federation.explain(asked.sql)}

    def estimate(self, asked: ExplainRequest) -> dict[str, Any]:
        """What a query would cost of each node's budget at most."""
        return self._federation.estimate(asked.sql).to_json()


async def _on_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, QueryRefused)
    more = {"line": error.line, "column": error.column, "hint": error.hint}
    kind = DECLINED.get(error.code, "query-refused")
    return problem_response(Problem(kind, error.message, error.code, more))


async def _on_incomplete(request: Request, error: Exception) -> Response:
    assert isinstance(error, Incomplete)
    more = {"missing": list(error.missing), "query_id": error.query_id}
    return problem_response(Problem("incomplete", f"no answer from {', '.join(error.missing)}", more=more))


async def _on_not_open(request: Request, error: Exception) -> Response:
    """The nodes do not fit together; which and why is for the operator, in the log."""
    assert isinstance(error, ConfigError)
    return problem_response(Problem("not-open"))


def gateway_app(federation: StandingFederation) -> ASGIApp:
    """The whole service of a gateway."""
    gateway = GatewayApp(federation)
    app = new_app()
    app.add_exception_handler(QueryRefused, _on_refused)
    app.add_exception_handler(Incomplete, _on_incomplete)
    app.add_exception_handler(ConfigError, _on_not_open)
    app.add_api_route(HEALTH, gateway.health, methods=["GET"])
    app.add_api_route(TABLES, gateway.tables, methods=["GET"])
    app.add_api_route(QUERY, gateway.query, methods=["POST"], response_model=None)
    app.add_api_route(EXPLAIN, gateway.explain, methods=["POST"])
    app.add_api_route(ESTIMATE, gateway.estimate, methods=["POST"])
    return Guard(app, Limits())
