"""The promises of ``pipeline.api``, kept by every registered processor for every signal that it handles: a new plug-in
is covered unasked.

Must never regress: splitting a batch changes no metric; stopping, restoring and going on changes no metric; nothing
is written into a batch that others share; time that stands still expires nothing.
"""

from typing import Any

import pytest

from pipeline.api import ComponentConfig, LogRecord, Processor, Settings, SpanBatch
from pipeline.service.registry import Registry
from pipeline.testing_contract import CHECKS, Check, Subject

REGISTRY = Registry()


def subject(name: str) -> Subject:
    """With the empty configuration, or the first example of the schema where something is required."""
    cls = REGISTRY.load("processors", name)
    assert issubclass(cls, Processor)
    examples = cls.Config.model_json_schema().get("examples", [])
    return Subject(cls, examples[0] if examples else {})


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", REGISTRY.types("processors"))
def test_a_promise_is_kept(name: str, check: Check) -> None:
    check(subject(name))


class Breaks(Processor):
    """Breaks the promise that its configuration names."""

    class Config(ComponentConfig):
        promise: str

    reads = ("name",)
    emits_metrics = True
    tick_interval_s = 0.5

    def __init__(self, config: Config, settings: Settings) -> None:
        self.promise = config.promise
        self.calls = settings.meter.counter("calls", labels=("name",))
        self.logs = settings.logs
        self.ended = self.started = False

    def start(self) -> None:
        self.started = True

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        match self.promise:
            case "only_declared_columns_are_read_and_the_input_is_unchanged":
                spans.records.words[0] += 1
            case "items_that_go_on_are_the_original_ones_but_for_adds":
                return _renamed(spans)
            case "splitting_a_batch_changes_no_metric":
                self.calls.add(("batches",))
            case "restoring_and_going_on_equals_never_having_stopped":
                self.calls.add(("first",), 0.0 if self.ended else 1.0)
                self.ended = True
            case "records_are_emitted_by_those_that_say_so":
                self.logs.emit(LogRecord("said"))
        return spans

    def tick(self, now_unix_nano: int) -> None:
        if self.promise in ("a_frozen_clock_expires_nothing", "time_alone_creates_no_counts"):
            self.calls.add(("ticks",))

    def shutdown(self) -> None:
        if self.promise == "shutdown_works_twice_and_without_a_start" and not self.started:
            raise AssertionError("never started")


def _renamed(spans: SpanBatch) -> Any:
    other = spans.to_otlp().replace(b"op 1", b"op 2")
    return type(spans)(spans.projection.decode(other)[0].records, spans.projection)  # type: ignore[attr-defined]


@pytest.mark.parametrize("check", CHECKS[1:], ids=lambda check: check.__name__)
def test_every_check_fails_where_its_promise_is_broken(check: Check) -> None:
    check(Subject(Breaks, {"promise": ""}))
    with pytest.raises(AssertionError):
        check(Subject(Breaks, {"promise": check.__name__}))
