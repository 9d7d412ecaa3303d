"""The catalogue of bad input over HTTP: A1 1, 4, 5, 16, 18 and A4 52 – 69, each row with its answer and the laws.

Laws after every row: the request is counted exactly once, nothing of a refused one reaches the pipelines, the next
good request succeeds, at most one log line per reason, and none holds the payload or a traceback.
"""

from __future__ import annotations

import gzip
import json
import random
import socket
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import zstandard
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tests.integration.otlp_server import JSON, PROTOBUF, TRACES, OtlpServer, spans, traces, wait_for
from tests.integration.raw_http import Answer, Client, post

SECRET = b"hunter2"
GOOD = spans(3).SerializeToString()
GOOD_JSON = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"%s","spanId":"%s"}]}]}]}' % (b"1" * 32, b"2" * 16)
LIMIT = 100_000
JSON_LIMIT = 50_000


@pytest.fixture(scope="module")
def server() -> Iterator[OtlpServer]:
    with OtlpServer(http={"max_request_body_size": LIMIT, "max_json_body_size": JSON_LIMIT}) as running:
        yield running


@dataclass(frozen=True)
class Case:
    """One request and what must come of it.

    Attributes:
        row: In the catalogue.
        send: The bytes.
        status: Of the answer; None: the connection is closed without one.
        outcome: How the request is counted.
        accepted, rejected: Spans.
        answer_type: Content type of the answer.
    """

    row: int
    name: str
    send: bytes
    status: int | None
    outcome: str | None
    accepted: int = 0
    rejected: int = 0
    answer_type: str = PROTOBUF

    def __str__(self) -> str:
        return f"{self.row} {self.name}"


def refused(row: int, name: str, send: bytes, status: int, outcome: str, answer_type: str = PROTOBUF) -> Case:
    return Case(row, name, send, status, outcome, answer_type=answer_type)


def kept(row: int, name: str, send: bytes, accepted: int = 3, answer_type: str = PROTOBUF) -> Case:
    return Case(row, name, send, 200, "ok", accepted, answer_type=answer_type)


def malformed(row: int, name: str, send: bytes, answer_type: str = PROTOBUF) -> Case:
    return refused(row, name, send, 400, "malformed", answer_type)


def too_large(row: int, name: str, send: bytes, answer_type: str = PROTOBUF) -> Case:
    return refused(row, name, send, 413, "too_large", answer_type)


def wrong_type(row: int, name: str, send: bytes, answer_type: str = PROTOBUF) -> Case:
    return refused(row, name, send, 415, "unsupported", answer_type)


def encoded(body: bytes, encoding: str, content_type: str = PROTOBUF) -> bytes:
    return traces(body, content_type, f"Content-Encoding: {encoding}")


def framed(body: bytes, content_type: str, *headers: str) -> bytes:
    head = "\r\n".join([f"POST {TRACES} HTTP/1.1", "Host: x", f"Content-Type: {content_type}", *headers, "", ""])
    return head.encode() + body


def chunked(body: bytes, content_type: str = PROTOBUF, *headers: str) -> bytes:
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    return framed(chunks, content_type, "Transfer-Encoding: chunked", *headers)


def with_method(method: str) -> bytes:
    return traces(b"").replace(b"POST", method.encode(), 1)


def padded(size: int) -> bytes:
    """A request of exactly ``size`` bytes: three spans and an unknown field."""
    padding = size - len(GOOD) - 4
    varint = bytes([padding & 127 | 128, padding >> 7 & 127 | 128, padding >> 14])
    return GOOD + b"\x7a" + varint + bytes(padding)


def metrics() -> bytes:
    request = ExportMetricsServiceRequest()
    request.resource_metrics.add().scope_metrics.add().metrics.add(name="m").gauge.data_points.add(as_int=1)
    return request.SerializeToString()


WIRE = [
    kept(1, "empty message", traces(b""), 0),
    kept(1, "empty message in JSON", traces(b"{}", JSON), 0, JSON),
    malformed(4, "64 times 0xFF", traces(b"\xff" * 64)),
    malformed(4, "noise", traces(random.Random(1).randbytes(LIMIT))),
    kept(16, "exactly the limit", traces(padded(LIMIT))),
    too_large(16, "one byte more", traces(padded(LIMIT + 1))),
    kept(16, "exactly the limit, compressed", encoded(gzip.compress(padded(LIMIT)), "gzip")),
    too_large(16, "one byte more, compressed", encoded(gzip.compress(padded(LIMIT + 1)), "gzip")),
]

