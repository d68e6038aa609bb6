"""How sealed sums travel: questions as JSON, sealed words as an Arrow stream of one column.

What a node hands in is carried on to the opener byte by byte, with the node's own signature over it. The
opener trusts that signature, and not the gateway which carries it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from goe_lake.engine.public_domain import PublicDomain
from goe_lake.federation.asker import Asker
from goe_lake.federation.problems import Problem
from goe_lake.federation.sealed_sums import SealedQuestion
from goe_lake.federation.sealing import Words
from goe_lake.federation.wire import QUERY_ID, read_table
from goe_lake.release import Release

SEAL: Final = "/v1/sealed"
OPEN: Final = "/v1/opened"
SITE_ROUND: Final = "/v1/site-round"
SEALED_VERSION: Final = "sealed-question/1"
WORDS: Final = pa.schema([pa.field("words", pa.uint64(), nullable=False)])
_CARRIED_FIELDS: Final[list[tuple[str, pa.DataType]]] = [
    ("node_id", pa.string()),
    ("signature", pa.string()),
    ("body", pa.large_binary()),
]
_CARRIED: Final = pa.schema(_CARRIED_FIELDS)
_QUESTION: Final = b"goe_lake.question"
_TEXTS: Final = ("query_id", "site_list_digest", "nonce")


@dataclass(frozen=True)
class Carried:
    """A node's answer as it was signed: the Arrow stream of its words, and the signature."""

    node_id: str
    signature: str
    body: bytes


def question_to_bytes(question: SealedQuestion, description_digest: str) -> bytes:
    """The question as the body of a request to the node whose description has that digest."""
    fields = {name: getattr(question, name) for name in _TEXTS}
    return json.dumps(
        {
            **fields,
            "version": SEALED_VERSION,
            "asker": question.asker.to_json(),
            "release": question.release.to_json(),
            "domain": question.domain.to_json(),
            "description_digest": description_digest,
        }
    ).encode()


def question_from_bytes(body: bytes) -> tuple[SealedQuestion, str]:
    """The question that *body* writes, and the digest of the description that it relies on.

    Raises Problem where it is none, and ReleaseRefused for its release.
    """
    try:
        data = json.loads(body)
        known = {*_TEXTS, "version", "asker", "release", "domain", "description_digest"}
        if set(data) != known or data["version"] != SEALED_VERSION:
            raise Problem("malformed", f"this is not a {SEALED_VERSION}")
        texts = {name: str(data[name]) for name in (*_TEXTS, "description_digest")}
        asker = Asker.from_json(data["asker"])
    except (ValueError, TypeError, RecursionError):
        raise Problem("malformed", f"this is not a {SEALED_VERSION}") from None
    if not QUERY_ID.fullmatch(texts["query_id"]) or not asker.well_written:
        raise Problem("malformed", "the query id, the project or the analyst is not written as one")
    description = texts.pop("description_digest")
    release, domain = Release.from_json(data["release"]), PublicDomain.from_json(data["domain"])
    return SealedQuestion(release=release, asker=asker, domain=domain, **texts), description


def write_words(words: Words) -> bytes:
    """Sealed words as an Arrow stream; noise does not get smaller by packing it."""
    return _stream(pa.table([pa.array(words)], schema=WORDS))


def read_words(body: bytes) -> Words:
    """The words that `write_words` wrote; ValueError for anything else."""
    table = read_table(body)
    if not table.schema.equals(WORDS) or table.column("words").null_count:
        raise ValueError("these are no sealed words")
    return table.column("words").to_numpy().astype(np.uint64, copy=False)


def write_carried(question: bytes, parcels: Sequence[Carried]) -> bytes:
    """The *question* (of `question_to_bytes`) to the opener, with what the other nodes handed in."""
    columns: list[pa.Array[Any]] = [
        pa.array([parcel.node_id for parcel in parcels], pa.string()),
        pa.array([parcel.signature for parcel in parcels], pa.string()),
        pa.array([parcel.body for parcel in parcels], pa.large_binary()),
    ]
    return _stream(pa.table(columns, schema=_CARRIED.with_metadata({_QUESTION: question})))


def read_carried(body: bytes) -> tuple[bytes, list[Carried]]:
    """The question and the parcels that `write_carried` wrote; Problem for anything else."""
    try:
        table = read_table(body)
    except ValueError:
        raise Problem("malformed", "these are no parcels") from None
    question = (table.schema.metadata or {}).get(_QUESTION)
    nulls = any(column.null_count for column in table.itercolumns())
    if question is None or nulls or not table.schema.equals(_CARRIED):
        raise Problem("malformed", "these are no parcels")
    return question, [Carried(*row.values()) for row in table.to_pylist()]


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return memoryview(sink.getvalue()).tobytes()
