"""The service graph the slow and obvious way: official messages in, a dict of edges out. Shares no code with Weir.

    service_graph([ExportTraceServiceRequest(...)])[(("client", "shop"), ("connection_type", ""), …)].requests

All requests count as having come within the ttl, which has then passed. A key is the sorted label items of a series;
Tempo's, which has no empty labels, without those.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.oracles.red import DAY_NS, Key, spans_of

OTELCOL_BOUNDS_NS = tuple(
    ms * 10**6 for ms in (2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000, 10_000, 15_000)
)
TEMPO_BOUNDS_NS = tuple(100 * 10**6 * 2**n for n in range(8))
CLIENTS = (Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_PRODUCER)
SERVERS = (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CONSUMER)
MESSAGING = (Span.SPAN_KIND_PRODUCER, Span.SPAN_KIND_CONSUMER)
ADDRESSES = ("peer.service", "server.address", "network.peer.address")


@dataclass
class Durations:
    """Observations per bucket (not cumulative, the last is +Inf) and their sum in nanoseconds."""

    buckets: list[int]
    sum_ns: int = 0

    def observe(self, nanoseconds: int | None, bounds_ns: Sequence[int]) -> None:
        if nanoseconds is not None:
            self.buckets[sum(bound < nanoseconds for bound in bounds_ns)] += 1
            self.sum_ns += nanoseconds


@dataclass
class Edge:
    """One series."""

    requests: int = 0
    failed: int = 0
    client: Durations = field(default_factory=lambda: Durations([]))
    server: Durations = field(default_factory=lambda: Durations([]))


class Side(NamedTuple):
    """A span and where it comes from."""

    service: str
    resource: dict[str, str]
    attributes: dict[str, str]
    span: Span

    @property
    def failed(self) -> bool:
        return self.span.status.code == Status.STATUS_CODE_ERROR

    @property
    def nanoseconds(self) -> int | None:
        """None where the times cannot be right."""
        start, end = self.span.start_time_unix_nano, self.span.end_time_unix_nano
        if not start or not end or end - start > DAY_NS:
            return None
        return max(end - start, 0)

    def first_of(self, keys: Iterable[str]) -> str | None:
        """Value of the first key that the resource or the span has."""
        both = self.attributes | self.resource
        return next((both[key] for key in keys if key in both), None)

    def peer(self, keys: Iterable[str]) -> str | None:
        return next((self.attributes[key] for key in keys if key in self.attributes), None)


class Graph:
    """What is asked for, and the edges found."""

    def __init__(
        self,
        tempo: bool,
        dimensions: Sequence[str],
        peers: Sequence[str],
        databases: Sequence[str],
        bounds_ns: Sequence[int],
    ) -> None:
        self.tempo = tempo
        self.dimensions = dimensions
        self.peers = peers
        self.databases = databases
        self.bounds_ns = bounds_ns
        self.edges: dict[Key, Edge] = {}

    def add(self, names: tuple[str, str], connection: str, client: Side | None, server: Side | None) -> None:
        sides = [side for side in (client, server) if side]
        failed = any(side.failed for side in sides)
        labels = {"client": names[0], "server": names[1], "connection_type": connection}
        if not self.tempo:
            labels["failed"] = str(failed).lower()
        labels |= self.dimension_labels(client, server)
        if self.tempo:
            labels = {key: value for key, value in labels.items() if value}
        empty = len(self.bounds_ns) + 1
        new = Edge(client=Durations([0] * empty), server=Durations([0] * empty))
        edge = self.edges.setdefault(tuple(sorted(labels.items())), new)
        edge.requests += 1
        edge.failed += failed
        edge.client.observe(client.nanoseconds if client else 0, self.bounds_ns)
        other = client if connection == "database" else server
        edge.server.observe(other.nanoseconds if other else 0, self.bounds_ns)

    def dimension_labels(self, client: Side | None, server: Side | None) -> dict[str, str]:
        found: dict[str, str] = {}
        for key in self.dimensions:
            for prefix, side in (("client_", client), ("server_", server)):
                value = side.first_of([key]) if side else None
                if value is not None:
                    found[key if self.tempo else prefix + key] = value
        return found

    def add_database(self, client: Side, name: str) -> None:
        if self.tempo:
            address = client.first_of(["network.peer.address"])
            port = client.first_of(["network.peer.port"])
            known = client.first_of(["peer.service"]) or client.first_of(["server.address"])
            name = known or (f"{address}:{port}" if address and port else address) or name
        self.add((client.service, name), "database", client, None)

    def add_lone_client(self, client: Side) -> None:
        peer = client.peer(self.peers) or (None if self.tempo else "unknown")
        if peer:
            self.add((client.service, peer), "virtual_node", client, None)

    def add_root(self, server: Side) -> None:
        caller = (server.peer(self.peers) if self.tempo else None) or "user"
        self.add((caller, server.service), "virtual_node", None, server)

    def add_pair(self, client: Side, server: Side) -> None:
        messaging = client.span.kind in MESSAGING or server.span.kind in MESSAGING
        self.add((client.service, server.service), "messaging_system" if messaging else "", client, server)


def service_graph(
    requests: Iterable[ExportTraceServiceRequest],
    *,
    tempo: bool = False,
    dimensions: Sequence[str] = (),
    links: bool | None = None,
) -> dict[Key, Edge]:
    """The edges of all spans, with the default attributes and buckets of the naming."""
    links = not tempo if links is None else links
    peers = ("peer.service", "db.name", "db.system", *(("db.system.name",) if tempo else ()))
    databases = ("db.namespace", "db.name", "db.system", "db.system.name") if tempo else ("db.name",)
    graph = Graph(tempo, dimensions, peers, databases, TEMPO_BOUNDS_NS if tempo else OTELCOL_BOUNDS_NS)
    sides = [
        Side(resource.get("service.name") or "unknown_service", resource, attributes, span)
        for resource, attributes, span in spans_of(requests)
    ]
    clients: dict[tuple[bytes, bytes], Side] = {}
    served: set[tuple[bytes, bytes]] = set()
    for side in sides:
        if side.span.kind in CLIENTS:
            name = side.first_of(databases)
            if name:
                graph.add_database(side, name)
            elif side.span.span_id != side.span.parent_span_id:
                clients.setdefault((side.span.trace_id, side.span.span_id), side)
    for side in sides:
        if side.span.kind in SERVERS:
            for key in server_keys(side.span, links):
                if not any(key[1]):
                    graph.add_root(side)
                elif key in clients:
                    served.add(key)
                    if clients[key].span.parent_span_id != side.span.span_id:
                        graph.add_pair(clients[key], side)
    for key, client in clients.items():
        if key not in served:
            graph.add_lone_client(client)
    return graph.edges


def server_keys(span: Span, links: bool) -> list[tuple[bytes, bytes]]:
    """Keys of the clients whose server a span is: producers that a consumer links to, else its parent."""
    if links and span.kind == Span.SPAN_KIND_CONSUMER:
        linked = list(dict.fromkeys((link.trace_id, link.span_id) for link in span.links))
        if linked:
            return [key for key in linked if key[1] != span.span_id]
    return [] if span.parent_span_id == span.span_id else [(span.trace_id, span.parent_span_id)]
