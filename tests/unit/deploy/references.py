"""What manifests say of each other: names and labels that no schema checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Manifest = Mapping[str, Any]

WORKLOADS = ("StatefulSet", "Deployment")


def loose_ends(manifests: Sequence[Manifest], *, elsewhere: Sequence[str] = ()) -> list[str]:
    """References that lead nowhere, in words.

    Args:
        manifests: All objects of an installation.
        elsewhere: Names of objects that exist without being among them.
    """
    checks = (_selectors, _ports, _volumes, _accounts, _targets, _routes)
    return [problem for check in checks for problem in check(_Objects(manifests, elsewhere))]


class _Objects:
    def __init__(self, manifests: Sequence[Manifest], elsewhere: Sequence[str]) -> None:
        self.all = manifests
        self.elsewhere = elsewhere
        self.workload = next(one for one in manifests if one["kind"] in WORKLOADS and self._is_weir(one))
        self.pod = self.workload["spec"]["template"]
        self.container = self.pod["spec"]["containers"][0]
        self.port_names = {port["name"] for port in self.container["ports"]}

    def of(self, kind: str) -> list[Manifest]:
        return [one for one in self.all if one["kind"] == kind]

    def exists(self, kind: str, name: str) -> bool:
        return name in self.elsewhere or any(one["metadata"]["name"] == name for one in self.of(kind))

    @staticmethod
    def _is_weir(workload: Manifest) -> bool:
        labels = workload["spec"]["template"]["metadata"]["labels"]
        return bool(labels.get("app.kubernetes.io/name") == "weir")


def _selectors(objects: _Objects) -> Iterator[str]:
    """Everything that selects pods selects Weir's, and not by nothing."""
    labels = objects.pod["metadata"]["labels"]
    selecting = [(one, one["spec"]["selector"]) for one in objects.of("Service")]
    selecting += [(one, one["spec"]["selector"]["matchLabels"]) for one in objects.of("PodDisruptionBudget")]
    selecting += [(one, one["spec"]["podSelector"]["matchLabels"]) for one in objects.of("NetworkPolicy")]
    selecting.append((objects.workload, objects.workload["spec"]["selector"]["matchLabels"]))
    for one, selector in selecting:
        if not selector or not selector.items() <= labels.items():
            yield f"{_name(one)} selects {selector}, the pods have {labels}"


def _ports(objects: _Objects) -> Iterator[str]:
    for service in objects.of("Service"):
        for port in service["spec"].get("ports", ()):
            if port["targetPort"] not in objects.port_names:
                yield f"{_name(service)} leads to port {port['targetPort']}, which the pod has not"
    for policy in objects.of("NetworkPolicy"):
        for rule in policy["spec"].get("ingress", ()):
            for port in rule["ports"]:
                if port["port"] not in objects.port_names:
                    yield f"{_name(policy)} is about port {port['port']}, which the pod has not"
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        if objects.container[probe]["httpGet"]["port"] not in objects.port_names:
            yield f"{probe} asks a port that the pod has not"


def _volumes(objects: _Objects) -> Iterator[str]:
    spec = objects.workload["spec"]
    volumes = objects.pod["spec"]["volumes"]
    names = [volume["name"] for volume in volumes]
    names += [claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", ())]
    mounted = [mount["name"] for mount in objects.container["volumeMounts"]]
    if sorted(names) != sorted(mounted):
        yield f"volumes {names}, mounted {mounted}"
    for volume in volumes:
        if "configMap" in volume and not objects.exists("ConfigMap", volume["configMap"]["name"]):
            yield f"there is no ConfigMap {volume['configMap']['name']}"


def _accounts(objects: _Objects) -> Iterator[str]:
    name = objects.pod["spec"]["serviceAccountName"]
    if not objects.exists("ServiceAccount", name):
        yield f"there is no ServiceAccount {name}"
    headless = objects.workload["spec"].get("serviceName")
    if headless is not None and not objects.exists("Service", headless):
        yield f"there is no Service {headless}"


def _targets(objects: _Objects) -> Iterator[str]:
    """An autoscaler scales the workload, and a ServiceMonitor finds its ports at a service."""
    for one in objects.of("HorizontalPodAutoscaler"):
        target = one["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) != (objects.workload["kind"], objects.workload["metadata"]["name"]):
            yield f"{_name(one)} scales {target}"
        if "replicas" in objects.workload["spec"]:
            yield f"{_name(one)} and replicas contradict each other"
    for one in objects.of("PodMonitor"):
        if not one["spec"]["selector"]["matchLabels"].items() <= objects.pod["metadata"]["labels"].items():
            yield f"{_name(one)} selects no pod"
        for endpoint in one["spec"]["podMetricsEndpoints"]:
            if endpoint["port"] not in objects.port_names:
                yield f"{_name(one)} fetches port {endpoint['port']}, which the pod has not"
    for one in objects.of("ServiceMonitor"):
        selector = one["spec"]["selector"]["matchLabels"]
        found = [s for s in objects.of("Service") if selector.items() <= s["metadata"].get("labels", {}).items()]
        for endpoint in one["spec"]["endpoints"]:
            having = [s for s in found if endpoint["port"] in {port["name"] for port in s["spec"]["ports"]}]
            if len(having) != 1:
                yield f"{_name(one)}: {len(having)} services have port {endpoint['port']}, so it is fetched as often"


def _routes(objects: _Objects) -> Iterator[str]:
    for one in objects.of("Ingress"):
        for rule in one["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                ports = {
                    port["name"]
                    for service in objects.of("Service")
                    if service["metadata"]["name"] == backend["name"]
                    for port in service["spec"]["ports"]
                }
                if backend["port"]["name"] not in ports:
                    yield f"{_name(one)} leads to {backend}, which does not exist"


def _name(one: Manifest) -> str:
    return f"{one['kind']} {one['metadata']['name']}"
