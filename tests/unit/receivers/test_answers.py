"""What senders are told. A wrong status here loses data: senders drop on it, or repeat for ever."""

from __future__ import annotations

import json

import pytest
from google.protobuf import json_format
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

from pipeline.errors import MalformedPayload, PayloadTooLarge, PermanentError, RetryableError
from pipeline.receivers.answers import JSON, PROTOBUF, answer_to_error, answer_to_status, http_response, status_of
from pipeline.receivers.signals import SIGNALS

RETRYABLE_HTTP = {429, 502, 503, 504}
RETRYABLE_GRPC = {Code.CANCELLED, Code.DEADLINE_EXCEEDED, Code.ABORTED, Code.OUT_OF_RANGE, Code.UNAVAILABLE}

ERRORS = [
    (MalformedPayload("cut off", 7), "malformed", Code.INVALID_ARGUMENT, 400),
    (PermanentError("no"), "rejected", Code.INVALID_ARGUMENT, 400),
    (PayloadTooLarge("big"), "too_large", Code.RESOURCE_EXHAUSTED, 413),
    (RetryableError("later", 2.5), "refused", Code.UNAVAILABLE, 503),
    (ValueError("secret=hunter2"), "failed", Code.UNAVAILABLE, 503),
]


@pytest.mark.parametrize(("error", "outcome", "code", "status"), ERRORS)
def test_each_error_has_one_answer(error: Exception, outcome: str, code: Code, status: int) -> None:
    answer = answer_to_error(error)
    assert (answer.outcome, answer.code, answer.http_status) == (outcome, code, status)
    assert (answer.retry_after_s is not None) == (status in RETRYABLE_HTTP) == (code in RETRYABLE_GRPC)
    assert "hunter2" not in answer.message


@pytest.mark.parametrize("status", [400, 404, 405, 408, 413, 414, 415, 431, 500, 501, 503, 505])
def test_what_may_pass_is_503_and_nothing_else_is_retryable(status: int) -> None:
    answer = answer_to_status(status, "text", 3.0)
    assert answer.http_status == (503 if status == 500 else status)
    assert (answer.retry_after_s == 3.0) == (answer.http_status in RETRYABLE_HTTP)


def test_a_refusal_carries_the_delay_in_all_forms() -> None:
    answer = answer_to_error(RetryableError("later", 2.5))
    retry = RetryInfo()
    assert status_of(answer).details[0].Unpack(retry)
    assert (retry.retry_delay.seconds, retry.retry_delay.nanos) == (2, 500_000_000)
    assert http_response(answer, JSON).headers["retry-after"] == "3", "whole seconds, never early"


def test_bad_data_carries_bad_request_and_too_much_carries_no_retry() -> None:
    violation = BadRequest()
    assert status_of(answer_to_error(MalformedPayload("cut off", 7))).details[0].Unpack(violation)
    assert violation.field_violations[0].description == "cut off at byte 7"
    assert not status_of(answer_to_error(PayloadTooLarge("big"))).details


def test_the_body_is_a_status_in_the_content_type_of_the_request() -> None:
    answer = answer_to_error(MalformedPayload("cut off"))
    in_protobuf, in_json = http_response(answer, PROTOBUF), http_response(answer, JSON)
    status = Status.FromString(in_protobuf.body)
    assert json_format.Parse(in_json.body, Status()) == status
    assert (status.code, status.message) == (Code.INVALID_ARGUMENT, "cut off")
    assert (in_protobuf.content_type, in_json.content_type) == (PROTOBUF, JSON)


def test_long_texts_are_cut() -> None:
    assert len(status_of(answer_to_error(PermanentError("x" * 10_000))).message) == 1024


@pytest.mark.parametrize("name", SIGNALS)
def test_success_is_empty_and_partial_success_says_how_many(name: str) -> None:
    signal = SIGNALS[name]
    assert signal.success(0, "").SerializeToString() == b""
    answer = json.loads(json_format.MessageToJson(signal.success(3, "bad ids")))
    assert answer["partialSuccess"]["errorMessage"] == "bad ids"
    assert "3" in answer["partialSuccess"].values()
    warning = signal.success(0, "odd").partial_success  # type: ignore[attr-defined]
    assert (getattr(warning, signal.rejected_field), warning.error_message) == (0, "odd")
    assert signal.method.endswith("Service/Export")
