"""What one component uses to speak about itself."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pipeline.telemetry.logs import ComponentLogger
from pipeline.telemetry.own_metrics import Cell, OwnMetrics, Read

if TYPE_CHECKING:
    from pipeline.api import Clock

PREFIX = "otelcol_"
WHOLE_NAMES = (PREFIX, "weir_")
"""Beginnings of names that are taken as they are."""


class ComponentTelemetry:
    """Logger and self-metrics of one component.

    Args:
        kind: ``receiver``, ``processor``, ``connector``, ``exporter`` or ``extension``; also the label that carries
            the id.
        component_id: ``type`` or ``type/name``.
        clock: For the limiter of the logger.
        metrics: Where the numbers are kept; a private one by default.
    """

    def __init__(self, kind: str, component_id: str, clock: Clock, metrics: OwnMetrics | None = None) -> None:
        self.kind = kind
        self.id = component_id
        self.logger = ComponentLogger(f"{kind}/{component_id}", clock)
        self.metrics = metrics if metrics is not None else OwnMetrics()
        self._cells: dict[tuple[object, ...], Cell] = {}
        self._lock = threading.Lock()

    def name(self, name: str) -> str:
        """Full name of a self-metric.

        ``dropped_spans`` of the processor ``redact/web`` is ``otelcol_processor_redact_dropped_spans``. Names in
        ``WHOLE_NAMES`` are taken as they are; ``_total`` is left to the exposition.
        """
        name = name.removesuffix("_total")
        return name if name.startswith(WHOLE_NAMES) else f"{PREFIX}{self.kind}_{self.id.partition('/')[0]}_{name}"

    def count(self, name: str, n: float = 1, **attributes: str) -> None:
        """Add to a counter. Safe from any thread; about half a microsecond.

        Args:
            name: See ``name``.
            n: How much; 0 makes the counter visible before anything has happened.
            attributes: Out of small sets, such as ``reason="expired"``.
        """
        key = (name, *attributes.items())
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = self.cell(name, **attributes)
        with self._lock:
            cell.value += n

    def cell(self, name: str, **attributes: str) -> Cell:
        """The bare counter, for a caller that holds its own lock and counts often."""
        return self.metrics.counter(self.name(name), **{self.kind: self.id, **attributes})

    def gauge(self, name: str, read: Read, *, unit: str = "", description: str = "", **attributes: str) -> None:
        """Expose what ``read`` returns at the time of a scrape. ``read`` must be quick and safe from any thread."""
        labels = {self.kind: self.id, **attributes}
        self.metrics.observe(self.name(name), "gauge", read, unit=unit, description=description, **labels)
