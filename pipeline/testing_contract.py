"""PUBLIC: the promises of ``pipeline.api``, as checks of one processor.

    @pytest.mark.parametrize("check", CHECKS)
    def test_promises_are_kept(check: Check) -> None:
        check(Subject(DropHealthChecks, {"paths": ["/healthz"]}))

The samples have what processors look at: two services that call each other, routes, failures, all kinds of points. One
that looks for other attributes passes as long as it does nothing with these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pipeline.api import LogBatch, Meter, MetricBatch, Processor, Settings, SpanBatch
from pipeline.codec.signals import projection
from pipeline.config.check import signals_of
from pipeline.model.batch import Batch
from pipeline.testing import FakeClock, Harness, log_batch, metric_batch, span_batch


@dataclass(frozen=True)
class Subject:
    """What is checked.

    Attributes:
        cls: The processor.
        config: Its YAML.
    """

    cls: type[Processor]
    config: Mapping[str, Any] = field(default_factory=dict)

    def harness(self) -> Harness[Processor]:
        """A new instance."""
        return Harness(self.cls, **self.config)

    def samples(self) -> Iterator[Sample]:
        """Makers of batches, for each signal that it handles."""
        return (SAMPLES[signal] for signal in signals_of(self.cls))


Check = Callable[[Subject], None]
"""Raises AssertionError where a promise is broken."""
Sample = Callable[[int, int], Batch]
"""Some batch, by the number of its first item and of its items; other numbers are other items."""


def _calls(first: int, n: int) -> SpanBatch:
    """n calls from one service to another, client and server span each, with the attributes that processors look at."""
    spans: list[dict[str, Any]] = []
    for number in range(first, first + n):
        trace_id, client, server = (
            np.random.default_rng([number, part]).bytes(size) for part, size in enumerate((16, 8, 8))
        )
        shared: dict[str, Any] = {"trace_id": trace_id, "status": ("unset", "ok", "error")[number % 3]}
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


def _numbers(first: int, n: int) -> MetricBatch:
    """n times a point of each kind."""
    kinds = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
    points = [
        {"kind": kind, "name": kind, "sum": 1.0, "attributes": {"http.route": f"/r/{number % 4}", "n": number}}
        | {"service": ("cart", "pay")[number % 2], "temporality": ("cumulative", "delta")[number % 2]}
        for number in range(first, first + n)
        for kind in kinds
    ]
    return metric_batch(points=points)


def _records(first: int, n: int) -> LogBatch:
    """n log records."""
    logs: list[dict[str, Any]] = [
        {
            "body": f"message {number % 3}",
            "severity": ("info", "error")[number % 2],
            "trace_id": number.to_bytes(16),
            "service": ("cart", "pay")[number % 2],
            "attributes": {"http.route": f"/r/{number % 4}", "n": number},
        }
        for number in range(first + 1, first + n + 1)
    ]
    return log_batch(logs=logs)


SAMPLES: Mapping[str, Sample] = {"traces": _calls, "metrics": _numbers, "logs": _records}


def default_configuration_loads(subject: Subject) -> None:
    """What the configuration says is accepted, and the class has no mistakes."""
    subject.harness()


def only_declared_columns_are_read_and_the_input_is_unchanged(subject: Subject) -> None:
    """Others share the batch."""
    for sample in subject.samples():
        items = sample(0, 8)
        processor = subject.harness().processor
        decoder = projection(items.signal, (*processor.reads, *processor.adds))
        batch, _ = decoder.decode(items.to_otlp())
        words, payload, n = batch.records.words.copy(), batch.records.payload, len(batch)
        getattr(processor, f"process_{batch.signal}")(batch)
        _same("words of the input", words.tolist(), batch.records.words.tolist())
        _same("bytes of the input", payload, batch.records.payload)
        _same("items of the input", n, len(batch))


def items_that_go_on_are_the_original_ones_but_for_adds(subject: Subject) -> None:
    """What is changed is declared."""
    for sample in subject.samples():
        batch = sample(0, 8)
        run = subject.harness()
        adds = run.processor.adds
        original = {*_without(adds, batch)}
        changed = [item for item in _without(adds, run.process(batch)) if item not in original]
        _same("items that go on and are not those that came, but for `adds`", [], changed)


def splitting_a_batch_changes_no_metric(subject: Subject) -> None:
    """Nor a record that is emitted: where a sender ends its requests means nothing."""
    for sample in subject.samples():
        batch = sample(0, 12)
        whole, halves, alternating = (subject.harness() for _ in range(3))
        whole.process(batch)
        row = np.arange(len(batch))
        for mask in (row < 9, row >= 9):
            halves.process(batch.where(mask))
        for mask in (row % 2 == 0, row % 2 == 1):
            alternating.process(batch.where(mask))
        for run in (whole, halves, alternating):
            run.advance(1.0)
        for run in (halves, alternating):
            _same("of one batch, and of the same in two", _emitted(whole), _emitted(run))


def restoring_and_going_on_equals_never_having_stopped(subject: Subject) -> None:
    """``snapshot`` and ``restore`` keep everything that matters."""
    for sample in subject.samples():
        stopped, running = subject.harness(), subject.harness()
        first, second = sample(0, 9), sample(5, 9)
        row = np.arange(len(second))
        # The first half of the second batch leaves calls of which one side has been seen.
        for run in (stopped, running):
            run.process(first)
            run.process(second.where(row % 2 == 0))
        stopped.restart()
        for run in (stopped, running):
            run.process(second.where(row % 2 == 1))
            run.advance(1.0)
        _same("of one that went on, and of one that was restarted", _emitted(running), _emitted(stopped))


def a_frozen_clock_expires_nothing(subject: Subject) -> None:
    """Time comes from the clock alone."""
    for sample in subject.samples():
        run = subject.harness()
        batch = sample(0, 6)
        run.process(batch.where(np.arange(len(batch)) % 4 != 3))
        before = _points(run)
        for _ in range(50):
            run.tick()
            run.advance(0.0)
        _same("before ticks at one time, and after them", before, _points(run))
        _same("records that were emitted meanwhile", [], run.logs())


def time_alone_creates_no_counts(subject: Subject) -> None:
    """An hour without items is not counted as items."""
    run = subject.harness()
    run.advance(3600.0)
    counted = [point for point in run.metrics() if point.value and not isinstance(point.value, dict)]
    _same("points above 0 after an hour without items", [], counted)
    _same("records that were emitted meanwhile", [], run.logs())


def records_are_emitted_by_those_that_say_so(subject: Subject) -> None:
    """``emits_logs`` is what a configuration is checked by."""
    for sample in subject.samples():
        run = subject.harness()
        run.process(sample(0, 12), then_advance_s=60.0)
        if not subject.cls.emits_logs:
            _same("records of one without `emits_logs`", [], run.logs())


def shutdown_works_twice_and_without_a_start(subject: Subject) -> None:
    """Another component may have failed to start."""
    run = subject.harness()
    run.shutdown()
    run.processor.shutdown()
    clock = FakeClock()
    settings = Settings("x", clock, Meter("x", clock), run.telemetry)
    never_started = subject.cls(subject.cls.Config.model_validate(dict(subject.config)), settings)
    never_started.shutdown()
    never_started.shutdown()


CHECKS: tuple[Check, ...] = (
    default_configuration_loads,
    only_declared_columns_are_read_and_the_input_is_unchanged,
    items_that_go_on_are_the_original_ones_but_for_adds,
    splitting_a_batch_changes_no_metric,
    restoring_and_going_on_equals_never_having_stopped,
    a_frozen_clock_expires_nothing,
    time_alone_creates_no_counts,
    records_are_emitted_by_those_that_say_so,
    shutdown_works_twice_and_without_a_start,
)
"""Every promise that can be checked from outside."""


def _without(adds: tuple[str, ...], items: Batch) -> Iterator[bytes]:
    """Each item without what may have been changed."""
    attributes = {column.removeprefix(items.prefix) for column in adds}
    fields = {column.partition(".")[0] for column in adds}  # "positive.offset" is in the field "positive"
    for item in items.iter():
        kept = [attribute for attribute in item.attributes if attribute.key not in attributes]
        del item.attributes[:]
        item.attributes.extend(kept)
        for name in fields & {*item.DESCRIPTOR.fields_by_name, *item.DESCRIPTOR.oneofs_by_name}:
            item.ClearField(name)
        yield item.SerializeToString(deterministic=True)


def _points(run: Harness[Any]) -> list[Any]:
    """All metrics in an order of their own."""
    return sorted(
        (point.name, sorted(point.labels.items()), sorted(map(repr, point.resource.items())), repr(point.value))
        for point in run.metrics()
    )


def _emitted(run: Harness[Any]) -> list[Any]:
    """Metrics, and the log records but for when they were handed on."""
    return [*_points(run), *(replace(record, observed_unix_nano=0) for record in run.logs())]


def _same(what: str, one: Any, other: Any) -> None:
    if one == other:
        return
    if isinstance(one, list) and isinstance(other, list):
        one, other = [item for item in one if item not in other], [item for item in other if item not in one]
    raise AssertionError(f"{what}: {one!r:.2000} is not {other!r:.2000}")
