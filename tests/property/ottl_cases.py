"""Random telemetry, and random conditions about it, for the properties of OTTL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.model.any_value import key_values
from pipeline.testing import export_request, logs_request, metrics_request
from tests.oracles import ottl
from tests.oracles.ottl import Written

KEYS = ("a", "b", "http.route")
NAMES = ("GET", "get", "GET /x", "", "é", "a\nb")
SIGNALS = {
    "resource": "traces",
    "scope": "traces",
    "span": "traces",
    "spanevent": "traces",
    "metric": "metrics",
    "datapoint": "metrics",
    "log": "logs",
}

scalars = st.one_of(
    st.sampled_from([*NAMES, "1", "-7", "2.5", "true"]),
    st.booleans(),
    st.sampled_from([0, 1, -7, 2, 200, 2**63 - 1, -(2**63), 2**53 + 1]),
    st.sampled_from([0.0, 1.0, 2.0, 2.5, -7.0, float("nan"), float("inf"), 2.0**53]),
    st.sampled_from([b"", b"\x00", b"\xab\xcd"]),
)
nested = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(KEYS), inner, max_size=2)),
    max_leaves=4,
)
attribute_maps = st.dictionaries(st.sampled_from(KEYS), nested, max_size=3)
times = st.sampled_from([0, 1, 10**18, 10**18 + 10**9, 2**63, 2**64 - 1])
envelopes = {
    "service": st.sampled_from([None, "cart", "pay"]),
    "resource": attribute_maps,
    "scope": st.sampled_from(["", "tests"]),
}
events = st.builds(
    lambda name, time, attributes: Span.Event(name=name, time_unix_nano=time, attributes=key_values(attributes)),
    st.sampled_from(NAMES),
    times,
    attribute_maps,
)
spans = st.fixed_dictionaries(
    {
        **envelopes,
        "name": st.sampled_from(NAMES),
        "kind": st.sampled_from(["unspecified", "internal", "server", "client", "producer", "consumer"]),
        "status": st.sampled_from(["unset", "ok", "error"]),
        "parent_span_id": st.sampled_from([b"", b"12345678"]),
        "trace_state": st.sampled_from(["", "ot=th:8", "a=1,b=2"]),
        "start_unix_nano": times,
        "end_unix_nano": times,
        "attributes": attribute_maps,
        "events": st.lists(events, max_size=2),
    }
)
records = st.fixed_dictionaries(
    {
        **envelopes,
        "body": st.one_of(st.none(), nested),
        "severity": st.sampled_from(["unspecified", "debug", "info", "warn", "error4"]),
        "trace_id": st.sampled_from([b"", b"t" * 16, b"short"]),
        "event_name": st.sampled_from(["", "login"]),
        "time_unix_nano": times,
        "attributes": attribute_maps,
    }
)
points = st.fixed_dictionaries(
    {
        **envelopes,
        "kind": st.sampled_from(ottl.TYPES),
        "name": st.sampled_from(["requests", "GET"]),
        "unit": st.sampled_from(["", "s"]),
        "temporality": st.sampled_from(["delta", "cumulative"]),
        "monotonic": st.booleans(),
        "value": st.sampled_from([0, 1, 7, 2.5, 2.0, float("nan")]),
        "sum": st.sampled_from([0.0, 2.5]),
        "counts": st.sampled_from([(), (1,), (2, 5)]),
        "flags": st.sampled_from([0, 1]),
        "time_unix_nano": times,
        "attributes": attribute_maps,
    }
)


def _request(signal: str) -> st.SearchStrategy[Any]:
    items, build = {
        "traces": (spans, export_request),
        "metrics": (points, metrics_request),
        "logs": (records, logs_request),
    }[signal]
    return st.lists(items, min_size=1, max_size=5).map(build)  # type: ignore[arg-type]


requests: dict[
    str, st.SearchStrategy[ExportTraceServiceRequest | ExportMetricsServiceRequest | ExportLogsServiceRequest]
] = {signal: _request(signal) for signal in ("traces", "metrics", "logs")}

keys_below = st.one_of(st.just(()), st.sampled_from([("a",), (0,), (1,), ("b", "a"), (0, "a"), ("http.route", 0)]))


def _own_attributes(prefix: str, pairs: Callable[[ottl.Row], Any]) -> st.SearchStrategy[Written]:
    return st.builds(lambda key, more: ottl.attributes(prefix, pairs, key, *more), st.sampled_from(KEYS), keys_below)


_resource = st.builds(
    lambda key: ottl.attributes("resource.", lambda row: row.resource.attributes, key),
    st.sampled_from([*KEYS, "service.name"]),
)
_envelope = st.one_of(_resource, st.sampled_from(ottl.ENVELOPE_PATHS))
_item = _own_attributes("", lambda row: row.item.attributes)

paths: dict[str, st.SearchStrategy[Written]] = {
    "resource": _resource,
    "scope": _envelope,
    "span": st.one_of(_item, st.sampled_from(ottl.SPAN_PATHS), _envelope),
    "spanevent": st.one_of(
        _own_attributes("", lambda row: row.event.attributes),
        _own_attributes("span.", lambda row: row.item.attributes),
        st.sampled_from(ottl.EVENT_PATHS),
        _envelope,
    ),
    "log": st.one_of(
        _item,
        st.sampled_from(ottl.LOG_PATHS),
        st.builds(lambda keys: ottl.body_at(*keys), keys_below.filter(bool)),
        _envelope,
    ),
    "metric": st.one_of(st.sampled_from(ottl.metric_paths("")), _envelope),
    "datapoint": st.one_of(_item, st.sampled_from(ottl.POINT_PATHS), _envelope),
}

literals = st.one_of(
    st.none(),
    st.sampled_from([*NAMES, "1", "cart", "tests", "Server", "a"]),
    st.booleans(),
    st.sampled_from([0, 1, -7, 2, 9, 2**63 - 1, 2**53 + 1]),
    st.sampled_from([0.0, 1.0, 2.5, -7.0]),
    st.sampled_from([b"\x00", b"\xab\xcd"]),
    st.sampled_from([[], [1], ["GET"], [1, "GET"]]),
).map(ottl.literal)

_patterns = st.sampled_from(["^GET", "et$", "a.b", "[0-9]+", "", "x|1", "ab"]).map(ottl.literal)
_texts = st.sampled_from(["GET", "", "x", "é"]).map(ottl.literal)
_small = st.sampled_from([0, 1, 2]).map(ottl.literal)
_types = st.sampled_from(["IsString", "IsInt", "IsDouble", "IsBool", "IsMap", "IsList"])


def values(context: str) -> st.SearchStrategy[Written]:
    """Expressions with a value, most of them paths."""

    def grown(inner: st.SearchStrategy[Written]) -> st.SearchStrategy[Written]:
        number = st.one_of(inner, _small, st.sampled_from([2.5]).map(ottl.literal))
        return st.one_of(
            st.builds(ottl.calculated, st.sampled_from("+-*/"), inner, number),
            st.builds(ottl.called, st.sampled_from(["Int", "Len", "ToUpperCase"]), inner),
            st.builds(lambda one: ottl.called("Double", one), inner),
            st.builds(lambda one, at, n: ottl.called("Substring", one, at, n), inner, _small, _small),
            st.builds(
                lambda one, other: ottl.called("Concat", ottl.listed([one, other]), ottl.literal("-")), inner, _texts
            ),
        )

    # what a function is known never to take is refused when it is compiled: tests/unit/ottl
    return st.recursive(paths[context], grown, max_leaves=2)


def conditions(context: str) -> st.SearchStrategy[Written]:
    """Conditions of any shape."""
    value = values(context)
    operators = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    leaves = st.one_of(
        st.builds(ottl.compared, operators, value, literals),
        st.builds(ottl.compared, operators, literals, value),
        st.builds(ottl.compared, operators, value, value),
        st.builds(lambda one, pattern: ottl.called("IsMatch", one, pattern), value, _patterns),
        st.builds(lambda one, text: ottl.called("HasPrefix", one, text), value, _texts),
        st.builds(ottl.called, _types, value),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(ottl.negated, inner),
            st.builds(ottl.joined, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
        ),
        max_leaves=4,
    )


def simple_conditions(context: str) -> st.SearchStrategy[Written]:
    """Paths against constants, joined: what is decided natively."""
    duration = st.sampled_from([0, 1, 10**9]).map(lambda n: ottl.field(f'Duration("{n}ns")', lambda _: ottl.Span(n)))
    path = paths[context]
    comparisons = [st.builds(ottl.compared, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), path, literals)]
    if context == "span":
        times = st.sampled_from([path for path in ottl.SPAN_PATHS if path.text in ("start_time", "end_time")])
        taken = st.builds(ottl.calculated, st.just("-"), times, times)
        comparisons.append(st.builds(ottl.compared, st.sampled_from(["==", "!=", "<", ">="]), taken, duration))
    return st.recursive(
        st.one_of(comparisons),
        lambda inner: st.one_of(
            st.builds(ottl.negated, inner),
            st.builds(ottl.joined, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=4)),
        ),
        max_leaves=8,
    )
