"""Delta points made cumulative, against the official parser alone.

Each turn sends the next reports of the same series, as a sender's next minutes, to one processor that knows them all.
Decoding of the same columns is taken off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from benchmarks.measure import MICRO, Row, Settings, compare, cpu_in_turns
from benchmarks.micro.steps import UPB, decode_all, parse_all
from pipeline.codec.otlp_metrics import MetricsProjection
from pipeline.testing import Harness, metrics_request
from processors.deltatocumulative import DeltaToCumulative

POINTS = 512
REPORTS = 8
"""In one turn."""
KINDS = ("sum", "histogram", "exponential_histogram")
_MINUTE = 60 * 10**9


def report(kind: str, minute: int) -> bytes:
    """One request: the points of one minute, of always the same series."""
    points = [
        {
            "kind": kind,
            "temporality": "delta",
            "name": f"app.metric.{number % 16}",
            "value": number,
            "sum": 1.5,
            "counts": list(range(15)),
            "start_unix_nano": minute * _MINUTE,
            "time_unix_nano": (minute + 1) * _MINUTE,
            "attributes": {
                "http.request.method": "GET",
                "http.route": f"/api/v1/things/{number}",
                "http.response.status_code": 200,
                "url.scheme": "https",
            },
        }
        for number in range(POINTS)
    ]
    return metrics_request(points).SerializeToString()


def add_all(projection: MetricsProjection, processor: DeltaToCumulative, turns: Iterator[Sequence[bytes]]) -> None:
    """Decode the requests of the next turn, and make their points cumulative."""
    for body in next(turns):
        processor.process_metrics(projection.decode(body)[0])


def group(settings: Settings) -> Iterator[Row]:
    """One type after the other."""
    for kind in KINDS:
        processor = Harness(DeltaToCumulative).processor
        projection = MetricsProjection(processor.reads)
        first, *rest = (report(kind, minute) for minute in range(1 + REPORTS * (1 + settings.repetitions)))
        processor.process_metrics(projection.decode(first)[0])
        turns = iter([rest[begin : begin + REPORTS] for begin in range(0, len(rest), REPORTS)])
        bodies = rest[:REPORTS]
        measured = cpu_in_turns(
            settings.repetitions,
            MICRO / (POINTS * REPORTS),
            {
                "added": partial(add_all, projection, processor, turns),
                "decoded": partial(decode_all, projection, bodies),
                "upb": partial(parse_all, bodies, ExportMetricsServiceRequest),
            },
        )
        cost = [both - alone for both, alone in zip(measured["added"], measured["decoded"], strict=True)]
        yield compare(f"deltas/{kind} made cumulative", "µs/point", cost, measured["upb"], against=UPB)
