"""The promises of ``pipeline.api``, kept by every registered processor: a new plug-in is covered unasked.

Must never regress: splitting a batch changes no metric; stopping, restoring and going on changes no metric; nothing
is written into a batch that others share; time that stands still expires nothing.
"""

from typing import Any

import numpy as np
import pytest

from pipeline.api import Meter, Processor, Settings, SpanBatch
from pipeline.codec.otlp_traces import TracesProjection
from pipeline.config.check import signals_of
from pipeline.service.registry import Registry
from pipeline.testing import FakeClock, Harness, span_batch

REGISTRY = Registry()
TYPES = REGISTRY.types("processors")


def config_of(cls: type[Processor]) -> dict[str, Any]:
    """The empty configuration, or the first example of the schema where something is required."""
    examples = cls.Config.model_json_schema().get("examples", [])
    return examples[0] if examples else {}


@pytest.fixture(params=TYPES)
def cls(request: pytest.FixtureRequest) -> type[Processor]:
    loaded = REGISTRY.load("processors", request.param)
    assert issubclass(loaded, Processor)
    return loaded


@pytest.fixture
def traces_cls(cls: type[Processor]) -> type[Processor]:
    if "traces" not in signals_of(cls):
        pytest.skip("does not process traces")
    return cls


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


def points(run: Harness[Any]) -> list[Any]:
    """All metrics in an order of their own."""
    return sorted(
        (point.name, sorted(point.labels.items()), sorted(map(repr, point.resource.items())), repr(point.value))
        for point in run.metrics()
    )


def harness(cls: type[Processor]) -> Harness[Processor]:
    return Harness(cls, **config_of(cls))


def test_the_default_configuration_loads(cls: type[Processor]) -> None:
    cls.Config.model_validate(config_of(cls))


def test_only_declared_columns_are_read_and_the_input_is_unchanged(traces_cls: type[Processor]) -> None:
    run = harness(traces_cls)
    processor = run.processor
    projection = TracesProjection((*processor.reads, *processor.adds))
    batch, _ = projection.decode(calls(0, 8).to_otlp())
    words, payload = batch.records.words.copy(), batch.records.payload
    processor.process_traces(batch)
    assert np.array_equal(batch.records.words, words)
    assert batch.records.payload == payload
    assert len(batch) == 16


def test_spans_that_go_on_are_the_original_ones_but_for_added_attributes(traces_cls: type[Processor]) -> None:
    batch = calls(0, 8)
    added = {column.removeprefix("span.") for column in harness(traces_cls).processor.adds}
    out = harness(traces_cls).traces(batch)

    def without_added(spans: SpanBatch) -> list[bytes]:
        found = []
        for span in spans.iter():
            kept = [attribute for attribute in span.attributes if attribute.key not in added]
            del span.attributes[:]
            span.attributes.extend(kept)
            found.append(span.SerializeToString(deterministic=True))
        return found

    assert set(without_added(out)) <= set(without_added(batch))


def test_splitting_a_batch_in_two_gives_the_same_metrics(traces_cls: type[Processor]) -> None:
    batch = calls(0, 12)
    whole, halves, alternating = harness(traces_cls), harness(traces_cls), harness(traces_cls)
    whole.traces(batch)
    row = np.arange(len(batch))
    for mask in (row < 9, row >= 9):
        halves.traces(batch.where(mask))
    for mask in (row % 2 == 0, row % 2 == 1):
        alternating.traces(batch.where(mask))
    for run in (whole, halves, alternating):
        run.advance(1.0)
    assert points(whole) == points(halves) == points(alternating)


def test_restoring_and_going_on_equals_never_having_stopped(traces_cls: type[Processor]) -> None:
    stopped, running = harness(traces_cls), harness(traces_cls)
    first, second = calls(0, 9), calls(5, 9)
    row = np.arange(len(second))
    # The first half of the second batch leaves calls of which one side has been seen.
    for run in (stopped, running):
        run.traces(first)
        run.traces(second.where(row % 2 == 0))
    stopped.restart()
    for run in (stopped, running):
        run.traces(second.where(row % 2 == 1))
        run.advance(1.0)
    assert points(stopped) == points(running)


def test_a_frozen_clock_expires_nothing(traces_cls: type[Processor]) -> None:
    run = harness(traces_cls)
    batch = calls(0, 6)
    run.traces(batch.where(np.arange(len(batch)) % 4 != 3))
    before = points(run)
    for _ in range(50):
        run.tick()
        run.advance(0.0)
    assert points(run) == before


def test_time_alone_creates_no_counts(traces_cls: type[Processor]) -> None:
    run = harness(traces_cls)
    run.advance(3600.0)
    assert all(not point.value for point in run.metrics() if not isinstance(point.value, dict))


def test_shutdown_works_twice_and_without_a_start(cls: type[Processor]) -> None:
    run = harness(cls)
    run.shutdown()
    run.processor.shutdown()
    clock = FakeClock()
    settings = Settings("x", clock, Meter("x", clock), run.telemetry)
    never_started = cls(cls.Config.model_validate(config_of(cls)), settings)
    never_started.shutdown()
    never_started.shutdown()


def test_metrics_are_processed_without_changing_the_input(cls: type[Processor]) -> None:
    if "metrics" not in signals_of(cls):
        pytest.skip("does not process metrics")
    clock = FakeClock()
    meter = Meter("contract", clock)
    meter.counter("calls", labels=("name",)).add(calls(0, 4).group_by("name"))
    batch = meter.collect(clock.unix_nano())
    before = [tuple(map(repr, point)) for point in batch.points()]
    harness(cls).processor.process_metrics(batch)
    assert [tuple(map(repr, point)) for point in batch.points()] == before
