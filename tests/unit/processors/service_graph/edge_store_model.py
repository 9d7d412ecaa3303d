"""What the edge store promises, in dicts and lists and without a thought for speed."""

from __future__ import annotations

from dataclasses import dataclass, field

from processors.service_graph.layout import ALONE, FILTERED, KINDS, SERVER
from processors.service_graph.pairing import FATES


@dataclass(eq=False)
class Half:
    trace: tuple[int, int]
    span: int
    other: int
    flags: int
    label: int
    deadline: int = 0
    settled: bool = False

    @property
    def key(self) -> tuple[int, int, int]:
        return (*self.trace, self.span)

    @property
    def is_server(self) -> bool:
        return bool(self.flags & SERVER)

    def words(self) -> list[int]:
        return [
            *self.trace,
            self.span,
            self.other,
            100 + self.label,
            200 + self.label,
            self.flags << 32 | self.label,
            0,
        ]


Edge = tuple[int | None, int | None]
"""Labels of the client and of the server."""


@dataclass
class ModelStore:
    """``trace_counts`` is exact here; the store shares counters between traces, so tests keep few traces in a large
    table."""

    max_items: int
    ttl: int
    max_items_per_trace: int
    waiting: list[Half] = field(default_factory=list)
    paired: list[Half] = field(default_factory=list)
    fates: dict[tuple[str, str], int] = field(default_factory=dict)

    def count(self, fate: str, half: Half) -> None:
        key = fate, KINDS[half.flags & 3]
        self.fates[key] = self.fates.get(key, 0) + 1

    def fate_table(self) -> list[list[int]]:
        return [[self.fates.get((fate, kind), 0) for kind in KINDS] for fate in FATES]

    def add(self, half: Half, now: int) -> list[Edge]:
        if half.flags & ALONE:
            if half.flags & FILTERED:
                self.count("filtered", half)
                return []
            self.count("alone", half)
            return [self.edge(half)]
        if half.other == half.span:
            self.count("loop", half)
            return []
        return self.add_server(half, now) if half.is_server else self.add_client(half, now)

    def edge(self, half: Half) -> Edge:
        return (None, half.label) if half.is_server else (half.label, None)

    def client_of(self, half: Half) -> Half | None:
        return next((h for h in self.waiting + self.paired if h.key == half.key and not h.is_server), None)

    def add_server(self, server: Half, now: int) -> list[Edge]:
        client = self.client_of(server)
        if client is None:
            self.wait(server, now)
            return []
        fate = self.meet(client, server)
        self.count(fate, server)
        if not client.settled:
            self.count(fate, client)
            client.settled, client.deadline = True, now + self.ttl
            self.waiting.remove(client)
            self.paired.append(client)
        return [(client.label, server.label)] if fate == "paired" else []

    def add_client(self, client: Half, now: int) -> list[Edge]:
        if self.client_of(client):
            self.count("duplicate", client)
            return []
        servers = [h for h in self.waiting if h.key == client.key]
        if not servers:
            self.wait(client, now)
            return []
        fates = [self.meet(client, server) for server in servers]
        for fate, server in zip(fates, servers, strict=True):
            self.waiting.remove(server)
            if not server.settled:
                self.count(fate, server)
        self.count(next(fate for fate in ("paired", "filtered", "loop") if fate in fates), client)
        client.settled, client.deadline = True, now + self.ttl
        self.paired.append(client)
        self.keep_limit()
        return [(client.label, s.label) for fate, s in zip(fates, servers, strict=True) if fate == "paired"]

    def meet(self, client: Half, server: Half) -> str:
        if (client.flags | server.flags) & FILTERED:
            return "filtered"
        return "loop" if client.other == server.other else "paired"

    def wait(self, half: Half, now: int) -> None:
        if sum(h.trace == half.trace for h in self.waiting) >= self.max_items_per_trace:
            self.count("filtered" if half.flags & FILTERED else "trace_limit", half)
            return
        half.deadline = now + self.ttl
        self.waiting.append(half)
        if half.flags & FILTERED:
            half.settled = True
            self.count("filtered", half)
        self.keep_limit()

    def keep_limit(self) -> None:
        if len(self.waiting) + len(self.paired) <= self.max_items:
            return
        if self.paired:
            self.paired.pop(0)
            return
        half = self.waiting.pop(0)
        if not half.settled:
            self.count("evicted", half)

    def expire(self, now: int) -> list[Edge]:
        self.paired = [h for h in self.paired if h.deadline > now]
        gone = [h for h in self.waiting if h.deadline <= now and not h.settled]
        self.waiting = [h for h in self.waiting if h.deadline > now]
        for half in gone:
            self.count("expired", half)
        return [self.edge(half) for half in gone]
