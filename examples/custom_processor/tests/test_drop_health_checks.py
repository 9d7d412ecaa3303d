"""The Harness treats the processor as the engine does: a fake clock, and only the declared columns. No network."""

import pytest
from drop_health_checks import DropHealthChecks

from pipeline.testing import Harness, log_batch, metric_batch, span_batch
from pipeline.testing_contract import CHECKS, Check, Subject


@pytest.mark.parametrize("check", CHECKS)
def test_promises_are_kept(check: Check) -> None:
    check(Subject(DropHealthChecks, {"paths": ["/r/1"]}))


def test_health_checks_are_dropped_and_counted() -> None:
    run = Harness(DropHealthChecks, paths=["/healthz"])
    spans = span_batch(spans=[{"attributes": {"url.path": path}} for path in ("/", "/healthz", "/cart", "/healthz")])
    kept = run.traces(spans)
    assert [span.attributes[0].value.string_value for span in kept.iter()] == ["/", "/cart"]
    assert run.metric("traces.health_checks.dropped", "cart") == 2


def test_spans_without_a_path_are_kept() -> None:
    assert len(Harness(DropHealthChecks).traces(span_batch(3))) == 3


def test_logs_and_metrics_of_health_checks_are_dropped_too() -> None:
    run = Harness(DropHealthChecks)
    logs = log_batch(logs=[{"body": path, "attributes": {"url.path": path}} for path in ("/livez", "/cart")])
    assert [record.body.string_value for record in run.process(logs).iter()] == ["/cart"]
    points = metric_batch(points=[{"value": 1.0, "attributes": {"url.path": "/livez"}}, {"value": 2.0}])
    assert [point.as_double for point in run.process(points).iter()] == [2.0]
