"""What holds after every row of the catalogue of bad input, whatever the row (``Laws``), and cases to run it with.

L1  each request is counted once, by its outcome          L4  the next good request succeeds
L2  items = accepted + rejected                           L6  one log line per reason, without payload or traceback
L3  calls, durations and edges are those of the accepted  L8  what was rejected reaches no exporter
    spans, as a plain loop over official messages counts

L5 (memory) and L7 (deadlines) are with the floods and in the catalogues of the transports.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.testing import export_request
from tests.integration.running_engine import CALLS, DURATION, EDGES, Answer, Labels, RunningEngine
from tests.oracles.red import Key, red
from tests.oracles.service_graph import service_graph

MARK = "hunter2"
TTL_S = 2.0
CONFIG = """
connectors:
  span_metrics:
    histogram: {unit: s}
    zero_error_series: false
    dimensions: [{name: http.route}]
  service_graph: {store: {ttl: 2s, max_items: 20000, max_items_per_trace: 500}}
"""
NAMES = ("service_name", "span_name", "span_kind", "status_code")

Check = Callable[[RunningEngine], None]


@dataclass(frozen=True)
class Case:
    """Requests, and what must come of them.

    Attributes:
        row: In the catalogue.
        bodies: The requests, in order.
        outcome: Of each of them: ``ok``, ``partial``, ``malformed``, ``too_large``.
        rejected: Spans by reason.
        repaired: What span_metrics says of the spans, by reason.
        unlinked: What service_graph says of spans that it dropped, by reason.
        routes: Calls by the label http_route; None: not looked at.
        wait_s: Time between the requests.
        oracle: Whether the official parser reads the requests as we do.
        check: More.
    """

    row: int
    name: str
    bodies: Sequence[bytes]
    outcome: str = "ok"
    rejected: dict[str, int] = field(default_factory=dict)
    repaired: dict[str, int] = field(default_factory=dict)
    unlinked: dict[str, int] = field(default_factory=dict)
    routes: dict[str, int] | None = None
    wait_s: float = 0.0
    oracle: bool = True
    check: Check | None = None

    def __str__(self) -> str:
        return f"{self.row} {self.name}"


def run(case: Case, transport: str) -> None:
    """Send the requests of a case and check everything."""
    with RunningEngine(CONFIG) as weir:
        answers = []
        for body in case.bodies:
            answers.append(weir.send(body, transport))
            if case.wait_s:
                weir.pass_time(case.wait_s)
        check_answers(case, answers)
        weir.pass_time(TTL_S + 1)
        assert weir.requests() == {case.outcome: len(case.bodies)}
        kept = check_metrics(case, weir) if case.oracle else None
        check_books(case, weir, kept)
        if case.check is not None:
            case.check(weir)
        check_health(weir, transport)


def check_answers(case: Case, answers: list[Answer]) -> None:
    told = "ok" if case.outcome == "partial" else case.outcome
    assert {answer.outcome for answer in answers} == {told}
    assert sum(answer.rejected for answer in answers) == sum(case.rejected.values())
    for answer in answers:
        assert bool(answer.message) == (case.outcome != "ok"), answer
        assert MARK not in answer.message


def check_metrics(case: Case, weir: RunningEngine) -> int:
    """L3, by the oracles; returns the number of spans that must have been accepted."""
    requests = [] if case.outcome in {"malformed", "too_large"} else [acceptable(body) for body in case.bodies]
    expected = red(requests)
    assert by_names(weir.samples(CALLS)) == added_up((key, one.calls) for key, one in expected.items())
    observed = [one for one in expected.values() if one.buckets]
    assert weir.total(f"{DURATION}_count") == sum(sum(one.buckets) for one in observed)
    assert round(weir.total(f"{DURATION}_sum") * 1e9) == sum(one.sum_ns for one in observed)
    buckets: defaultdict[float, float] = defaultdict(float)
    for labels, value in weir.samples(f"{DURATION}_bucket").items():
        buckets[float(dict(labels)["le"])] += value
    cumulative = [sum(sum(one.buckets[: n + 1]) for one in observed) for n in range(17)]
    assert sorted(buckets.values()) == [count for count in cumulative if count]
    if not case.wait_s:
        edges = service_graph(requests)
        assert weir.samples(EDGES) == added_up((key, edge.requests) for key, edge in edges.items())
    return sum(one.calls for one in expected.values())


def check_books(case: Case, weir: RunningEngine, kept: int | None) -> None:
    """L2, L8, and the reasons of whatever was repaired or left out."""
    accepted = weir.own("otelcol_receiver_accepted_spans")
    passed_on = weir.passed_on()
    assert len(passed_on) == accepted
    assert all(valid(span) for span in passed_on)
    if kept is not None:
        assert accepted == kept
    assert weir.total(CALLS) == accepted
    assert weir.reasons("otelcol_receiver_rejected_spans") == case.rejected
    assert weir.reasons("otelcol_connector_span_metrics_sanitized_spans") == case.repaired
    assert weir.reasons("otelcol_connector_servicegraph_dropped_spans") == case.unlinked
    if case.routes is not None:
        routes: Counter[str] = Counter()
        for labels, value in weir.samples(CALLS).items():
            routes[dict(labels).get("http_route", "")] += int(value)
        assert routes == case.routes


def check_health(weir: RunningEngine, transport: str) -> None:
    """L4 and L6; the page can be read in both text formats."""
    calls = weir.total(CALLS)
    assert weir.send(export_request([{"service": "alive", "kind": "internal"}]).SerializeToString(), transport) == (
        Answer("ok", 0, "")
    )
    assert weir.total(CALLS) == sum(weir.samples(CALLS, openmetrics=True).values()) == calls + 1
    assert not any(MARK in line or "Traceback" in line for line in weir.log.lines)
    assert sorted(weir.log.reasons) == sorted(set(weir.log.reasons))


def acceptable(body: bytes) -> ExportTraceServiceRequest:
    """A request without the spans whose ids are invalid."""
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise AssertionError("the official parser refuses this; set oracle=False") from error
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            kept = [span for span in scope.spans if valid(span)]
            del scope.spans[:]
            scope.spans.extend(kept)
    return request


def valid(span: Span) -> bool:
    """Whether the ids are as trace.proto asks."""
    return (
        len(span.trace_id) == 16
        and any(span.trace_id)
        and len(span.span_id) == 8
        and any(span.span_id)
        and len(span.parent_span_id) in {0, 8}
    )


def added_up(series: Iterable[tuple[Key, int]]) -> dict[Labels, int]:
    """Series of an oracle under the labels that they have on the page."""
    found: defaultdict[Labels, int] = defaultdict(int)
    for key, value in series:
        found[frozenset((name.replace(".", "_"), shown(label)) for name, label in key if label)] += value
    return dict(found)


def shown(text: str) -> str:
    """A label value as the page has it (docs/decisions/0009)."""
    return re.sub(r"[\x00-\x1f\x7f]", "_", text)


def by_names(samples: dict[Labels, float]) -> dict[Labels, float]:
    """Samples by the standard labels, others added up."""
    found: defaultdict[Labels, float] = defaultdict(float)
    for labels, value in samples.items():
        found[frozenset(pair for pair in labels if pair[0] in NAMES)] += value
    return dict(found)
