"""The catalogue of bad input over gRPC: A1 1, 4, 5, 16, 18, A4 59 and A5 70 – 74, 76, each with answer and laws.

Laws after every row: the call is counted exactly once where it became one, nothing of a refused one reaches the
pipelines, the next good request succeeds, at most one log line per reason, and none holds a traceback.
"""

from __future__ import annotations

import contextlib
import gzip
import random
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from grpc_health.v1 import health_pb2
from grpc_status import rpc_status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from pipeline.errors import PermanentError, RetryableError
from tests.integration.otlp_server import OtlpServer, spans, wait_for
from tests.integration.raw_grpc import (
    CONTINUATION,
    DATA,
    EXPORT,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    RawGrpc,
    call_fields,
    frame,
    header_block,
    message,
)

GOOD = spans(3).SerializeToString()
LIMIT = 1 << 20
WAIT_S = 20.0
METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
Code = grpc.StatusCode


@pytest.fixture(scope="module")
def server() -> Iterator[OtlpServer]:
    with OtlpServer(grpc={"max_recv_msg_size_mib": LIMIT >> 20}) as running:
        yield running


@pytest.fixture
def channel(server: OtlpServer) -> Iterator[grpc.Channel]:
    with open_channel(server) as opened:
        yield opened


def open_channel(server: OtlpServer) -> grpc.Channel:
    # A connection of its own for each test: grpc shares them between channels otherwise.
    return grpc.insecure_channel(server.grpc, options=[("grpc.use_local_subchannel_pool", 1)])


def export(channel: grpc.Channel, body: bytes, **options: Any) -> bytes:
    answer: bytes = channel.unary_unary(EXPORT)(body, timeout=WAIT_S, **options)
    return answer


