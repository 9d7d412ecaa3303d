"""Every request is counted once, by its outcome; a fault of ours tells nothing to anybody but its kind and place."""

from __future__ import annotations

import logging

import pytest

from pipeline.api import Outcome
from pipeline.errors import RetryableError
from pipeline.receivers.admission import Admission
from pipeline.receivers.delivery import Delivery
from pipeline.telemetry import ComponentTelemetry
from pipeline.testing import FakeClock


class Pipelines:
    """An intake that does what the test says."""

    def __init__(self, result: Outcome | Exception) -> None:
        self.result = result
        self.payloads: list[bytes] = []

    def accept(self, payload: bytes, transport: str) -> Outcome:
        self.payloads.append(payload)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def delivery(intake: Pipelines) -> tuple[Delivery, ComponentTelemetry]:
    telemetry = ComponentTelemetry("receiver", "otlp", FakeClock())
    return Delivery({"traces": intake}, Admission(100, 4_000, 2), telemetry), telemetry


def counted(telemetry: ComponentTelemetry) -> dict[tuple[str, str, str], float]:
    return {
        (labels["transport"], labels["signal"], labels["outcome"]): value
        for name, labels, value in telemetry.metrics.samples()
        if name == "weir_receiver_requests"
    }


@pytest.mark.parametrize(("outcome", "name"), [(Outcome(3), "ok"), (Outcome(2, 1, "bad ids"), "partial")])
def test_what_was_processed_is_counted_by_its_outcome(outcome: Outcome, name: str) -> None:
    deliver, telemetry = delivery(Pipelines(outcome))
    assert deliver.deliver("traces", b"abc", "http") == outcome
    assert counted(telemetry) == {("http", "traces", name): 1}


def test_an_empty_request_succeeds_without_the_pipelines() -> None:
    intake = Pipelines(RetryableError("never asked"))
    deliver, telemetry = delivery(intake)
    assert deliver.deliver("traces", b"", "grpc") == Outcome(0)
    assert intake.payloads == []
    assert counted(telemetry) == {("grpc", "traces", "ok"): 1}


def test_what_was_taken_is_given_back_whatever_happens() -> None:
    deliver, _ = delivery(Pipelines(KeyError("k")))
    for _ in range(10):
        with pytest.raises(KeyError):
            deliver.deliver("traces", b"x" * 900, "http")


def test_a_fault_is_counted_and_logged_with_kind_and_place_alone(caplog: pytest.LogCaptureFixture) -> None:
    deliver, telemetry = delivery(Pipelines(ValueError("secret=hunter2")))
    for _ in range(3):
        try:
            deliver.deliver("traces", b"abc", "grpc")
        except ValueError as error:
            answer = deliver.refuse_error(error, "traces", "grpc")
    assert (answer.outcome, answer.http_status, answer.message) == ("failed", 503, "internal error, try again later")
    assert counted(telemetry) == {("grpc", "traces", "failed"): 3}
    (record,) = caplog.records
    fields = vars(record)["fields"]
    assert fields["detail"].startswith("ValueError in test_delivery.py:")
    assert "hunter2" not in str(fields)
    assert record.levelno == logging.ERROR


def test_a_refusal_by_the_transport_is_counted_under_its_reason() -> None:
    deliver, telemetry = delivery(Pipelines(Outcome(0)))
    assert deliver.refuse_status(408, "too slow", "none", "http").http_status == 408
    assert counted(telemetry) == {("http", "none", "timeout"): 1}
