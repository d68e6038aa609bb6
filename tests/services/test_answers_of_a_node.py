"""What a node sends is what it signed, and holds nothing but the values that a reader sees."""

from __future__ import annotations

import datetime
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pyarrow as pa
import pytest
from joserfc.jwk import ECKey

from goe_lake.engine.plain import clean, clean_answer
from goe_lake.errors import NodeFailed
from goe_lake.federation import Answer, Federation
from goe_lake.federation.asker import Asker
from goe_lake.federation.membership import parse_address
from goe_lake.federation.remote_node import Channel, RemoteNode
from goe_lake.federation.tokens import SIGNATURE_HEADER, BadSignature, Signer, check_answer, sign_answer
from goe_lake.federation.wire import RELEASE, read_answer, read_table, write_answer, write_table
from goe_lake.query import prepare
from goe_lake.release import Envelope, Status
from tests.services.running import GATEWAY, Running

NODE = "GOE-EE-NODE-1"
QUERY_ID = "0123456789abcdef" * 2


class Between:
    """A server with the node's certificate that passes requests on, and alters answers to releases."""

    def __init__(self, services: Running) -> None:
        self.alter = "nothing"
        self.taken: list[tuple[bytes, str]] = []
        member = services.membership.node(NODE)
        context = services.identity(GATEWAY).client_context(member.ca)
        self.http = httpx.Client(base_url=member.address.url, verify=context, timeout=30)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that is overridden
                """Say nothing."""

            def do_GET(self) -> None:
                """Pass one request on."""
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {"Authorization": self.headers["Authorization"]}
                response = outer.http.request(self.command, self.path, content=body, headers=headers)
                content, signature = response.content, response.headers.get(SIGNATURE_HEADER, "")
                if self.path == RELEASE:
                    content, signature = outer.altered(content, signature)
                self.send_response(response.status_code)
                self.send_header(SIGNATURE_HEADER, signature)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_PUT = do_GET  # noqa: N815 - the names that are called

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = (
            services.identity(NODE).server_context().wrap_socket(self.server.socket, server_side=True)
        )
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def altered(self, body: bytes, signature: str) -> tuple[bytes, str]:
        """The answer as this server passes it on."""
        self.taken.append((body, signature))
        if self.alter == "body":
            table = read_table(body)
            more = pa.chunked_array(
                [pa.array([value.as_py() + 1 for value in table.column("m0")], table.column("m0").type)]
            )
            return write_table(table.set_column(table.column_names.index("m0"), "m0", more)), signature
        if self.alter == "signature":
            return body, signature[:-2] + ("AA" if signature[-2:] != "AA" else "BB")
        if self.alter == "none":
            return body, ""
        return self.taken[0] if self.alter == "replay" else (body, signature)

    def close(self) -> None:
        """Stop."""
        self.server.shutdown()
        self.server.server_close()
        self.http.close()


@pytest.fixture
def between(services: Running) -> Iterator[Between]:
    """The server in between."""
    server = Between(services)
    yield server
    server.close()


def test_what_was_altered_on_the_way_is_no_answer(services: Running, embedded: Federation, between: Between):
    """Other cells, another signature, none, and the answer to an earlier request: none is taken."""
    member = services.membership.node(NODE)
    address = parse_address(f"https://localhost:{between.server.server_address[1]}")
    context = services.identity(GATEWAY).client_context(member.ca)
    channel = Channel(replace(member, address=address), services.gateway_signer(), context)
    node = RemoteNode(channel, services.membership)
    release = prepare("SELECT sex, count(*) AS n FROM samples GROUP BY sex", embedded.catalog).releases[0]
    node.describe()
    node.lay(embedded.site_list)
    assert node.answer(release, Asker("demo"), QUERY_ID).cells.num_rows == 2
    for alter in ("body", "signature", "none", "replay"):
        between.alter = alter
        with pytest.raises(NodeFailed, match="not signed by the node"):
            node.answer(release, Asker("demo"), QUERY_ID)
    between.alter = "nothing"
    assert node.answer(release, Asker("demo"), QUERY_ID).cells.num_rows == 2
    channel.close()


def test_a_signature_is_for_one_node_gateway_nonce_and_body():
    """Each of them is named in it."""
    key = ECKey.generate_key("P-256")
    public = ECKey.import_key(key.as_pem(private=False))
    signature = sign_answer(Signer("N", key), "G", "nonce", b"body", {"more": 1})
    assert check_answer(signature, public, "N", "G", "nonce", b"body")["more"] == 1
    for asked in (
        ("M", "G", "nonce", b"body"),
        ("N", "H", "nonce", b"body"),
        ("N", "G", "other", b"body"),
        ("N", "G", "nonce", b""),
    ):
        with pytest.raises(BadSignature):
            check_answer(signature, public, *asked)
    with pytest.raises(BadSignature):
        check_answer(signature, ECKey.generate_key("P-256"), "N", "G", "nonce", b"body")
    with pytest.raises(BadSignature):
        check_answer(None, public, "N", "G", "nonce", b"body")


PLANTED = {
    "whole": (pa.int64(), [0x5EC2E7_5EC2E7 + place for place in range(6)]),
    "exact": (pa.decimal128(38, 0), [Decimal(0x5EC2E7_5EC2E7_5EC2E7) + place for place in range(6)]),
    "text": (pa.string(), [f"5EC2E7-{place}" for place in range(6)]),
    "date": (pa.date32(), [datetime.date(1987, 6, 5)] * 6),
    "truth": (pa.bool_(), [True] * 6),
    "number": (pa.float64(), [1.6180339887] * 6),
}


