"""New versions of a service: forgiven a little, found when they are bad, and named beside the fault."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.testing import Harness, span_batch
from processors.anomaly import Anomaly
from processors.anomaly.deployments import Deployments
from processors.anomaly.incidents import Change
from tests.unit.processors.anomaly.shop import Fault, calls

pytestmark = pytest.mark.simulation
SECOND = 1_000_000_000


def versioned(spans: list[Any], versions: dict[str, str]) -> list[Any]:
    return [span | {"resource": {"service.version": versions.get(span["service"], "1.0")}} for span in spans]


def story(deployed_at: int, fault: Fault, ticks: int = 75, restart: int = -1) -> tuple[Harness[Anomaly], list[Change]]:
    """Payment runs as 2.0 and is as in ``fault`` from tick ``deployed_at`` on."""
    run = Harness(Anomaly, differs_by=())
    changes: list[Change] = []
    for tick in range(ticks):
        if tick == restart:
            run.restart()
        is_new = tick >= deployed_at
        spans = calls(tick, fault=fault if is_new else None)
        run.traces(span_batch(spans=versioned(spans, {"payment": "2.0"} if is_new else {})), then_advance_s=10)
        changes += run.processor.take_changes()
    return run, changes


def test_a_deployment_that_changes_nothing_is_no_incident() -> None:
    run, changes = story(50, {})
    assert changes == []
    assert run.own.value("weir_anomaly_deployments") == 1


def test_a_fault_right_after_a_deployment_is_found_and_the_deployment_named() -> None:
    _, changes = story(50, {"payment": 4.0})
    assert changes[0].what == "opened"
    assert changes[0].incident.root == "payment"
    assert changes[0].second <= 1_767_225_600 + 560
    [named] = [one for one in changes[0].incident.evidence if "version" in one]
    assert named.startswith("payment runs as version 2.0 since ")


def test_a_small_change_with_a_deployment_is_forgiven_sooner_than_one_without() -> None:
    def evidence(deployed: bool) -> float:
        run = Harness(Anomaly, differs_by=())
        total = 0.0
        for tick in range(70):
            spans = calls(tick, fault={"cart": 1.35} if tick >= 50 else None)
            versions = {"cart": "2.0"} if deployed and tick >= 50 else {}
            run.traces(span_batch(spans=versioned(spans, versions)), then_advance_s=10)
            total += float(run.processor.evidence.total.sum()) if tick >= 50 else 0.0
        return total

    assert evidence(deployed=True) < 0.6 * evidence(deployed=False)


def test_a_deployment_is_remembered_over_a_restart() -> None:
    _, changes = story(50, {"payment": 4.0}, restart=51)
    assert any("runs as version 2.0" in one for one in changes[0].incident.evidence)


def seen(found: list[tuple[int, str]]) -> list[bool]:
    """Whether each of these (second, version) of one service is a deployment."""
    deployments = Deployments()
    spans = [span_batch(service="cart", resource={"service.version": version}) for _, version in found]
    return [bool(deployments.look(batch, second * SECOND)) for batch, (second, _) in zip(spans, found, strict=True)]


def test_the_first_version_and_a_rolling_change_count_once_and_a_rollback_again() -> None:
    assert seen([(1, "1"), (2, "2"), (3, "1"), (4, "2")]) == [False, True, False, False]
    assert seen([(1, "1"), (2, "2"), (4000, "2"), (4001, "1")]) == [False, True, False, True]
    assert seen([(1, "1"), (90_000, "1")]) == [False, False]


def test_versions_are_limited() -> None:
    deployments = Deployments()
    for number in range(50):
        deployments.look(span_batch(service="cart", resource={"service.version": str(number)}), number * SECOND)
    assert len(deployments.versions["cart"]) == 8
    assert deployments.latest["cart"] == (49.0, "49")
