"""``resourcedetection``: attributes of the machine, and those that the environment names, on every resource.

The Collector's processor with its keys, and the detectors that ask nobody over the network: ``env`` and ``system``. Of
others nothing is known here, as it is to the Collector on a machine that is not theirs; the log says so at the start.
"""

from __future__ import annotations

import os
import platform
import socket
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Literal
from urllib.parse import unquote

from pydantic import ConfigDict, Field, field_validator

from pipeline.api import ComponentConfig, LogBatch, MetricBatch, Processor, Settings, SpanBatch
from pipeline.config.durations import Duration

_PREFIX = "resource."
VARIABLES = ("OTEL_RESOURCE_ATTRIBUTES", "OTEL_RESOURCE")
"""Read by ``env``; the second one is older, and read where the first one is empty."""
# fmt: off
_ELSEWHERE = (
    "aks", "akamai", "alibaba_ecs", "azure", "consul", "digitalocean", "docker", "dynatrace", "ec2", "ecs",
    "eks", "elastic_beanstalk", "gcp", "gce", "gke", "heroku", "hetzner", "k8snode", "k8s_api", "kubeadm",
    "lambda", "nova", "openshift", "openstack_nova", "oraclecloud", "scaleway", "tencent_cvm", "upcloud",
    "vultr",
)
# fmt: on
"""Detectors of the Collector that ask somebody."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm32", "i686": "x86"}
_NOT_ASKED = "what this detector would ask is not asked; name the attributes in OTEL_RESOURCE_ATTRIBUTES"


def _dns() -> str:
    """The full name, where DNS knows one."""
    name = socket.getfqdn()
    return "" if name == "localhost" or name.startswith("localhost.") else name


_SOURCES: dict[str, Callable[[], str]] = {"dns": _dns, "os": socket.gethostname}


class Enabled(ComponentConfig):
    """One of ``resource_attributes``."""

    enabled: bool


class SystemConfig(ComponentConfig):
    """``system``."""

    hostname_sources: tuple[Literal["dns", "os", "cname", "lookup"], ...] = Field(default=("dns", "os"), min_length=1)
    """Asked in order for ``host.name``; ``cname`` and ``lookup`` are taken for ``dns``."""
    resource_attributes: dict[str, Enabled] = Field(default_factory=dict)
    """``host.name`` and ``os.type`` are on, ``host.arch`` and ``os.version`` off unless this says otherwise."""

    @field_validator("resource_attributes")
    @classmethod
    def _are_known(cls, given: dict[str, Enabled]) -> dict[str, Enabled]:
        for name, one in given.items():
            if one.enabled and name not in _SYSTEM:
                raise ValueError(f"{name} is not detected; there are {', '.join(_SYSTEM)}")
        return given


class ResourceDetectionConfig(ComponentConfig):
    """Keys of the Collector's ``resourcedetectionprocessor``.

    Attributes:
        detectors: In order; of two that know an attribute the first one counts. Here ``env`` and ``system`` know any.
        override: True: what is detected takes the place of what the resource has.
        timeout: Taken, so that configurations of the Collector are; nobody is asked.
        system: Of the detector ``system``.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"detectors": ["env", "system"], "override": False}]})
    without_effect: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(_ELSEWHERE, _NOT_ASKED),
        "refresh_interval": "what is detected does not change while the process runs",
    }

    detectors: tuple[str, ...] = ("env",)
    override: bool = True
    timeout: Duration = 5.0
    system: SystemConfig = SystemConfig()

    @field_validator("detectors")
    @classmethod
    def _are_known(cls, detectors: tuple[str, ...]) -> tuple[str, ...]:
        for name in detectors:
            if name not in ("env", "system", *_ELSEWHERE):
                raise ValueError(f'there is no detector "{name}"; here there are env and system')
        return detectors


class ResourceDetection(Processor):
    """Puts attributes on resources."""

    Config = ResourceDetectionConfig

    def __init__(self, config: ResourceDetectionConfig, settings: Settings) -> None:
        self._config = config
        self._logger = settings.telemetry.logger
        self._values: dict[str, str] = {}
        names = (name for detector in config.detectors for name in self._names(detector))
        self.reads = self.adds = tuple(dict.fromkeys(_PREFIX + name for name in names))

    def start(self) -> None:
        """Find the values. Cost: ``dns`` may ask a server."""
        for detector in self._config.detectors:
            if detector in _ELSEWHERE:
                self._logger.warning("a detector knows nothing here", detector=detector, instead=_NOT_ASKED)
            for name, find in self._names(detector).items():
                if name not in self._values and (value := find()):
                    self._values[name] = value

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        """The spans of resources with these attributes."""
        return self._detected(spans)  # type: ignore[no-any-return]

    def process_metrics(self, metrics: MetricBatch) -> MetricBatch:
        """The data points of resources with these attributes."""
        return self._detected(metrics)  # type: ignore[no-any-return]

    def process_logs(self, logs: LogBatch) -> LogBatch:
        """The log records of resources with these attributes."""
        return self._detected(logs)  # type: ignore[no-any-return]

    def _detected(self, batch: Any) -> Any:
        editor = batch.edit()
        for name, value in self._values.items():
            column = _PREFIX + name
            editor.set(column, value, None if self._config.override else ~editor.batch.present(column))
        return editor.done()

    def _names(self, detector: str) -> Mapping[str, Callable[[], str]]:
        """The attributes that a detector may know."""
        if detector == "env":
            given = next((text for name in VARIABLES if (text := os.environ.get(name, "").strip())), "")
            return {name: partial(str, value) for name, value in pairs(given).items()}
        if detector != "system":
            return {}
        wanted = self._config.system.resource_attributes
        found = {name: find for name, (find, is_on) in _SYSTEM.items() if name not in wanted and is_on}
        found |= {name: _SYSTEM[name][0] for name, one in wanted.items() if one.enabled}
        if "host.name" in found:
            found["host.name"] = self._host_name
        return found

    def _host_name(self) -> str:
        for source in self._config.system.hostname_sources:
            if name := _SOURCES.get(source, _dns)():
                return name
        return ""


_SYSTEM: dict[str, tuple[Callable[[], str], bool]] = {
    "host.name": (socket.gethostname, True),
    "os.type": (lambda: sys.platform, True),
    "host.arch": (lambda: _ARCHITECTURES.get(platform.machine(), platform.machine()), False),
    "os.version": (platform.release, False),
}
"""Attribute → how it is found, and whether it is on by default."""


def pairs(text: str) -> dict[str, str]:
    """The attributes that a variable names.

    >>> pairs("service.name=cart, team=a%2Cb")
    {'service.name': 'cart', 'team': 'a,b'}

    Raises:
        ValueError: It is no list of ``key=value``.
    """
    found = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"{VARIABLES[0]} is not written as key=value,key=value")
        found[key.strip()] = unquote(value.strip())
    return found
