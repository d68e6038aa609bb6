"""How questions and answers travel: JSON for what is asked, Arrow IPC streams for what is answered.

Node: a release travels as `question/1` (JSON), its cells as one Arrow stream, its receipt in the
signature of the answer. Gateway: an answer travels as two Arrow streams, one behind the other: the
table, whose schema metadata holds the envelope, then the status of every value. A reader that knows
one stream only finds the table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from goe_lake.engine.plain import clean, clean_answer
from goe_lake.engine.sites import KEY, SiteList, is_site_schema
from goe_lake.federation.answer import Answer
from goe_lake.federation.asker import Asker
from goe_lake.federation.problems import Problem
from goe_lake.genome import CONTIGS
from goe_lake.release import (
    Bound,
    BudgetLeft,
    ColumnReport,
    Envelope,
    Margin,
    NodeReport,
    Receipt,
    Release,
    Status,
)

ARROW_TYPE: Final = "application/vnd.apache.arrow.stream"
QUESTION_VERSION: Final = "question/2"
ENVELOPE_KEY: Final = b"goe_lake.envelope"

HEALTH: Final = "/health"
DESCRIPTION: Final = "/v1/description"
SITES: Final = "/v1/sites"
SITE_LIST: Final = "/v1/site-list"
RELEASE: Final = "/v1/release"
FREQUENCIES: Final = "/v1/frequencies"
QUERY: Final = "/v1/query"
EXPLAIN: Final = "/v1/explain"
ESTIMATE: Final = "/v1/estimate"
TABLES: Final = "/v1/tables"

QUERY_ID: Final = re.compile(r"[0-9a-f]{32}")
_COMPRESSED: Final = pa.ipc.IpcWriteOptions(compression="zstd")


@dataclass(frozen=True)
class Question:
    """A release as a gateway sends it: who asks, and what of the node and its sites it relies on.

    *description_digest* is of the node's description, so of its snapshot, catalogue and threshold.
    """

    release: Release
    asker: Asker
    query_id: str
    description_digest: str
    site_list_digest: str

    def to_bytes(self) -> bytes:
        """The question as the body of a request."""
        fields = {
            **vars(self),
            "release": self.release.to_json(),
            "asker": self.asker.to_json(),
            "version": QUESTION_VERSION,
        }
        return json.dumps(fields).encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> Question:
        """The question that *body* writes; Problem where it is none, ReleaseRefused for its release."""
        try:
            data = json.loads(body)
            if set(data) != {*cls.__dataclass_fields__, "version"} or data["version"] != QUESTION_VERSION:
                raise Problem("malformed", f"this is not a {QUESTION_VERSION}")
            texts = {name: str(data[name]) for name in ("query_id", "description_digest", "site_list_digest")}
            asker = Asker.from_json(data["asker"])
        except (ValueError, TypeError, RecursionError):
            raise Problem("malformed", f"this is not a {QUESTION_VERSION}") from None
        # neither breaks a line of a log, or is of any length
        if not QUERY_ID.fullmatch(texts["query_id"]) or not asker.well_written:
            raise Problem("malformed", "the query id, the project or the analyst is not written as one")
        return cls(Release.from_json(data["release"]), asker, **texts)


def write_table(table: pa.Table) -> bytes:
    """*table* as an Arrow stream, with nothing in it but the values that a reader sees."""
    sink = pa.BufferOutputStream()
    _write(clean(table), sink)
    return memoryview(sink.getvalue()).tobytes()


def read_table(body: bytes) -> pa.Table:
    """The table that *body* holds; ValueError where it holds none or is damaged."""
    (table,) = _streams(body, 1)
    return table


def _write(table: pa.Table, sink: pa.BufferOutputStream) -> None:
    with pa.ipc.new_stream(sink, table.schema, options=_COMPRESSED) as writer:
        writer.write_table(table)


def _streams(body: bytes, count: int) -> tuple[pa.Table, ...]:
    """The *count* streams of *body*, each checked against crafted offsets."""
    source = pa.BufferReader(body)
    try:
        tables = tuple(pa.ipc.open_stream(source).read_all() for _ in range(count))
        for table in tables:
            table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"this is not an Arrow stream: {type(error).__name__}") from None
    if source.tell() != len(body):
        raise ValueError("there is something behind the Arrow stream")
    return tables


def read_site_list(body: bytes) -> SiteList:
    """The site list that *body* holds; Problem where a node must not take it."""
    try:
        table = read_table(body)
    except ValueError:
        raise Problem("malformed", "this is not a site list") from None
    if not is_site_schema(table.schema):
        raise Problem("site-list-refused", "its columns are not those of a site list")
    key = table.select(KEY)
    if any(column.null_count for column in key.itercolumns()):
        raise Problem("site-list-refused", "a site has no key")
    if not pc.all(pc.is_in(table.column("contig"), pa.array(CONTIGS)), min_count=0).as_py():
        raise Problem("site-list-refused", "a site is on no known contig")
    # a site that is listed twice would count its persons twice
    if key.group_by(list(KEY)).aggregate([]).num_rows != key.num_rows:
        raise Problem("site-list-refused", "a site is listed twice")
    return SiteList(table)


def receipt_from_json(data: object) -> Receipt:
    """The receipt that *data* writes; ValueError for anything else."""
    if not isinstance(data, dict) or set(data) != set(Receipt.__dataclass_fields__):
        raise ValueError("this is not a receipt")
    return Receipt(**data)


def write_answer(answer: Answer) -> bytes:
    """*answer* as two Arrow streams: the table with the envelope, then the status."""
    sink = pa.BufferOutputStream()
    envelope = json.dumps(answer.envelope.to_json(), ensure_ascii=False).encode()
    _write(clean_answer(answer.table).replace_schema_metadata({ENVELOPE_KEY: envelope}), sink)
    _write(clean(answer.status), sink)
    return memoryview(sink.getvalue()).tobytes()


def read_answer(body: bytes) -> Answer:
    """The answer that `write_answer` wrote; ValueError for anything else."""
    table, status = _streams(body, 2)
    try:
        envelope = envelope_from_json(json.loads((table.schema.metadata or {})[ENVELOPE_KEY]))
    except (KeyError, TypeError, AttributeError):
        raise ValueError("the answer has no envelope that this version reads") from None
    return Answer(table.replace_schema_metadata(None), status, envelope)


def answer_to_json(answer: Answer) -> bytes:
    """*answer* as JSON: rows, the status of every value, and the envelope."""
    parts = {
        "rows": list(_json_rows(answer.table)),
        "status": answer.status.to_pylist(),
        "envelope": answer.envelope.to_json(),
    }
    return json.dumps(parts, default=str, ensure_ascii=False, allow_nan=False).encode()


def _json_rows(table: pa.Table) -> Iterator[dict[str, object]]:
    """The rows; numbers that JSON does not know are texts."""
    for row in table.to_pylist():
        yield {name: _json_value(value) for name, value in row.items()}


def _json_value(value: object) -> object:
    if isinstance(value, float) and not -float("inf") < value < float("inf"):
        return str(value)
    return value


def envelope_from_json(data: Mapping[str, Any]) -> Envelope:
    """The envelope that `Envelope.to_json` wrote; KeyError or TypeError for anything else."""
    return Envelope(
        query_id=data["query_id"],
        nodes=tuple(NodeReport(**node) for node in data["nodes"]),
        columns=tuple(
            ColumnReport(**{**column, "status": Status(column["status"])}) for column in data["columns"]
        ),
        rows=Status(data["rows"]),
        bounds=tuple(Bound(**bound) for bound in data["bounds"]),
        not_shown=tuple(data["not_shown"]),
        notices=tuple(data["notices"]),
        budget_left=BudgetLeft.from_json(data["budget_left"]),
        margins=tuple(Margin(**margin) for margin in data["margins"]),
    )
