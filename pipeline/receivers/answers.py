"""The one table of what a sender is told: what happened → gRPC status and HTTP status.

OTLP senders read more out of a status than its text says. Only UNAVAILABLE, and 429, 502, 503 and 504, make them send
again; RESOURCE_EXHAUSTED without ``RetryInfo`` makes them drop the batch (opentelemetry-proto ``docs/specification.md``
1.11). So what may pass is always UNAVAILABLE / 503 with a delay, and what can never pass is never one of those.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

from pipeline.errors import MalformedPayload, PayloadTooLarge, PermanentError, RetryableError
from pipeline.http_message import Response

PROTOBUF, JSON = "application/x-protobuf", "application/json"
# The specification bounds a response at 4 MiB; nobody reads more than this of an error.
MAX_MESSAGE_CHARACTERS = 1024
INTERNAL_MESSAGE = "internal error, try again later"
INTERNAL_RETRY_S = 5.0


@dataclass(frozen=True)
class Answer:
    """What the sender of a request is told when nothing of it was accepted.

    Attributes:
        outcome: For the counter of requests.
        code: gRPC status.
        http_status: HTTP status.
        message: For people. Never the text of a foreign exception.
        retry_after_s: When to try again; None for "never".
    """

    outcome: str
    code: Code
    http_status: int
    message: str
    retry_after_s: float | None = None


_BY_ERROR = (
    (MalformedPayload, "malformed", Code.INVALID_ARGUMENT, 400),
    (PermanentError, "rejected", Code.INVALID_ARGUMENT, 400),
    (PayloadTooLarge, "too_large", Code.RESOURCE_EXHAUSTED, 413),
)
_BY_HTTP_STATUS = {
    400: ("malformed", Code.INVALID_ARGUMENT),
    401: ("unauthenticated", Code.UNAUTHENTICATED),
    404: ("unsupported", Code.UNIMPLEMENTED),
    405: ("unsupported", Code.UNIMPLEMENTED),
    408: ("timeout", Code.DEADLINE_EXCEEDED),
    413: ("too_large", Code.RESOURCE_EXHAUSTED),
    414: ("too_large", Code.RESOURCE_EXHAUSTED),
    415: ("unsupported", Code.INVALID_ARGUMENT),
    # nginx's number for "client closed the request"; the answer is never sent
    499: ("aborted", Code.CANCELLED),
    431: ("too_large", Code.RESOURCE_EXHAUSTED),
    501: ("unsupported", Code.UNIMPLEMENTED),
    505: ("unsupported", Code.UNIMPLEMENTED),
}


def answer_to_error(error: Exception) -> Answer:
    """What to say when accepting a request raised ``error``."""
    if isinstance(error, RetryableError):
        return Answer("refused", Code.UNAVAILABLE, 503, str(error), error.retry_after_s)
    for kind, outcome, code, status in _BY_ERROR:
        if isinstance(error, kind):
            return Answer(outcome, code, status, str(error))
    return Answer("failed", Code.UNAVAILABLE, 503, INTERNAL_MESSAGE, INTERNAL_RETRY_S)


def answer_to_status(status: int, message: str, retry_after_s: float) -> Answer:
    """What to say when HTTP itself is the reason: wrong path, wrong type, too slow, too much."""
    outcome, code = _BY_HTTP_STATUS.get(status, ("refused" if status == 503 else "failed", Code.UNAVAILABLE))
    if code != Code.UNAVAILABLE:
        return Answer(outcome, code, status, message)
    return Answer(outcome, code, 503, message, retry_after_s)


def status_of(answer: Answer) -> Status:
    """``google.rpc.Status`` with the details that senders understand."""
    message = answer.message[:MAX_MESSAGE_CHARACTERS]
    status = Status(code=answer.code, message=message)
    if answer.retry_after_s is not None:
        retry = RetryInfo()
        retry.retry_delay.FromNanoseconds(int(answer.retry_after_s * 1e9))
        status.details.add().Pack(retry)
    elif answer.code == Code.INVALID_ARGUMENT:
        violation = BadRequest.FieldViolation(field="body", description=message)
        status.details.add().Pack(BadRequest(field_violations=[violation]))
    return status


@lru_cache(maxsize=256)
def http_response(answer: Answer, content_type: str) -> Response:
    """An answer as an HTTP response in the content type of the request."""
    headers = {}
    if answer.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(answer.retry_after_s)))
    return Response(answer.http_status, encode(status_of(answer), content_type), content_type, headers)


def encode(message: Message, content_type: str) -> bytes:
    """A message in one of the two content types of OTLP."""
    if content_type == PROTOBUF:
        return message.SerializeToString()
    return json_format.MessageToJson(message, indent=None).encode()
