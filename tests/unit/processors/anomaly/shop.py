"""A small shop whose spans the tests of anomaly detection send: exact seeds, faults at will."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

import numpy as np

from pipeline.api import SpanBatch
from pipeline.testing import START_UNIX_NANO, Harness, span_batch
from processors.anomaly import Anomaly
from processors.anomaly.incidents import Change

TICK = 10_000_000_000
Fault = Mapping[str, float]
"""Service → factor on its exclusive time; ``service!`` → share of failing calls; ``service>`` → factor on the wire to
it; ``payment:amex`` → factor on payments with that card."""


def calls(tick: int, seed: int = 0, traces: int = 12, fault: Fault | None = None, load: float = 1.0) -> list[Any]:
    """Spans of one tick: frontend → checkout → payment, and frontend → cart."""
    rng = np.random.default_rng([seed, tick])
    fault = fault or {}
    spans: list[dict[str, Any]] = []
    for _ in range(traces):
        trace = rng.bytes(16)
        start = START_UNIX_NANO + tick * TICK + int(rng.integers(0, 9_000_000_000))

        card = ("visa", "amex", "mastercard")[int(rng.integers(0, 3))]

        def own(service: str, milliseconds: float) -> int:
            factor = fault.get(service, 1.0) * load
            return int(milliseconds * 1e6 * factor * rng.lognormal(0.0, 0.2))

        def span(
            service: str,
            name: str,
            kind: str,
            parent: bytes,
            nano: int,
            trace: bytes = trace,
            start: int = start,
            card: str = card,
        ) -> bytes:
            failed = rng.random() < fault.get(f"{service}!", 0.0) and kind == "server"
            spans.append(
                {
                    "trace_id": trace,
                    "span_id": (own_id := rng.bytes(8)),
                    "parent_span_id": parent,
                    "service": service,
                    "name": name,
                    "kind": kind,
                    "start_unix_nano": start,
                    "duration_nano": nano,
                    "status": "error" if failed else "unset",
                    "attributes": {"card.type": card},
                }
            )
            return own_id

        pay = own("payment", 8)
        if card == "amex":
            pay = int(pay * fault.get("payment:amex", 1.0))
        wire = own("payment>", 1)
        checkout = own("checkout", 4) + pay + wire
        cart = own("cart", 3)
        total = own("frontend", 5) + checkout + cart + 2_000_000
        root = span("frontend", "GET /", "server", b"", total)
        to_checkout = span("frontend", "PlaceOrder", "client", root, checkout + 1_000_000)
        order = span("checkout", "PlaceOrder", "server", to_checkout, checkout)
        to_payment = span("checkout", "Charge", "client", order, pay + wire)
        span("payment", "Charge", "server", to_payment, pay)
        to_cart = span("frontend", "GetCart", "client", root, cart + 1_000_000)
        span("cart", "GetCart", "server", to_cart, cart)
    return spans


def send(run: Harness[Anomaly], spans: list[Any]) -> None:
    """One tick's spans, then ten seconds."""
    batch: SpanBatch = span_batch(spans=spans)
    run.traces(batch, then_advance_s=10)


def play(
    run: Harness[Anomaly],
    ticks: range,
    fault: Callable[[int], Fault | None] = lambda _: None,
    seed: int = 0,
    traces: int = 12,
    restarts: Container[int] = (),
) -> list[Change]:
    """Send ticks, with a restart before some; returns what happened to incidents."""
    changes: list[Change] = []
    for tick in ticks:
        if tick in restarts:
            run.restart()
        send(run, calls(tick, seed, traces, fault=fault(tick)))
        changes += run.processor.take_changes()
    return changes


def told(changes: list[Change]) -> list[tuple[str, float, str]]:
    """Changes as what, when, whose."""
    return [(change.what, change.second, change.incident.root) for change in changes]