def withheld(kind: pa.DataType, values: list[Any]) -> pa.Array:
    """An array whose values are all NULL, and all still there beneath."""
    full = pa.array(values, kind)
    nothing = pa.py_buffer(bytes(8))
    return pa.Array.from_buffers(kind, len(values), [nothing, *full.buffers()[1:]])


def test_nothing_travels_beneath_a_null():
    """Arrow keeps what was withheld beneath its NULL; what is sent does not."""
    table = pa.table({name: withheld(kind, values) for name, (kind, values) in PLANTED.items()})
    assert all(column.null_count == 6 for column in table.itercolumns())
    assert any(
        any(memoryview(buffer)) for column in table.itercolumns() for buffer in column.chunk(0).buffers()[1:]
    )
    cleaned = clean(pa.concat_tables([table, table.slice(2, 3)]))
    assert cleaned.equals(pa.concat_tables([table, table.slice(2, 3)]))
    for column in cleaned.itercolumns():
        buffers = [buffer for chunk in column.chunks for buffer in chunk.buffers()[1:] if buffer]
        assert not any(any(memoryview(buffer)) for buffer in buffers), column.type


def test_nothing_travels_around_a_slice():
    """Rows that a filter left out are not in the bytes."""
    table = pa.table({name: pa.array(values, kind) for name, (kind, values) in PLANTED.items()})
    part = clean(table.slice(1, 1))
    assert part.equals(table.slice(1, 1))
    assert all(chunk.offset == 0 for column in part.itercolumns() for chunk in column.chunks)
    assert part.column("text").chunk(0).buffers()[2].to_pybytes().rstrip(b"\0") == b"5EC2E7-1"


def test_the_bytes_depend_on_the_values_alone():
    """The same values from other chunks are the same bytes, so digests agree on both sides."""
    table = pa.table({name: pa.array(values, kind) for name, (kind, values) in PLANTED.items()})
    pieces = pa.concat_tables([table.slice(0, 2), table.slice(2, 0), table.slice(2)])
    assert write_table(pieces) == write_table(table)
    assert write_table(read_table(write_table(table))) == write_table(table)
    assert read_table(write_table(table.slice(0, 0))).equals(table.slice(0, 0))


@pytest.mark.parametrize(
    "cut", [lambda body: body[:-20], lambda body: body[20:], lambda body: body + body, lambda body: b""]
)
def test_a_damaged_stream_is_an_error_not_a_crash(cut: Any):
    """Bytes are checked before anything is made of them."""
    body = write_table(pa.table({"a": pa.array(range(1000))}))
    with pytest.raises(ValueError, match="Arrow stream"):
        read_table(cut(body))


def test_columns_that_could_hide_values_do_not_travel():
    """A dictionary holds labels that no row has; nested values are nobody's cells."""
    for array in (pa.array(["a"]).dictionary_encode(), pa.array([[1]]), pa.array([{"a": 1}])):
        with pytest.raises(ValueError, match="does not travel"):
            write_table(pa.table({"a": array}))


def test_nothing_lies_beneath_the_lists_of_an_answer():
    """An answer may hold lists, structs, maps and labels: of what they show, and nothing else."""
    hidden = pa.array([False, True])
    for planted in (
        pa.ListArray.from_arrays([0, 1, 2], pa.array(["x", "5EC2E7"]), mask=hidden),
        pa.StructArray.from_arrays([pa.array(["x", "5EC2E7"])], ["a"], mask=hidden),
        pa.MapArray.from_arrays([0, 1, 2], ["k", "5EC2E7"], ["x", "5EC2E7"]).slice(0, 1),
        pa.DictionaryArray.from_arrays(pa.array([0, None], pa.int8()), ["x", "5EC2E7"]),
    ):
        table = pa.table({"a": planted})
        cleaned = clean_answer(table)
        assert b"5EC2E7" in _bytes_of(table)
        assert cleaned.to_pylist() == table.to_pylist()
        assert cleaned.schema.equals(table.schema)
        assert b"5EC2E7" not in _bytes_of(cleaned), planted.type


def _bytes_of(table: pa.Table) -> bytes:
    """What an uncompressed stream of *table* holds, and all that lies beneath it."""
    found = b""
    for chunk in table.column(0).chunks:
        found += b"".join(buffer.to_pybytes() for buffer in chunk.buffers() if buffer is not None)
        if pa.types.is_dictionary(chunk.type):
            found += b"".join(map(str.encode, chunk.dictionary.to_pylist()))
    return found


def test_server_contexts_ask_for_tls_1_3(services: Running):
    """Both sides, whatever the system's default is."""
    identity = services.identity(GATEWAY)
    for context in (identity.server_context(), identity.client_context(services.keys.ca)):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_3
    assert identity.server_context(services.keys.ca).verify_mode == ssl.CERT_REQUIRED


def test_an_answer_carries_nothing_beneath_a_null_either():
    """Another analyst's numbers may have been in the gateway's memory before."""
    table = pa.table({name: withheld(kind, values) for name, (kind, values) in PLANTED.items()})
    status = pa.table({name: ["withheld"] * 6 for name in PLANTED})
    envelope = Envelope("0" * 32, (), (), Status.OK)
    answer = read_answer(write_answer(Answer(table, status, envelope)))
    assert answer.table.equals(table, check_metadata=True)
    assert (answer.status, answer.envelope) == (status, envelope)
    for column in answer.table.itercolumns():
        assert not any(any(memoryview(buffer)) for buffer in column.chunk(0).buffers()[1:] if buffer)
