"""Remote write against the official messages and against the text page of the same batch."""

from __future__ import annotations

import math
import random
import struct
from collections import Counter
from typing import Any

import pytest

from pipeline.codec import remote_write
from pipeline.codec.prometheus_families import Family, assemble
from pipeline.codec.prometheus_labels import Format, LabelOptions, LabelWriter
from pipeline.codec.prometheus_names import Escaping, Namer
from pipeline.codec.remote_write import STALE_BITS, Message, RemoteWriter, WriteRequest
from pipeline.codec.remote_write_messages import first_version, metadata_request
from pipeline.model.snapshot import MetricSnapshot
from tests.kernels import MODES, uncompiled
from tests.oracles.remote_write_proto import WriteRequest as Official
from tests.oracles.remote_write_proto import labels_of, series_of
from tests.unit.codec.metric_batches import (
    NOW,
    START,
    batch,
    exemplars,
    exponential,
    gauge,
    histogram,
    number,
    resource,
    summary,
)
from tests.unit.codec.pages import render, samples
from tests.unit.codec.test_prometheus_native import OPTIONS, random_batch

V1, V2 = Message.V1, Message.V2
NOW_MS, START_MS = NOW // 1_000_000, START // 1_000_000
PLAIN = LabelOptions(with_scope=False)
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "uncompiled":
        kernel = uncompiled("pipeline.codec.remote_write_rows")
        for name in ("Block", "Symbols", "hashes"):
            monkeypatch.setattr(remote_write, name, getattr(kernel, name))
    return str(request.param)


def families(*batches: MetricSnapshot, options: LabelOptions = PLAIN) -> list[Family]:
    namer = Namer()
    writer = LabelWriter(namer, options, Format.PROTOBUF, Escaping.ALLOW_UTF8)
    return assemble(batches, namer, writer, Format.PROTOBUF, Escaping.ALLOW_UTF8, lambda *_: None)


def writer(message: Message = V1, shards: int = 1, max_bytes: int = 3_000_000) -> RemoteWriter:
    return RemoteWriter(message, shards, max_bytes, lambda *_: None)


def encode(
    *batches: MetricSnapshot, message: Message = V1, options: LabelOptions = PLAIN, **more: Any
) -> list[WriteRequest]:
    return list(writer(message, **more).encode(families(*batches, options=options), None, NOW))


def series(requests: list[WriteRequest], message: Message) -> list[tuple[list[tuple[str, str]], Any]]:
    return [found for request in requests for found in series_of(request.payload, v2=message is V2)]


def flat(requests: list[WriteRequest], message: Message) -> Counter[Any]:
    return Counter(
        (
            labels[[n for n, _ in labels].index("__name__")][1],
            frozenset(p for p in labels if p[0] != "__name__"),
            str(s.value),
        )
        for labels, message_ in series(requests, message)
        for s in message_.samples
    )


@pytest.mark.parametrize("message", [V1, V2])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.usefixtures("mode")
def test_the_samples_are_those_of_the_text_page(message: Message, seed: int) -> None:
    whole = random_batch(seed)
    requests = encode(whole, message=message, options=OPTIONS)
    page = Counter((name, labels, str(value)) for name, labels, value in samples(render(whole, options=OPTIONS)))
    found = flat(requests, message)
    assert found == page
    assert sum(request.samples for request in requests) == sum(found.values()) + 40  # native histograms are no samples


@pytest.mark.parametrize("message", [V1, V2])
@pytest.mark.usefixtures("mode")
def test_summaries_are_those_of_the_text_page(message: Message) -> None:
    rows = [({"a": str(i), "quantile": "x", "z": "1"}, [1.5 * i, math.nan], i, 2.5 * i) for i in range(5)]
    whole = batch(summary("s", rows), summary("none", [({}, [], 3, 4.0)], ()))
    page = Counter((name, labels, str(value)) for name, labels, value in samples(render(whole)))
    requests = encode(whole, message=message)
    assert flat(requests, message) == page
    assert page["s", frozenset({("a", "1"), ("exported_quantile", "x"), ("quantile", "0.5"), ("z", "1")}), "1.5"] == 1
    for pairs, _ in series(requests, message):
        assert [name for name, _ in pairs] == sorted({name for name, _ in pairs})


