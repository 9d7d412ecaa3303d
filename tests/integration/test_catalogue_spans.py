"""The catalogue of bad input, A2 20 – 44: odd spans in good messages, over both transports, with the laws."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.testing import START_UNIX_NANO, export_request
from tests.integration.catalogue import MARK, Case, Check, run, shown
from tests.integration.running_engine import CALLS, EDGES, RunningEngine

HOUR_NS = 3600 * 10**9
YEAR_NS = 365 * 24 * HOUR_NS
LAST = 2**64 - 1
TRACE, A, B, C = b"\x07" * 16, b"\x0a" * 8, b"\x0b" * 8, b"\x0c" * 8
LONGEST_LABEL = 2048


def body(*spans: dict[str, Any]) -> bytes:
    """A request; every span carries what must never be seen in a log."""
    kept = [{**span, "attributes": {"secret": MARK, **span.get("attributes", {})}} for span in spans]
    return export_request(kept).SerializeToString()


def edited(edit: Any, *spans: dict[str, Any]) -> bytes:
    """A request whose first resource was changed by hand."""
    request = ExportTraceServiceRequest.FromString(body(*(spans or ({},))))
    edit(request.resource_spans[0])
    return request.SerializeToString()


def with_attributes(*pairs: KeyValue) -> bytes:
    """A request of one span with these attributes first."""

    def edit(resource: Any) -> None:
        attributes = resource.scope_spans[0].spans[0].attributes
        others = list(attributes)
        del attributes[:]
        attributes.extend([*pairs, *others])

    return edited(edit)


def route(value: AnyValue | None = None) -> KeyValue:
    return KeyValue(key="http.route", value=value)


def text(value: str) -> AnyValue:
    return AnyValue(string_value=value)


def array(*values: AnyValue) -> AnyValue:
    found = AnyValue()
    found.array_value.values.extend(values)
    found.array_value.SetInParent()
    return found


def one(row: int, name: str, *spans: dict[str, Any], **expected: Any) -> Case:
    return Case(row, name, [body(*spans)], **expected)


def bad_id(row: int, name: str, reason: str, **ids: bytes) -> Case:
    """One span that can never be accepted among three that can."""
    spans = [{"number": n} for n in range(3)]
    spans.insert(1, {"number": 9, **ids})  # type: ignore[dict-item]
    return one(row, name, *spans, outcome="partial", rejected={reason: 1})


IDS = [
    *(bad_id(20, f"trace_id of {n} bytes", "invalid_trace_id", trace_id=b"x" * n) for n in (0, 15, 17, 1_000)),
    *(bad_id(20, f"span_id of {n} bytes", "invalid_span_id", span_id=b"x" * n) for n in (0, 7, 9)),
    bad_id(20, "parent_span_id of 7 bytes", "invalid_parent_span_id", parent_span_id=b"x" * 7),
    bad_id(21, "zero trace_id", "invalid_trace_id", trace_id=bytes(16)),
    bad_id(21, "zero span_id", "invalid_span_id", span_id=bytes(8)),
    one(21, "zero parent_span_id is none", {"parent_span_id": bytes(8)}),
    one(20, "none of them good", {"trace_id": b""}, {"span_id": b""}, outcome="partial",
        rejected={"invalid_trace_id": 1, "invalid_span_id": 1}),
]  # fmt: skip

CALL = {"kind": "client", "service": "shop", "trace_id": TRACE, "span_id": A, "parent_span_id": B}
SERVED = {"kind": "server", "service": "cart", "trace_id": TRACE, "span_id": C, "parent_span_id": A}
PARENTS = [
    one(22, "a server span that is its own parent", {"trace_id": TRACE, "span_id": A, "parent_span_id": A},
        unlinked={"loop": 1}),
    one(22, "a client span that is its own parent", {**CALL, "parent_span_id": A}, unlinked={"loop": 1}),
    one(22, "two spans that are each other's parents", {**CALL, "parent_span_id": C}, SERVED, unlinked={"loop": 2}),
    one(22, "a parent that never comes", SERVED),
]  # fmt: skip


def timed(row: int, name: str, start: int, end: int, *reasons: str) -> Case:
    span = {"start_unix_nano": start, "end_unix_nano": end, "kind": "internal"}
    return one(row, name, span, repaired=dict.fromkeys(reasons, 1))


NOW = START_UNIX_NANO
TIMES = [
    timed(23, "end before start", NOW, NOW - 1, "negative_duration"),
    timed(24, "no start", 0, NOW, "missing_time"),
    timed(24, "no end", NOW, 0, "missing_time"),
    timed(24, "neither", 0, 0, "missing_time"),
    timed(25, "start and end at the end of time", LAST, LAST, "in_future"),
    timed(25, "start at the end of time", LAST, NOW, "negative_duration"),
    timed(25, "longer than five hundred years", 1, LAST, "duration_range", "in_future"),
    timed(25, "a day is not too long", NOW - 24 * HOUR_NS, NOW),
    timed(25, "a day and a nanosecond is", NOW - 24 * HOUR_NS - 1, NOW, "duration_range"),
    timed(26, "an hour ahead", NOW, NOW + HOUR_NS, "in_future"),
    timed(26, "ten years ahead", NOW + 10 * YEAR_NS, NOW + 10 * YEAR_NS, "in_future"),
    timed(26, "an hour late", NOW - HOUR_NS, NOW - HOUR_NS, "late"),
    timed(26, "ten years late", NOW - 10 * YEAR_NS, NOW - 10 * YEAR_NS, "late"),
]


def typed_service(value: AnyValue | None) -> bytes:
    def edit(resource: Any) -> None:
        del resource.resource.attributes[:]
        resource.resource.attributes.append(KeyValue(key="service.name", value=value))

    return edited(edit)


NO_SERVICE: dict[str, Any] = {"repaired": {"no_service": 1}}
KVLIST = AnyValue()
KVLIST.kvlist_value.values.append(KeyValue(key="a", value=text("b")))
SERVICES = [
    one(27, "no span name", {"name": ""}),
    one(28, "resource without service.name", {"service": None, "resource": {"host.name": "h"}}, **NO_SERVICE),
    Case(28, "no resource", [edited(lambda resource: resource.ClearField("resource"))], **NO_SERVICE),
    one(28, "empty service.name", {"service": ""}, **NO_SERVICE),
    Case(28, "service.name without a value", [typed_service(None)], **NO_SERVICE),
    Case(28, "empty AnyValue as service.name", [typed_service(AnyValue())], **NO_SERVICE),
]
# The oracle takes the text of scalars only.
SERVICES += [
    Case(28, f"service.name of type {value.WhichOneof('value')}", [typed_service(value)], oracle=False, **NO_SERVICE)
    for value in (AnyValue(int_value=7), AnyValue(bytes_value=b"x"), array(text("x")), KVLIST)
]

ATTRIBUTES = [
    Case(29, "a key without a value", [with_attributes(route())], routes={"": 1}),
    Case(29, "an empty value", [with_attributes(route(AnyValue()))], routes={"": 1}),
    Case(29, "an empty text", [with_attributes(route(text("")))], routes={"": 1}),
    Case(29, "bytes", [with_attributes(route(AnyValue(bytes_value=b"hi")))], routes={"aGk=": 1}),
    Case(29, "a mixed list", [with_attributes(route(array(text("x"), AnyValue(int_value=1), AnyValue())))],
         routes={'["x",1,null]': 1}),
    Case(29, "an empty list", [with_attributes(route(array()))], routes={"[]": 1}),
    Case(29, "a map", [with_attributes(route(KVLIST))], routes={'{"a":"b"}': 1}),
    Case(29, "a double", [with_attributes(route(AnyValue(double_value=1e21)))], routes={"1e+21": 1}),
    Case(29, "not a number", [with_attributes(route(AnyValue(double_value=float("nan"))))], routes={"NaN": 1}),
    Case(29, "an empty key", [with_attributes(KeyValue(key="", value=text("x")))], routes={"": 1}),
    Case(30, "key_strindex", [with_attributes(KeyValue(key_strindex=3, value=text("x")))], routes={"": 1}),
    Case(30, "string_value_strindex", [with_attributes(route(AnyValue(string_value_strindex=3)))], routes={"": 1}),
    Case(31, "a key twice", [with_attributes(route(text("/a")), route(text("/b")))], routes={"/a": 1}),
    Case(31, "a key with two types", [with_attributes(route(AnyValue(int_value=1)), route(text("/b")))],
         routes={"1": 1}),
]  # fmt: skip


def two_services(resource: Any) -> None:
    resource.resource.attributes.append(KeyValue(key="service.name", value=text("second")))


def job_is(name: str) -> Check:
    def check(weir: RunningEngine) -> None:
        assert {dict(labels)["job"] for labels in weir.samples(CALLS)} == {name}

    return check


def status(resource: Any) -> None:
    resource.scope_spans[0].spans[0].status.message = MARK * 150_000


def all_flags(resource: Any) -> None:
    resource.scope_spans[0].spans[0].flags = 0xFFFF_FFFF


def without_status(resource: Any) -> None:
    resource.scope_spans[0].spans[0].ClearField("status")


MANY = 10_000
LARGE = [
    Case(31, "service.name twice", [edited(two_services, {"service": "first"})], check=job_is("first")),
    Case(32, "no status", [edited(without_status)]),
    Case(32, "a status message of a megabyte", [edited(status)]),
    one(33, "ten thousand attributes", {"attributes": {f"key {n}": n for n in range(MANY)}}),
    one(33, "ten thousand events", {"events": [Span.Event(name=str(n)) for n in range(MANY)]}),
    one(33, "ten thousand links", {"links": [Span.Link(trace_id=TRACE, span_id=A)] * MANY}),
    one(44, "a trace_state of a megabyte", {"trace_state": "x=" + "y" * (1 << 20)}),
    Case(44, "all bits of flags", [edited(all_flags)]),
]


def long_label(label: str, begin: str) -> Check:
    """The label was cut on a character's boundary and tells two values with the same beginning apart."""

    def check(weir: RunningEngine) -> None:
        values = {dict(labels)[label] for labels in weir.samples(CALLS)}
        assert len(values) == 2
        for value in values:
            assert len(value.encode()) <= LONGEST_LABEL
            kept, _, digest = value.rpartition("~")
            assert len(digest) == 16
            assert begin.startswith(kept)
        assert weir.total(CALLS) == 2

    return check