CONTENT_TYPES = [
    wrong_type(52, "no content type", post(GOOD, path=TRACES), JSON),
    wrong_type(52, "text/plain", traces(GOOD, "text/plain"), JSON),
    wrong_type(52, "empty", traces(GOOD, ""), JSON),
    wrong_type(52, "two of them", traces(GOOD, PROTOBUF, f"Content-Type: {JSON}"), JSON),
    kept(52, "with a parameter", traces(GOOD, f"{PROTOBUF}; charset=x")),
    kept(52, "upper case", traces(GOOD_JSON, "APPLICATION/JSON"), 1, JSON),
    malformed(52, "JSON with a protobuf body", traces(GOOD, JSON), JSON),
    malformed(52, "protobuf with a JSON body", traces(GOOD_JSON)),
]

METHODS = ("GET", "PUT", "DELETE", "OPTIONS", "PATCH")
WRONG_PATHS = ("/v1/nope", "//v1/traces", "/v1/traces/", "/v1/%74races", "/v1/../v1/traces", "/", "*", "/V1/traces")
PATHS = [
    *(refused(53, method, with_method(method), 405, "unsupported") for method in METHODS),
    *(refused(53, path, traces(GOOD, path=path), 404, "unsupported") for path in WRONG_PATHS),
    refused(53, "a signal without a pipeline", traces(metrics(), path="/v1/metrics"), 404, "unsupported"),
    kept(53, "with a query", traces(GOOD, path=f"{TRACES}?a=b")),
]

GZIPPED = gzip.compress(GOOD)
BAD_CRC = GZIPPED[:-8] + bytes([GZIPPED[-8] ^ 1]) + GZIPPED[-7:]
TWICE = ("Content-Encoding: gzip", "Content-Encoding: gzip")
ENCODINGS = [
    *(wrong_type(54, name, encoded(GOOD, name)) for name in ("br", "nope", "gzip, gzip", "snappy")),
    wrong_type(54, "two fields", traces(GZIPPED, PROTOBUF, *TWICE)),
    *(kept(54, repr(name), encoded(GOOD, name)) for name in ("identity", "")),
    *(kept(54, name, encoded(GZIPPED, name)) for name in ("gzip", "GZIP")),
    kept(54, "deflate", encoded(zlib.compress(GOOD), "deflate")),
    kept(54, "zstd", encoded(zstandard.ZstdCompressor().compress(GOOD), "zstd")),
    kept(54, "gzip and JSON", encoded(gzip.compress(GOOD_JSON), "gzip", JSON), 1, JSON),
    malformed(55, "plain body called gzip", encoded(GOOD, "gzip")),
    malformed(55, "gzip body not called so", traces(GZIPPED)),
    malformed(56, "bad checksum", encoded(BAD_CRC, "gzip")),
    malformed(56, "junk behind", encoded(GZIPPED + b"junk", "gzip")),
    kept(56, "two members are one body", encoded(gzip.compress(GOOD[:99]) + gzip.compress(GOOD[99:]), "gzip")),
    kept(56, "an empty member", encoded(GZIPPED + gzip.compress(b""), "gzip")),
    *(malformed(56, f"cut at {n}", encoded(GZIPPED[:n], "gzip")) for n in range(1, len(GZIPPED), 7)),
]

WRONG_LENGTHS = ("-1", "100000000000000000000", "3\r\nContent-Length: 4", "0x3")
FRAMING = [
    kept(57, "chunked", chunked(GOOD)),
    malformed(57, "chunked and a length", chunked(GOOD, PROTOBUF, "Content-Length: 9"), JSON),
    *(malformed(57, name, framed(GOOD, PROTOBUF, f"Content-Length: {name}"), JSON) for name in WRONG_LENGTHS),
]


def zstd_window() -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return stream.compress(GOOD) + stream.flush()


ZSTD_FORGED = b"\x28\xb5\x2f\xfd\xe0" + (1 << 63).to_bytes(8, "little") + b"\x01\0\0"
ZSTD_FRAMES = zstandard.ZstdCompressor().compress(bytes(1 << 20)) * 1000
BOMBS = [
    too_large(58, "zstd of a declared size", encoded(zstandard.ZstdCompressor().compress(bytes(1 << 24)), "zstd")),
    too_large(58, "zstd of a forged size", encoded(ZSTD_FORGED, "zstd")),
    too_large(58, "zstd with a large window", encoded(zstd_window(), "zstd")),
    too_large(58, "a thousand zstd frames", encoded(ZSTD_FRAMES, "zstd")),
    malformed(58, "gzip in gzip", encoded(gzip.compress(gzip.compress(GOOD)), "gzip")),
]


