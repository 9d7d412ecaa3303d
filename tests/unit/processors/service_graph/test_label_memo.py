"""The memo of label sets against the series table, which is asked about every span."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.api import Label, SpanBatch
from pipeline.codec.otlp_traces import TracesProjection
from pipeline.model.records import Level
from pipeline.model.series import Limits
from pipeline.testing import FakeClock, export_request
from processors.service_graph import halves, label_memo, label_sets
from processors.service_graph.halves import LONELY
from tests.kernels import MODES, uncompiled
from tests.unit.processors.service_graph.graphs import span_id, trace_id

LABELS = (
    Label("service", ("resource.service.name",), "unknown"),
    Label("interleaved", ("resource.a", "span.a", "resource.b", "span.b")),
    Label("own", ("span.c", "span.a")),
)
READS = {*(column for label in LABELS for column in label.columns)}
READS |= {"trace_id", "span_id", "parent_span_id", "kind", "status_code", "start_time_unix_nano", "end_time_unix_nano"}
FIELDS = (
    "trace_id", "span_id", "parent_span_id", "kind", "status_code", "start_time_unix_nano", "end_time_unix_nano",
)  # fmt: skip


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    use(request.param, monkeypatch)
    return str(request.param)


def use(mode: str, patch: pytest.MonkeyPatch) -> None:
    if mode == "uncompiled":
        patch.setattr(label_sets, "LabelMemo", uncompiled("processors.service_graph.label_memo").LabelMemo)


def scan_of(mode: str) -> Any:
    return (uncompiled("processors.service_graph.halves") if mode == "uncompiled" else halves).HalfScan()


def batch_of(projection: TracesProjection, spans: list[dict[str, Any]]) -> SpanBatch:
    batch, _ = projection.decode(export_request(spans).SerializeToString())
    return batch


def spans_with(cells: list[tuple[str, dict[str, Any], dict[str, Any]]]) -> list[dict[str, Any]]:
    return [
        {
            "trace_id": trace_id(1),
            "span_id": span_id(number),
            "kind": "client",
            "service": service,
            "resource": resource,
            "attributes": attributes,
        }
        for number, (service, resource, attributes) in enumerate(cells, 1)
    ]


class Reader:
    """Scans batches of clients, and looks up what the memo does not know."""

    def __init__(self, mode: str, limits: Limits | None = None) -> None:
        self.clock = FakeClock()
        self.projection = TracesProjection(READS)
        self.sets = label_sets.LabelSets(LABELS, self.clock, limits or Limits(), lambda half: half.get("own") == "db")
        self.others = label_sets.LabelSets(LABELS, self.clock, Limits())
        self.scan = scan_of(mode)
        self.unknown = 0

    def read(self, batch: SpanBatch) -> tuple[list[dict[str, str]], list[bool]]:
        """Labels of each span, and whether it needs no server."""
        records = batch.records
        first, width = records.first[Level.ITEM], records.width[Level.ITEM]
        self.scan.bind(tuple(label_sets.field_of(batch, column).word for column in FIELDS))
        memos = self.sets.begin(batch), self.others.begin(batch)
        out = self.scan.scan(records.words, first, width, batch.rows, len(batch), *memos)
        unknown, _ = self.scan.unknown_halves()
        self.unknown = len(unknown)
        if len(unknown):
            rows = self.scan.rows_of_halves()[unknown]
            numbers = self.sets.learn(SpanBatch(records, batch.projection, rows), first, width)
            self.scan.label(unknown, numbers, self.sets.memo)
        words = out[:, 6].tolist()
        labels = [self.sets.table.labels_of((word & 0xFFFF_FFFF) - 1) for word in words]
        return labels, [bool(word >> 32 & 8) for word in words]


def expected(batch: SpanBatch) -> list[dict[str, str]]:
    """Labels of each span by way of columns."""
    found: list[dict[str, str]] = [{} for _ in range(len(batch))]
    for label in LABELS:
        column = batch.coalesce(label)
        for half, code in zip(found, column.codes.tolist(), strict=True):
            if code >= 0:
                half[label.name] = column.values[code]
    return found


values = st.one_of(
    st.sampled_from(["", "x", "db", "1", "true", "seven b", "eight by", "nine byte", "é" * 20, "long " * 20]),
    st.booleans(),
    st.integers(-2, 2),
    st.floats(allow_nan=False),
)
cells = st.tuples(
    st.sampled_from(["shop", "cart"]),
    st.dictionaries(st.sampled_from("ab"), values, max_size=2),
    st.dictionaries(st.sampled_from("abcz"), values, max_size=4),
)


@pytest.mark.parametrize("mode", MODES)
@given(batches=st.lists(st.lists(cells, min_size=1, max_size=6), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_a_span_has_the_labels_that_its_columns_say_whether_it_is_known_or_not(
    mode: str, batches: list[list[tuple[str, dict[str, Any], dict[str, Any]]]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        use(mode, patch)
        reader = Reader(mode)
        for turn in range(2):
            for drawn in batches:
                batch = batch_of(reader.projection, spans_with(drawn))
                labels, lonely = reader.read(batch)
                assert labels == expected(batch)
                assert lonely == [half.get("own") == "db" for half in labels]
                assert turn == 0 or reader.unknown == 0


def test_what_the_resource_has_hides_what_the_span_has_and_makes_no_entry(mode: str) -> None:
    reader = Reader(mode)
    for number in range(5):
        batch = batch_of(reader.projection, spans_with([("shop", {"a": "x"}, {"b": f"hidden {number}"})]))
        assert reader.read(batch)[0] == [{"service": "shop", "interleaved": "x"}]
        assert reader.unknown == (1 if number == 0 else 0)


def test_values_of_any_length_up_to_the_end_of_the_payload(mode: str) -> None:
    reader = Reader(mode)
    for length in (0, 1, 7, 8, 9, 15, 16, 17, 500, 5000):
        for _ in range(2):
            batch = batch_of(reader.projection, spans_with([("shop", {}, {"c": "y" * length})]))
            assert reader.read(batch)[0] == expected(batch) or length > 500
    assert reader.unknown == 1, "what is too long for a key is asked for every time"


def test_freed_label_sets_are_forgotten_and_used_ones_are_not_freed(mode: str) -> None:
    reader = Reader(mode, Limits(expire_series_after_s=100))
    used, idle = (batch_of(reader.projection, spans_with([(name, {}, {"c": name})])) for name in ("used", "idle"))
    reader.read(idle)
    reader.read(used)
    asked = 0
    for _ in range(5):
        reader.clock.advance(40)
        assert reader.read(used)[0][0]["own"] == "used"
        asked += reader.unknown
        reader.sets.expire()
    assert asked == 1, "once, after the other was freed"
    assert reader.sets.table.live == 1
    assert reader.read(idle)[0][0]["own"] == "idle"
    assert reader.unknown == 1


def test_spans_of_the_overflow_series_get_their_own_when_there_is_room(mode: str) -> None:
    reader = Reader(mode, Limits(max_series=1, expire_series_after_s=100))
    first, second = (batch_of(reader.projection, spans_with([(name, {}, {"c": name})])) for name in ("one", "two"))
    reader.read(first)
    for _ in range(2):
        assert reader.read(second)[0] == [{"otel.metric.overflow": "true"}]
        assert reader.unknown == 1
    reader.sets.expire()
    reader.clock.advance(101)
    reader.sets.expire()
    assert reader.read(second)[0][0]["own"] == "two"


def test_a_memo_that_is_full_is_emptied_and_learns_again() -> None:
    reader = Reader("compiled", Limits(max_series=100_000))
    batch = batch_of(reader.projection, spans_with([("shop", {}, {"c": "kept"})]))
    reader.read(batch)
    for start in range(0, 40_000, 8_000):
        flood: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
            ("shop", {}, {"c": number}) for number in range(start, start + 8_000)
        ]
        labels, _ = reader.read(batch_of(reader.projection, spans_with(flood)))
        assert [half["own"] for half in labels] == [str(number) for number in range(start, start + 8_000)]
    assert reader.read(batch)[0][0]["own"] == "kept"
    reader.read(batch)
    assert reader.unknown == 0


def test_flags_of_label_sets_do_not_overlap() -> None:
    assert not LONELY & label_memo.USED
    assert np.uint8(LONELY | label_memo.USED) == LONELY + label_memo.USED
