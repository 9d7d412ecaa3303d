"""The decoder of each signal, and what goes with it: one table for whoever handles all signals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeline.codec import otlp_metrics_encode
from pipeline.codec.otlp_logs import LogsProjection
from pipeline.codec.otlp_metrics import MetricsProjection
from pipeline.codec.otlp_traces import TracesProjection
from pipeline.codec.signal_projection import SignalProjection
from pipeline.model.columns import of_signal
from pipeline.model.metrics import MetricBatch
from pipeline.model.snapshot import MetricSnapshot

PROJECTIONS: dict[str, type[SignalProjection[Any]]] = {
    "traces": TracesProjection,
    "metrics": MetricsProjection,
    "logs": LogsProjection,
}


def projection(signal: str, columns: Iterable[str]) -> SignalProjection[Any]:
    """The decoder of a signal for those of the columns that it has."""
    return PROJECTIONS[signal](of_signal(columns, signal))


def batch_of(snapshot: MetricSnapshot, decoder: SignalProjection[MetricBatch]) -> MetricBatch:
    """What a meter held, as a batch like those that arrive."""
    batch, _ = decoder.decode(otlp_metrics_encode.encode(snapshot))
    return batch
