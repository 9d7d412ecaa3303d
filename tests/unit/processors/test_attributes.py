"""Actions on attributes, on all kinds of items and on resources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.model.attribute_text import plain_value
from pipeline.model.batch import Batch
from pipeline.testing import Harness, log_batch, metric_batch, span_batch
from processors.attributes import Attributes
from processors.resource import Resource
from tests.oracles.attribute_cases import CASES, sha256

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


def test_of_several_values_each_is_converted_or_stays() -> None:
    values = ["7", "x", 2.5, True, None, ["1"], "-9", 3]
    spans = span_batch(spans=[{"attributes": {"a": value}} for value in values])
    found = after(spans, {"key": "a", "action": "convert", "converted_type": "int"})
    assert [one["a"] for one in found] == [7, "x", 2, 1, None, ["1"], -9, 3]
    found = after(spans, {"key": "a", "action": "convert", "converted_type": "string"})
    assert [one["a"] for one in found] == ["7", "x", "2.5", "true", "", '["1"]', "-9", "3"]


def test_only_what_is_included_is_changed() -> None:
    spans = span_batch(spans=[{"name": "GET", "attributes": {"a": "x"}}, {"name": "POST", "attributes": {"a": "y"}}])
    include = {"match_type": "strict", "attributes": [{"key": "a", "value": "y"}]}
    actions: list[dict[str, Any]] = [
        {"key": "b", "action": "upsert", "value": 1},
        {"pattern": "^a", "action": "delete"},
    ]
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
