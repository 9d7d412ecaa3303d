"""OTLP in, OTLP out, through a whole Weir with both exporters: every field of the three protocols, and fields of a
newer one, in requests drawn from the official descriptors.

Must never regress: a request that nothing changed leaves as the bytes that came; one of which items were dropped, or
that was merged with others and cut, leaves with the same messages; OTLP JSON leaves as the protobuf it says.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.api import ComponentConfig, LogBatch, MetricBatch, Processor, Settings, SpanBatch
from pipeline.codec.otlp_encode import element, varint
from pipeline.config.check import check
from pipeline.config.load import load_document
from pipeline.receivers.signals import SIGNALS
from pipeline.service.clock import SystemClock
from pipeline.service.engine import Engine
from pipeline.service.registry import Registry
from tests.integration.destinations import Ledger, grpc_destination, http_destination
from tests.integration.raw_http import Client, post
from tests.oracles.otlp_requests import ITEMS, accepted, items_of, official, prune, requests
from tests.waiting import eventually

CONFIG = """
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:0"}, http: {endpoint: "127.0.0.1:0"}}}}
processors: {every_other: }
exporters:
  otlp: {endpoint: "${env:GRPC}", tls: {insecure: true}, sending_queue: QUEUE}
  otlphttp: {endpoint: "${env:HTTP}", sending_queue: QUEUE}
service:
  pipelines:
    traces: {receivers: [otlp], processors: PROCESSORS, exporters: [otlp, otlphttp]}
    metrics: {receivers: [otlp], processors: PROCESSORS, exporters: [otlp, otlphttp]}
    logs: {receivers: [otlp], processors: PROCESSORS, exporters: [otlp, otlphttp]}
  telemetry: {metrics: {level: none}}
"""
BATCHES = "{num_consumers: 1, batch: {flush_timeout: 5ms, min_size: 3, max_size: 3}}"
PATHS = {"traces": "/v1/traces", "metrics": "/v1/metrics", "logs": "/v1/logs"}
UNKNOWN = st.sampled_from(
    [
        varint(1_000 << 3) + varint(2**64 - 1),
        varint(536_870_911 << 3 | 1) + b"8 bytes.",
        varint(30 << 3 | 5) + b"4 by",
        element(varint(40 << 3 | 2), b"newer"),
    ]
)
"""Fields that no message has, of each wire type."""
EXAMPLES = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class EveryOther(Processor):
    """Keeps the first item of a batch, the third and so on."""

    Config = ComponentConfig

    def __init__(self, config: ComponentConfig, settings: Settings) -> None:
        pass

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        return spans.where(np.arange(len(spans)) % 2 == 0)

    def process_metrics(self, metrics: MetricBatch) -> MetricBatch:
        return metrics.where(np.arange(len(metrics)) % 2 == 0)

    def process_logs(self, logs: LogBatch) -> LogBatch:
        return logs.where(np.arange(len(logs)) % 2 == 0)


class Weir:
    """An engine between a sender and a destination for each exporter."""

    def __init__(self, stack: ExitStack, processors: str = "[]", queue: str = "{}") -> None:
        grpc_address, over_grpc = stack.enter_context(grpc_destination())
        http_address, over_http = stack.enter_context(http_destination())
        self.ledgers = (over_grpc, over_http)
        config = CONFIG.replace("PROCESSORS", processors).replace("QUEUE", queue)
        environ = {"CONFIG": config, "GRPC": grpc_address, "HTTP": http_address}
        document = load_document(["env:CONFIG"], environ=environ)
        engine = Engine(check(document, Registry({"processors": {"every_other": EveryOther}})), SystemClock())
        engine.start()
        stack.callback(engine.stop, 10.0)
        receiver: Any = engine.graph.receivers["otlp"]
        self._channel = stack.enter_context(grpc.insecure_channel("{}:{}".format(*receiver.addresses["grpc"])))
        self._http = Client(receiver.addresses["http"])
        stack.callback(self._http.close)

    def send(self, signal: str, message: Message, form: str) -> bytes:
        """Send a request as ``grpc``, ``http`` or ``json``; the protobuf that it is."""
        payload = message.SerializeToString()
        if form == "grpc":
            self._channel.unary_unary(SIGNALS[signal].method)(payload, timeout=30, wait_for_ready=True)
            return payload
        body, kind = (json.dumps(tree(message)).encode(), "json") if form == "json" else (payload, "x-protobuf")
        self._http.send(post(body, f"Content-Type: application/{kind}", path=PATHS[signal]))
        answer = self._http.answer()
        assert answer.status == 200, answer.body
        return payload

    def arrived(self, signal: str, items: int) -> list[list[bytes]]:
        """What each destination got, as soon as all items are there."""

        def all_there() -> list[list[bytes]]:
            found = [[request["payload"] for request in list(ledger.requests)] for ledger in self.ledgers]
            assert [sum(len(items_of(signal, official(signal, one))) for one in some) for some in found] == [items] * 2
            return found

        found = eventually(all_there, pause_s=0.002)
        for ledger in self.ledgers:
            forget(ledger)
        return found


def forget(ledger: Ledger) -> None:
    with ledger.lock:
        ledger.requests.clear()


def tree(message: Message) -> dict[str, Any]:
    """A message in OTLP's JSON encoding, written from the descriptors."""
    return {
        field.json_name: [leaf(field, one) for one in value] if field.is_repeated else leaf(field, value)
        for field, value in message.ListFields()
    }


