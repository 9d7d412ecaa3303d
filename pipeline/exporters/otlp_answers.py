"""What an OTLP destination's answer means, for gRPC and HTTP. The counterpart of ``receivers/answers.py``.

Tables: opentelemetry-proto ``docs/specification.md``, "Failures" of both transports. Only what they call retryable is
tried again; a partial success is final.
"""

from __future__ import annotations

import grpc
from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from pipeline.exporters.http_client import Answer
from pipeline.exporters.retry import clamped, retry_after_seconds
from pipeline.exporters.verdict import SENT, Fate, Verdict, drop, partly, retry
from pipeline.receivers.signals import Signal

JSON = "application/json"
PARTIAL_SUCCESS, ERROR_MESSAGE = "partial_success", "error_message"
STATUS_DETAILS = "grpc-status-details-bin"

RETRYABLE_HTTP = frozenset({429, 502, 503, 504})
TOO_LARGE_HTTP = 413
NAMED_HTTP = frozenset({301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 413, 415, 429, 500, 501, 502, 503, 504})
"""Statuses with a label of their own; the destination must not be able to invent labels."""

RETRYABLE_GRPC = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
TOO_LARGE_TEXT = "larger than max"
"""How gRPC itself, in C and in Go, says that a message exceeds the receiver's limit."""
LONG_RESPONSE_TEXT = "CLIENT: Received message larger than max"
"""The same about the answer, said by our own side. A response is sent after the request was handled."""


def http_verdict(answer: Answer, signal: Signal, now_unix_nano: int) -> Verdict:
    """The meaning of an HTTP response."""
    status = answer.status
    if 200 <= status < 300:
        if answer.is_whole:
            return success(answer.body, signal, is_json=answer.headers.get("content-type", "").startswith(JSON))
        return Verdict(Fate.SENT, "long_response", "the response is longer than 4 MiB; it was not read to its end")
    reason = f"http_{status}" if status in NAMED_HTTP else f"http_{status // 100}xx"
    message = f"HTTP {status}"
    if status == TOO_LARGE_HTTP:
        return Verdict(Fate.SPLIT, reason, message)
    if status in RETRYABLE_HTTP:
        return retry(reason, message, retry_after_seconds(answer.headers.get("retry-after"), now_unix_nano))
    if 300 <= status < 400:
        return drop(reason, f"{message}: redirects are not followed; set the endpoint to where it points")
    return drop(reason, message + _status_text(answer))


def grpc_verdict(error: grpc.RpcError) -> Verdict:
    """The meaning of a failed gRPC call."""
    code = error.code()
    reason = f"grpc_{code.name.lower()}"
    text = str(error.details() or "")
    delay = _retry_info(error)
    if code in RETRYABLE_GRPC or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and delay is not None):
        return retry(reason, text, delay)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and LONG_RESPONSE_TEXT in text:
        return Verdict(Fate.SENT, "long_response", "the response is longer than 4 MiB; it was not read")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and TOO_LARGE_TEXT in text:
        return Verdict(Fate.SPLIT, reason, text)
    return drop(reason, text)


def success(body: bytes, signal: Signal, *, is_json: bool = False) -> Verdict:
    """The meaning of a response that is OK. One that cannot be read is OK too: the status decides."""
    if not body:
        return SENT
    response = signal.response()
    try:
        if is_json:
            Parse(body, response, ignore_unknown_fields=True)
        else:
            response.ParseFromString(body)
    except (DecodeError, ParseError, UnicodeDecodeError, RecursionError, ValueError):
        return Verdict(Fate.SENT, "unreadable_response", "the response cannot be read")
    partial: Message = getattr(response, PARTIAL_SUCCESS)
    rejected, message = getattr(partial, signal.rejected_field), getattr(partial, ERROR_MESSAGE)
    return partly(rejected, message) if rejected or message else SENT


def _retry_info(error: grpc.RpcError) -> float | None:
    """The delay in the details of a status, where there are readable ones."""
    for key, value in error.trailing_metadata() or ():
        if key != STATUS_DETAILS:
            continue
        try:
            for detail in Status.FromString(value).details:
                info = RetryInfo()
                if detail.Unpack(info):
                    return clamped(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
        except (DecodeError, TypeError):
            return None
    return None


def _status_text(answer: Answer) -> str:
    """What a ``google.rpc.Status`` in the body says, for the log."""
    status = Status()
    try:
        if answer.headers.get("content-type", "").startswith(JSON):
            Parse(answer.body, status, ignore_unknown_fields=True)
        else:
            status.ParseFromString(answer.body)
    except (DecodeError, ParseError, UnicodeDecodeError, RecursionError, ValueError):
        return ""
    return f": {status.message}" if status.message else ""
