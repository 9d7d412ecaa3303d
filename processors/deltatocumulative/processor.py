"""DeltaToCumulative: points of delta temporality → the same points, cumulative. All others pass untouched."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.api import ComponentConfig, MetricBatch, Processor, Settings
from pipeline.config.durations import Duration
from pipeline.model.snapshot import Temporality
from processors.deltatocumulative import checkpoint
from processors.deltatocumulative.accumulator import LIMIT, READS, WRITES, Accumulator
from processors.deltatocumulative.streams import Streams

POINTS = "otelcol_deltatocumulative_datapoints"
TRACKED, STREAMS_LIMIT, MAX_STALE = (
    f"otelcol_deltatocumulative_streams_{name}" for name in ("tracked", "limit", "max_stale")
)
"""Names as in the Collector."""

EXPIRY_INTERVAL_S = 60.0
MAX_STREAMS = 500_000
"""The Collector has no limit; here everything that grows has one. Some 0.5 KB for a sum."""

_ADVICE = {
    LIMIT: "there are more streams than max_streams; points of new ones are dropped",
    "delta.ErrOlderStart": "a point begins before its stream; do several processes send the same series?",
    "delta.ErrOutOfOrder": "a point does not come after the last one of its stream",
}


class DeltaToCumulativeConfig(ComponentConfig):
    """Keys of the Collector's ``deltatocumulativeprocessor``.

    Attributes:
        max_stale: A stream of which no point has come for so long is forgotten; its next point begins it anew.
        max_streams: Points of further streams are dropped.
    """

    max_stale: Annotated[Duration, Field(gt=0)] = 300.0
    max_streams: int = Field(default=MAX_STREAMS, gt=0)


class DeltaToCumulative(Processor):
    """Keeps running totals of sums, histograms and exponential histograms."""

    Config = DeltaToCumulativeConfig
    reads = READS
    adds = WRITES
    keyed_by = ("resource", "metric.name", "attributes")
    state_version = "1"
    saved_while_running = False  # a total that has become smaller is a reset to Prometheus

    def __init__(self, config: DeltaToCumulativeConfig, settings: Settings) -> None:
        self._config = config
        self._clock = settings.clock
        self._telemetry = settings.telemetry
        self._streams = Streams(config.max_streams)
        self._accumulator = Accumulator(self._streams, settings.clock.monotonic_nano)
        self.tick_interval_s = min(EXPIRY_INTERVAL_S, config.max_stale)

    def start(self) -> None:
        """Show what there is from the beginning."""
        telemetry, config = self._telemetry, self._config
        telemetry.count(POINTS, 0)
        telemetry.gauge(TRACKED, lambda: len(self._streams))
        telemetry.gauge(STREAMS_LIMIT, lambda: config.max_streams)
        telemetry.gauge(MAX_STALE, lambda: config.max_stale, unit="s")

    def process_metrics(self, metrics: MetricBatch) -> MetricBatch:
        """Replace delta points. Cost: next to nothing where there are none."""
        is_delta = metrics["aggregation_temporality"].codes == Temporality.DELTA
        if not is_delta.any():
            return metrics
        deltas = metrics.where(is_delta)
        changes, goes_on, dropped = self._accumulator.add(deltas)
        self._telemetry.count(POINTS, int(goes_on.sum()))
        for reason, points in dropped.items():
            self._telemetry.count(POINTS, points, error=reason)
            self._telemetry.logger.limited(reason, _ADVICE[reason], points=points)
        if dropped:
            is_delta[is_delta] = ~goes_on
            metrics = metrics.where(~is_delta)  # what is still delta was dropped
        return metrics.as_cumulative(changes) if goes_on.any() else metrics

    def tick(self, now_unix_nano: int) -> None:  # noqa: ARG002 - age is measured by the monotonic clock
        """Forget stale streams."""
        self._streams.expire(self._clock.monotonic_nano() - round(self._config.max_stale * 1e9))

    def snapshot(self) -> bytes:
        """All streams."""
        return checkpoint.save(self._streams, self._clock.monotonic_nano())

    def restore(self, state: bytes) -> None:
        """Go on where ``snapshot`` was."""
        checkpoint.load(state, self._streams, self._clock.monotonic_nano())