def leaf(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return tree(value)
    if field.name in ("trace_id", "span_id", "parent_span_id"):
        return value.hex()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return "Infinity" if value > 0 else "-Infinity"
    return str(value) if field.type in (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_FIXED64) else value


def add_unknown(draw: st.DrawFn, message: Message) -> None:
    """Give a message and those inside it, some of them, fields of a newer protocol."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for child in value if field.is_repeated else [value]:
                add_unknown(draw, child)
    if not draw(st.integers(0, 5)):
        message.MergeFromString(draw(UNKNOWN))


@st.composite
def newer_requests(draw: st.DrawFn, signal: str) -> Any:
    """A request and how it is sent; fields that nobody knows have no JSON that we could read."""
    request, form = draw(requests(signal)), draw(st.sampled_from(["grpc", "http", "json"]))
    if form != "json":
        add_unknown(draw, request)
    return request, form


def flat(signal: str, message: Any) -> list[tuple[bytes, ...]]:
    """Each item with everything that belongs to what is around it."""
    resources, scopes, items = ITEMS[signal]
    rows: list[tuple[bytes, ...]] = []
    for resource in getattr(message, resources):
        for scope in getattr(resource, scopes):
            around = (without(resource, scopes), without(scope, items))
            for item in getattr(scope, items):
                kind = item.WhichOneof("data") if signal == "metrics" else None
                if signal != "metrics":
                    rows.append((*around, encoded(item)))
                elif kind:
                    metric = type(item).FromString(item.SerializeToString())
                    getattr(metric, kind).ClearField("data_points")
                    points = getattr(item, kind).data_points
                    rows += [(*around, encoded(metric), encoded(point)) for point in points]
    return rows


def without(message: Message, field: str) -> bytes:
    copy = type(message).FromString(message.SerializeToString())
    copy.ClearField(field)
    return encoded(copy)


def encoded(message: Message) -> bytes:
    return bytes(message.SerializeToString(deterministic=True))


@pytest.fixture(scope="module")
def plain() -> Iterator[Weir]:
    with ExitStack() as stack:
        yield Weir(stack)


@pytest.fixture(scope="module")
def dropping() -> Iterator[Weir]:
    with ExitStack() as stack:
        yield Weir(stack, processors="[every_other]")


@pytest.fixture(scope="module")
def batching() -> Iterator[Weir]:
    with ExitStack() as stack:
        yield Weir(stack, queue=BATCHES)


@pytest.mark.parametrize("signal", ITEMS)
@given(data=st.data())
@EXAMPLES
def test_what_nothing_changed_leaves_as_the_bytes_that_came(plain: Weir, signal: str, data: st.DataObject) -> None:
    request, form = data.draw(newer_requests(signal))
    payload = plain.send(signal, request, form)
    batch, expected = accepted(signal, request, payload)
    if not len(batch):
        return
    whole = len(batch) == len(items_of(signal, request))
    for (sent,) in plain.arrived(signal, len(batch)):
        if whole and form != "json":
            assert sent == payload
        elif whole:
            assert official(signal, sent) == request
        else:
            prune(signal, expected)
            assert official(signal, sent) == expected


@pytest.mark.parametrize("signal", ITEMS)
@given(data=st.data())
@EXAMPLES
def test_what_remains_leaves_as_it_came(dropping: Weir, signal: str, data: st.DataObject) -> None:
    request, form = data.draw(newer_requests(signal))
    _, expected = accepted(signal, request, dropping.send(signal, request, form))
    places = items_of(signal, expected)
    for holder, index in reversed(places[1::2]):
        del holder[index]
    if len(places[::2]) < len(items_of(signal, request)):
        prune(signal, expected)
    for some in dropping.arrived(signal, len(places[::2])):
        assert [official(signal, sent) for sent in some] == [expected][: len(places)]


@pytest.mark.parametrize("signal", ITEMS)
@given(data=st.data())
@EXAMPLES
def test_merged_and_cut_requests_hold_the_same_items(batching: Weir, signal: str, data: st.DataObject) -> None:
    expected: list[tuple[bytes, ...]] = []
    for request, form in data.draw(st.lists(newer_requests(signal), min_size=1, max_size=3)):
        _, kept = accepted(signal, request, batching.send(signal, request, form))
        expected += flat(signal, kept)
    for sent in batching.arrived(signal, len(expected)):
        assert [row for one in sent for row in flat(signal, official(signal, one))] == expected
        assert all(len(items_of(signal, official(signal, one))) <= 3 for one in sent)


def test_the_bits_of_numbers_that_are_none_pass_unchanged(dropping: Weir) -> None:
    """Every NaN is another one to staleness markers; equality of messages would not see it."""
    request = SIGNALS["metrics"].request()
    data = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m").gauge  # type: ignore[attr-defined]
    bits = [0x7FF0000000000002, 0x7FF8000000000001, 0xFFF8000000000000, 0x8000000000000000, 1]
    for number in bits:
        for _ in range(2):
            data.data_points.add().MergeFromString(b"\x21" + number.to_bytes(8, "little"))
    dropping.send("metrics", request, "grpc")
    for (sent,) in dropping.arrived("metrics", len(bits)):
        points = [holder[index].SerializeToString() for holder, index in items_of("metrics", official("metrics", sent))]
        assert points == [b"\x21" + number.to_bytes(8, "little") for number in bits]