def json_span(**fields: Any) -> bytes:
    span = {"traceId": "1" * 32, "spanId": "2" * 16, **fields}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


def json_text(text: str) -> bytes:
    """A span with a value that Python would not write."""
    return json_span(startTimeUnixNano="TEXT").replace(b'"TEXT"', text.encode())


def json_unknown(text: str) -> bytes:
    return json_span(unknown="TEXT").replace(b'"TEXT"', text.encode())


def good_json(row: int, name: str, body: bytes, accepted: int = 1) -> Case:
    return kept(row, name, traces(body, JSON), accepted, JSON)


def bad_json(row: int, name: str, body: bytes) -> Case:
    return malformed(row, name, traces(body, JSON), JSON)


def bad_id(name: str, trace_id: str) -> Case:
    return Case(60, name, traces(json_span(traceId=trace_id), JSON), 200, "partial", rejected=1, answer_type=JSON)


GOOD_TIMES = ('"1767225600000000000"', "1767225600000000000", "1.5e18")
BAD_TIMES = ('"1e3"', "18446744073709551616", "-1", "9" * 5000)
SPACES = b" " * (JSON_LIMIT + 1)
JSON_CASES = [
    good_json(60, "hex in lower case", json_span(traceId="ab" * 16)),
    good_json(60, "hex in upper case", json_span(traceId="AB" * 16)),
    good_json(60, "hex in mixed case", json_span(traceId="aB" * 16)),
    bad_id("31 digits", "1" * 31),
    bad_id("33 digits", "1" * 33),
    bad_id("not hex", "x" * 32),
    bad_id("base64", "W47/95gDgQPSabYzgT/GDA=="),
    bad_id("empty", ""),
    bad_id("zeros", "0" * 32),
    good_json(61, "snake_case is unknown", json_span().replace(b"resourceSpans", b"resource_spans"), 0),
    bad_json(61, "enumeration by name", json_span(kind="SPAN_KIND_SERVER")),
    bad_json(61, "enumeration as a string", json_span(kind="2")),
    *(good_json(62, f"time {text}", json_text(text)) for text in GOOD_TIMES),
    *(bad_json(62, f"time {text[:20]}", json_text(text)) for text in BAD_TIMES),
    good_json(63, "900 lists in an unknown key", json_unknown("[" * 900 + "]" * 900)),
    bad_json(63, "20 000 lists in an unknown key", json_unknown("[" * 20_000 + "]" * 20_000)),
    good_json(63, "many unknown keys", json_span(**{f"k{n}": n for n in range(3_000)})),
    good_json(64, "null for a field", json_span(name=None)),
    good_json(64, "null for a list", b'{"resourceSpans": null}', 0),
    bad_json(64, "null for an element", b'{"resourceSpans": [null]}'),
    bad_json(64, "a list", b"[]"),
    bad_json(64, "a string", b'""'),
    bad_json(64, "a number", b"1"),
    bad_json(64, "cut off", b"nul"),
    bad_json(64, "blank", b" "),
    bad_json(64, "byte order mark", b"\xef\xbb\xbf" + GOOD_JSON),
    bad_json(64, "UTF-16", GOOD_JSON.decode().encode("utf-16")),
    bad_json(64, "not UTF-8", json_span(name="NAME").replace(b"NAME", b"\xff")),
    bad_json(64, "trailing garbage", GOOD_JSON + b"x"),
    bad_json(64, "a key twice", b'{"resourceSpans": [], "resourceSpans": []}'),
    bad_json(64, "a lone surrogate", json_span(name="\ud800")),
    bad_json(64, "NaN", json_span(name=float("nan"))),
    too_large(65, "too much JSON", traces(SPACES, JSON), JSON),
    too_large(65, "too much JSON, compressed", encoded(gzip.compress(SPACES), "gzip", JSON), JSON),
    too_large(65, "too much JSON, chunked", chunked(SPACES, JSON), JSON),
]


def headed(*headers: str) -> bytes:
    return traces(GOOD, PROTOBUF, *headers)


