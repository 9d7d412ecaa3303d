"""Deployments: a service's spans carry a ``service.version`` that they did not carry before.

A new version may have changed everything at once, on purpose. What was learnt of the service is trusted less and
learnt faster for a while; a fault is found all the same, and the evidence says what came before it.

Only a few requests a second are looked at: a version that matters is in many.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipeline.api import SpanBatch
from pipeline.model.attribute_text import cell_value
from pipeline.model.records import Level

NAME_COLUMN, VERSION_COLUMN = "resource.service.name", "resource.service.version"
LOOK_NANO = 100_000_000
LOOKS = 2
"""So many requests are looked at in this time."""
MAX_RESOURCES = 32
"""So many resources of a request are looked at."""
MAX_SERVICES = 4096
MAX_VERSIONS = 8
"""Of a service; the one that was seen longest ago is forgotten."""
FORGOTTEN_S = 1800.0
"""A version that was not seen for so long is new when it comes back: a rollback."""
RECENT_S = 900.0
"""So long a deployment is named beside a fault."""


class Deployments:
    """See the module.

    Attributes:
        versions: Unix second in which each version was last seen, by service and version.
        latest: Unix second and version of the last deployment, by service.
    """

    def __init__(self) -> None:
        self.versions: dict[str, dict[str, float]] = {}
        self.latest: dict[str, tuple[float, str]] = {}
        self._since = 0
        self._looks = 0

    def look(self, spans: SpanBatch, now_nano: int) -> list[str]:
        """The services of a batch that have been deployed since the last look."""
        if now_nano - self._since >= LOOK_NANO:
            self._since, self._looks = now_nano, 0
        if self._looks >= LOOKS:
            return []
        self._looks += 1
        deployed = []
        for service, version in _versions_of(spans):
            if self._see(service, version, now_nano / 1e9):
                deployed.append(service)
        return deployed

    def sentence(self, service: str, second: float) -> list[str]:
        """``payment runs as version 2.1.0 since 40 s``, if that is recent."""
        if service not in self.latest:
            return []
        since, version = self.latest[service]
        age = second - since
        return [f"{service} runs as version {version} since {max(age, 0.0):.0f} s"] if age <= RECENT_S else []

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {"versions": self.versions, "latest": self.latest}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up what ``state`` gave."""
        versions = {
            str(service): {str(version): float(second) for version, second in seen.items()}
            for service, seen in state["versions"].items()
        }
        latest = {str(service): (float(second), str(version)) for service, (second, version) in state["latest"].items()}
        self.versions, self.latest = versions, latest

    def _see(self, service: str, version: str, second: float) -> bool:
        seen = self.versions.get(service)
        if seen is None:
            if len(self.versions) < MAX_SERVICES:
                self.versions[service] = {version: second}
            return False
        last = seen.get(version, -math.inf)
        is_deployment = second - last >= FORGOTTEN_S and any(since > last for since in seen.values())
        if version not in seen and len(seen) >= MAX_VERSIONS:
            del seen[min(seen, key=lambda one: (seen[one], one))]
        seen[version] = second
        if is_deployment:
            self.latest[service] = second, version
        return is_deployment


def _versions_of(spans: SpanBatch) -> list[tuple[str, str]]:
    """Service and version of the first resources of a request, where both are texts."""
    name, version = (spans.projection.field(column) for column in (NAME_COLUMN, VERSION_COLUMN))
    if name is None or version is None:
        return []
    records = spans.records
    count = min(records.count[Level.RESOURCE], MAX_RESOURCES)
    cells = [
        [records.column(Level.RESOURCE, field.word + part)[:count].tolist() for part in (0, 1)]
        for field in (name, version)
    ]
    found = []
    for i in range(count):
        texts = [cell_value(records, kinds[i], words[i]) for kinds, words in cells if kinds[i]]
        if len(texts) == 2 and all(isinstance(text, str) for text in texts):
            found.append((texts[0], texts[1]))
    return found