@pytest.mark.parametrize("message", [V1, V2])
@pytest.mark.usefixtures("mode")
def test_labels_are_sorted_and_neither_double_nor_empty(message: Message) -> None:
    labels = {"Zone": "x", "aa": "1", "_": "2", "le": "3", "m": ""}
    whole = batch(
        histogram("h", [(labels, [1.0, 2.0, 3.0], 4.0)], resources=[0]), resources=[resource(1, service__name="cart")]
    )
    found = series(encode(whole, message=message), message)
    assert len(found) == 5
    for pairs, _ in found:
        names = [name for name, _ in pairs]
        assert names == sorted(set(names))
        assert all(name and value for name, value in pairs)
        assert {"__name__", "Zone", "aa", "job", "exported_le"} <= set(names)


@pytest.mark.parametrize("message", [V1, V2])
@pytest.mark.usefixtures("mode")
def test_compiled_and_uncompiled_write_the_same_bytes(message: Message) -> None:
    whole = random_batch(9)
    mine = [r.payload for r in encode(whole, message=message, options=OPTIONS, shards=3, max_bytes=4000)]
    kernel = uncompiled("pipeline.codec.remote_write_rows")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("Block", "Symbols", "hashes"):
            patch.setattr(remote_write, name, getattr(kernel, name))
        theirs = [r.payload for r in encode(whole, message=message, options=OPTIONS, shards=3, max_bytes=4000)]
    assert mine == theirs


@pytest.mark.parametrize("message", [V1, V2])
@pytest.mark.parametrize("max_bytes", [1, 300, 2000])
def test_requests_stay_below_their_size_where_a_row_fits(message: Message, max_bytes: int) -> None:
    whole = random_batch(5)
    requests = encode(whole, message=message, max_bytes=max_bytes)
    assert flat(requests, message) == flat(encode(whole, message=message), message)
    if max_bytes == 2000:
        assert max(len(request.payload) for request in requests) <= 8000
        assert len(requests) > 5


@pytest.mark.parametrize("message", [V1, V2])
def test_a_series_always_has_the_same_shard(message: Message) -> None:
    whole = random_batch(7)
    home: dict[Any, int] = {}
    for _ in range(2):
        for request in encode(whole, message=message, shards=4):
            for labels, _ in series_of(request.payload, v2=message is V2):
                assert home.setdefault(tuple(labels), request.shard) == request.shard
    assert set(home.values()) == {0, 1, 2, 3}


@pytest.mark.usefixtures("mode")
def test_times_are_milliseconds_and_2_0_has_starts_metadata_and_exemplars() -> None:
    whole = batch(
        number("calls", [({"a": "b"}, 3.0)], start=[START], samples=exemplars((0, -1, 2.5, NOW, TRACE, SPAN))),
        gauge("depth", [({}, 1.5)]),
    )
    (request,) = encode(whole, message=V2)
    from tests.oracles.remote_write_proto import Request

    texts = list(Request.FromString(request.payload).symbols)
    (_, counter), (_, level) = series([request], V2)
    assert (counter.samples[0].timestamp, counter.samples[0].start_timestamp) == (NOW_MS, START_MS)
    assert level.samples[0].start_timestamp == 0
    assert (counter.metadata.type, level.metadata.type) == (1, 2)
    (exemplar,) = counter.exemplars
    assert labels_of(exemplar.labels_refs, texts) == [("span_id", SPAN), ("trace_id", TRACE)]
    assert (exemplar.value, exemplar.timestamp) == (2.5, NOW_MS)


@pytest.mark.parametrize("message", [V1, V2])
def test_exemplars_belong_to_their_bucket(message: Message) -> None:
    whole = batch(histogram("h", [({}, [1.0, 2.0, 3.0], 4.0)], samples=exemplars((0, 2, 9.5, NOW, TRACE, SPAN))))
    with_exemplar = [dict(labels) for labels, s in series(encode(whole, message=message), message) if s.exemplars]
    assert [labels["le"] for labels in with_exemplar] == ["+Inf"]


