"""The forms of the configuration, what happens to faults, and who sees what was changed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.api import PermanentError
from pipeline.model.attribute_text import plain_value
from pipeline.testing import Harness, log_batch, metric_batch, span_batch
from processors.transform import Transform
from processors.transform.processor import FAILURES


def attributes(batch: Any) -> list[dict[str, Any]]:
    """Of each item, as they are sent on."""
    return [{pair.key: plain_value(pair.value) for pair in item.attributes} for item in batch.iter()]


def spans(*several: dict[str, Any]) -> Any:
    return span_batch(spans=[{"attributes": one} for one in several])


@pytest.mark.parametrize(
    "statements",
    [
        ['set(span.attributes["b"], span.attributes["a"])', 'delete_key(span.attributes, "a")'],
        [{"context": "span", "statements": ['set(attributes["b"], attributes["a"])', 'delete_key(attributes, "a")']}],
        [
            {
                "context": "span",
                "statements": ['set(span.attributes["b"], attributes["a"])', 'delete_key(attributes, "a")'],
            }
        ],
        [{"statements": ['set(span.attributes["b"], span.attributes["a"])', 'delete_key(span.attributes, "a")']}],
        [
            'set(span.attributes["b"], span.attributes["a"])',
            {"context": "span", "statements": ['delete_key(attributes, "a")']},
        ],
        [
            {"context": "SPAN", "statements": ['set(attributes["b"], attributes["a"])']},
            {"context": "span", "statements": ['delete_key(attributes, "a")']},
        ],
    ],
)
def test_all_forms_mean_the_same(statements: list[Any]) -> None:
    out = Harness(Transform, trace_statements=statements).process(spans({"a": 1, "c": 2}, {"a": "x"}))
    assert attributes(out) == [{"c": 2, "b": 1}, {"b": "x"}]


def test_conditions_of_a_group_are_asked_before_its_statements() -> None:
    group = {
        "context": "span",
        "conditions": ['attributes["a"] == 1', 'attributes["b"] == 1'],
        "statements": ['set(attributes["a"], 2)', 'set(attributes["seen"], attributes["a"])'],
    }
    out = Harness(Transform, trace_statements=[group]).process(spans({"a": 1}, {"b": 1}, {"a": 3}))
    assert attributes(out) == [{"a": 2, "seen": 2}, {"b": 1, "a": 2, "seen": 2}, {"a": 3}]


def test_each_signal_has_statements_of_its_own() -> None:
    config = {
        "trace_statements": ['set(span.attributes["signal"], "traces")'],
        "metric_statements": ['set(datapoint.attributes["signal"], "metrics")'],
        "log_statements": ['set(log.attributes["signal"], "logs")'],
    }
    for signal, batch in (("traces", span_batch()), ("metrics", metric_batch()), ("logs", log_batch())):
        assert attributes(Harness(Transform, **config).process(batch))[0]["signal"] == signal


def test_what_nothing_is_changed_of_goes_on_as_it_is() -> None:
    statements = ['set(span.attributes["a"], 1) where span.name == "nobody"', "truncate_all(span.attributes, 4096)"]
    batch = spans({"k": "short"})
    for config in ({}, {"trace_statements": statements}):
        out = Harness(Transform, **config).process(batch)
        assert not out.records.edits
        assert out.to_otlp() == batch.to_otlp()
        assert len(out.records.payload) == len(batch.to_otlp())


FAULTY = ['set(span.attributes["n"], Len(span.attributes["a"]))', 'set(span.attributes["done"], true)']


@pytest.mark.parametrize(("mode", "lines"), [("ignore", 1), ("silent", 0)])
def test_items_that_a_statement_cannot_be_carried_out_for_stay_and_are_counted(
    mode: str, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    harness = Harness(Transform, error_mode=mode, trace_statements=FAULTY)
    out = harness.process(spans({"a": "xyz"}, {}, {"a": 1}))
    assert attributes(out) == [{"a": "xyz", "n": 3, "done": True}, {"done": True}, {"a": 1, "done": True}]
    assert harness.own.value(FAILURES, processor="transform", error_mode=mode) == 2
    assert len([record for record in caplog.records if "cannot be carried out" in record.getMessage()]) == lines


def test_propagate_refuses_the_request_for_good_and_is_the_default() -> None:
    harness = Harness(Transform, trace_statements=FAULTY)
    with pytest.raises(PermanentError, match="statement cannot be carried out: set"):
        harness.process(spans({"a": "xyz"}, {}))


def test_a_group_may_have_an_error_mode_of_its_own() -> None:
    groups = [{"error_mode": "silent", "statements": FAULTY}]
    out = Harness(Transform, trace_statements=groups).process(spans({}))
    assert attributes(out) == [{"done": True}]


def test_a_fault_in_a_condition_of_a_group_is_treated_likewise() -> None:
    group = {"context": "span", "conditions": ['Len(attributes["a"]) == 1'], "statements": ['set(attributes["b"], 1)']}
    harness = Harness(Transform, error_mode="ignore", trace_statements=[group])
    assert attributes(harness.process(spans({"a": "x"}, {}))) == [{"a": "x", "b": 1}, {}]
    assert harness.own.value(FAILURES, processor="transform", error_mode="ignore") == 1


def test_a_text_takes_no_number() -> None:
    harness = Harness(Transform, error_mode="silent", trace_statements=['set(span.name, span.attributes["a"])'])
    out = harness.process(spans({"a": "new"}, {"a": 7}, {}))
    assert [span.name for span in out.iter()] == ["new", *(span.name for span in list(spans({}, {}, {}).iter())[1:])]
    assert harness.own.value(FAILURES, processor="transform", error_mode="silent") == 1


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({"trace_statements": ['set(name, "1")']}, "no path says what this is about"),
        ({"trace_statements": ['set(log.body, "x")']}, "no path says what this is about"),
        (
            {"trace_statements": [{"context": "log", "statements": ['set(body, "x")']}]},
            'there is no context "log" here',
        ),
        ({"trace_statements": [{"context": "spanevent", "statements": ['set(name, "x")']}]}, "only taken out"),
        ({"trace_statements": ['set(spanevent.name, "x")']}, "only taken out: see filter"),
        ({"trace_statements": [{"context": "span", "statements": []}]}, "at least 1 item"),
        (
            {"trace_statements": [{"context": "span", "conditions": ["name"], "statements": ['set(name, "")']}]},
            "a value",
        ),
        ({"error_mode": "loud"}, "error_mode"),
    ],
)
def test_mistakes_stop_the_start(config: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        Transform.Config.model_validate(config)
