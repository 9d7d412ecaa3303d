"""The same telemetry through the attributes and resource processors of a real Collector and of Weir: the same goes on.

Must never regress: what one of them hides, the other hides; both match the same items.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from pipeline.api import Processor
from pipeline.receivers.signals import SIGNALS
from pipeline.testing import Harness, log_batch, metric_batch, span_batch
from processors.attributes import Attributes
from processors.resource import Resource
from tests.e2e.collector import Collector
from tests.oracles.attribute_cases import CASES
from tests.oracles.edits import all_items
from tests.programs import OTELCOL

pytestmark = [pytest.mark.e2e, OTELCOL.needed]

KEYS = ("a", "b", "url", "user.id")
VALUES: list[Any] = [
    "x", "", "12", "-7", "+3", " 1", "1e3", "0x10", "0x1p4", "1_0", "inf", "NaN", "9" * 20, "true",
    0, -3, 1 << 62, 0.0, -2.5, 1e17, 1e-7, True, False, b"\0\xff", b"", [], [1, "x"], {}, {"k": [None, 1.5]}, None, "http://h.example/p?q",
]  # fmt: skip
MATCHES: list[dict[str, Any]] = [
    {"include": {"match_type": "strict", "services": ["cart"]}},
    {"exclude": {"match_type": "regexp", "services": ["^ca", "y$"]}},
    {"include": {"match_type": "strict", "attributes": [{"key": "a", "value": "x"}]}},
    {"include": {"match_type": "strict", "attributes": [{"key": "a", "value": 0}]}},
    {"include": {"match_type": "strict", "attributes": [{"key": "a", "value": True}, {"key": "b"}]}},
    {"include": {"match_type": "regexp", "attributes": [{"key": "a", "value": "^[0-9.]+$"}]}},
    {"exclude": {"match_type": "regexp", "attributes": [{"key": "b", "value": "e"}]}},
    {"include": {"match_type": "strict", "resources": [{"key": "service.name", "value": "pay"}]}},
    {"include": {"match_type": "strict", "libraries": [{"name": "tests", "version": ""}]}},
    {
        "include": {"match_type": "regexp", "span_names": ["^GET", "b$"]},
        "exclude": {"match_type": "strict", "span_kinds": ["SPAN_KIND_CLIENT"]},
    },
]
ACTIONS: list[list[dict[str, Any]]] = [
    *(actions if isinstance(actions, list) else [actions] for _, actions, _, _ in CASES),
    [
        {"key": "a", "action": "convert", "converted_type": "double"},
        {"key": "b", "action": "convert", "converted_type": "int"},
    ],
    [{"key": "a", "action": "convert", "converted_type": "string"}, {"key": "b", "action": "hash"}],
    [{"pattern": "^[ab]$", "action": "hash"}, {"key": "b", "action": "delete"}],
]
PARTS = 5
"""A Collector takes a port for each of its processors; not too many at a time are free."""


def attributes(rng: random.Random) -> dict[str, Any]:
    return {key: rng.choice(VALUES) for key in KEYS if rng.random() < 0.5}


def batch_of(signal: str, rng: random.Random) -> Any:
    rows = [
        {"service": rng.choice(["cart", "pay", None]), "attributes": attributes(rng), "resource": attributes(rng)}
        | {"number": number, "sum": 1.0}
        for number in range(60)
    ]
    if signal == "traces":
        more = ({"name": rng.choice(["GET /a", "b"]), "kind": rng.choice(["client", "server"])} for _ in rows)
        return span_batch(spans=[row | one for row, one in zip(rows, more, strict=True)])
    if signal == "metrics":
        kinds = ["gauge", "sum", "histogram", "exponential_histogram", "summary"]
        return metric_batch(points=[row | {"kind": rng.choice(kinds)} for row in rows])
    return log_batch(logs=rows)


def shown(signal: str, body: bytes) -> list[list[Any]]:
    """Attributes of all items and their resources, ordered by key."""
    return [
        [
            sorted((pair.key, str(pair.value)) for pair in message.attributes)
            for message in (one.item, one.resource.resource)
        ]
        for one in all_items(signal, SIGNALS[signal].request.FromString(body))
    ]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(("cls", "key"), [(Attributes, "actions"), (Resource, "attributes")])
def test_the_collector_makes_the_same_of_attributes(cls: type[Processor], key: str, part: int, tmp_path: Path) -> None:
    rng = random.Random(part)
    processors = {f"{cls.__name__.lower()}/{n}": {key: one} for n, one in enumerate(ACTIONS[part::PARTS])}
    with Collector(tmp_path, processors, tuple(SIGNALS)) as collector:
        for name, config in processors.items():
            for signal in SIGNALS:
                batch = batch_of(signal, rng)
                own = Harness(cls, **config).process(batch).to_otlp()
                other = collector.through(name, signal, batch.to_otlp())
                assert shown(signal, own) == shown(signal, other), (config, signal)


def test_the_collector_chooses_the_same_spans(tmp_path: Path) -> None:
    rng = random.Random(42)
    mark = {"actions": [{"key": "chosen", "action": "upsert", "value": True}]}
    processors = {f"attributes/{n}": mark | match for n, match in enumerate(MATCHES)}
    with Collector(tmp_path, processors, ("traces",)) as collector:
        for name, config in processors.items():
            for _ in range(5):
                batch = batch_of("traces", rng)
                own = Harness(Attributes, **config).process(batch).to_otlp()
                assert shown("traces", own) == shown("traces", collector.through(name, "traces", batch.to_otlp())), (
                    config
                )
