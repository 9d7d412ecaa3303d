"""How many series a component holds, and what its limits have done: figures of its meter as own metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.telemetry.component import ComponentTelemetry
from pipeline.telemetry.own_metrics import Kind

if TYPE_CHECKING:
    from pipeline.api import Meter

_NAMES: dict[str, tuple[str, Kind, str]] = {
    "series": ("series", "gauge", ""),
    "series_limit": ("series_limit", "gauge", ""),
    "resources": ("series_resources", "gauge", ""),
    "bytes": ("series_memory", "gauge", "By"),
    "refused": ("measurements_refused", "counter", ""),
    "created": ("series_created", "counter", ""),
    "expired": ("series_expired", "counter", ""),
    "evicted": ("series_evicted", "counter", ""),
}
"""Figure of ``Meter.stats`` → name behind ``otelcol_processor_`` or ``otelcol_connector_``, kind, unit."""

_OVERFLOWED = "overflowed."


class SeriesFigures:
    """The figures of one meter as of the last ``refresh``, which the engine calls under its lock."""

    def __init__(self, telemetry: ComponentTelemetry, meter: Meter) -> None:
        self._telemetry = telemetry
        self._meter = meter
        self._figures: dict[str, int] = {}

    def refresh(self) -> None:
        """Read the meter again; tell once per ten seconds when a limit takes effect."""
        before, self._figures = self._figures, self._meter.stats()
        for figure, value in self._figures.items():
            if figure not in before:
                self._expose(figure)
            if figure.startswith(_OVERFLOWED) and value > before.get(figure, 0):
                reason = figure.removeprefix(_OVERFLOWED)
                message = "a limit on series is reached; what is new is counted in the overflow series"
                self._telemetry.logger.limited(f"overflow_{reason}", message, spans=value - before.get(figure, 0))

    def _expose(self, figure: str) -> None:
        telemetry = self._telemetry
        labels = {telemetry.kind: telemetry.id}
        name, kind, unit = _NAMES.get(figure, ("", "counter", ""))
        if figure.startswith(_OVERFLOWED):
            name, labels["reason"] = "overflowed_items", figure.removeprefix(_OVERFLOWED)
        if name:
            read = lambda: self._figures.get(figure, 0)  # noqa: E731 - one expression
            telemetry.metrics.observe(f"otelcol_{telemetry.kind}_{name}", kind, read, unit=unit, **labels)
