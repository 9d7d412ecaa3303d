"""SpanBatch: selection, added columns, typed access, grouping, and what it hands back as OTLP."""

from __future__ import annotations

import numpy as np
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.model.spans import Column, Label, SpanBatch, label
from pipeline.testing_spans import export_request, span_batch

ROWS = [
    {"service": "cart", "name": "a", "attributes": {"code": 200, "tier": "gold"}, "scope": "x"},
    {"service": "cart", "name": "b", "attributes": {"code": "200"}, "scope": "y"},
    {"service": "pay", "name": "a", "attributes": {"code": 2.5, "ok": True}, "scope": "x"},
]


def messages(payload: bytes) -> list[Span]:
    request = ExportTraceServiceRequest.FromString(payload)
    return [span for rs in request.resource_spans for ss in rs.scope_spans for span in ss.spans]


def test_columns_follow_a_selection() -> None:
    spans = span_batch(spans=ROWS).where(np.array([True, False, True]))
    assert spans["name"].tolist() == ["a", "a"]
    assert spans["resource.service.name"].tolist() == ["cart", "pay"]
    assert spans["span.tier"].tolist() == ["gold", None]
    assert spans.where(np.array([False, True]))["span.ok"].tolist() == ["true"]


def test_where_keeps_the_object_when_nothing_is_dropped() -> None:
    spans = span_batch(3)
    assert spans.where(np.ones(3, bool)) is spans


def test_a_mask_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="2 entries for 3 spans"):
        span_batch(3).where(np.ones(2, bool))


def test_undeclared_columns_are_not_visible() -> None:
    spans = span_batch(1, attributes={"seen": 1})
    with pytest.raises(KeyError, match="declare it in `reads`"):
        spans["span.unseen"]
    with pytest.raises(KeyError, match="no such column"):
        spans["nonsense"]


def test_values_of_different_types_with_one_string_form_share_a_code() -> None:
    column = span_batch(spans=ROWS)["span.code"]
    assert column.values == ["200", "2.5"]
    assert column.codes.tolist() == [0, 0, 1]


def test_attributes_have_typed_access_with_a_validity_mask() -> None:
    spans = span_batch(spans=ROWS)
    ints, valid = spans["span.code"].int64()
    assert (ints.tolist(), valid.tolist()) == ([200, 0, 0], [True, False, False])
    floats, valid = spans["span.code"].float64()
    assert (floats[valid].tolist(), valid.tolist()) == ([200.0, 2.5], [True, False, True])
    bools, valid = spans["span.ok"].bool()
    assert (bools.tolist(), valid.tolist()) == ([False, False, True], [False, False, True])


def test_columns_compare_with_strings_and_collections() -> None:
    spans = span_batch(spans=ROWS)
    assert (spans["name"] == "a").tolist() == [True, False, True]
    assert (spans["span.tier"] != "gold").tolist() == [False, True, True]
    assert spans["span.tier"].isin(["gold", "silver"]).tolist() == [True, False, False]
    with pytest.raises(TypeError, match="collection of strings"):
        spans["name"].isin("a")


def test_grouping_gives_ids_and_label_tuples() -> None:
    groups = span_batch(spans=ROWS).group_by("resource.service.name", Label("tier", ("span.tier",), "none"))
    named = [groups.keys[i] for i in groups.ids.tolist()]
    assert named == [("cart", "gold"), ("cart", "none"), ("pay", "none")]


def test_the_first_present_column_of_a_label_wins() -> None:
    spans = span_batch(
        spans=[{"attributes": {"x": "span"}, "resource": {"x": "resource"}}, {"resource": {"x": "resource"}}]
    )
    assert spans.coalesce(Label("x", ("span.x", "resource.x"))).tolist() == ["span", "resource"]


def test_labels_are_named_as_the_span_metrics_connector_names_them() -> None:
    columns = ("resource.service.name", "name", "kind", "status_code", "span.http.route", "trace_state")
    names = [label(column).name for column in columns]
    assert names == ["service.name", "span.name", "span.kind", "status.code", "http.route", "trace_state"]


def test_an_unchanged_batch_is_its_payload() -> None:
    spans = span_batch(spans=ROWS)
    assert spans.to_otlp() is spans.records.payload


def test_kept_spans_leave_as_the_bytes_that_came_under_their_resource_and_scope() -> None:
    request = export_request(ROWS)
    request.resource_spans[0].schema_url = "https://example.test/schema"
    request.resource_spans[0].MergeFromString(b"\xb2\x0f\x03abc")
    spans, _ = span_batch(spans=ROWS).projection.decode(request.SerializeToString())  # type: ignore[attr-defined]
    sent = ExportTraceServiceRequest.FromString(spans.where(np.array([False, True, False])).to_otlp())
    expected = ExportTraceServiceRequest()
    expected.CopyFrom(request)
    del expected.resource_spans[1]
    del expected.resource_spans[0].scope_spans[0]
    assert sent == expected


def test_an_added_column_is_read_back_grouped_and_sent() -> None:
    spans = span_batch(spans=ROWS, columns=["span.team"])
    changed = spans.with_column("span.team", ["red", None, "blue"])
    assert changed["span.team"].tolist() == ["red", None, "blue"]
    assert spans["span.team"].tolist() == [None, None, None]
    assert len(changed.group_by("span.team").keys) == 3
    sent = [{pair.key: pair.value.string_value for pair in span.attributes} for span in messages(changed.to_otlp())]
    assert [attributes.get("team") for attributes in sent] == ["red", None, "blue"]


def test_an_added_column_replaces_what_was_there() -> None:
    changed = span_batch(spans=ROWS).with_column("span.tier", ["silver", 3, None])
    changed = changed.with_column("span.tier", [None, None, 0.5])
    values = [[pair.value for pair in span.attributes if pair.key == "tier"] for span in messages(changed.to_otlp())]
    assert [[value.WhichOneof("value") for value in row] for row in values] == [
        ["string_value"],
        ["int_value"],
        ["double_value"],
    ]
    assert values[0][0].string_value == "silver"


def test_iter_yields_official_messages_of_the_remaining_spans() -> None:
    spans = span_batch(spans=ROWS)
    assert list(spans.where(np.array([False, True, True])).iter()) == messages(spans.to_otlp())[1:]


def test_arrow_tables_hold_the_readable_columns() -> None:
    pytest.importorskip("pyarrow", reason="pip install otel-weir[arrow]")
    table = span_batch(spans=ROWS, columns=["resource"]).to_arrow()
    assert table["span.tier"].to_pylist() == ["gold", None, None]
    assert table["duration_nano"].to_pylist() == [10_000_000] * 3
    assert table["trace_id"].to_pylist()[0] == bytes(span_batch(spans=ROWS)["trace_id"][0])


def test_a_duration_whose_end_precedes_its_start_is_zero() -> None:
    assert span_batch(duration_ms=-5)["duration_nano"].tolist() == [0]


def test_a_batch_of_which_nothing_is_left_is_an_empty_request() -> None:
    assert span_batch(3).where(np.zeros(3, bool)).to_otlp() == b""


def test_empty_requests_are_empty_batches() -> None:
    spans: SpanBatch = span_batch(spans=[])
    assert len(spans) == 0
    assert spans["name"].tolist() == []
    assert isinstance(spans["kind"], Column)