MEGABYTE = "ü" * (1 << 19)
LONG = [
    one(34, "span names of a megabyte", {"name": f"{MEGABYTE}a"}, {"name": f"{MEGABYTE}b"}, oracle=False,
        check=long_label("span_name", MEGABYTE)),
    one(34, "values of a megabyte", *({"attributes": {"http.route": MEGABYTE + end}} for end in "ab"),
        check=long_label("http_route", MEGABYTE)),
    one(34, "service names of a megabyte", {"service": f"{MEGABYTE}a"}, {"service": f"{MEGABYTE}b"}, oracle=False,
        check=long_label("service_name", MEGABYTE)),
    one(34, "a key of a megabyte", {"attributes": {MEGABYTE: "x"}}, routes={"": 1}),
]  # fmt: skip

POISON = [
    '"', "\\", "\n", '\\"\n\\', "\r\n", "\x00", "\u202e", "}", "# HELP x y", "# EOF", "a{b=\"c\"} 1", "\U0001f600",
    "</script>", "__name__", "le", "quantile", "0day", " ", "\ufeff", "\u2028", "NaN", "'", "%s", "${x}", "\x7f", "é",
]  # fmt: skip
POISONED = [
    one(35, "in the span name", *({"name": name} for name in POISON)),
    one(35, "in the service name", *({"service": name, "kind": "internal"} for name in POISON)),
    one(35, "in a dimension", *({"attributes": {"http.route": value}} for value in POISON),
        routes=Counter(map(shown, POISON))),
    one(35, "in both ends of an edge", *(
        span for n, name in enumerate(POISON) for span in (
            {**CALL, "service": name, "trace_id": bytes([n + 1] * 16)},
            {**SERVED, "service": f"server {name}", "trace_id": bytes([n + 1] * 16)},
        )
    )),
]  # fmt: skip

