"""The Harness and the fake clock, which other people's tests stand on."""

from typing import Any

import pytest

from pipeline.api import ComponentConfig, Processor, Settings, SpanBatch
from pipeline.testing import START_UNIX_NANO, FakeClock, Harness, span_batch


class CountNames(Processor):
    """Counts spans by service and name, and ticks."""

    class Config(ComponentConfig):
        also: tuple[str, ...] = ()

    reads = ("resource.service.name", "name")
    emits_metrics = True
    tick_interval_s = 10.0

    def __init__(self, config: Config, settings: Settings) -> None:
        self.also = config.also
        self.calls = settings.meter.counter("calls", labels=("resource.service.name", "name"))
        self.ticks: list[int] = []
        self.events: list[str] = []
        self.telemetry = settings.telemetry

    def start(self) -> None:
        self.events.append("start")

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        self.calls.add(spans.group_by("resource.service.name", "name"))
        for column in self.also:
            _ = spans[column]
        self.telemetry.count("batches")
        return spans

    def tick(self, now_unix_nano: int) -> None:
        self.ticks.append(now_unix_nano)

    def snapshot(self) -> bytes:
        return ",".join(map(str, self.ticks)).encode()

    def restore(self, state: bytes) -> None:
        self.events.append("restore")
        self.ticks = [int(tick) for tick in state.decode().split(",") if tick]


def test_only_declared_columns_can_be_read() -> None:
    assert len(Harness(CountNames).traces(span_batch(2))) == 2
    with pytest.raises(KeyError, match="declare it in `reads`"):
        Harness(CountNames, also=["kind"]).traces(span_batch(2))


def test_a_column_that_does_not_exist_is_a_mistake_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CountNames, "reads", ("durration",))
    with pytest.raises(ValueError, match='reads "durration": there is no such column; did you mean "duration_nano"'):
        Harness(CountNames)


def test_a_metric_is_found_by_its_label_values() -> None:
    run = Harness(CountNames)
    run.traces(span_batch(2, name="a"))
    run.traces(span_batch(3, name="b"))
    assert run.metric("calls", "cart", "a") == 2
    assert run.metric("calls", span__name="b") == 3
    with pytest.raises(LookupError, match="2 points of calls"):
        run.metric("calls")
    with pytest.raises(LookupError, match="0 points of nope"):
        run.metric("nope")


def test_ticks_come_when_they_are_due() -> None:
    run = Harness(CountNames)
    run.traces(span_batch(1), then_advance_s=25)
    assert run.processor.ticks == [START_UNIX_NANO + 10_000_000_000, START_UNIX_NANO + 20_000_000_000]
    run.advance(5)
    assert len(run.processor.ticks) == 3


def test_a_restart_keeps_state_and_metrics() -> None:
    run = Harness(CountNames)
    run.traces(span_batch(2, name="a"), then_advance_s=10)
    before: Any = run.processor
    run.restart()
    assert run.processor is not before
    assert run.processor.events == ["restore", "start"]
    assert (len(run.processor.ticks), run.metric("calls", "cart", "a")) == (1, 2)


def test_what_a_processor_counts_about_itself_is_visible() -> None:
    run = Harness(CountNames)
    run.traces(span_batch(1))
    assert run.own.value("otelcol_connector_count_names_batches", connector="count_names") == 1


def test_the_wall_clock_can_jump_while_the_monotonic_one_does_not() -> None:
    clock = FakeClock()
    clock.advance(1.5)
    clock.jump(-3600)
    assert clock.unix_nano() == START_UNIX_NANO - 3_598_500_000_000
    assert clock.monotonic_nano() == 2_500_000_000
