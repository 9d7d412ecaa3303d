"""Actions on attributes. The cases are what the Collector's own tests of attributesprocessor and attraction claim."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.model.attribute_text import plain_value
from pipeline.model.batch import Batch
from pipeline.testing import Harness, log_batch, metric_batch, span_batch
from processors.attributes import Attributes
from processors.resource import Resource

KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")


def one_span(attributes: dict[str, Any]) -> Batch:
    return span_batch(spans=[{"attributes": attributes}])


def one_log(attributes: dict[str, Any]) -> Batch:
    return log_batch(logs=[{"attributes": attributes}])


def point(kind: str) -> Callable[[dict[str, Any]], Batch]:
    return lambda attributes: metric_batch(points=[{"kind": kind, "sum": 1.0, "attributes": attributes}])


ITEMS: dict[str, Callable[[dict[str, Any]], Batch]] = {
    "span": one_span,
    "log record": one_log,
    **{f"{kind} point": point(kind) for kind in KINDS},
}


def after(batch: Batch, *actions: dict[str, Any], **match: Any) -> list[dict[str, Any]]:
    """The attributes of each item of what is sent on."""
    out = Harness(Attributes, actions=list(actions), **match).process(batch)
    return [{pair.key: plain_value(pair.value) for pair in item.attributes} for item in out.iter()]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


CASES: list[tuple[str, dict[str, Any] | list[dict[str, Any]], dict[str, Any], dict[str, Any]]] = [
    ("insert where absent", {"key": "a", "action": "insert", "value": 1}, {}, {"a": 1}),
    ("insert where present", {"key": "a", "action": "insert", "value": 1}, {"a": "x"}, {"a": "x"}),
    ("insert where present and empty", {"key": "a", "action": "insert", "value": 1}, {"a": ""}, {"a": ""}),
    (
        "insert from",
        {"key": "a", "action": "insert", "from_attribute": "b"},
        {"b": [1, "x"]},
        {"b": [1, "x"], "a": [1, "x"]},
    ),
    ("insert from absent", {"key": "a", "action": "insert", "from_attribute": "b"}, {"c": 1}, {"c": 1}),
    ("update where present", {"key": "a", "action": "update", "value": True}, {"a": "x"}, {"a": True}),
    ("update where absent", {"key": "a", "action": "update", "value": True}, {"b": 1}, {"b": 1}),
    (
        "update from",
        {"key": "a", "action": "update", "from_attribute": "b"},
        {"a": 1, "b": b"\xff"},
        {"a": b"\xff", "b": b"\xff"},
    ),
    ("update from absent", {"key": "a", "action": "update", "from_attribute": "b"}, {"a": 1}, {"a": 1}),
    ("upsert where absent", {"key": "a", "action": "upsert", "value": 0.5}, {"b": 1}, {"b": 1, "a": 0.5}),
    ("upsert where present", {"key": "a", "action": "upsert", "value": "y"}, {"a": 1}, {"a": "y"}),
    ("upsert of a list", {"key": "a", "action": "upsert", "value": ["x", 1]}, {}, {"a": ["x", 1]}),
    (
        "upsert of a map",
        {"key": "a", "action": "upsert", "value": {"k": {"l": 2.5}}},
        {"a": 1},
        {"a": {"k": {"l": 2.5}}},
    ),
    ("upsert of an empty text", {"key": "a", "action": "upsert", "value": ""}, {"a": 1}, {"a": ""}),
    ("upsert from itself", {"key": "a", "action": "upsert", "from_attribute": "a"}, {"a": 7}, {"a": 7}),
    (
        "upsert from a map",
        {"key": "a", "action": "upsert", "from_attribute": "b"},
        {"b": {"k": 1}},
        {"b": {"k": 1}, "a": {"k": 1}},
    ),
    ("delete", {"key": "a", "action": "delete"}, {"a": 1, "b": 2}, {"b": 2}),
    ("delete where absent", {"key": "a", "action": "delete"}, {"b": 2}, {"b": 2}),
    (
        "delete by pattern",
        {"pattern": "^db\\.", "action": "delete"},
        {"db.user": 1, "db.name": "x", "adb.x": 2},
        {"adb.x": 2},
    ),
    ("delete by both", {"key": "b", "pattern": "^a", "action": "delete"}, {"a": 1, "ab": 1, "b": 2, "c": 3}, {"c": 3}),
    ("hash a text", {"key": "a", "action": "hash"}, {"a": "foo"}, {"a": sha256(b"foo")}),
    ("hash an empty text", {"key": "a", "action": "hash"}, {"a": ""}, {"a": ""}),
    ("hash an integer", {"key": "a", "action": "hash"}, {"a": -3}, {"a": sha256(struct.pack("<q", -3))}),
    ("hash a double", {"key": "a", "action": "hash"}, {"a": 2.4}, {"a": sha256(struct.pack("<d", 2.4))}),
    ("hash a boolean", {"key": "a", "action": "hash"}, {"a": True}, {"a": sha256(b"\1")}),
    ("hash an array", {"key": "a", "action": "hash"}, {"a": ["x"]}, {"a": ""}),
    ("hash where absent", {"key": "a", "action": "hash"}, {"b": "x"}, {"b": "x"}),
    (
        "hash by pattern",
        {"pattern": "user", "action": "hash"},
        {"user.id": 1, "enduser": "x", "other": "x"},
        {"user.id": sha256(struct.pack("<q", 1)), "enduser": sha256(b"x"), "other": "x"},
    ),
    ("hash once by key and pattern", {"key": "a", "pattern": "a", "action": "hash"}, {"a": "x"}, {"a": sha256(b"x")}),
    (
        "extract",
        {"key": "url", "action": "extract", "pattern": r"^(?P<scheme>.*):\/\/(?P<host>[^\/]*)\/?(?P<path>.*)$"},
        {"url": "http://example.com/a?b", "host": 3},
        {"url": "http://example.com/a?b", "host": "example.com", "scheme": "http", "path": "a?b"},
    ),
    (
        "extract without a match",
        {"key": "a", "action": "extract", "pattern": "(?P<n>[0-9]+)"},
        {"a": "x", "n": 1},
        {"a": "x", "n": 1},
    ),
    (
        "extract a group that is not there",
        {"key": "a", "action": "extract", "pattern": "x(?P<n>y)?"},
        {"a": "x", "n": 1},
        {"a": "x", "n": ""},
    ),
    ("extract from a number", {"key": "a", "action": "extract", "pattern": "(?P<n>[0-9]+)"}, {"a": 12}, {"a": 12}),
    ("extract from nothing", {"key": "a", "action": "extract", "pattern": "(?P<n>[0-9]+)"}, {"b": "12"}, {"b": "12"}),
    ("convert to int", {"key": "a", "action": "convert", "converted_type": "int"}, {"a": "123"}, {"a": 123}),
    ("convert a double to int", {"key": "a", "action": "convert", "converted_type": "int"}, {"a": 15.9}, {"a": 15}),
    ("convert a boolean to int", {"key": "a", "action": "convert", "converted_type": "int"}, {"a": True}, {"a": 1}),
    (
        "convert text that is no int",
        {"key": "a", "action": "convert", "converted_type": "int"},
        {"a": "None"},
        {"a": "None"},
    ),
    (
        "convert text that is too large",
        {"key": "a", "action": "convert", "converted_type": "int"},
        {"a": "9" * 20},
        {"a": "9" * 20},
    ),
    ("convert an array", {"key": "a", "action": "convert", "converted_type": "int"}, {"a": ["1"]}, {"a": ["1"]}),
    ("convert to double", {"key": "a", "action": "convert", "converted_type": "double"}, {"a": "1.5e3"}, {"a": 1500.0}),
    ("convert an int to double", {"key": "a", "action": "convert", "converted_type": "double"}, {"a": 3}, {"a": 3.0}),
    ("convert to string", {"key": "a", "action": "convert", "converted_type": "string"}, {"a": 99.1}, {"a": "99.1"}),
    ("convert an int to string", {"key": "a", "action": "convert", "converted_type": "string"}, {"a": -9}, {"a": "-9"}),
    (
        "convert a boolean to string",
        {"key": "a", "action": "convert", "converted_type": "string"},
        {"a": True},
        {"a": "true"},
    ),
    ("convert nothing", {"key": "a", "action": "convert", "converted_type": "string"}, {"b": 1}, {"b": 1}),
    (
        "one action after the other",
        [
            {"key": "svc.operation", "action": "insert", "value": "default"},
            {"key": "operation", "action": "UPSERT", "from_attribute": "svc.operation"},
            {"key": "svc.operation", "action": "delete"},
            {"key": "operation", "action": "hash"},
        ],
        {"x": 1},
        {"x": 1, "operation": sha256(b"default")},
    ),
    (
        "removed and set again",
        [{"key": "a", "action": "delete"}, {"key": "a", "action": "insert", "value": 2}],
        {"a": 1},
        {"a": 2},
    ),
]


@pytest.mark.parametrize("item", ITEMS)
@pytest.mark.parametrize(
    ("actions", "before", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_an_action_does_what_the_collector_does(
    item: str, actions: dict[str, Any] | list[dict[str, Any]], before: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = after(ITEMS[item](before), *(actions if isinstance(actions, list) else [actions]))
    assert found == [expected]
    assert {key: type(value) for key, value in found[0].items()} == {
        key: type(value) for key, value in expected.items()
    }


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
@pytest.mark.parametrize(
    ("actions", "before", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_resources_are_changed_likewise(
    signal: str, actions: dict[str, Any] | list[dict[str, Any]], before: dict[str, Any], expected: dict[str, Any]
) -> None:
    build: Callable[..., Any] = {"traces": span_batch, "metrics": metric_batch, "logs": log_batch}[signal]
    batch = build(service=None, resource=before)
    out = Harness(Resource, attributes=actions if isinstance(actions, list) else [actions]).process(batch)
    found = {pair.key: plain_value(pair.value) for pair in out.resource(0).attributes}
    assert found == expected
    assert next(iter(out.iter())) == next(iter(batch.iter()))


def test_only_what_is_included_is_changed() -> None:
    spans = span_batch(spans=[{"name": "GET", "attributes": {"a": "x"}}, {"name": "POST", "attributes": {"a": "y"}}])
    include = {"match_type": "strict", "attributes": [{"key": "a", "value": "y"}]}
    actions = [{"key": "b", "action": "upsert", "value": 1}, {"pattern": "^a", "action": "delete"}]
    assert after(spans, *actions, include=include) == [{"a": "x"}, {"b": 1}]
    assert after(spans, *actions, exclude=include) == [{"b": 1}, {"a": "y"}]


def test_a_batch_in_which_nothing_changes_is_passed_on_as_it_is() -> None:
    spans = span_batch(spans=[{"attributes": {"a": 1}}])
    run = Harness(Attributes, actions=[{"key": "b", "action": "delete"}, {"pattern": "^c", "action": "hash"}])
    assert run.process(spans).to_otlp() == spans.to_otlp()
    run = Harness(
        Attributes,
        actions=[{"key": "b", "action": "upsert", "value": 1}],
        include={"match_type": "strict", "services": ["other"]},
    )
    assert run.process(spans).to_otlp() == spans.to_otlp()


def test_resources_of_one_request_are_changed_each_by_what_it_has() -> None:
    logs = log_batch(
        logs=[
            {"service": "cart", "resource": {"pod": "a"}},
            {"service": "pay"},
            {"service": "cart", "resource": {"pod": "a"}},
        ]
    )
    run = Harness(
        Resource,
        attributes=[
            {"key": "k8s.pod.name", "action": "insert", "from_attribute": "pod"},
            {"key": "service.name", "action": "hash"},
            {"pattern": "^po", "action": "delete"},
        ],
    )
    out = run.process(logs)
    found = [{pair.key: plain_value(pair.value) for pair in out.resource(row).attributes} for row in range(2)]
    assert found == [{"service.name": sha256(b"cart"), "k8s.pod.name": "a"}, {"service.name": sha256(b"pay")}]


@pytest.mark.parametrize(
    ("action", "complaint"),
    [
        ({"action": "insert", "value": 1}, "insert needs a key"),
        ({"key": "a", "value": 1}, "Field required"),
        ({"key": "a", "action": "redact"}, "'insert', 'update'"),
        ({"key": "a", "action": "insert"}, "exactly one of value and from_attribute; there is none"),
        ({"key": "a", "action": "upsert", "value": 1, "from_attribute": "b"}, "there is value and from_attribute"),
        ({"key": "a", "action": "upsert", "value": "", "from_attribute": "b"}, "there is value and from_attribute"),
        ({"key": "a", "action": "upsert", "from_context": "metadata.tenant"}, "from_context is not supported"),
        ({"key": "a", "action": "update", "value": 1, "pattern": "x"}, "update does not use pattern"),
        ({"key": "a", "action": "update", "value": 1, "converted_type": "int"}, "does not use converted_type"),
        ({"key": "a", "action": "update", "value": 1 << 63}, "does not fit into 64 bits"),
        ({"action": "delete"}, "delete needs a key or a pattern"),
        ({"key": "a", "action": "delete", "value": 1}, "delete does not use value"),
        ({"key": "a", "action": "hash", "from_attribute": "b"}, "hash does not use from_attribute"),
        ({"action": "hash", "pattern": "("}, "pattern is not a regular expression"),
        ({"action": "extract", "pattern": "(?P<a>x)"}, "extract needs a key"),
        ({"key": "a", "action": "extract"}, "extract needs a pattern"),
        ({"key": "a", "action": "extract", "pattern": "x"}, "no named groups"),
        ({"key": "a", "action": "extract", "pattern": "(?P<a>x)(y)"}, "a group without a name"),
        ({"key": "a", "action": "extract", "pattern": "(?P<a>x)", "value": 1}, "extract does not use value"),
        ({"key": "a", "action": "convert"}, "convert needs converted_type"),
        ({"key": "a", "action": "convert", "converted_type": "bytes"}, "'int', 'double' or 'string'"),
        ({"key": "a", "action": "convert", "converted_type": "int", "pattern": "x"}, "convert does not use pattern"),
        ({"key": "a", "action": "delete", "keys": ["b"]}, "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_meant_is_refused(action: dict[str, Any], complaint: str) -> None:
    for cls, key in ((Attributes, "actions"), (Resource, "attributes")):
        with pytest.raises(ValidationError, match=complaint.replace("(", r"\(")):
            cls.Config.model_validate({key: [action]})


def test_without_actions_there_is_nothing_to_do() -> None:
    for cls in (Attributes, Resource):
        with pytest.raises(ValidationError, match="Field required"):
            cls.Config.model_validate({})
        with pytest.raises(ValidationError, match="give at least one action"):
            cls.Config.model_validate({"actions" if cls is Attributes else "attributes": []})
