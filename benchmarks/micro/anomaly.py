"""Anomaly detection: what a tick costs, what a span costs, what a series takes, and how long a snapshot is.

Layer 1 is the robust detector with its evidence, layer 2 the seasonal detector, which all layers together ask about at
most 10 000 series every five minutes; beside ``np.exp`` of one column of the same matrix. The span path is decoding
and processing the requests of a tick and closing it, less decoding alone: 64 requests are 3 277 spans a second, and
with eight times as many, traces are thinned out. The spans of two of the 64 are in a tick whose attributes are read, as
one tick in 32 is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.measure import MICRO, Row, Settings, compare, cpu_in_turns, cpu_seconds
from benchmarks.micro.steps import UPB, parse_all, process_all
from benchmarks.workload import BEGIN_UNIX_NANO, payloads
from pipeline.codec.otlp_traces import TracesProjection
from pipeline.testing import Harness
from processors.anomaly import Anomaly
from processors.anomaly.detector import Matrix
from processors.anomaly.differences import SAMPLED_TICKS
from processors.anomaly.evidence import Evidence
from processors.anomaly.history_layer import HISTORY_TICKS
from processors.anomaly.layered import LayeredDetector
from processors.anomaly.robust import RobustDetector
from processors.anomaly.seasonal import SeasonalDetector
from processors.anomaly.series_bank import DURATION, ERRORS, Series, SeriesBank

SERIES = 100_000
SNAPSHOT_SERIES = 50_000
SNAPSHOT_LIMIT_S = 0.3
TICKS = 40
WARM_UP = 160
"""Ticks after which a series learns at its lasting speed."""
ROUNDS = 8
WINDOW_S = 10
SERVICES = 200
TICK_NANO = 1_000_000_000
LAYER_LIMIT = 20.0
SPAN_LIMIT = 0.25
MEMORY_LIMITS = {"layer 1": 128.0, "layer 2": 2_500.0, "all layers": 512.0}
EXP = "np.exp of one column of the matrix"


class Layer:
    """A detector of many series, and ticks to give it: a share of errors for each service, else times."""

    def __init__(self, detector: RobustDetector | SeasonalDetector | LayeredDetector, series: int) -> None:
        self.detector = detector
        self.bank = SeriesBank(series)
        for number in range(series):
            name = f"service {number % SERVICES}"
            is_first = number < SERVICES
            self.bank.row(
                Series(ERRORS, name) if is_first else Series(DURATION, name, f"operation {number}", "server"), 0
            )
        self.evidence = Evidence()
        capacity = self.bank.capacity
        detector.resize(capacity)
        self.evidence.resize(capacity)
        rng = np.random.default_rng(1)
        self.level = rng.normal(0.0, 1.0, capacity)
        self.noise = rng.standard_t(4, (4, capacity)) * 0.1
        count = rng.integers(1, 40, capacity).astype(np.float64)
        variance = np.full(capacity, 0.05)
        count[:SERVICES] = 40.0
        self.matrices = [
            Matrix(self.level + noise, variance, count, self.bank.fall, 0.0, self.bank) for noise in self.noise
        ]
        self.tick = 0
        for _ in range(int(HISTORY_TICKS) + 1 if isinstance(detector, LayeredDetector) else WARM_UP):
            self.one_tick()

    def one_tick(self) -> None:
        """Score, take as evidence, learn."""
        matrix = replace(self.matrices[self.tick % 4], second=float(WINDOW_S * self.tick))
        frozen = self.evidence.total > 1.0
        self.evidence.add(self.detector.score(matrix), matrix, self.bank)
        self.detector.learn(matrix, frozen)
        self.tick += 1

    def ticks(self) -> None:
        """Many ticks: the clock of a process is coarse."""
        for _ in range(TICKS):
            self.one_tick()

    def yardstick(self) -> None:
        """As many exponentials, ten times over."""
        for _ in range(10 * TICKS):
            np.exp(self.level)

    @property
    def bytes_per_series(self) -> float:
        """Of the detector and the evidence."""
        held = self.detector.nbytes + self.evidence.total.nbytes + self.evidence.run.nbytes
        return held / self.bank.capacity


def layers(settings: Settings) -> Iterator[Row]:
    """Both layers and all three together: time and memory."""
    for name, detector, limit in (
        ("layer 1", RobustDetector(), LAYER_LIMIT),
        ("layer 2", SeasonalDetector(), None),
        ("all layers", LayeredDetector(), None),
    ):
        layer = Layer(detector, settings.amount(SERIES))
        measured = cpu_in_turns(settings.repetitions, 1e3 / TICKS, {"layer": layer.ticks, "exp": layer.yardstick})
        yardsticks = [value / 10 for value in measured["exp"]]
        title = f"anomaly/{name}, a tick of {layer.bank.live:,} series"
        yield compare(title, "ms", measured["layer"], yardsticks, against=EXP, limit=limit)
        yield Row(f"anomaly/{name}, memory", layer.bytes_per_series, "B/series", limit_value=MEMORY_LIMITS[name])


def of_traffic(body: bytes, round_number: int, tick: int) -> bytes:
    """The same request with other trace ids, and its spans moved so that all end in one tick, as those of a request
    mostly do.
    """
    request = ExportTraceServiceRequest.FromString(body)
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                span.trace_id = round_number.to_bytes(2) + span.trace_id[2:]
                later = tick * TICK_NANO + span.end_time_unix_nano % TICK_NANO - span.end_time_unix_nano
                span.start_time_unix_nano += later
                span.end_time_unix_nano += later
    return request.SerializeToString()


def one_turn(projection: TracesProjection, bodies: Sequence[bytes], run: Harness[Anomaly]) -> None:
    """Process all requests and close their tick.

    Late spans are taken into it, so that the same requests do for each.
    """
    process_all(projection, bodies, [run.processor])
    run.advance(1)


def span_path(settings: Settings) -> Iterator[Row]:
    """What spans cost, at two rates."""
    first = BEGIN_UNIX_NANO // TICK_NANO
    once, *more = [
        [of_traffic(body, number, first + at % SAMPLED_TICKS) for at, body in enumerate(payloads(512))]
        for number in range(settings.amount(ROUNDS))
    ]
    often = [body for bodies in (once, *more) for body in bodies]
    for bodies, limit in ((once, None), (often, SPAN_LIMIT)):
        spans = 512 * len(bodies)
        run = Harness(Anomaly, late_spans="current", window="1s", lateness="0s")
        projection = TracesProjection(run.processor.reads)
        for _ in range(12):
            one_turn(projection, bodies, run)
        measured = cpu_in_turns(
            settings.repetitions,
            MICRO / spans,
            {
                "processed": partial(one_turn, projection, bodies, run),
                "decoded": partial(process_all, projection, bodies),
                "upb": partial(parse_all, bodies),
            },
        )
        added = [both - alone for both, alone in zip(measured["processed"], measured["decoded"], strict=True)]
        title = f"anomaly/span path after decode, 512 spans a request, {spans / WINDOW_S:,.0f} spans/s"
        yield compare(title, "µs/span", added, measured["upb"], against=UPB, limit=limit)


def snapshot(settings: Settings) -> Iterator[Row]:
    """Seconds of one snapshot."""
    series = settings.amount(SNAPSHOT_SERIES)
    run = Harness(Anomaly, max_series=series)
    processor = run.processor
    for number in range(series):
        processor.bank.row(Series(DURATION, f"service {number % 200}", f"GET /api/v1/orders/{number}", "server"), 1)
    processor.evidence.resize(processor.bank.capacity)
    processor._detector.resize(processor.bank.capacity)
    seconds = []
    for _ in range(settings.repetitions):
        begin = cpu_seconds()
        size = len(processor.snapshot())
        seconds.append(cpu_seconds() - begin)
    yield Row(
        f"anomaly/snapshot of {series:,} series, {size / 1e6:.1f} MB",
        sorted(seconds)[len(seconds) // 2],
        "s",
        limit_value=SNAPSHOT_LIMIT_S,
    )


def group(settings: Settings) -> Iterator[Row]:
    """Layers, span path, snapshot."""
    yield from layers(settings)
    yield from span_path(settings)
    yield from snapshot(settings)