TLS_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
UPGRADE = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA")
HEADS = [
    kept(67, "a header of 9 kB", headed("X-A: " + "a" * 9_000)),
    refused(67, "a header of 20 kB", headed("X-A: " + "a" * 20_000), 431, "too_large", JSON),
    refused(67, "5000 headers", headed(*(f"X-{n}: 1" for n in range(5_000))), 431, "too_large", JSON),
    refused(67, "a URL of 100 kB", traces(GOOD, path="/" + "a" * 100_000), 414, "too_large", JSON),
    malformed(67, "NUL in a header", headed("X-A: a\0b"), JSON),
    malformed(67, "a bare CR in a header", headed("X-A: a\rb"), JSON),
    malformed(67, "a folded header", headed("X-A: a\r\n b"), JSON),
    refused(67, "HTTP/0.9", b"GET /\r\n\r\n", 505, "unsupported", JSON),
    malformed(67, "HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", JSON),
    malformed(67, "TLS hello", TLS_HELLO, JSON),
    kept(68, "Accept-Encoding", headed("Accept-Encoding: gzip, deflate")),
    kept(68, "HTTP/1.0", traces(GOOD).replace(b"HTTP/1.1", b"HTTP/1.0")),
    kept(68, "Connection: close", headed("Connection: close")),
    kept(68, "an offer to switch to HTTP/2", headed(*UPGRADE)),
]

CASES = [*WIRE, *CONTENT_TYPES, *PATHS, *ENCODINGS, *FRAMING, *BOMBS, *JSON_CASES, *HEADS]


def body_of(answer: Answer, kind: Any) -> Any:
    """The message in an answer, read as its content type says."""
    if answer.headers["content-type"] == JSON:
        return json_format.Parse(answer.body, kind())
    return kind.FromString(answer.body)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_row_has_its_answer_and_the_laws_hold(case: Case, server: OtlpServer) -> None:
    before, accepted, rejected, lines = server.outcomes(), server.accepted, server.rejected, len(server.log.lines)
    with Client(server.http) as client:
        client.send(case.send)
        answer = client.answer()
    assert answer.status == case.status
    assert answer.headers["content-type"] == case.answer_type
    if case.status == 200:
        assert body_of(answer, ExportTraceServiceResponse).partial_success.rejected_spans == case.rejected
    else:
        status = body_of(answer, Status)
        assert status.message
        assert status.code
    assert server.outcomes() - before == {case.outcome: 1}
    assert (server.accepted - accepted, server.rejected - rejected) == (case.accepted, case.rejected)
    assert server.is_alive()
    assert len(server.log.lines) - lines <= 2, "the refusal, and items rejected for ever"
    assert all("Traceback" not in line for line in server.log.lines)


def test_all_rows_together_logged_one_line_per_reason(server: OtlpServer) -> None:
    assert sorted(server.log.reasons) == sorted(set(server.log.reasons))


def ask(server: OtlpServer, sent: bytes) -> Answer:
    with Client(server.http) as client:
        client.send(sent)
        return client.answer()


def test_row_5_a_field_of_the_wrong_wire_type_is_skipped_or_refused_as_a_whole(server: OtlpServer) -> None:
    accepted = server.accepted
    assert ask(server, traces(b"\x08\x01")).status in {200, 400}
    assert server.accepted == accepted


def test_row_18_metrics_on_the_traces_path_bring_nothing(server: OtlpServer) -> None:
    accepted = server.accepted
    assert ask(server, traces(metrics())).status in {200, 400}
    assert server.accepted == accepted


def test_row_53_head_is_405_without_a_body(server: OtlpServer) -> None:
    with Client(server.http) as client:
        client.send(with_method("HEAD"))
        answer = client.answer(to_head=True)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        client.send(traces(GOOD))
        assert client.answer().status == 200


def test_row_54_an_unsupported_encoding_is_told_what_is_supported(server: OtlpServer) -> None:
    assert ask(server, encoded(GOOD, "br")).headers["accept-encoding"] == "deflate, gzip, identity, zlib, zstd"
    assert "allow" in ask(server, with_method("GET")).headers


BOMB_BYTES = 256 << 20


def bomb(encoding: str) -> bytes:
    if encoding == "zstd":
        stream: Any = zstandard.ZstdCompressor().compressobj()
    else:
        stream = zlib.compressobj(1, wbits=31 if encoding == "gzip" else 15)
    piece = bytes(1 << 22)
    return b"".join([*(stream.compress(piece) for _ in range(BOMB_BYTES >> 22)), stream.flush()])


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_row_58_bombs_are_refused_without_being_unpacked(encoding: str) -> None:
    with OtlpServer() as server:
        answer = ask(server, encoded(bomb(encoding), encoding))
        assert answer.status == 413
        assert dict(server.outcomes()) == {"too_large": 1}
        assert server.is_alive()


