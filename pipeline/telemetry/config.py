"""``service.telemetry``: keys and defaults of the Collector. What is not supported is an error, never silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from pipeline.api import ComponentConfig

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 8888


class LogsConfig(ComponentConfig):
    """``service.telemetry.logs``."""

    without_effect: ClassVar[Mapping[str, str]] = {
        "development": "the log is the same everywhere",
        "disable_caller": "no line names its place in the code",
        "disable_stacktrace": "only faults in Weir itself have one",
        "initial_fields": "lines have the fields of what they tell; let what collects the log add others",
        "processors": "the log goes to standard error alone; collect it from there",
        "error_output_paths": "the log goes to standard error",
        "output_paths": "the log goes to standard error",
        "sampling": "a line is repeated once in ten seconds at most",
    }

    instead: ClassVar[Mapping[str, Mapping[str, tuple[str, str]]]] = {
        "level": dict.fromkeys(("dpanic", "panic", "fatal"), ("error", "there is no higher level")),
    }

    level: Literal["debug", "info", "warn", "error"] = "info"
    encoding: Literal["console", "json"] = "console"

    @field_validator("level", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value


class PrometheusReader(ComponentConfig):
    """Where own metrics can be scraped."""

    without_effect: ClassVar[Mapping[str, str]] = {
        "with_resource_constant_labels": "attributes of the process are labels of target_info",
        "without_type_suffix": "names end as the Collector's dashboards ask for them",
        "without_units": "names end as the Collector's dashboards ask for them",
    }

    host: str = DEFAULT_HOST
    port: int = Field(default=DEFAULT_PORT, ge=0, le=65535)
    without_scope_info: bool = False


class PullExporter(ComponentConfig):
    """The exporter of a pull reader."""

    prometheus: PrometheusReader = PrometheusReader()


class PullReader(ComponentConfig):
    """A reader that waits to be asked."""

    exporter: PullExporter = PullExporter()


class Reader(ComponentConfig):
    """One of ``service.telemetry.metrics.readers``; Weir has pull readers for Prometheus only."""

    without_effect: ClassVar[Mapping[str, str]] = {
        "periodic": "own metrics are not pushed; scrape them with a pull reader",
    }

    pull: PullReader | None = None


class MetricsConfig(ComponentConfig):
    """``service.telemetry.metrics``. All levels but ``none`` show the same metrics."""

    without_effect: ClassVar[Mapping[str, str]] = {
        "views": "own metrics are few; drop what is not wanted where they are scraped",
    }

    level: Literal["none", "basic", "normal", "detailed"] = "normal"
    address: str | None = None
    """``host:port``, the older spelling of one Prometheus reader."""
    readers: tuple[Reader, ...] | None = None

    @field_validator("level", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("address")
    @classmethod
    def _has_port(cls, value: str | None) -> str | None:
        if value is not None and not (":" in value and value.rpartition(":")[2].isdigit()):
            raise ValueError("write it as host:port")
        return value

    def listeners(self) -> list[PrometheusReader]:
        """Where to serve; empty when switched off."""
        if self.level == "none":
            return []
        if self.readers is not None:
            return [reader.pull.exporter.prometheus for reader in self.readers if reader.pull is not None]
        if self.address is not None:
            host, _, port = self.address.rpartition(":")
            return [PrometheusReader(host=host.strip("[]") or "0.0.0.0", port=int(port), without_scope_info=True)]  # noqa: S104 - ":8888" means all addresses
        return [PrometheusReader(without_scope_info=True)]


class TracesConfig(ComponentConfig):
    """``service.telemetry.traces``. Weir sends no traces about itself."""

    without_effect: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("level", "processors", "propagators", "sampler", "schema_url"), "Weir makes no traces about itself"
    )


class TelemetryConfig(ComponentConfig):
    """``service.telemetry``."""

    logs: LogsConfig = LogsConfig()
    metrics: MetricsConfig = MetricsConfig()
    traces: TracesConfig = TracesConfig()
    resource: dict[str, str | None] = Field(default_factory=dict)
    """Attributes of ``target_info``; null removes a default one."""
