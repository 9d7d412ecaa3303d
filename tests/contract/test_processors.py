"""The promises of ``pipeline.api``, kept by every registered processor for every signal that it handles: a new plug-in
is covered unasked.

Must never regress: splitting a batch changes no metric; stopping, restoring and going on changes no metric; nothing
is written into a batch that others share; time that stands still expires nothing.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest

from pipeline.api import LogBatch, Meter, MetricBatch, Processor, Settings, SpanBatch
from pipeline.codec.signals import projection
from pipeline.config.check import signals_of
from pipeline.model.batch import Batch
from pipeline.service.registry import Registry
from pipeline.testing import FakeClock, Harness, log_batch, metric_batch, span_batch

REGISTRY = Registry()
TYPES = REGISTRY.types("processors")


def config_of(cls: type[Processor]) -> dict[str, Any]:
    """The empty configuration, or the first example of the schema where something is required."""
    examples = cls.Config.model_json_schema().get("examples", [])
    return examples[0] if examples else {}


def load(name: str) -> type[Processor]:
    loaded = REGISTRY.load("processors", name)
    assert issubclass(loaded, Processor)
    return loaded


@pytest.fixture(params=TYPES)
def cls(request: pytest.FixtureRequest) -> type[Processor]:
    return load(request.param)


class Case(NamedTuple):
    """A processor and one of its signals."""

    cls: type[Processor]
    signal: str

    def items(self, first: int, n: int) -> Batch:
        """Some batch of the signal; those with other numbers are others."""
        return SAMPLES[self.signal](first, n)


@pytest.fixture(params=[f"{name}/{signal}" for name in TYPES for signal in signals_of(load(name))])
def case(request: pytest.FixtureRequest) -> Case:
    name, _, signal = request.param.rpartition("/")
    return Case(load(name), signal)


def calls(first: int, n: int) -> SpanBatch:
    """n calls from one service to another, client and server span each, with the attributes that processors look at."""
    spans: list[dict[str, Any]] = []
    for number in range(first, first + n):
        trace_id, client, server = (
            np.random.default_rng([number, part]).bytes(size) for part, size in enumerate((16, 8, 8))
        )
        shared = {"trace_id": trace_id, "status": ("unset", "ok", "error")[number % 3]}
        attributes = {"http.request.method": "GET", "http.route": f"/r/{number % 4}", "url.path": f"/r/{number}"}
        spans.append(
            shared
            | {"service": "frontend", "kind": "client", "span_id": client, "name": "GET", "duration_ms": 5 + number % 7}
            | {"attributes": attributes | {"peer.service": "cart", "retries": number % 2}}
        )
        spans.append(
            shared
            | {
                "service": "cart",
                "kind": "server",
                "span_id": server,
                "parent_span_id": client,
                "name": f"op {number % 5}",
            }
            | {"duration_ms": 3 + number % 5, "attributes": attributes, "resource": {"host.name": f"h{number % 2}"}}
        )
    return span_batch(spans=spans)


def numbers(first: int, n: int) -> MetricBatch:
    """n times a point of each kind."""
    kinds = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
    points = [
        {"kind": kind, "name": kind, "sum": 1.0, "attributes": {"http.route": f"/r/{number % 4}", "n": number}}
        | {"service": ("cart", "pay")[number % 2], "temporality": ("cumulative", "delta")[number % 2]}
        for number in range(first, first + n)
        for kind in kinds
    ]
    return metric_batch(points=points)


def records(first: int, n: int) -> LogBatch:
    """n log records."""
    logs: list[dict[str, Any]] = [
        {"body": f"message {number % 3}", "severity": ("info", "error")[number % 2], "trace_id": number.to_bytes(16)}
        | {"service": ("cart", "pay")[number % 2], "attributes": {"http.route": f"/r/{number % 4}", "n": number}}
        for number in range(first + 1, first + n + 1)
    ]
    return log_batch(logs=logs)


SAMPLES: dict[str, Callable[[int, int], Batch]] = {"traces": calls, "metrics": numbers, "logs": records}


def points(run: Harness[Any]) -> list[Any]:
    """All metrics in an order of their own."""
    return sorted(
        (point.name, sorted(point.labels.items()), sorted(map(repr, point.resource.items())), repr(point.value))
        for point in run.metrics()
    )


def events(run: Harness[Any]) -> list[Any]:
    """All log records that were emitted, but for when they were handed on."""
    return [replace(record, observed_unix_nano=0) for record in run.logs()]


def harness(cls: type[Processor]) -> Harness[Processor]:
    return Harness(cls, **config_of(cls))


def test_the_default_configuration_loads(cls: type[Processor]) -> None:
    cls.Config.model_validate(config_of(cls))


def test_only_declared_columns_are_read_and_the_input_is_unchanged(case: Case) -> None:
    processor = harness(case.cls).processor
    decoder = projection(case.signal, (*processor.reads, *processor.adds))
    batch, _ = decoder.decode(case.items(0, 8).to_otlp())
    words, payload, n = batch.records.words.copy(), batch.records.payload, len(batch)
    getattr(processor, f"process_{case.signal}")(batch)
    assert np.array_equal(batch.records.words, words)
    assert batch.records.payload == payload
    assert len(batch) == n


def test_items_that_go_on_are_the_original_ones_but_for_what_is_declared_in_adds(case: Case) -> None:
    batch = case.items(0, 8)
    adds = harness(case.cls).processor.adds
    attributes = {column.removeprefix(batch.prefix) for column in adds}
    fields = {column.partition(".")[0] for column in adds}  # "positive.offset" is in the field "positive"
    out = harness(case.cls).process(batch)

    def without_added(items: Batch) -> list[bytes]:
        found = []
        for item in items.iter():
            kept = [attribute for attribute in item.attributes if attribute.key not in attributes]
            del item.attributes[:]
            item.attributes.extend(kept)
            for name in fields & {*item.DESCRIPTOR.fields_by_name, *item.DESCRIPTOR.oneofs_by_name}:
                item.ClearField(name)
            found.append(item.SerializeToString(deterministic=True))
        return found

    assert set(without_added(out)) <= set(without_added(batch))


def test_splitting_a_batch_in_two_gives_the_same_metrics(case: Case) -> None:
    batch = case.items(0, 12)
    whole, halves, alternating = (harness(case.cls) for _ in range(3))
    whole.process(batch)
    row = np.arange(len(batch))
    for mask in (row < 9, row >= 9):
        halves.process(batch.where(mask))
    for mask in (row % 2 == 0, row % 2 == 1):
        alternating.process(batch.where(mask))
    for run in (whole, halves, alternating):
        run.advance(1.0)
    assert points(whole) == points(halves) == points(alternating)
    assert events(whole) == events(halves) == events(alternating)


def test_restoring_and_going_on_equals_never_having_stopped(case: Case) -> None:
    stopped, running = harness(case.cls), harness(case.cls)
    first, second = case.items(0, 9), case.items(5, 9)
    row = np.arange(len(second))
    # The first half of the second batch leaves calls of which one side has been seen.
    for run in (stopped, running):
        run.process(first)
        run.process(second.where(row % 2 == 0))
    stopped.restart()
    for run in (stopped, running):
        run.process(second.where(row % 2 == 1))
        run.advance(1.0)
    assert points(stopped) == points(running)
    assert events(stopped) == events(running)


def test_a_frozen_clock_expires_nothing(case: Case) -> None:
    run = harness(case.cls)
    batch = case.items(0, 6)
    run.process(batch.where(np.arange(len(batch)) % 4 != 3))
    before = points(run)
    for _ in range(50):
        run.tick()
        run.advance(0.0)
    assert points(run) == before
    assert not run.logs()


def test_time_alone_creates_no_counts(cls: type[Processor]) -> None:
    run = harness(cls)
    run.advance(3600.0)
    assert all(not point.value for point in run.metrics() if not isinstance(point.value, dict))
    assert not run.logs()


def test_a_processor_that_emits_nothing_says_nothing(case: Case) -> None:
    """``emits_logs`` is what a configuration is checked by."""
    run = harness(case.cls)
    run.process(case.items(0, 12), then_advance_s=60.0)
    assert case.cls.emits_logs or not run.logs()


def test_shutdown_works_twice_and_without_a_start(cls: type[Processor]) -> None:
    run = harness(cls)
    run.shutdown()
    run.processor.shutdown()
    clock = FakeClock()
    settings = Settings("x", clock, Meter("x", clock), run.telemetry)
    never_started = cls(cls.Config.model_validate(config_of(cls)), settings)
    never_started.shutdown()
    never_started.shutdown()
