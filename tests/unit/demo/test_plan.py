"""The planned load is complete, consistent and repeatable."""

from collections import Counter

from opentelemetry.trace import SpanKind

from pipeline.demo.plan import STEP_S, Edge, PlannedTrace, Planner, arrivals
from pipeline.demo.shop import SERVICES


def traces(seed: int, count: int = 500) -> list[PlannedTrace]:
    planner = Planner(seed)
    return [planner.trace() for _ in range(count)]


def test_equal_seeds_plan_equal_traces() -> None:
    assert traces(seed=7) == traces(seed=7)
    assert traces(seed=7) != traces(seed=8)


def test_all_services_take_part() -> None:
    assert {span.service for trace in traces(seed=1) for span in trace.spans} == set(SERVICES)


def test_parents_come_before_their_children_and_begin_no_later() -> None:
    for trace in traces(seed=2):
        assert [span.parent for span in trace.spans].count(None) == 1
        for position, span in enumerate(trace.spans[1:], start=1):
            assert span.parent is not None
            assert span.parent < position
            assert trace.spans[span.parent].start <= span.start <= span.end


def test_a_span_ends_within_its_parent_unless_a_queue_lies_between() -> None:
    for trace in traces(seed=3):
        for span in trace.spans[1:]:
            assert span.parent is not None
            if span.kind is not SpanKind.CONSUMER:
                assert span.end <= trace.spans[span.parent].end


def test_edges_are_those_that_the_spans_imply() -> None:
    """Must never regress: the demo's --check compares /metrics with these edges."""
    for trace in traces(seed=4):
        implied: Counter[Edge] = Counter()
        for span in trace.spans:
            caller = None if span.parent is None else trace.spans[span.parent]
            if "db.name" in span.attributes:
                implied[Edge(span.service, str(span.attributes["db.name"]), "database", span.failed)] += 1
            elif span.kind is SpanKind.SERVER and caller is None:
                implied[Edge("user", span.service, "virtual_node", span.failed)] += 1
            elif span.kind in (SpanKind.SERVER, SpanKind.CONSUMER) and caller is not None:
                kind = "messaging_system" if span.kind is SpanKind.CONSUMER else ""
                implied[Edge(caller.service, span.service, kind, span.failed or caller.failed)] += 1
        assert Counter(trace.edges) == implied


def test_arrivals_add_up_to_the_rate_over_whole_waves() -> None:
    steps = round(60 / STEP_S)
    assert sum(arrivals(50, step) for step in range(steps)) == 50 * 60
    per_second = [sum(arrivals(50, second * 10 + step) for step in range(10)) for second in range(60)]
    assert max(per_second) > 60
    assert min(per_second) < 40
