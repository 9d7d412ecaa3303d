"""Weir's metrics about itself, as its own page shows them."""

from __future__ import annotations

from pipeline.codec.prometheus_names import MetricType, Namer
from pipeline.telemetry.descriptions import DESCRIPTIONS

COUNTER, GAUGE, HISTOGRAM = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM
_NAMER = Namer()


def own(name: str, kind: MetricType = COUNTER, unit: str = "") -> str:
    """The exposed name of a metric of ``telemetry/descriptions.py``, or of its twin for connectors.

    >>> own("otelcol_receiver_accepted_spans"), own("otelcol_connector_series_memory", GAUGE, "By")
    ('otelcol_receiver_accepted_spans_total', 'otelcol_connector_series_memory_bytes')

    Raises:
        KeyError: There is no such metric.
    """
    if name.replace("otelcol_connector_", "otelcol_processor_") not in DESCRIPTIONS:
        raise KeyError(name)
    return exposed(name, kind, unit)


def exposed(name: str, kind: MetricType = COUNTER, unit: str = "") -> str:
    """The exposed name of a metric that a component names by a constant."""
    return _NAMER.metric(name, unit, kind)
