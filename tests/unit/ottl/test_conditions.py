"""Names, types and contexts: what a condition may say, what it reads, and what is answered where it may not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.codec.signals import projection
from pipeline.model.any_value import key_values
from pipeline.model.batch import Batch
from pipeline.model.columns import is_column
from pipeline.ottl import CONTEXTS, SIGNAL_CONTEXTS, OttlError, Tables, compile_condition, infer_context
from pipeline.testing import START_UNIX_NANO, log_batch, metric_batch, span_batch

SECOND = 10**9


def truth(text: str, context: str, batch: Batch, now: int = 0) -> list[bool | None]:
    condition = compile_condition(text, context)
    visible, _ = projection(batch.signal, condition.reads).decode(batch.to_otlp())
    found = condition.evaluate(Tables(visible, now))
    failed = np.zeros(len(found.hits), bool) if found.failed is None else found.failed
    return [None if one else hit for hit, one in zip(found.hits.tolist(), failed.tolist(), strict=True)]


SPANS: list[dict[str, Any]] = [
    {"name": "GET /a", "duration_ms": 500, "attributes": {"n": 5, "user": "eve", "tags": ["x", {"k": [1, 2]}]}},
    {"name": "get /b", "kind": "client", "parent_span_id": b"12345678", "status": "error", "duration_ms": 1500},
    {"name": "", "service": "pay", "trace_state": "ot=th:8,v=1", "attributes": {"n": "5", "user": ""}},
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # of the peers' README
        ('(end_time - start_time) < Duration("1s") and status.code != STATUS_CODE_ERROR', [True, False, True]),
        ('attributes["user"] == nil', [False, True, False]),
        ('attributes["user"] != nil', [True, False, True]),
        ('IsMatch(resource.attributes["service.name"], "^p")', [False, False, True]),
        ("IsRootSpan()", [True, False, True]),
        ('not IsRootSpan() or name == ""', [False, True, True]),
        ('kind == SPAN_KIND_CLIENT and kind.string == "Client"', [False, True, False]),
        ('kind.deprecated_string == "SPAN_KIND_SERVER"', [True, False, True]),
        ('attributes["n"] == 5', [True, False, False]),
        ('Int(attributes["n"]) == 5', [True, False, True]),
        ('attributes["n"] > 4.5', [True, False, False]),
        ('attributes["tags"][1]["k"][0] == 1', [True, False, False]),
        ('attributes["tags"][7] == "x"', [None, False, False]),
        ('attributes["tags"]["x"] == nil', [None, True, True]),
        ('trace_state["ot"] == "th:8"', [False, False, True]),
        ('trace_state["missing"] == ""', [True, True, True]),
        ("parent_span_id == SpanID(0x3132333435363738)", [False, True, False]),
        ('parent_span_id.string == "0000000000000000"', [True, False, True]),
        ("parent_span_id == nil", [False, False, False]),
        ('ToLowerCase(name) == "get /a"', [True, False, False]),
        ('ConvertCase(name, "upper") == "GET /B"', [False, True, False]),
        ('Split(name, " ")[0] == "GET"', [True, False, False]),
        ('Split(name, " ")[1] == "/b"', [False, True, None]),
        ('Concat([name, attributes["user"]], "-") == "get /b-<nil>"', [False, True, False]),
        ('Concat(delimiter=":", vals=["a", kind]) == "a:3"', [False, True, False]),
        ('HasPrefix(name, "GET") and HasSuffix(name, "a")', [True, False, False]),
        ("Len(name) == 6", [True, True, False]),
        ('Substring(name, 0, 3) == "GET"', [True, False, None]),
        ('ContainsValue(attributes["tags"], "x")', [True, None, None]),
        ('Index(name, "/") == 4', [True, True, False]),
        ('Trim(Concat([" ", name], "")) == "GET /a"', [True, False, False]),
        ('Double(attributes["n"]) == 5.0', [True, False, True]),
        ('Bool("1") and String(attributes["n"]) == "5"', [True, False, True]),
        ("Milliseconds(end_time - start_time) == 1500", [False, True, False]),
        ("Seconds(end_time - start_time) >= 1.5", [False, True, False]),
        ("end_time_unix_nano - start_time_unix_nano == 500000000", [True, False, False]),
        ("Year(start_time) == 2026 and Month(start_time) == 1 and Weekday(start_time) == 4", [True, True, True]),
        ('Now() - start_time > Duration("10m")', [True, True, True]),
        ('-attributes["n"] == -5', [True, None, None]),
        ("1 + 1 == 2", [True, True, True]),
        ('instrumentation_scope.name == "tests" and scope.version == ""', [True, True, True]),
        ('span.name == "GET /a"', [True, False, False]),
        ('status.message == ""', [True, True, True]),
        ('ParseJSON("{\\"a\\": [true]}")["a"][0]', [True, True, True]),
        ('IsString(attributes["n"])', [False, False, True]),
        ('IsList(attributes["tags"]) and IsMap(attributes["tags"][1])', [True, False, False]),
        ('attributes["tags"] == ["x", {"k": [1, 2]}]', [True, False, False]),
        ('attributes["missing"]["deeper"] == nil', [True, True, True]),
    ],
)
def test_conditions_on_spans(text: str, expected: list[bool | None]) -> None:
    assert truth(text, "span", span_batch(spans=SPANS), START_UNIX_NANO + 3600 * SECOND) == expected


def test_conditions_on_span_events_see_event_and_span() -> None:
    def event(name: str, **attributes: Any) -> Span.Event:
        return Span.Event(name=name, time_unix_nano=7, attributes=key_values(attributes))

    batch = span_batch(
        spans=[{"events": [event("a", grpc=True), event("exception")]}, {"name": "x"}, {"events": [event("b")]}]
    )
    assert truth('attributes["grpc"] == true', "spanevent", batch) == [True, False, False]
    assert truth('spanevent.name != "b" and span.name == "GET /"', "spanevent", batch) == [True, True, False]
    assert truth("time_unix_nano == 7", "spanevent", batch.where(np.array([False, True, True]))) == [True]


def test_conditions_on_metrics_and_points() -> None:
    points: list[dict[str, Any]] = [
        {"kind": "gauge", "name": "phase", "value": 4, "attributes": {"pod": "a"}},
        {"kind": "gauge", "name": "phase", "value": 2.5, "attributes": {"n": 1}},
        {"kind": "sum", "name": "calls", "value": 3, "monotonic": True, "temporality": "delta"},
        {"kind": "histogram", "name": "latency", "counts": (1, 2), "sum": 1.5},
        {"kind": "summary", "name": "old"},
    ]
    batch = metric_batch(points=points)
    n = len(truth('name == ""', "metric", batch))
    assert truth('metric.name == "phase" and value_int == 4', "datapoint", batch) == [True, False, False, False, False]
    assert truth("value_double == 2.5", "datapoint", batch) == [False, True, False, False, False]
    assert truth("value_double == nil and count == 3", "datapoint", batch) == [False, False, False, True, False]
    assert truth("sum == 1.5", "datapoint", batch) == [False, False, False, True, False]
    assert truth("metric.type == METRIC_DATA_TYPE_SUMMARY", "datapoint", batch) == [False, False, False, False, True]
    assert truth("flags == FLAG_NONE", "datapoint", batch) == [True] * 5
    delta = truth("aggregation_temporality == AGGREGATION_TEMPORALITY_DELTA and is_monotonic == true", "metric", batch)
    assert delta.count(True) == 1
    assert truth("is_monotonic == nil", "metric", batch).count(True) == n - 1
    for text, found in (
        ('HasAttrKeyOnDatapoint("pod")', {"phase"}),
        ('HasAttrOnDatapoint("pod", "a")', {"phase"}),
        ('HasAttrOnDatapoint("pod", "b")', set()),
        ('HasAttrOnDatapoint("n", "")', {"phase"}),
        ('not HasAttrKeyOnDatapoint("pod") and unit == ""', {"calls", "latency", "old"}),
    ):
        condition = compile_condition(text, "metric")
        visible, _ = projection("metrics", ("metric.name", *condition.reads)).decode(batch.to_otlp())
        names = [
            name for name, hit in zip(visible["metric.name"].tolist(), condition.mask(visible), strict=True) if hit
        ]
        assert set(names) == found, text


def test_conditions_on_logs() -> None:
    logs: list[dict[str, Any]] = [
        {"body": "password=1", "severity": "debug"},
        {"body": {"level": "warn", "n": [1]}, "severity": "error", "event_name": "login"},
        {"body": None, "severity": "unspecified", "trace_id": b"t" * 16},
    ]
    batch = log_batch(logs=logs)
    assert truth('IsMatch(body, ".*password.*")', "log", batch) == [True, False, False]
    assert truth("severity_number < SEVERITY_NUMBER_WARN", "log", batch) == [True, False, True]
    assert truth('body["level"] == "warn"', "log", batch) == [None, True, None]
    assert truth('IsMap(body) and body["n"][0] == 1', "log", batch) == [False, True, False]
    assert truth('body.string == "{\\"level\\":\\"warn\\",\\"n\\":[1]}"', "log", batch) == [False, True, False]
    assert truth("body == nil", "log", batch) == [False, False, True]
    assert truth('log.event_name == "login" and severity_text == "error"', "log", batch) == [False, True, False]
    assert truth('trace_id == TraceID("74747474747474747474747474747474")', "log", batch) == [False, False, True]


def test_nothing_fails_where_the_verdict_is_settled_before() -> None:
    batch = span_batch(spans=SPANS)
    assert truth('name == "GET /a" or Len(attributes["n"]) == 1', "span", batch) == [True, None, True]
    assert truth('attributes["user"] != nil and Len(attributes["user"]) == 3', "span", batch) == [True, False, False]
    assert truth('not (Len(attributes["user"]) == 3)', "span", batch) == [False, None, True]
    assert truth('true or Len(attributes["user"]) == 3', "span", batch) == [True, True, True]
    assert truth('Len(attributes["user"]) == 3 and false', "span", batch) == [False, False, False]


def test_a_condition_reads_the_columns_of_its_paths_and_no_others() -> None:
    text = 'attributes["a"] == 1 or IsRootSpan() or resource.attributes["b"] == attributes["a"] or true == false'
    assert compile_condition(text, "span").reads == ("span.a", "parent_span_id", "resource.b")
    assert compile_condition("1 == 1", "log").reads == ()


def test_every_path_reads_columns_that_exist() -> None:
    signals = {context: signal for signal, contexts in SIGNAL_CONTEXTS.items() for context in contexts[:2]}
    for context in ("span", "spanevent", "metric", "datapoint", "log"):
        for prefix, paths in CONTEXTS[context].paths.items():
            for path, known in paths.items():
                text = f"{prefix}.{path}{'[' + chr(34) + 'k' + chr(34) + ']' if known.keyed else ''} == nil"
                condition = compile_condition(text, context)
                signal = "logs" if context == "log" else signals[context]
                assert all(is_column(column, signal) for column in condition.reads), (text, condition.reads)
                batch, _ = projection(signal, condition.reads).decode(b"")
                assert len(condition.of_items(Tables(batch, 0)).hits) == 0 if context != "spanevent" else True


@pytest.mark.parametrize(
    ("text", "context", "what", "at"),
    [
        ('nme == "a"', "span", 'no path nme here; did you mean "name"?', 0),
        ('kind == SPAN_KIND_SERVR', "span", 'did you mean "SPAN_KIND_SERVER"?', 8),
        ('IsMach(name, "a")', "span", 'did you mean "IsMatch"?', 0),
        ("name", "span", "a value alone is no condition; compare it with something: name == true", 0),
        ("Len(name)", "span", "Len gives an int; compare it with something", 0),
        ('(name == "a") == true', "span", "expected a value, found a condition", 1),
        ("attributes == nil", "span", 'attributes needs a key that is a text: attributes["http.route"]', 0),
        ('attributes[""] == nil', "span", "needs a key that is a text", 11),
        ("attributes[0] == nil", "span", "needs a key that is a text", 11),
        ("attributes[name] == nil", "span", "a key is a constant text or integer here", 11),
        ('name["a"] == nil', "span", "name has no keys like these", 5),
        ('IsMatch(trace_id, "a")', "span", "target of IsMatch cannot be an id; write trace_id.string", 8),
        ('IsMatch(name, 5)', "span", "pattern of IsMatch: expected a value of type string, found int", 14),
        ('IsMatch(name, "a(b")', "span", 'missing ")"', 18),
        (r'IsMatch(name, "\\d(")', "span", 'missing ")"', 14),
        ('IsMatch(name, attributes["p"])', "span", "pattern of IsMatch must be a constant", 14),
        ('IsMatch(name)', "span", "pattern is missing", 0),
        ('IsMatch(name, "a", "b")', "span", "IsMatch takes the arguments target, pattern", 19),
        ('IsMatch(name, patern="a")', "span", 'no argument patern; did you mean "pattern"?', 14),
        ('IsMatch(target=name, "a")', "span", "arguments with names stand behind those without", 21),
        ('Duration("x") > Duration("1s")', "span", "not a duration", 0),
        ("1 / 0 == 1", "span", "division by zero", 0),
        ('ConvertCase(name, "snake") == "a"', "span", "supported: lower, upper", 18),
        ("IsMatch == 1", "span", "IsMatch is a function; its arguments stand in parentheses", 0),
        ("IsRootSpan()", "log", "IsRootSpan works in the context span, not in log", 0),
        ('HasAttrKeyOnDatapoint("a")', "datapoint", "works in the context metric", 0),
        ('metric.name == "a"', "span", "the context span has no path metric.name here", 0),
        ('cache["a"] == 1', "span", "there is no cache here", 0),
        ("name == SEVERITY_NUMBER_INFO", "span", "there is no enum SEVERITY_NUMBER_INFO in the context span", 8),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_an_error_with_a_place_and_a_way_out(
    text: str, context: str, what: str, at: int
) -> None:
    with pytest.raises(OttlError) as caught:
        compile_condition(text, context)
    assert what in str(caught.value)
    assert caught.value.start == at


@pytest.mark.parametrize(
    ("texts", "signal", "context"),
    [
        (['resource.attributes["a"] == "b"'], "traces", "resource"),
        (['scope.name == "x"', 'resource.attributes["a"] == "b"'], "logs", "scope"),
        (['instrumentation_scope.name == "x"'], "logs", "scope"),
        (['span.name == "x"', 'resource.attributes["a"] == "b"'], "traces", "span"),
        (['span.name == "x" and spanevent.name == "y"'], "traces", "spanevent"),
        (['metric.name == "x"'], "metrics", "metric"),
        (['metric.name == "x"', "datapoint.value_int > 1"], "metrics", "datapoint"),
        (['IsRootSpan() and resource.attributes["a"] == "b"'], "traces", "span"),
        (['HasAttrKeyOnDatapoint("k") and resource.attributes["a"] == "b"'], "metrics", "metric"),
    ],
)
def test_the_context_is_that_of_the_lowest_path_or_of_what_is_used(texts: list[str], signal: str, context: str) -> None:
    assert infer_context(texts, signal) == context


def test_a_context_that_no_path_says_is_asked_for() -> None:
    with pytest.raises(OttlError, match="no path says what this is about; begin paths with one of spanevent, span"):
        infer_context(['name == "x"'], "traces")
    with pytest.raises(OttlError, match=r"paths begin with their context here: span\.name"):
        compile_condition('span.kind == 1 and name == "x"', "span", prefixed=True)


def test_what_functions_remember_of_texts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("plan", "vectors"):
        monkeypatch.setattr(f"pipeline.ottl.{module}.MAX_REMEMBERED", 5)
    condition = compile_condition('IsMatch(name, "[02468]$")', "span")
    function: Any = condition._test.expression  # type: ignore[attr-defined]
    for first in range(0, 40, 4):
        batch = span_batch(spans=[{"name": f"op {first + i}"} for i in range(8)] + [{"name": "x" * 600}])
        assert condition.mask(batch).tolist() == [(first + i) % 2 == 0 for i in range(8)] + [False]
        assert len(function._memory) <= 5


def test_long_conditions_run_and_long_sums_are_refused() -> None:
    batch = span_batch(spans=SPANS)
    text = " or ".join(f'name == "{i}"' for i in range(400))
    assert not compile_condition(text, "span").mask(batch).any()
    assert compile_condition(f'{text} or name == "GET /a"', "span").mask(batch).tolist() == [True, False, False]
    with pytest.raises(OttlError, match="operations in a row"):
        compile_condition(" + ".join(["kind"] * 500) + " == 1", "span")


def test_a_condition_sees_what_a_processor_before_it_has_changed() -> None:
    batch = span_batch(spans=SPANS, columns=("span.tier", "resource.team"))
    gold = np.array([True, False, True])
    changed = batch.with_column("span.tier", "gold", gold).with_column("name", "renamed", ~gold)
    changed = changed.with_column("resource.team", "shop")
    assert compile_condition('attributes["tier"] == "gold"', "span").mask(changed).tolist() == [True, False, True]
    assert compile_condition('IsMatch(name, "^renamed$")', "span").mask(changed).tolist() == [False, True, False]
    assert compile_condition('resource.attributes["team"] == "shop"', "span").mask(changed).all()
    assert not compile_condition('attributes["tier"] != nil', "span").mask(batch).any()