def error_of(channel: grpc.Channel, body: bytes, path: str = EXPORT, **options: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(path)(body, timeout=WAIT_S, **options)
    return caught.value


def details_of(error: grpc.RpcError) -> list[Any]:
    status = rpc_status.from_call(error)
    return list(status.details) if status is not None else []


def padded(size: int) -> bytes:
    """A request of exactly ``size`` bytes: three spans and an unknown field."""
    padding = size - len(GOOD) - 4
    varint = bytes([padding & 127 | 128, padding >> 7 & 127 | 128, padding >> 14])
    return GOOD + b"\x7a" + varint + bytes(padding)


def metrics() -> bytes:
    request = ExportMetricsServiceRequest()
    request.resource_metrics.add().scope_metrics.add().metrics.add(name="m").gauge.data_points.add(as_int=1)
    return request.SerializeToString()


def is_alive(server: OtlpServer) -> bool:
    with open_channel(server) as channel:
        return export(channel, GOOD) == b""


MESSAGES = {
    "1 empty message": (b"", None, "ok", 0),
    "4 64 times 0xFF": (b"\xff" * 64, Code.INVALID_ARGUMENT, "malformed", 0),
    "4 noise": (random.Random(1).randbytes(LIMIT), Code.INVALID_ARGUMENT, "malformed", 0),
    "16 exactly the limit": (padded(LIMIT), None, "ok", 3),
    "16 one byte more": (padded(LIMIT + 1), Code.RESOURCE_EXHAUSTED, "aborted", 0),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_each_message_has_its_answer(name: str, server: OtlpServer, channel: grpc.Channel) -> None:
    body, code, outcome, accepted = MESSAGES[name]
    before, spans_before, lines = server.outcomes(), server.accepted, len(server.log.lines)
    if code is None:
        assert export(channel, body) == b"", "a full success is an empty message"
    else:
        error = error_of(channel, body)
        assert error.code() == code
        assert not any(detail.Is(RetryInfo.DESCRIPTOR) for detail in details_of(error)), "senders would try again"
    wait_for(lambda: server.outcomes() - before == {outcome: 1})
    assert server.accepted - spans_before == accepted
    assert len(server.log.lines) - lines <= 1
    assert is_alive(server)


def test_bad_data_says_what_is_wrong(channel: grpc.Channel) -> None:
    error = error_of(channel, b"\xff" * 64)
    violation = BadRequest()
    assert details_of(error)[0].Unpack(violation)
    assert violation.field_violations[0].description == error.details()


@pytest.mark.parametrize("body", [b"\x08\x01", metrics()], ids=["5 wrong wire type", "18 metrics as traces"])
def test_a_message_of_another_kind_brings_nothing(body: bytes, server: OtlpServer, channel: grpc.Channel) -> None:
    accepted = server.accepted
    assert channel.unary_unary(EXPORT).future(body, timeout=WAIT_S).code() in {Code.OK, Code.INVALID_ARGUMENT}
    assert server.accepted == accepted


def test_spans_that_can_never_be_accepted_are_told_and_the_others_kept(
    server: OtlpServer, channel: grpc.Channel
) -> None:
    accepted, request = server.accepted, spans(3)
    request.resource_spans[0].scope_spans[0].spans[1].trace_id = b"short"
    partial = ExportTraceServiceResponse.FromString(export(channel, request.SerializeToString())).partial_success
    assert partial.rejected_spans == 1
    assert partial.error_message
    assert server.accepted == accepted + 2


FAULTS = {
    "busy": (RetryableError("memory is short", 2.5), Code.UNAVAILABLE, "memory is short"),
    "never": (PermanentError("not wanted"), Code.INVALID_ARGUMENT, "not wanted"),
    "bug": (ZeroDivisionError("secret=hunter2"), Code.UNAVAILABLE, "internal error"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_pipelines_say_reaches_the_sender_and_what_they_raise_does_not(
    name: str, server: OtlpServer, channel: grpc.Channel
) -> None:
    fault, code, text = FAULTS[name]
    server.fault = fault
    try:
        error = error_of(channel, GOOD)
    finally:
        server.fault = None
    assert (error.code(), error.details()) == (code, text)
    retry = RetryInfo()
    assert (code == Code.UNAVAILABLE) == any(detail.Unpack(retry) for detail in details_of(error))
    if name == "busy":
        assert retry.retry_delay.ToMilliseconds() == 2500


def test_row_59_compressed_messages_are_read_and_bombs_are_not(server: OtlpServer, channel: grpc.Channel) -> None:
    before, accepted = server.outcomes(), server.accepted
    for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        assert export(channel, GOOD, compression=compression) == b""
    assert server.accepted == accepted + 6
    for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        assert error_of(channel, bytes(64 << 20), compression=compression).code() == Code.RESOURCE_EXHAUSTED
    assert server.outcomes() - before == {"ok": 2, "too_large": 2}
    assert is_alive(server)


RAW = {
    "59 zstd": (call_fields(grpc_encoding="zstd"), message(b"\x28\xb5\x2f\xfd", compressed=1)),
    "59 snappy": (call_fields(grpc_encoding="snappy"), message(b"\x01\x00a", compressed=1)),
    "59 compressed without an encoding": (call_fields(), message(gzip.compress(GOOD), compressed=1)),
    "59 damaged gzip": (call_fields(grpc_encoding="gzip"), message(gzip.compress(GOOD)[:-9], compressed=1)),
    "59 damaged deflate": (call_fields(grpc_encoding="deflate"), message(zlib.compress(GOOD)[:-9], compressed=1)),
    "70 no message": (call_fields(), b""),
    "70 a message longer than its stream": (call_fields(), message(GOOD, length=1000)),
    "70 length 2**32 - 1": (call_fields(), message(GOOD, length=(1 << 32) - 1)),
    "70 unknown compression flag": (call_fields(), message(GOOD, compressed=7)),
    "70 without te": (call_fields(te=None), message(b"\xff")),
    "70 content type grpc+json": (call_fields(content_type="application/grpc+json"), message(b"{}")),
    "70 without a path": (call_fields(path=""), message(GOOD)),
    "70 GET": ([(":method", "GET"), *call_fields()[1:]], message(GOOD)),
    "71 metadata of 70 kB": (call_fields(x_a="a" * 70_000), message(GOOD)),
    "71 bad base64": (call_fields(x_bin="!!!"), message(b"\xff")),
}


@pytest.mark.parametrize("name", RAW)
def test_calls_that_no_library_makes_end_and_bring_nothing(name: str, server: OtlpServer) -> None:
    before, accepted = server.outcomes(), server.accepted
    fields, body = RAW[name]
    with RawGrpc(server.grpc) as raw:
        raw.call(fields, body)
        raw.read_end()
    assert server.accepted == accepted
    assert sum((server.outcomes() - before).values()) <= 1
    assert is_alive(server)


@pytest.mark.parametrize("path", ["/no.such.Service/Export", f"{EXPORT}x", METRICS, "/", "nonsense"])
def test_row_70_a_method_that_is_not_there_is_unimplemented(
    path: str, server: OtlpServer, channel: grpc.Channel
) -> None:
    before = server.outcomes()
    assert error_of(channel, GOOD, path).code() == Code.UNIMPLEMENTED
    wait_for(lambda: server.outcomes() - before == {"unsupported": 1})


def test_row_70_no_message_is_unimplemented_and_of_two_the_first_counts(
    server: OtlpServer, channel: grpc.Channel
) -> None:
    before, accepted = server.outcomes(), server.accepted
    with pytest.raises(grpc.RpcError) as caught:
        channel.stream_unary(EXPORT)(iter([]), timeout=WAIT_S)
    assert caught.value.code() == Code.UNIMPLEMENTED
    assert channel.stream_unary(EXPORT)(iter([GOOD, GOOD]), timeout=WAIT_S) == b""
    assert server.accepted == accepted + 3
    assert server.outcomes() - before == {"aborted": 1, "ok": 1}


def test_row_71_many_metadata_keys_are_refused_by_their_size(server: OtlpServer, channel: grpc.Channel) -> None:
    metadata = [(f"key-{n}", "value") for n in range(10_000)]
    assert error_of(channel, GOOD, metadata=metadata).code() in {Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE}
    assert is_alive(server)


def test_row_72_a_client_that_gives_up_while_we_work_is_counted_once(server: OtlpServer, channel: grpc.Channel) -> None:
    before, accepted = server.outcomes(), server.accepted
    server.gate.clear()
    try:
        assert error_of_deadline(channel).code() == Code.DEADLINE_EXCEEDED
    finally:
        server.gate.set()
    wait_for(lambda: server.accepted == accepted + 3)
    wait_for(lambda: server.outcomes() - before == {"ok": 1})


def error_of_deadline(channel: grpc.Channel) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(EXPORT)(GOOD, timeout=0.2)
    return caught.value


def flood(kind: str) -> bytes:
    block = header_block(call_fields())
    floods = {
        "reset": b"".join(
            frame(HEADERS, 4, stream, block) + frame(RST_STREAM, 0, stream, b"\0\0\0\x08")
            for stream in range(1, 6000, 2)
        ),
        "ping": frame(PING, 0, 0, bytes(8)) * 3000,
        "settings": frame(SETTINGS, 0, 0) * 3000,
        "continuation": frame(HEADERS, 0, 1, block[:50]) + frame(CONTINUATION, 0, 1, b"") * 3000,
        "window update of zero": frame(WINDOW_UPDATE, 0, 0, bytes(4)) * 10,
        "data on no stream": frame(DATA, 0, 99, b"x"),
        "streams": b"".join(frame(HEADERS, 4, stream, block) for stream in range(1, 20_000, 2)),
        "a frame of the largest size": struct_frame_too_large(),
    }
    return floods[kind]


def struct_frame_too_large() -> bytes:
    return b"\xff\xff\xff" + frame(DATA, 0, 1)[3:] + bytes(1000)


@pytest.mark.parametrize(
    "kind",
    [
        "reset",
        "ping",
        "settings",
        "continuation",
        "window update of zero",
        "data on no stream",
        "streams",
        "a frame of the largest size",
    ],
)
def test_row_73_floods_leave_others_served(kind: str, server: OtlpServer) -> None:
    accepted = server.accepted
    with RawGrpc(server.grpc) as raw:
        raw.send(flood(kind))
        assert is_alive(server)
    assert server.accepted == accepted + 3


def test_row_74_silent_connections_and_many_calls_are_served(server: OtlpServer) -> None:
    accepted = server.accepted
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(RawGrpc(server.grpc))
        channels = [stack.enter_context(open_channel(server)) for _ in range(4)]
        calls = [each.unary_unary(EXPORT).future(GOOD, timeout=WAIT_S) for each in channels for _ in range(50)]
        assert all(call.result() == b"" for call in calls)
    assert server.accepted == accepted + 600


def test_row_66_senders_that_stall_hold_nobody_up_and_are_ended() -> None:
    with OtlpServer(grpc={"receive_timeout": "500ms"}) as server, RawGrpc(server.grpc) as raw:
        for stream in range(1, 101, 2):
            raw.call(call_fields(), None, stream)
            raw.send(frame(DATA, 0, stream, message(GOOD)[:-1]))
        assert is_alive(server)
        assert server.outcomes_reach({"ok": 1, "timeout": 50})
        assert server.accepted == 3
        assert raw.read_end() is not None


def test_row_76_beyond_the_limits_senders_are_told_when_to_come_back() -> None:
    with OtlpServer(admission={"requests": 2}) as server, open_channel(server) as channel:
        server.gate.clear()
        calls = [channel.unary_unary(EXPORT).future(GOOD, timeout=WAIT_S) for _ in range(4)]
        wait_for(lambda: server.outcomes()["refused"] == 2)
        server.gate.set()
        errors = [call.exception() for call in calls]
        refused = [error for error in errors if error is not None]
        assert len(refused) == 2
        for error in refused:
            retry = RetryInfo()
            assert error.code() == Code.UNAVAILABLE
            assert details_of(error)[0].Unpack(retry)
            assert 1 <= retry.retry_delay.seconds <= 30
        assert server.accepted == 6
        assert is_alive(server)


def test_health_is_served_and_turns_when_draining() -> None:
    with OtlpServer() as server, open_channel(server) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            health_pb2.HealthCheckRequest.SerializeToString,
            health_pb2.HealthCheckResponse.FromString,
        )
        service = EXPORT.split("/")[1]
        for name in ("", service):
            assert check(health_pb2.HealthCheckRequest(service=name)).status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as caught:
            check(health_pb2.HealthCheckRequest(service="nobody"))
        assert caught.value.code() == Code.NOT_FOUND
        assert error_of(channel, b"\xff", "/grpc.health.v1.Health/Check").code() == Code.INVALID_ARGUMENT
        watch = channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            health_pb2.HealthCheckRequest.SerializeToString,
            health_pb2.HealthCheckResponse.FromString,
        )(health_pb2.HealthCheckRequest(service=service))
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        server.receiver.drain(WAIT_S)
        seen = []
        with pytest.raises(grpc.RpcError):
            seen.extend(watch)
        assert [response.status for response in seen] in ([], [health_pb2.HealthCheckResponse.NOT_SERVING])


def test_a_drain_finishes_what_has_begun_and_refuses_what_is_new() -> None:
    with OtlpServer() as server, open_channel(server) as channel:
        export(channel, GOOD)
        server.gate.clear()
        call = channel.unary_unary(EXPORT).future(GOOD, timeout=WAIT_S)
        wait_for(lambda: server.waiting == 1)
        drain = threading.Thread(target=server.receiver.drain, args=(WAIT_S,))
        drain.start()
        wait_for(lambda: error_or_none(channel) is not None)
        server.gate.set()
        assert call.result() == b""
        drain.join(WAIT_S)
        assert not drain.is_alive()
        assert server.accepted % 3 == 0


def error_or_none(channel: grpc.Channel) -> grpc.RpcError | None:
    try:
        channel.unary_unary(EXPORT)(b"", timeout=0.2)
    except grpc.RpcError as error:
        return error
    return None


def test_no_log_line_holds_a_traceback_and_each_reason_has_one(server: OtlpServer) -> None:
    assert not any("Traceback" in line for line in server.log.lines)
    assert sorted(server.log.reasons) == sorted(set(server.log.reasons)), server.log.lines
