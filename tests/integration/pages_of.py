"""The pages that a Weir serves after given requests; as a program, those of a seed.

python -m tests.integration.pages_of SEED FILE
"""

from __future__ import annotations

import random
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.testing import START_UNIX_NANO, export_request
from tests.integration.running_engine import RunningEngine

CONFIG = """
connectors:
  span_metrics:
    naming: both
    dimensions: [{name: http.route}, {name: n}, {name: zone, default: nowhere}]
    histogram: {unit: s, exponential: {max_size: 20}}
    exemplars: {enabled: true}
    enable_target_info: true
  service_graph:
    store: {ttl: 2s, max_items: 100000, max_items_per_trace: 100000}
    dimensions: [zone]
    exemplars: {enabled: true}
"""
ACCEPTS = (
    "text/plain;version=0.0.4",
    "application/openmetrics-text;version=1.0.0",
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
)
MS = 1_000_000
Fields = dict[str, Any]


def spans_of_seed(seed: int, traces: int = 60) -> list[Fields]:
    """Calls, messages, queries and lone spans, odd ones among them."""
    chance = random.Random(seed)
    spans: list[Fields] = []
    for trace in range(1, traces + 1):
        ids = iter(range(1, 100))

        def span(service: str | None, kind: str, parent: bytes, trace: int = trace, ids: Any = ids) -> Fields:
            start = START_UNIX_NANO + chance.randrange(5_000) * MS
            fields = {
                "service": service,
                "resource": {"service.instance.id": f"{service}-{chance.randrange(2)}"},
                "kind": kind,
                "name": chance.choice(["GET /", "POST /", "", "größer", "x" * 3_000, 'a"\\\n']),
                "status": chance.choice(["unset", "ok", "error"]),
                "trace_id": trace.to_bytes(16, "big"),
                "span_id": next(ids).to_bytes(8, "big"),
                "parent_span_id": parent,
                "start_unix_nano": chance.choice([start] * 9 + [0]),
                "end_unix_nano": start + chance.choice([0, -1, 2 * MS, 3, 10 * MS, 70 * MS + 1, 20_000 * MS]),
                "attributes": chance.choice([{}, {"http.route": "/a"}, {"n": chance.randrange(3)}, {"zone": "x"}]),
                "trace_state": chance.choice(["", "", "ot=th:8"]),
            }
            spans.append(fields)
            return fields

        root = span(chance.choice(["front", "edge", None]), "server", b"")
        for _ in range(chance.randrange(4)):
            call = span("front", chance.choice(["client", "producer"]), root["span_id"])
            for _ in range(chance.randrange(3)):
                span(chance.choice(["cart", "mail"]), chance.choice(["server", "consumer"]), call["span_id"])
            consumer = span("audit", "consumer", b"")
            consumer["links"] = [Span.Link(trace_id=call["trace_id"], span_id=call["span_id"])]
        query = span("cart", "client", root["span_id"])
        query["attributes"] = {"db.name": "carts"}
    return spans


def pages_of(requests: Sequence[bytes], transports: Sequence[str] = ("http",)) -> list[bytes]:
    """What a Weir shows in each format after these requests, whose lone spans have then waited long enough."""
    with RunningEngine(CONFIG) as weir:
        for n, body in enumerate(requests):
            assert weir.send(body, transports[n % len(transports)]).outcome == "ok"
        weir.pass_time(3)
        return [_page(weir.url, accept) for accept in ACCEPTS]


def _page(url: str, accept: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"accept": accept}), timeout=30) as answer:
        page: bytes = answer.read()
        return page


def request_of(spans: Sequence[Fields]) -> bytes:
    return export_request(spans).SerializeToString()


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(b"\n--\n".join(pages_of([request_of(spans_of_seed(int(sys.argv[1])))])))