@pytest.mark.parametrize("message", [V1, V2])
def test_native_histograms(message: Message) -> None:
    whole = batch(exponential("e", [({}, 3, 2.0, -1, [1.0, 0.0, 4.0], 7.5)]))
    ((labels, found),) = series(encode(whole, message=message), message)
    (native,) = found.histograms
    assert dict(labels)["__name__"] == "e"
    assert not found.samples
    assert (native.count_int, native.sum, native.schema, native.zero_count_int) == (7, 7.5, 3, 2)
    assert [(s.offset, s.length) for s in native.positive_spans] == [(0, 1), (1, 1)]
    assert list(native.positive_deltas) == [1, 3]
    assert native.timestamp == NOW_MS


class TestStaleMarkers:
    @pytest.mark.parametrize("message", [V1, V2])
    def test_a_series_that_ends_is_marked_once(self, message: Message) -> None:
        first = batch(number("c", [({"a": "1"}, 1.0), ({"a": "2"}, 2.0)]), histogram("h", [({}, [1.0, 1.0, 1.0], 1.0)]))
        second = batch(number("c", [({"a": "2"}, 3.0)]))
        remote = writer(message)
        list(remote.encode(families(first), "source", NOW))
        marked = stale(list(remote.encode(families(second), "source", NOW)), message)
        assert Counter(dict(labels)["__name__"] for labels in marked) == {
            "c_total": 1,
            "h_bucket": 3,
            "h_sum": 1,
            "h_count": 1,
        }
        assert stale(list(remote.encode(families(second), "source", NOW)), message) == []

    @pytest.mark.parametrize("message", [V1, V2])
    def test_a_native_histogram_ends_with_the_marker_as_its_sum(self, message: Message) -> None:
        remote = writer(message)
        list(remote.encode(families(batch(exponential("e", [({}, 3, 2.0, -1, [1.0], 7.5)]))), "s", NOW))
        (request,) = remote.encode([], "s", NOW)
        ((_, found),) = series([request], message)
        assert bits(found.histograms[0].sum) == STALE_BITS
        assert found.histograms[0].count_int == 0

    def test_sources_do_not_end_each_other(self) -> None:
        remote = writer()
        list(remote.encode(families(batch(number("c", [({"a": "1"}, 1.0)]))), "one", NOW))
        assert stale(list(remote.encode(families(batch(number("c", [({"a": "2"}, 1.0)]))), "two", NOW)), V1) == []

    def test_a_batch_that_is_not_complete_ends_nothing(self) -> None:
        remote = writer()
        list(remote.encode(families(batch(number("c", [({"a": "1"}, 1.0)]))), None, NOW))
        assert list(remote.encode([], None, NOW)) == []

    def test_data_with_the_bits_of_the_marker_ends_nothing(self) -> None:
        marker = struct.unpack("<d", struct.pack("<Q", STALE_BITS))[0]
        ((_, found),) = series(encode(batch(gauge("g", [({}, marker)]))), V1)
        assert math.isnan(found.samples[0].value)
        assert bits(found.samples[0].value) != STALE_BITS


def stale(requests: list[WriteRequest], message: Message) -> list[Any]:
    return [labels for labels, s in series(requests, message) for x in s.samples if bits(x.value) == STALE_BITS]


def bits(value: float) -> int:
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])


def test_a_2_0_request_becomes_the_same_1_0_request() -> None:
    whole = random_batch(3)
    (new,) = encode(whole, message=V2, options=OPTIONS)
    (old,) = encode(whole, message=V1, options=OPTIONS)
    converted = Official.FromString(first_version(new.payload))
    for found in converted.timeseries:
        for part in (*found.samples, *found.histograms):
            part.DiscardUnknownFields()
    assert converted == Official.FromString(old.payload)


def test_metadata_of_1_0_is_a_request_of_its_own() -> None:
    request = Official.FromString(metadata_request(families(random_batch(1))))
    assert {m.metric_family_name: m.type for m in request.metadata}["c_total"] == 1
    assert not request.timeseries


def test_many_rows_and_random_labels() -> None:
    generator = random.Random(1)
    rows = [({"id": str(i), "x": "y" * generator.randrange(200)}, float(i)) for i in range(10_000)]
    found = flat(encode(batch(number("c", rows)), message=V2, shards=5, max_bytes=200_000), V2)
    assert len(found) == 10_000
