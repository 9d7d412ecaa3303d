"""The same telemetry through a real Collector's processors and through Weir's: the same goes on.

Must never regress: a Collector and a Weir in one fleet keep the same traces and add up to the same totals.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.codec.signals import projection
from pipeline.model.any_value import key_values
from pipeline.testing import Harness, metrics_request
from processors.deltatocumulative import DeltaToCumulative
from processors.probabilistic_sampler import ProbabilisticSampler
from processors.tracestate import parse
from tests.e2e.collector import Collector
from tests.oracles.delta_to_cumulative import normal
from tests.programs import OTELCOL

pytestmark = [pytest.mark.e2e, OTELCOL.needed]

SAMPLERS: list[dict[str, Any]] = [
    {"sampling_percentage": 25, "mode": "proportional"},
    {"sampling_percentage": 33.3, "mode": "proportional", "sampling_precision": 6, "fail_closed": False},
    {"sampling_percentage": 50, "mode": "equalizing"},
    {"sampling_percentage": 0.7, "mode": "equalizing", "sampling_precision": 2, "fail_closed": False},
    {"sampling_percentage": 25},
    {"sampling_percentage": 15.3, "hash_seed": 4_294_967_295, "fail_closed": False},
    {"sampling_percentage": 60, "attribute_source": "record", "from_attribute": "id", "fail_closed": False},
    {"sampling_percentage": 60, "from_attribute": "id", "sampling_priority": "prio", "sampling_precision": 14},
]
MALFORMED = [
    "ot=th:",
    "ot=th:xyz",
    "bad",
    "ot=rv:12",
    "a=b,,c=d",
    "A=1",
    "ot=th:0;;p:1",
    "x=" + "v" * 1_100,
    "ot=th:8;th:c",
]
PRIORITIES = [0, 1, -1, 0.0, 2.5, "0", "1", "-3", "x", " 1", "1e3", True, "nan", "1_0"]
IDS: list[Any] = ["", "user-7", 5, -3, 1.5, 1e21, 1e-7, 123456.789, b"\0\xff", True, ["a", 1], {"k": 2}]


def digits(rng: random.Random, n: int) -> str:
    return "".join(rng.choice("0123456789abcdef") for _ in range(n))


def threshold(rng: random.Random) -> str:
    return rng.choice(["0", "8", "c", "4", "fff", "ffffffffffffff", digits(rng, rng.randint(1, 14))])


def tracestate(rng: random.Random) -> str:
    if rng.random() < 0.1:
        return rng.choice(MALFORMED)
    pairs = [
        *([f"th:{threshold(rng)}"] if rng.random() < 0.4 else []),
        *([f"rv:{rng.choice(['f', '']) + digits(rng, 14)}"[:17]] if rng.random() < 0.3 else []),
        *(["p:1"] if rng.random() < 0.2 else []),
    ]
    rng.shuffle(pairs)
    members = [*([f"ot={';'.join(pairs)}"] if pairs else []), *rng.sample(["v=a/b:c", "t1@sys=x y"], rng.randint(0, 2))]
    rng.shuffle(members)
    return rng.choice([",", ", ", " ,\t"]).join(members)


def spans(rng: random.Random, n: int) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number in range(n):
        attributes = {"sampling.priority": rng.choice(PRIORITIES)} if rng.random() < 0.2 else {}
        scope.spans.add(
            trace_id=rng.randbytes(16),
            span_id=b"\1" * 8,
            name=str(number),
            trace_state=tracestate(rng),
            attributes=key_values(attributes),
        )
    return request


def logs(rng: random.Random, n: int) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for number in range(n):
        choices = {
            "sampling.threshold": [threshold(rng), "", "zz"],
            "sampling.randomness": [digits(rng, 14), "12"],
            "id": IDS,
            "prio": [0, 1, 50, 100, 101, -1, 0.5, 33.3, "50"],
        }
        attributes = {key: rng.choice(values) for key, values in choices.items() if rng.random() < 0.4}
        trace_id = rng.choice([b"", rng.randbytes(16)])
        scope.log_records.add(event_name=str(number), trace_id=trace_id, attributes=key_values(attributes))
    return request


def kept(items: Any, request: Any) -> dict[str, Any]:
    """By the name of the item, what says how it was sampled."""
    found: dict[str, Any] = {}
    for resource in request.resource_spans if items == "spans" else request.resource_logs:
        for scope in resource.scope_spans if items == "spans" else resource.scope_logs:
            for item in scope.spans if items == "spans" else scope.log_records:
                if items == "spans":
                    state = parse(item.trace_state)
                    found[item.name] = state if state.is_valid else item.trace_state
                else:
                    found[item.event_name] = sorted((pair.key, str(pair.value)) for pair in item.attributes)
    return found


def test_a_sampler_of_the_collector_keeps_and_marks_the_same(tmp_path: Path) -> None:
    rng = random.Random(235)
    processors = {f"probabilistic_sampler/{number}": config for number, config in enumerate(SAMPLERS)}
    with Collector(tmp_path, processors, ("traces", "logs")) as collector:
        for name, config in processors.items():
            for signal, request in (("traces", spans(rng, 2_000)), ("logs", logs(rng, 2_000))):
                run = Harness(ProbabilisticSampler, **config)
                decoder = projection(signal, (*run.processor.reads, *run.processor.adds))
                body = request.SerializeToString()
                own = type(request).FromString(run.process(decoder.decode(body)[0]).to_otlp())
                other = type(request).FromString(collector.through(name, signal, body))
                items = "spans" if signal == "traces" else "log records"
                assert kept(items, own) == kept(items, other), (config, signal)
                assert kept(items, own)


def deltas(rng: random.Random, times: dict[tuple[str, str], int]) -> list[dict[str, Any]]:
    """Points of some streams, mostly one after the other."""
    rows = []
    for _ in range(rng.randint(1, 25)):
        kind = rng.choice(["sum", "histogram", "exponential_histogram", "gauge", "summary"])
        value = rng.choice(["1", "é", 1, True, 2.5])
        key = (kind, repr(value))
        begin = times.get(key, 1_000) + rng.choice([0, 0, 0, 5, -5])
        times[key] = max(times.get(key, 0), begin + 10)
        attributes = {"k": value, "z": [1, "x"]}
        row = {
            "kind": kind,
            "name": kind,
            "service": rng.choice(["cart", "pay"]),
            "value": rng.randint(0, 50),
            "start_unix_nano": rng.choice([begin, 1_000, 1_000]),
            "time_unix_nano": begin + rng.choice([10, 10, 1]),
            "temporality": rng.choice(["delta", "delta", "delta", "cumulative"]),
            "attributes": attributes if rng.random() < 0.5 else dict(reversed(attributes.items())),
            "counts": [rng.randint(0, 4) for _ in range(rng.choice([3, 3, 3, 4]))],
        }
        if kind == "exponential_histogram":
            counts = [rng.randint(0, 3) for _ in range(rng.randint(1, 60))]
            row |= {"scale": rng.randint(0, 3), "offset": rng.randint(-20, 20), "counts": counts, "zero_count": 1}
        rows.append(row | ({"sum": float(rng.randint(0, 99))} if rng.random() < 0.9 or kind == "summary" else {}))
    return rows


def compared(request: ExportMetricsServiceRequest) -> ExportMetricsServiceRequest:
    """Attributes sorted: the Collector gives a point those of the first of its stream, in their order."""
    out = normal(request)
    for resource in out.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in getattr(metric, metric.WhichOneof("data") or "").data_points:
                    point.attributes.sort(key=lambda pair: pair.key)
    return out


def test_the_collector_adds_up_to_the_same_totals(tmp_path: Path) -> None:
    rng, times = random.Random(31), dict[tuple[str, str], int]()
    run = Harness(DeltaToCumulative)
    decoder = projection("metrics", run.processor.reads)
    with Collector(tmp_path, {"deltatocumulative": {}}, ("metrics",)) as collector:
        for _ in range(200):
            body = metrics_request(deltas(rng, times)).SerializeToString()
            own = ExportMetricsServiceRequest.FromString(run.process(decoder.decode(body)[0]).to_otlp())
            other = ExportMetricsServiceRequest.FromString(collector.through("deltatocumulative", "metrics", body))
            assert compared(own) == compared(other)
    for error in ("delta.ErrOutOfOrder", "delta.ErrOlderStart"):
        assert run.own.value("otelcol_deltatocumulative_datapoints", error=error) > 10
