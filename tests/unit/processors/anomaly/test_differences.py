"""Which attribute values set bad spans apart: shares of spans drawn here, counted as they are drawn."""

import numpy as np

from pipeline.testing import START_UNIX_NANO, Harness, span_batch
from processors.anomaly import Anomaly
from tests.unit.processors.anomaly.shop import TICK

FAULT_FROM = 60
TICKS = range(72)


class Orders:
    """Spans of one service, one tick after the other; ``Serve`` is five times slower at the end."""

    def __init__(self, *attributes: str) -> None:
        self.run = Harness(Anomaly, differs_by=list(attributes))
        self.rng = np.random.default_rng(5)
        self.spans: list[dict[str, object]] = []

    def add(self, tick: int, name: str, attributes: dict[str, str], slow: bool = False) -> None:
        milliseconds = 20.0 * self.rng.lognormal(0.0, 0.1) * (5 if slow else 1)
        self.spans.append(
            {
                "trace_id": self.rng.bytes(16),
                "span_id": self.rng.bytes(8),
                "service": "orders",
                "name": name,
                "kind": "server",
                "start_unix_nano": START_UNIX_NANO + tick * TICK + int(self.rng.integers(0, 9_000_000_000)),
                "duration_nano": int(milliseconds * 1e6),
                "attributes": attributes,
            }
        )

    def send(self) -> None:
        self.run.traces(span_batch(spans=self.spans), then_advance_s=10)
        self.spans = []

    def named(self) -> list[tuple[str, str]]:
        found = self.run.processor.differences.of("orders")
        return [(attribute, value) for attribute, value, _, _ in found]


def test_kinds_of_spans_with_an_attribute_do_not_make_its_values_suspects_when_they_are_slow() -> None:
    orders = Orders("span.tier")
    for tick in TICKS:
        for number in range(30):
            tier = "gold" if number % 3 == 0 else "silver"
            orders.add(tick, "Serve", {"tier": tier}, slow=tick >= FAULT_FROM)
        for _ in range(90):
            orders.add(tick, "Work", {})
        orders.send()
    assert orders.named() == []


def test_a_value_that_is_slow_is_named_though_most_spans_do_not_have_the_attribute() -> None:
    orders = Orders("span.tier")
    for tick in TICKS:
        for number in range(30):
            tier = "gold" if number % 3 == 0 else "silver"
            orders.add(tick, "Serve", {"tier": tier}, slow=tick >= FAULT_FROM and tier == "gold")
        for _ in range(90):
            orders.add(tick, "Work", {})
        orders.send()
    ((attribute, value, share, before),) = orders.run.processor.differences.of("orders")
    assert (attribute, value) == ("tier", "gold")
    assert share == 1.0
    assert 0.25 < before < 0.42, "a third of the spans that have it"


def test_an_attribute_that_only_bad_spans_have_is_named_with_its_share_of_all_of_them() -> None:
    orders = Orders("span.retry")
    for tick in TICKS:
        for number in range(30):
            slow = tick >= FAULT_FROM and number % 2 == 0
            orders.add(tick, "Serve", {"retry": "yes"} if slow else {}, slow=slow)
        orders.send()
    ((attribute, value, share, before),) = orders.run.processor.differences.of("orders")
    assert (attribute, value, share, before) == ("retry", "yes", 1.0, 0.0)


def test_the_first_moments_of_a_service_do_not_decide_what_is_usual() -> None:
    """In the first tick only one of two pods sends, and much."""
    orders = Orders("span.pod")
    for tick in TICKS:
        for number in range(600 if tick == 0 else 120):
            pod = "a" if tick == 0 or number % 2 else "b"
            orders.add(tick, "Serve", {"pod": pod}, slow=tick >= FAULT_FROM)
        orders.send()
    assert orders.named() == []


def test_what_was_counted_survives_a_restart() -> None:
    whole, interrupted = Orders("span.tier", "span.pod"), Orders("span.tier", "span.pod")
    for orders in (whole, interrupted):
        for tick in TICKS:
            for number in range(40):
                tier = "gold" if number % 4 == 0 else "silver"
                orders.add(tick, "Serve", {"tier": tier}, slow=tick >= FAULT_FROM and tier == "gold")
            orders.send()
            if orders is interrupted and tick in (3, 65):
                orders.run.restart()
    found = whole.run.processor.differences.of("orders")
    assert found
    assert interrupted.run.processor.differences.of("orders") == found
