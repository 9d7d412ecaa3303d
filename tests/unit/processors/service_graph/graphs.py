"""Traces to test with, and the metrics of a run in the form in which the oracle gives its edges."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.codec.otlp_traces import TracesProjection
from pipeline.testing import START_UNIX_NANO, Harness, export_request
from processors.service_graph import ServiceGraph
from tests.oracles.red import Key
from tests.oracles.service_graph import Durations, Edge

TOTAL = "traces_service_graph_request_total"
FAILED = "traces_service_graph_request_failed_total"
SERVER_S = "traces_service_graph_request_server"
CLIENT_S = "traces_service_graph_request_client"
MESSAGING_S = "traces_service_graph_request_messaging_system"

Spans = Sequence[Mapping[str, Any]]


def trace_id(number: int = 1) -> bytes:
    return hashlib.sha256(f"trace {number}".encode()).digest()[:16]


def span_id(number: int) -> bytes:
    """No parent for 0."""
    return number.to_bytes(8, "big")


def span(number: int, parent: int = 0, kind: str = "client", service: str = "shop", **fields: Any) -> dict[str, Any]:
    """A span of trace ``trace`` (1) for ``export_request``: ids from small numbers."""
    return {
        "trace_id": trace_id(fields.pop("trace", 1)),
        "span_id": span_id(number),
        "parent_span_id": span_id(parent) if parent else b"",
        "kind": kind,
        "service": service,
        **fields,
    }


def call(client: str = "shop", server: str = "cart", **fields: Any) -> list[dict[str, Any]]:
    """A client span and its server span."""
    return [span(1, 9, "client", client, **fields), span(2, 1, "server", server, **fields)]


def harness(**config: Any) -> Harness[ServiceGraph]:
    return Harness(ServiceGraph, **config)


def send(run: Harness[ServiceGraph], spans: Spans) -> None:
    """One request with these spans."""
    send_request(run, export_request(spans))


def send_request(run: Harness[ServiceGraph], request: ExportTraceServiceRequest) -> None:
    batch, rejected = TracesProjection(run.processor.reads).decode(request.SerializeToString())
    assert not rejected
    if len(batch):
        run.processor.process_traces(batch)


def edges_of(run: Harness[ServiceGraph]) -> dict[Key, Edge]:
    """All series of a run; sums as whole nanoseconds. A histogram without observations is not exported: all zeros."""
    edges: dict[Key, Edge] = {}
    zeros = [0] * (len(cast(Any, run._config).buckets_s) + 1)
    for point in run.metrics():
        new = Edge(client=Durations(zeros), server=Durations(zeros))
        edge = edges.setdefault(tuple(sorted(point.labels.items())), new)
        if point.name == TOTAL:
            edge.requests = point.value
        elif point.name == FAILED:
            edge.failed = point.value
        else:
            durations = Durations([int(count) for count in point.value["counts"]], round(point.value["sum"] * 1e9))
            setattr(edge, {SERVER_S: "server", CLIENT_S: "client"}[point.name], durations)
    return edges


def names(run: Harness[ServiceGraph]) -> dict[tuple[str, str, str], float]:
    """(client, server, connection type) → requests."""
    found: dict[tuple[str, str, str], float] = {}
    for point in run.metrics():
        if point.name == TOTAL:
            key = (point.labels["client"], point.labels["server"], point.labels.get("connection_type", ""))
            found[key] = found.get(key, 0) + point.value
    return found


def dropped(run: Harness[ServiceGraph], reason: str) -> float:
    run.tick()
    return sum(
        run.own.value("otelcol_connector_servicegraph_dropped_spans", connector=run.id, reason=reason, span_kind=kind)
        for kind in ("client", "server", "producer", "consumer")
    )


_KEYS = (
    "peer.service", "db.name", "db.namespace", "db.system", "db.system.name", "server.address",
    "network.peer.address", "network.peer.port", "tier",
)  # fmt: skip


def random_spans() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Traces with everything that can go wrong in them, but no two client spans with the same ids."""
    times = st.sampled_from([0, START_UNIX_NANO, START_UNIX_NANO + 3_000_000, START_UNIX_NANO + 12_345_678, 1 << 63])
    values = st.sampled_from(["a", "b", "7", 7, True])
    attributes = st.dictionaries(st.sampled_from(_KEYS), values, max_size=3)
    one = st.fixed_dictionaries(
        {
            "parent": st.integers(0, 6),
            "trace": st.integers(1, 2),
            "kind": st.sampled_from(["client", "server", "producer", "consumer", "internal", "unspecified"]),
            "service": st.sampled_from(["shop", "cart", "stock", None]),
            "status": st.sampled_from(["unset", "ok", "error"]),
            "attributes": attributes,
            "resource": st.dictionaries(st.sampled_from(["tier", "db.name"]), values, max_size=1),
            "start_unix_nano": times,
            "end_unix_nano": times,
            "links": st.lists(st.tuples(st.integers(1, 2), st.integers(1, 6)), max_size=2),
        }
    )
    return st.lists(one, min_size=1, max_size=12).map(_numbered)


def _numbered(fields: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    spans = []
    for number, one in enumerate(fields, 1):
        links = [{"trace_id": trace_id(t), "span_id": span_id(s)} for t, s in one["links"]]
        spans.append(span(number, **(one | {"links": links})))
    return spans
