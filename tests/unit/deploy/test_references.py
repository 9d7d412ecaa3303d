"""The check of manifests finds what it is there to find."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.deploy.references import loose_ends
from tests.unit.deploy.test_chart import CHART, recording
from tests.unit.deploy.tools import documents


def manifests() -> dict[str, Any]:
    """By kind; of two services, the one that is not headless."""
    text = recording(CHART / "ci/everything-values.yaml")[1]
    return {one["kind"]: one for one in reversed(documents(text))}


def of_all(found: dict[str, Any]) -> list[Any]:
    text = recording(CHART / "ci/everything-values.yaml")[1]
    headless = [one for one in documents(text) if one["metadata"]["name"].endswith("-pods")]
    return [*found.values(), *headless]


def change(target: Any, *path: str | int, value: Any) -> None:
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value


POD = ("StatefulSet", "spec", "template", "spec")


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("Service", "spec", "selector"), {}, "Service test-weir selects {}"),
        (("Service", "spec", "selector"), {"app": "other"}, "Service test-weir selects"),
        (
            ("PodDisruptionBudget", "spec", "selector", "matchLabels"),
            {"app": "x"},
            "PodDisruptionBudget test-weir selects",
        ),
        (("NetworkPolicy", "spec", "podSelector", "matchLabels"), {}, "NetworkPolicy test-weir selects {}"),
        (("NetworkPolicy", "spec", "ingress", 0, "ports", 0, "port"), "grpc", "is about port grpc"),
        (("Service", "spec", "ports", 0, "targetPort"), "grpc", "leads to port grpc"),
        ((*POD, "containers", 0, "livenessProbe", "httpGet", "port"), "http", "livenessProbe asks a port"),
        ((*POD, "containers", 0, "volumeMounts", 0, "name"), "configuration", "volumes"),
        ((*POD, "volumes", 0, "configMap", "name"), "x", "there is no ConfigMap x"),
        ((*POD, "serviceAccountName"), "x", "there is no ServiceAccount x"),
        (("StatefulSet", "spec", "serviceName"), "x", "there is no Service x"),
        (("ServiceMonitor", "spec", "endpoints", 0, "port"), "page", "0 services have port page"),
        (("ServiceMonitor", "spec", "endpoints", 0, "port"), "otlp", "2 services have port otlp"),
        (
            ("Ingress", "spec", "rules", 0, "http", "paths", 0, "backend", "service", "name"),
            "x",
            "Ingress test-weir leads to",
        ),
    ],
)
def test_a_reference_that_leads_nowhere_is_found(path: tuple[str | int, ...], value: Any, problem: str) -> None:
    found = manifests()
    assert loose_ends(of_all(found)) == []
    change(found, *path, value=value)
    problems = loose_ends(of_all(found))
    assert any(problem in one for one in problems), problems
