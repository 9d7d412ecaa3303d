"""Weir's metrics about itself, as its own page shows them."""

from __future__ import annotations

from pipeline.codec.prometheus_names import MetricType
from pipeline.telemetry.descriptions import DESCRIPTIONS

COUNTER, GAUGE, HISTOGRAM = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM


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
    """The exposed name of a metric that a component names by a constant: as the SDK's Prometheus exporter makes it.

    >>> exposed("otelcol_connector_servicegraph_total_edges")
    'otelcol_connector_servicegraph_total_edges_total'
    """
    word = {"s": "_seconds", "By": "_bytes"}.get(unit, "")
    suffixed = name if name.endswith(word) else name + word
    return f"{suffixed}_total" if kind is COUNTER else suffixed