def test_row_57_a_length_beyond_the_body_ingests_nothing(server: OtlpServer) -> None:
    before, accepted = server.outcomes(), server.accepted
    for cut in (1, 20, len(GOOD) - 1):
        with Client(server.http) as client:
            client.send(traces(GOOD)[:-cut])
    wait_for(lambda: (server.outcomes() - before)["aborted"] == 3)
    assert server.accepted == accepted
    assert server.is_alive()


def test_row_57_a_length_below_the_body_cuts_the_message_and_the_rest_is_no_request(server: OtlpServer) -> None:
    accepted = server.accepted
    with Client(server.http) as client:
        client.send(traces(GOOD).replace(b"Content-Length: %d" % len(GOOD), b"Content-Length: %d" % (len(GOOD) - 9)))
        assert [client.answer().status, client.answer().status] == [400, 400]
        assert client.is_closed()
    assert server.accepted == accepted


def test_row_61_the_sender_of_snake_case_is_warned(server: OtlpServer) -> None:
    answer = ask(server, traces(json_span().replace(b"spanId", b"span_id"), JSON))
    partial = body_of(answer, ExportTraceServiceResponse).partial_success
    assert "ignored keys that are not lowerCamelCase: span_id" in partial.error_message
    everything = ask(server, traces(json_span().replace(b"resourceSpans", b"resource_spans"), JSON))
    warning = body_of(everything, ExportTraceServiceResponse).partial_success
    assert (warning.rejected_spans, "resource_spans" in warning.error_message) == (0, True)


@pytest.mark.parametrize(
    ("timeout", "sent", "status"),
    [
        ("read_header_timeout", traces(GOOD)[:40], 408),
        ("read_timeout", traces(GOOD)[:-1], 408),
        ("idle_timeout", traces(GOOD), 200),
    ],
)
def test_row_66_slow_senders_are_closed_and_others_are_served(timeout: str, sent: bytes, status: int) -> None:
    with OtlpServer(http={timeout: "300ms"}) as server:
        slow = [Client(server.http) for _ in range(100)]
        for client in slow:
            client.send(sent)
        assert server.is_alive()
        for client in slow:
            with client:
                assert client.answer().status == status
                assert client.is_closed()
        expected = {"ok": 1, "timeout": 100} if status == 408 else {"ok": 101}
        assert server.outcomes_reach(expected)
        assert server.accepted == (1 if status == 408 else 301)


def test_row_67_requests_sent_ahead_are_answered_in_order(server: OtlpServer) -> None:
    with Client(server.http) as client:
        client.send(traces(GOOD) + traces(b"\xff") + traces(GOOD, path="/nope") + traces(GOOD))
        assert [client.answer().status for _ in range(4)] == [200, 400, 404, 200]


def test_row_67_continue_is_sent_when_the_body_is_wanted(server: OtlpServer) -> None:
    with Client(server.http) as client:
        head, body = traces(GOOD, PROTOBUF, "Expect: 100-continue").split(b"\r\n\r\n", 1)
        client.send(head + b"\r\n\r\n")
        assert client.answer().status == 100
        client.send(body)
        assert client.answer().status == 200
    with Client(server.http) as client:
        client.send(head.replace(b"Content-Length: ", b"Content-Length: 999") + b"\r\n\r\n")
        assert client.answer().status == 413


def test_row_67_plain_http_on_the_grpc_port_is_closed(server: OtlpServer) -> None:
    host, _, port = server.grpc.rpartition(":")
    with Client((host, int(port))) as client:
        client.send(traces(GOOD))
        while client.socket.recv(1000):
            pass
    assert server.is_alive()


@pytest.mark.parametrize("sent", [traces(GOOD)[:-1], traces(GOOD)[:30]])
def test_row_69_a_reset_inside_a_request_ingests_nothing(server: OtlpServer, sent: bytes) -> None:
    accepted = server.accepted
    client = Client(server.http)
    client.send(sent)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert server.is_alive()
    assert server.accepted == accepted + 1


def test_row_69_a_reset_before_the_answer_counts_the_batch_once(server: OtlpServer) -> None:
    accepted = server.accepted
    server.gate.clear()
    client = Client(server.http)
    client.send(traces(GOOD))
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    server.gate.set()
    wait_for(lambda: server.accepted == accepted + 3)
    assert server.is_alive()
