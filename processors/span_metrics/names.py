"""Names that other people's dashboards query, copied exactly.

Sources: opentelemetry-collector-contrib ``connector/spanmetricsconnector/connector.go``; grafana/tempo
``modules/generator/processor/spanmetrics/spanmetrics.go`` and ``modules/generator/validation``.
"""

from __future__ import annotations

import re

from pipeline.model.snapshot import OVERFLOW_LABEL

UNKNOWN_SERVICE = "unknown_service"
"""Value of service.name where a resource has none (semantic conventions 1.27, service.name)."""
UNKNOWN_SPAN = "unknown"
"""Name of a span without one: "Empty value is equivalent to an unknown span name" (trace.proto, Span.name). The
Collector keeps the empty string, which in Prometheus is the same as having no label, so such spans would form a
series that looks like a total."""

# The Collector's metrics, below the namespace.
NAMESPACE = "traces.span.metrics"
CALLS = "calls"
DURATION = "duration"

# The Collector's labels. Except service.name they are no semantic conventions.
SERVICE_NAME = "service.name"
SPAN_NAME = "span.name"
SPAN_KIND = "span.kind"
STATUS_CODE = "status.code"
COLLECTOR_INSTANCE_ID = "collector.instance.id"
SCOPE_NAME = "span.instrumentation.scope.name"
SCOPE_VERSION = "span.instrumentation.scope.version"
SAMPLING_METHOD = "sampling.method"
EXTRAPOLATED, COUNTED = "extrapolated", "counted"

RESERVED_DIMENSIONS = (SERVICE_NAME, SPAN_KIND, STATUS_CODE, SPAN_NAME, OVERFLOW_LABEL)
"""A dimension of such a name is refused as a duplicate."""

STATUS_ERROR = "STATUS_CODE_ERROR"

# Tempo's metrics and labels.
TEMPO_CALLS = "traces_spanmetrics_calls_total"
TEMPO_LATENCY = "traces_spanmetrics_latency"
TEMPO_SIZE = "traces_spanmetrics_size_total"
TEMPO_TARGET_INFO = "traces_target_info"
TEMPO_SERVICE = "service"
TEMPO_SPAN_NAME = "span_name"
TEMPO_SPAN_KIND = "span_kind"
TEMPO_STATUS_CODE = "status_code"
TEMPO_STATUS_MESSAGE = "status_message"
JOB = "job"
INSTANCE = "instance"

INTRINSIC_LABELS = (TEMPO_SERVICE, TEMPO_SPAN_NAME, TEMPO_SPAN_KIND, TEMPO_STATUS_CODE, TEMPO_STATUS_MESSAGE)

_INVALID = re.compile(r"[^a-zA-Z0-9_]")


def tempo_label(key: str, taken: tuple[str, ...] = INTRINSIC_LABELS) -> str:
    """The label that Tempo makes of an attribute key: sanitised, with ``__`` before it where it would hide a label of
    ``taken``.

    The Prometheus exporter makes one underscore of the two, unless it is told not to translate names.

    >>> tempo_label("http.route"), tempo_label("service")
    ('http_route', '__service')
    """
    label = _INVALID.sub("_", key)
    return f"__{label}" if label in taken else label
