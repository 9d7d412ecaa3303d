"""Which items ``include`` and ``exclude`` choose. The cases on single properties are what the Collector's own tests of
``internal/filter`` claim.
"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.codec.signals import projection
from pipeline.model.batch import Batch
from pipeline.testing import log_batch, metric_batch, span_batch
from processors.matching import MatchConfig, Matcher


def matches(config: dict[str, Any], batch: Batch) -> list[bool]:
    """What is chosen of a batch of which nothing but the declared columns can be read."""
    matcher = Matcher(MatchConfig.model_validate(config))
    decoded, _ = projection(batch.signal, matcher.reads).decode(batch.to_otlp())
    mask = matcher.mask(decoded)
    return [True] * len(batch) if mask is None else mask.tolist()


SPAN: dict[str, Any] = {
    "service": "wrong-service",
    "name": "spanName",
    "kind": "client",
    "scope": "lib",
    "resource": {"team": "blue"},
    "attributes": {
        "keyString": "arithmetic",
        "keyInt": 123,
        "keyDouble": 3245.6,
        "keyBool": True,
        "keyArray": ["a"],
        "keyEmpty": "",
    },
}


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"match_type": "strict", "services": ["wrong-service"]}, True),
        ({"match_type": "strict", "services": ["svcA", "wrong-service"]}, True),
        ({"match_type": "strict", "services": ["svcA"]}, False),
        ({"match_type": "regexp", "services": ["^wrong.*$"]}, True),
        ({"match_type": "regexp", "services": ["^svc"]}, False),
        ({"match_type": "strict", "span_names": ["spanName"]}, True),
        ({"match_type": "strict", "span_names": ["span"]}, False),
        ({"match_type": "regexp", "span_names": ["panN"]}, True),
        ({"match_type": "strict", "span_kinds": ["SPAN_KIND_CLIENT"]}, True),
        ({"match_type": "strict", "span_kinds": ["SPAN_KIND_SERVER"]}, False),
        ({"match_type": "regexp", "span_kinds": ["CLIENT|SERVER"]}, True),
        ({"match_type": "strict", "libraries": [{"name": "lib"}]}, True),
        ({"match_type": "strict", "libraries": [{"name": "lib", "version": ""}]}, True),
        ({"match_type": "strict", "libraries": [{"name": "lib", "version": "1"}]}, False),
        ({"match_type": "strict", "libraries": [{"name": "lib"}, {"name": "other"}]}, False),
        ({"match_type": "regexp", "libraries": [{"name": "^l", "version": "^$"}]}, True),
        ({"match_type": "strict", "resources": [{"key": "team", "value": "blue"}]}, True),
        ({"match_type": "strict", "resources": [{"key": "team", "value": "blue"}, {"key": "x"}]}, False),
        ({"match_type": "strict", "resources": [{"key": "team"}]}, True),
        ({"match_type": "strict", "attributes": [{"key": "keyString"}]}, True),
        ({"match_type": "strict", "attributes": [{"key": "keyEmpty"}]}, True),
        ({"match_type": "strict", "attributes": [{"key": "keyEmpty", "value": ""}]}, True),
        ({"match_type": "strict", "attributes": [{"key": "absent"}]}, False),
        ({"match_type": "strict", "attributes": [{"key": "keyInt", "value": 123}]}, True),
        ({"match_type": "strict", "attributes": [{"key": "keyInt", "value": "123"}]}, False),
        ({"match_type": "strict", "attributes": [{"key": "keyInt", "value": 123.0}]}, False),
        ({"match_type": "strict", "attributes": [{"key": "keyDouble", "value": 3245.6}]}, True),
        ({"match_type": "strict", "attributes": [{"key": "keyBool", "value": True}]}, True),
        ({"match_type": "strict", "attributes": [{"key": "keyBool", "value": 1}]}, False),
        ({"match_type": "strict", "attributes": [{"key": "keyArray", "value": ["a"]}]}, True),
        ({"match_type": "strict", "attributes": [{"key": "keyArray", "value": ["b"]}]}, False),
        ({"match_type": "regexp", "attributes": [{"key": "keyString", "value": "ithm"}]}, True),
        ({"match_type": "regexp", "attributes": [{"key": "keyInt", "value": "^12"}]}, True),
        ({"match_type": "regexp", "attributes": [{"key": "keyDouble", "value": "45\\.6$"}]}, True),
        ({"match_type": "regexp", "attributes": [{"key": "keyBool", "value": "true"}]}, True),
        ({"match_type": "regexp", "attributes": [{"key": "keyArray", "value": "a"}]}, False),
        (
            {
                "match_type": "strict",
                "attributes": [{"key": "keyInt", "value": 123}, {"key": "keyBool", "value": False}],
            },
            False,
        ),
        ({"match_type": "strict", "span_names": ["spanName"], "services": ["other"]}, False),
    ],
)
def test_a_span_has_the_properties(properties: dict[str, Any], expected: bool) -> None:
    assert matches({"include": properties}, span_batch(spans=[SPAN])) == [expected]
    assert matches({"exclude": properties}, span_batch(spans=[SPAN])) == [not expected]


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"match_type": "strict", "log_bodies": ["hello"]}, [True, False, False]),
        ({"match_type": "regexp", "log_bodies": ["l{2}|42"]}, [True, True, False]),
        ({"match_type": "strict", "log_bodies": [""]}, [False, False, True]),
        ({"match_type": "strict", "log_severity_texts": ["warn"]}, [False, True, False]),
        ({"match_type": "strict", "log_severity_number": {"min": 9}}, [True, True, False]),
        ({"match_type": "strict", "log_severity_number": {"min": 13}}, [False, True, False]),
        ({"match_type": "strict", "log_severity_number": {"min": 13, "match_undefined": True}}, [False, True, True]),
        ({"match_type": "strict", "attributes": [{"key": "a", "value": 1}]}, [True, False, False]),
        ({"match_type": "strict", "services": ["cart"]}, [True, True, False]),
        ({"match_type": "strict", "services": ["<nil-service-name>"]}, [False, False, True]),
    ],
)
def test_log_records_have_the_properties(properties: dict[str, Any], expected: list[bool]) -> None:
    logs = log_batch(
        logs=[
            {"body": "hello", "severity": "info", "attributes": {"a": 1}},
            {"body": 42, "severity": "warn", "attributes": {"a": "1"}},
            {"body": None, "severity": "unspecified", "service": None},
        ]
    )
    assert matches({"include": properties}, logs) == expected


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"match_type": "strict", "metric_names": ["requests"]}, [True, False]),
        ({"match_type": "regexp", "metric_names": ["^req", "^la"]}, [True, True]),
        (
            {"match_type": "regexp", "metric_names": ["^la"], "resources": [{"key": "team", "value": "b"}]},
            [False, True],
        ),
        ({"match_type": "strict", "attributes": [{"key": "le"}]}, [False, True]),
    ],
)
def test_data_points_have_the_properties(properties: dict[str, Any], expected: list[bool]) -> None:
    points = metric_batch(
        points=[{"name": "requests"}, {"name": "latency", "resource": {"team": "blue"}, "attributes": {"le": "1"}}]
    )
    assert matches({"include": properties}, points) == expected


def test_what_is_included_may_be_excluded_and_without_both_all_is_meant() -> None:
    spans = span_batch(spans=[{"name": "GET /a"}, {"name": "GET /b"}, {"name": "POST /b"}])
    both = {
        "include": {"match_type": "regexp", "span_names": ["^GET"]},
        "exclude": {"match_type": "strict", "span_names": ["GET /b"]},
    }
    assert matches(both, spans) == [True, False, False]
    assert matches({}, spans) == [True, True, True]


@pytest.mark.parametrize(
    ("properties", "complaint"),
    [
        ({"match_type": "strict"}, "says nothing to match"),
        ({"services": ["a"]}, "match_type"),
        ({"match_type": "glob", "services": ["a"]}, "'strict' or 'regexp'"),
        ({"match_type": "strict", "span_kinds": ["server"]}, "'server' is no kind of span; one of SPAN_KIND_INTERNAL"),
        ({"match_type": "regexp", "span_names": ["("]}, "is not a regular expression"),
        ({"match_type": "regexp", "span_names": ["(?=a)"]}, "is not a regular expression"),
        ({"match_type": "regexp", "attributes": [{"key": "a", "value": 1}]}, "1 is not text"),
        ({"match_type": "strict", "attributes": [{"key": ""}]}, "at least 1 character"),
        ({"match_type": "strict", "span_names": ["a"], "log_bodies": ["b"]}, "no item has them all"),
        ({"match_type": "strict", "span_name": ["a"]}, "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_meant_is_refused(properties: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint.replace("(", r"\(")):
        MatchConfig.model_validate({"include": properties})


def test_the_signals_of_the_properties_are_known() -> None:
    def signals(**properties: Any) -> tuple[str, ...]:
        return MatchConfig.model_validate({"include": {"match_type": "strict", **properties}}).match_signals

    assert signals(services=["a"]) == ("traces", "metrics", "logs")
    assert signals(span_names=["a"], services=["a"]) == ("traces",)
    assert signals(log_severity_number={"min": 9}) == ("logs",)
    assert MatchConfig().match_signals == ("traces", "metrics", "logs")