PAIR = [CALL, SERVED]
TEN = [{"number": n} for n in range(10)]
REPEATS = [
    Case(40, "the same request twice", [body(*PAIR)] * 2, unlinked={"duplicate": 1}),
    Case(40, "the same request ten times", [body(*PAIR, *TEN)] * 10, unlinked={"duplicate": 9}),
    one(41, "a span id twice, other content", {**CALL, "name": "a"}, {**CALL, "name": "b"}, SERVED,
        unlinked={"duplicate": 1}),
]  # fmt: skip


def mixed() -> Case:
    """Ten resources; every third has three spans that are wrong in one way each."""
    faults = [{"trace_id": b"x"}, {"span_id": b""}, {"parent_span_id": b"x"}]
    spans: list[dict[str, Any]] = []
    for n in range(10):
        for number, fault in enumerate(faults):
            spans.append({"service": f"service {n}", "number": 10 * n + number, **(fault if n % 3 == 0 else {})})
    reasons = ("invalid_trace_id", "invalid_span_id", "invalid_parent_span_id")
    return one(42, "every third resource invalid", *spans, outcome="partial", rejected=dict.fromkeys(reasons, 4))


def edges_are(*expected: tuple[str, str, int]) -> Check:
    def check(weir: RunningEngine) -> None:
        found = {(dict(labels)["client"], dict(labels)["server"]): n for labels, n in weir.samples(EDGES).items()}
        assert found == {(client, server): n for client, server, n in expected}

    return check


