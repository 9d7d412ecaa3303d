"""The decoder of log records against the official parser: the same columns or the one documented error."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from pipeline.codec.otlp_encode import element, varint
from pipeline.codec.otlp_logs import LogsProjection
from pipeline.errors import MalformedPayload
from pipeline.model.attribute_text import plain_value, value_text
from pipeline.model.columns import LOG_COLUMNS, SEVERITIES
from pipeline.model.logs import LogBatch
from pipeline.testing import log_batch, logs_request
from tests.oracles import lazy

KEYS = ["route", "n"]
COLUMNS = [*LOG_COLUMNS, "scope.name", "resource.service.name", *(f"log.{key}" for key in KEYS)]
PROJECTION = LogsProjection(COLUMNS)
ORACLE = lazy.LazyParser("logs", ["service.name"], KEYS)


def real_request() -> bytes:
    rows: list[dict[str, Any]] = [
        {"body": "pläin", "severity": "info", "attributes": {"route": "/a", "n": 1, "unread": "x" * 140}},
        {"body": {"a": [1, None, {"b": b"\x00"}]}, "severity": "fatal4", "trace_id": b"t" * 16, "span_id": b"s" * 8},
        {"body": None, "severity": "unspecified", "event_name": "login", "service": "pay"},
        {"body": 2.5, "severity_text": "?", "trace_id": b"short", "scope": "other"},
        {"body": True, "attributes": {"n": [1, 2]}},
    ]
    request = logs_request(rows)
    request.resource_logs[0].scope_logs[0].log_records[0].flags = 0x101
    request.resource_logs[0].scope_logs[0].log_records[0].dropped_attributes_count = 300
    return request.SerializeToString()


def assert_same_as_oracle(payload: bytes) -> str:
    """Decode both ways and compare. Returns what happened, for counting."""
    expected = ORACLE.decode(payload)
    try:
        logs, rejected = PROJECTION.decode(payload)
    except MalformedPayload as error:
        reason = str(error)
    else:
        assert rejected == {}
        if expected is None:
            return "not looked into"
        assert_columns(logs, expected)
        return "decoded"
    assert expected is None or "invalid tag" in reason or "nested" in reason
    return "refused"


def assert_columns(logs: LogBatch, rows: list[lazy.Row]) -> None:
    items = [row.item for row in rows]
    assert len(logs) == len(rows)
    for column in ("severity_text", "event_name", "time_unix_nano", "observed_time_unix_nano", "flags"):
        assert logs[column].tolist() == [getattr(item, column) for item in items]
    assert logs["dropped_attributes_count"].tolist() == [item.dropped_attributes_count for item in items]
    numbers = [item.severity_number for item in items]
    assert logs["severity_number"].tolist() == [SEVERITIES[n if 0 <= n < len(SEVERITIES) else 0] for n in numbers]
    for column, size in (("trace_id", 16), ("span_id", 8)):
        ids = [getattr(item, column) for item in items]
        assert logs[column].tobytes() == b"".join(one if len(one) == size else bytes(size) for one in ids)
    bodies = [value_text(plain_value(item.body)) if item.HasField("body") else None for item in items]
    assert logs["body"].tolist() == bodies
    assert logs["scope.name"].tolist() == [row.scope.name for row in rows]
    for key in ("resource.service.name", *(f"log.{key}" for key in KEYS)):
        texts = [row.attributes.get(key) for row in rows]
        assert logs[key].tolist() == [None if v is None else value_text(plain_value(v)) for v in texts], key


def test_real_requests_decode_to_the_official_parsers_values() -> None:
    assert assert_same_as_oracle(real_request()) == "decoded"


def test_every_prefix_decodes_alike_or_is_refused() -> None:
    payload = real_request()
    outcomes = Counter(assert_same_as_oracle(payload[:cut]) for cut in range(len(payload) + 1))
    assert outcomes["refused"] > len(payload) * 0.9


def test_single_byte_changes_decode_alike_or_are_refused() -> None:
    payload = real_request()
    generator = random.Random(7)
    outcomes: Counter[str] = Counter()
    for place in range(len(payload)):
        for value in {0, 0x7F, 0x80, 0xFF, payload[place] ^ 1, *(generator.randrange(256) for _ in range(5))}:
            outcomes[assert_same_as_oracle(payload[:place] + bytes([value]) + payload[place + 1 :])] += 1
    assert min(outcomes["decoded"], outcomes["refused"]) > 1_000
    assert outcomes["not looked into"] < 0.1 * outcomes.total()


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_spliced_bytes_decode_alike_or_are_refused(data: st.DataObject) -> None:
    payload = bytearray(real_request())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(payload)))
        cut = data.draw(st.integers(0, 12))
        payload[place : place + cut] = data.draw(st.binary(max_size=12))
    assert_same_as_oracle(bytes(payload))


@pytest.mark.parametrize(("levels", "accepted"), [(1, True), (31, True), (32, False), (20_000, False)])
@pytest.mark.parametrize("columns", [COLUMNS, ["severity_text"]])
def test_nesting_of_bodies_is_limited_also_where_nobody_reads_them(
    levels: int, accepted: bool, columns: list[str]
) -> None:
    value = b"\x10\x01"
    for _ in range(levels):
        value = element(b"\x2a", element(b"\x0a", value))
    payload = element(b"\x0a", element(b"\x12", element(b"\x12", b"\x2a" + varint(len(value)) + value)))
    projection = LogsProjection(columns)
    if accepted:
        assert len(projection.decode(payload)[0]) == 1
    else:
        with pytest.raises(MalformedPayload, match="nested"):
            projection.decode(payload)


def test_kept_records_leave_as_they_came_and_take_added_attributes() -> None:
    payload = real_request()
    logs, _ = PROJECTION.decode(payload)
    assert logs.to_otlp() is payload
    changed = logs.with_column("log.route", ["/x", None, None, 3, None]).where(
        np.array([True, False, False, True, False])
    )
    sent = ExportLogsServiceRequest.FromString(changed.to_otlp())
    records = [record for rl in sent.resource_logs for sl in rl.scope_logs for record in sl.log_records]
    found = [{pair.key: plain_value(pair.value) for pair in record.attributes} for record in records]
    assert [attributes.get("route") for attributes in found] == ["/x", 3]
    assert found[0]["n"] == 1
    assert [record.body.WhichOneof("value") for record in records] == ["string_value", "double_value"]


def test_severities_compare_by_number() -> None:
    logs = log_batch(logs=[{"severity": name} for name in ("debug", "warn", "error2")])
    assert (logs["severity_number"].codes >= 13).tolist() == [False, True, True]
    assert logs["severity_number"].tolist()[2] == "SEVERITY_NUMBER_ERROR2"
