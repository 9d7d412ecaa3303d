"""What Weir says about itself: structured logs, and metrics under the names that the Collector's dashboards query."""

from pipeline.telemetry.component import ComponentTelemetry
from pipeline.telemetry.logs import ComponentLogger
from pipeline.telemetry.own_metrics import OwnMetrics

__all__ = ["ComponentLogger", "ComponentTelemetry", "OwnMetrics"]
