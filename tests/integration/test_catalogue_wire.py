"""The catalogue of bad input, A1 2, 3, 6 – 15, 17 and 19: the wire format, over both transports, with the laws.

What the decoder makes of each message is compared with the official parser in tests/property/test_span_decoder.py;
here it is the answers that count, and that nothing of a refused message is seen anywhere.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.codec.otlp_encode import varint
from pipeline.testing import export_request
from tests.integration.catalogue import CONFIG, MARK, Case, check_health, run
from tests.integration.running_engine import CALLS, RunningEngine
from tests.oracles import lazy

ORACLE = lazy.LazyParser("traces", ["service.name"], ["http.route"])
SPAN_IDS = b"\x0a\x10" + b"t" * 16 + b"\x12\x08" + b"s" * 8
GOOD = export_request([{"attributes": {"mark": MARK, "http.route": "/a"}}, {"number": 2}]).SerializeToString()


def element(tag: bytes, content: bytes) -> bytes:
    return tag + varint(len(content)) + content


def of_span(content: bytes) -> bytes:
    """A request of one span with these bytes."""
    return element(b"\x0a", element(b"\x12", element(b"\x12", content)))


def nested(levels: int, tag: bytes) -> bytes:
    """A span with an attribute of so many lists (tag of array_value) or maps (kvlist_value)."""
    value = b"\x10\x01"
    for _ in range(levels):
        inner = element(b"\x12", value) if tag == b"\x32" else value
        value = element(tag, element(b"\x0a", inner))
    return of_span(SPAN_IDS + element(b"\x4a", element(b"\x0a", b"deep") + element(b"\x12", value)))


def attribute(key: bytes, value: bytes) -> bytes:
    return of_span(SPAN_IDS + element(b"\x4a", element(b"\x0a", key) + element(b"\x12", element(b"\x0a", value))))


def with_unknown_fields(fields: bytes) -> bytes:
    """Unknown fields in every message of a request."""
    request = ExportTraceServiceRequest.FromString(GOOD)
    resource = request.resource_spans[0]
    scope = resource.scope_spans[0]
    span = scope.spans[0]
    for message in (request, resource, resource.resource, scope, scope.scope, span, span.status, span.attributes[0]):
        message.MergeFromString(fields)
    return request.SerializeToString()


def two_resources_in_one() -> bytes:
    """The field ``resource`` twice: messages are merged."""
    second = element(
        b"\x0a", element(b"\x0a", element(b"\x0a", b"host.name") + element(b"\x12", element(b"\x0a", b"h")))
    )
    content = ExportTraceServiceRequest.FromString(GOOD).resource_spans[0].SerializeToString()
    return element(b"\x0a", content + second)


def bad(row: int, name: str, body: bytes) -> Case:
    return Case(row, name, [body], "malformed")


def good(row: int, name: str, body: bytes, repaired: dict[str, int] | None = None, oracle: bool = True) -> Case:
    return Case(row, name, [body], repaired=repaired or {}, oracle=oracle)


def large(row: int, name: str, body: bytes) -> Case:
    return Case(row, name, [body], "too_large")


BARE = {"no_service": 1, "missing_time": 1}
MILLION = 1_000_001
UNKNOWN = b"\xa8\x0f\x01" + b"\xb2\x0f\x03abc" + b"\xb9\x0f" + bytes(8) + b"\xbd\x0f" + bytes(4)
CASES = [
    bad(6, "field number 0", b"\x02\x00"),
    bad(6, "wire type 6", b"\x0e"),
    bad(6, "wire type 7", b"\x0f"),
    bad(7, "a length of ten bytes", b"\x0a" + b"\x80" * 9 + b"\x01"),
    bad(7, "a length of eleven bytes", b"\x0a" + b"\x80" * 10 + b"\x01"),
    bad(8, "length -1", b"\x0a" + b"\xff" * 9 + b"\x01" + b"x" * 10),
    bad(8, "length 2**31 - 1", b"\x0a\xff\xff\xff\xff\x07" + b"x" * 10),
    bad(8, "length 2**63", b"\x0a" + b"\x80" * 9 + b"\x01" + b"x" * 10),
    bad(9, "a group that does not end", b"\xfb\x07"),
    bad(9, "two hundred groups", b"\xfb\x07" * 200 + b"\xfc\x07" * 200),
    bad(9, "a hundred thousand groups", b"\xfb\x07" * 100_000 + b"\xfc\x07" * 100_000),
    *(good(10, f"{n} lists", nested(n, b"\x2a"), BARE) for n in (16, 17, 31)),
    *(bad(10, f"{n} lists", nested(n, b"\x2a")) for n in (32, 47, 48, 1_000, 20_000)),
    *(good(10, f"{n} maps", nested(n, b"\x32"), BARE, oracle=False) for n in (16, 17, 31)),
    *(bad(10, f"{n} maps", nested(n, b"\x32")) for n in (32, 1_000)),
    good(11, "unknown fields at every level", with_unknown_fields(UNKNOWN)),
    good(11, "a million unknown fields", with_unknown_fields(b"\xa8\x0f\x01" * 200_000)),
    good(12, "unknown kind and status", of_span(SPAN_IDS + b"\x30\x63" + b"\x7a\x02\x18\x4d"), BARE),
    bad(13, "a name that is no UTF-8", of_span(SPAN_IDS + b"\x2a\x02\xc3\x28")),
    bad(13, "a value that is no UTF-8", attribute(b"http.route", b"\xc3\x28")),
    large(14, "a million empty spans", element(b"\x0a", element(b"\x12", b"\x12\x00" * MILLION))),
    large(14, "a million empty resources", b"\x0a\x00" * MILLION),
    large(14, "a million empty scopes", element(b"\x0a", b"\x12\x00" * MILLION)),
    large(15, "a million attributes", of_span(SPAN_IDS + b"\x4a\x00" * MILLION)),
    large(15, "a million events", of_span(SPAN_IDS + b"\x5a\x00" * MILLION)),
    large(15, "a million links", of_span(SPAN_IDS + b"\x6a\x00" * MILLION)),
    bad(17, "trailing garbage", GOOD + b"\xff\xff"),
    good(19, "two messages for one resource", two_resources_in_one()),
]


@pytest.mark.parametrize("transport", ["http", "grpc"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_row_has_its_answer_and_the_laws_hold(case: Case, transport: str) -> None:
    run(case, transport)


@pytest.fixture(scope="module")
def weir() -> Iterator[RunningEngine]:
    with RunningEngine(CONFIG) as running:
        yield running


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_row_2_every_prefix_is_refused_and_brings_nothing(transport: str, weir: RunningEngine) -> None:
    before, calls = weir.requests(), weir.total(CALLS)
    for cut in range(1, len(GOOD)):
        assert weir.send(GOOD[:cut], transport).outcome == "malformed", cut
    assert weir.requests().get("malformed", 0) == before.get("malformed", 0) + len(GOOD) - 1
    assert weir.total(CALLS) == calls
    check_health(weir, transport)


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_row_3_changed_bytes_are_taken_or_refused_and_the_books_are_right(transport: str, weir: RunningEngine) -> None:
    """Every span of a message that was answered with success is in the metrics, or told to be rejected."""
    chance = random.Random(3)
    calls, accepted = weir.total(CALLS), weir.own("otelcol_receiver_accepted_spans")
    outcomes: Counter[str] = Counter()
    for place in range(len(GOOD)):
        changed = GOOD[:place] + bytes([chance.randrange(256)]) + GOOD[place + 1 :]
        before = weir.own("otelcol_receiver_accepted_spans")
        answer = weir.send(changed, transport)
        outcomes[answer.outcome] += 1
        # None: damage in what nobody reads, which the official parser refuses and we pass on.
        rows = ORACLE.decode(changed)
        if answer.outcome == "ok" and rows is not None:
            kept = sum(not row.defects() for row in rows)
            assert (weir.own("otelcol_receiver_accepted_spans") - before, answer.rejected) == (kept, len(rows) - kept)
    assert set(outcomes) == {"ok", "malformed"}
    assert weir.total(CALLS) - calls == weir.own("otelcol_receiver_accepted_spans") - accepted > 0
    check_health(weir, transport)