ORDERS = [
    Case(43, "the server first, in one request", [body(SERVED, CALL)], check=edges_are(("shop", "cart", 1))),
    Case(43, "the server first, in two requests", [body(SERVED), body(CALL)], check=edges_are(("shop", "cart", 1))),
    Case(43, "the client first, in two requests", [body(CALL), body(SERVED)], check=edges_are(("shop", "cart", 1))),
    Case(43, "the client a second later", [body(SERVED), body(CALL)], wait_s=1.0,
         check=edges_are(("shop", "cart", 1))),
    Case(43, "the client after the ttl", [body(SERVED), body(CALL)], wait_s=2.5,
         check=edges_are(("shop", "unknown", 1))),
    Case(43, "the server after the ttl", [body(CALL), body(SERVED)], wait_s=2.5,
         check=edges_are(("shop", "unknown", 1))),
]  # fmt: skip


def fan_out() -> Case:
    """Children whose parent comes last: a trace may not fill the store."""
    children = [{**SERVED, "span_id": n.to_bytes(8, "big")} for n in range(1, 5_001)]
    return one(39, "five thousand children of one parent, before it", *children, unlinked={"trace_limit": 4_500},
               check=edges_are())  # fmt: skip


CASES = [
    *IDS, *PARENTS, *TIMES, *SERVICES, *ATTRIBUTES, *LARGE, *LONG, *POISONED, *REPEATS, mixed(), *ORDERS, fan_out(),
    one(39, "five thousand children of one parent, after it", CALL,
        *({**SERVED, "span_id": n.to_bytes(8, "big")} for n in range(1, 5_001)),
        check=edges_are(("shop", "cart", 5_000))),
]  # fmt: skip


@pytest.mark.parametrize("transport", ["http", "grpc"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_row_has_its_answer_and_the_laws_hold(case: Case, transport: str) -> None:
    run(case, transport)
