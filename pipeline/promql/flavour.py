"""How the same facts are spelled: names of metrics and labels by naming, unit and kind of histogram.

naming   unit  calls                              duration
otelcol  s     traces_span_metrics_calls_total    traces_span_metrics_duration_seconds
otelcol  ms    traces_span_metrics_calls_total    traces_span_metrics_duration_milliseconds
tempo    s     traces_spanmetrics_calls_total     traces_spanmetrics_latency
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pipeline.codec.prometheus_names import MetricType, Namer
from processors.service_graph import edge_metrics
from processors.span_metrics import config, names

Naming = Literal["otelcol", "tempo"]
Unit = Literal["s", "ms"]
Histograms = Literal["classic", "native"]
PER_SECOND = {"s": 1, "ms": 1000}
UNIT_WORDS = {"s": "seconds", "ms": "milliseconds"}


@dataclass(frozen=True)
class Flavour:
    """One spelling.

    Attributes:
        naming: Whose names.
        unit: Of durations; Tempo knows seconds only.
        histograms: ``classic`` buckets or ``native`` histograms.
        namespace: Of span_metrics.
        bounds_s: Classic bounds, in seconds.
        namer: The Prometheus exporter's way with names.
    """

    naming: Naming = "otelcol"
    unit: Unit = "s"
    histograms: Histograms = "classic"
    namespace: str = names.NAMESPACE
    bounds_s: tuple[float, ...] = ()
    namer: Namer = field(default_factory=Namer)

    def __post_init__(self) -> None:
        if self.naming == "tempo" and self.unit != "s":
            raise ValueError("Tempo's latency is in seconds")
        if not self.bounds_s:
            default = config.TEMPO_BUCKETS_S if self.tempo else config.DEFAULT_BUCKETS_S
            object.__setattr__(self, "bounds_s", default)

    @property
    def tempo(self) -> bool:
        """Whether the names are Tempo's."""
        return self.naming == "tempo"

    @property
    def native(self) -> bool:
        """Whether durations are native histograms."""
        return self.histograms == "native"

    @property
    def id(self) -> str:
        """For file names and uids."""
        return f"{self.naming}{'-ms' if self.unit == 'ms' else ''}-{self.histograms}"

    @property
    def calls(self) -> str:
        """Counter of spans."""
        if self.tempo:
            return self.namer.metric(names.TEMPO_CALLS, "", MetricType.COUNTER)
        return self.namer.metric(self._prefix + names.CALLS, "", MetricType.COUNTER)

    @property
    def duration(self) -> str:
        """Histogram of durations, without ``_bucket`` and such."""
        if self.tempo:
            return self.namer.metric(names.TEMPO_LATENCY, "", MetricType.HISTOGRAM)
        return self.namer.metric(self._prefix + names.DURATION, self.unit, MetricType.HISTOGRAM)

    @property
    def service(self) -> str:
        """Label of the service."""
        return names.TEMPO_SERVICE if self.tempo else self.namer.label(names.SERVICE_NAME)

    @property
    def span_name(self) -> str:
        """Label of the operation."""
        return names.TEMPO_SPAN_NAME if self.tempo else self.namer.label(names.SPAN_NAME)

    @property
    def span_kind(self) -> str:
        """Label of the kind."""
        return names.TEMPO_SPAN_KIND if self.tempo else self.namer.label(names.SPAN_KIND)

    @property
    def status_code(self) -> str:
        """Label of the status."""
        return names.TEMPO_STATUS_CODE if self.tempo else self.namer.label(names.STATUS_CODE)

    @property
    def edge_requests(self) -> str:
        """Counter of calls between services."""
        return self.namer.metric(edge_metrics.REQUEST_TOTAL, "", MetricType.COUNTER)

    @property
    def edge_failures(self) -> str:
        """Counter of failed calls between services."""
        return self.namer.metric(edge_metrics.REQUEST_FAILED_TOTAL, "", MetricType.COUNTER)

    @property
    def edge_duration(self) -> str:
        """Histogram of calls between services, seen from the server."""
        return self.namer.metric(edge_metrics.REQUEST_SERVER, "s", MetricType.HISTOGRAM)

    def le(self, seconds: float) -> str:
        """The value of label ``le`` of a bound, as ``/metrics`` spells it.

        Raises:
            ValueError: Not one of ``bounds_s``.
        """
        if seconds not in self.bounds_s:
            raise ValueError(f"{seconds} s is not a bound of {self.duration}")
        return repr(round(seconds * 1e9) / (1_000_000_000 // PER_SECOND[self.unit]))

    @property
    def _prefix(self) -> str:
        return f"{self.namespace}." if self.namespace else ""
