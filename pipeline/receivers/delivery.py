"""From the bytes of one request to the pipelines, the same for both transports: admission, counting, one log line."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING

from pipeline.api import Intake, Outcome
from pipeline.receivers.admission import Admission
from pipeline.receivers.answers import Answer, answer_to_error, answer_to_status

if TYPE_CHECKING:
    from pipeline.telemetry import ComponentTelemetry

REQUESTS = "weir_receiver_requests"
NO_SIGNAL = "none"


class Delivery:
    """Hands requests over and keeps the books: every request is counted once, by its outcome.

    Args:
        intakes: Signal → pipelines.
        admission: What may be under way.
        telemetry: Where to count and log.
    """

    def __init__(self, intakes: Mapping[str, Intake], admission: Admission, telemetry: ComponentTelemetry) -> None:
        self.intakes = intakes
        self.admission = admission
        self._telemetry = telemetry

    def deliver(self, signal: str, payload: bytes, transport: str) -> Outcome:
        """Have the pipelines process a request, and count it.

        Raises:
            Exception: Whatever the intake raises; not counted yet, that is for ``refuse_error``.
        """
        size = len(payload)
        self.admission.enter(size)
        try:
            # An empty message is a request for nothing, and succeeds (specification, "OTLP/gRPC Response").
            outcome = self.intakes[signal].accept(payload, transport) if size else Outcome(0)
        finally:
            self.admission.leave(size)
        self.count(transport, signal, "partial" if outcome.rejected else "ok")
        return outcome

    def refuse_error(self, error: Exception, signal: str, transport: str) -> Answer:
        """What to answer to a request that ended in an exception."""
        answer = answer_to_error(error)
        if answer.outcome == "failed":
            self._note(answer, signal, transport, f"{type(error).__name__}{_place(error)}", logging.ERROR)
        else:
            self._note(answer, signal, transport, answer.message, logging.WARNING)
        return answer

    def refuse_status(self, status: int, message: str, signal: str, transport: str) -> Answer:
        """What to answer when the transport itself is the reason."""
        answer = answer_to_status(status, message, self.admission.retry_after_s())
        self._note(answer, signal, transport, message, logging.WARNING)
        return answer

    def count(self, transport: str, signal: str, outcome: str) -> None:
        """Count one request."""
        self._telemetry.count(REQUESTS, 1, transport=transport, signal=signal, outcome=outcome)

    def warn(self, reason: str, message: str) -> None:
        """Log, at most once in ten seconds for one reason."""
        self._telemetry.logger.limited(reason, message)

    def _note(self, answer: Answer, signal: str, transport: str, detail: str, level: int) -> None:
        self.count(transport, signal, answer.outcome)
        self._telemetry.logger.limited(
            answer.outcome, "request not accepted", level=level, signal=signal, transport=transport, detail=detail
        )


def _place(error: BaseException) -> str:
    """Where an error was raised. Its text stays out of logs: it may hold what the sender sent."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" in {PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else ""
