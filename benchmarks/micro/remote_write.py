"""Remote write of 100 000 series, against building and serialising the same request with the official classes.

Both begin with what they naturally have: Weir with a snapshot of a meter, the yardstick with its labels as Python
strings, sorted. Compression is the same for both and left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from benchmarks.measure import Row, Settings, compare, cpu_in_turns
from benchmarks.micro.exposition import LABELS, MILLI, values
from pipeline.api import Limits, Meter, MetricSnapshot
from pipeline.codec.prometheus_families import assemble
from pipeline.codec.prometheus_labels import Format, LabelOptions, LabelWriter
from pipeline.codec.prometheus_names import Escaping, Namer
from pipeline.codec.remote_write import Message, RemoteWriter
from pipeline.service.clock import SystemClock
from tests.oracles.remote_write_proto import Request, WriteRequest, series_of

SERIES = 100_000
LIMIT = 0.2
SHARDS = 5
ONE_REQUEST = 1 << 30

Labelled = tuple[list[tuple[str, str]], float]


def snapshot(series: int) -> MetricSnapshot:
    """A counter with so many series."""
    clock = SystemClock()
    meter = Meter("benchmark", clock)
    calls = meter.counter("traces.span.metrics.calls", labels=LABELS, limits=Limits(max_series=series))
    for number in range(series):
        calls.add(values(number), float(number))
    return meter.collect(clock.unix_nano())


def ours(whole: MetricSnapshot, labels: LabelWriter, message: Message, shards: int, max_bytes: int) -> list[bytes]:
    """Families, then requests; the writer is new each time, so no series ends."""
    families = assemble([whole], Namer(), labels, Format.PROTOBUF, Escaping.ALLOW_UTF8, lambda *_: None)
    writer = RemoteWriter(message, shards, max_bytes, lambda *_: None)
    return [request.payload for request in writer.encode(families, "benchmark", whole.time_unix_nano)]


def official_v1(series: Sequence[Labelled], time_ms: int) -> bytes:
    """``prometheus.WriteRequest``."""
    request = WriteRequest()
    for labels, value in series:
        timeseries = request.timeseries.add()
        for name, text in labels:
            timeseries.labels.add(name=name, value=text)
        timeseries.samples.add(value=value, timestamp=time_ms)
    encoded: bytes = request.SerializeToString()
    return encoded


def official_v2(series: Sequence[Labelled], time_ms: int) -> bytes:
    """``io.prometheus.write.v2.Request``."""
    request = Request()
    symbols: dict[str, int] = {"": 0}
    for labels, value in series:
        timeseries = request.timeseries.add()
        refs = [symbols.setdefault(text, len(symbols)) for pair in labels for text in pair]
        timeseries.labels_refs.extend(refs)
        timeseries.samples.add(value=value, timestamp=time_ms, start_timestamp=time_ms)
        timeseries.metadata.type = 1
    request.symbols.extend(symbols)
    encoded: bytes = request.SerializeToString()
    return encoded


def group(settings: Settings) -> Iterator[Row]:
    """1.0 and 2.0 as the exporter writes them: five shards, requests of 3 MB."""
    count = settings.amount(SERIES)
    whole = snapshot(count)
    labels = LabelWriter(Namer(), LabelOptions(), Format.PROTOBUF, Escaping.ALLOW_UTF8)
    (request,) = ours(whole, labels, Message.V1, 1, ONE_REQUEST)
    series = [(pairs, found.samples[0].value) for pairs, found in series_of(request, v2=False)]
    time_ms = whole.time_unix_nano // 1_000_000
    for message, official, name in ((Message.V1, official_v1, "1.0"), (Message.V2, official_v2, "2.0")):
        measured = cpu_in_turns(
            settings.repetitions,
            MILLI,
            {
                "ours": partial(ours, whole, labels, message, SHARDS, 3_000_000),
                "official": partial(official, series, time_ms),
            },
        )
        yield compare(
            f"remote write/{name}, {count:,} series",
            "ms",
            measured["ours"],
            measured["official"],
            against="official classes, build and serialise",
            limit=LIMIT,
        )
