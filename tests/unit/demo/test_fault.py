"""The fault of the demo is found, with the right cause and the guilty value, whatever the seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.demo.configuration import ANOMALY
from pipeline.demo.plan import STEP_S, Planner, arrivals
from pipeline.demo.shop import FAULT
from pipeline.testing import START_UNIX_NANO, Harness, span_batch
from processors.anomaly import Anomaly

pytestmark = pytest.mark.simulation
STATUS = {True: "error", False: "unset"}


def steps(seed: int, fault_after_s: float | None, until_s: float, rate: float = 50.0) -> Iterator[list[dict[str, Any]]]:
    """The spans that end in each step, as the load would send them."""
    planner, ids = Planner(seed), random.Random(seed)
    for step in range(round(until_s / STEP_S)):
        planner.fault = FAULT if fault_after_s is not None and step * STEP_S >= fault_after_s else None
        spans: list[dict[str, Any]] = []
        for _ in range(arrivals(rate, step)):
            trace = planner.trace()
            begin = START_UNIX_NANO + round(step * STEP_S * 1e9) - trace.duration
            trace_id, span_ids = ids.randbytes(16), [ids.randbytes(8) for _ in trace.spans]
            for position, span in enumerate(trace.spans):
                spans.append(
                    {
                        "trace_id": trace_id,
                        "span_id": span_ids[position],
                        "parent_span_id": b"" if span.parent is None else span_ids[span.parent],
                        "service": span.service,
                        "name": span.name,
                        "kind": span.kind.name.lower(),
                        "start_unix_nano": begin + span.start,
                        "duration_nano": span.end - span.start,
                        "status": STATUS[span.failed],
                        "attributes": span.attributes,
                    }
                )
        yield spans


def incidents(seed: int, fault_after_s: float | None, until_s: float, rate: float = 50.0) -> list[dict[str, Any]]:
    run = Harness(Anomaly, **ANOMALY)
    for spans in steps(seed, fault_after_s, until_s, rate):
        if spans:
            run.traces(span_batch(spans=spans))
        run.advance(STEP_S)
    run.advance(3.0)
    return run.processor.list_incidents()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_fault_is_found_with_cause_and_value(seed: int) -> None:
    [found] = incidents(seed, 45.0, 70.0)
    assert found["root_service"] == FAULT.service
    assert [(one["attribute"], one["value"]) for one in found["suspects"]] == [(FAULT.attribute, FAULT.value)]
    assert START_UNIX_NANO / 1e9 + 45 <= found["opened_unix_seconds"] <= START_UNIX_NANO / 1e9 + 65


def test_without_a_fault_nothing_is_found() -> None:
    assert incidents(4, None, 60.0) == []
