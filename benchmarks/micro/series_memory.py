"""Memory of a live RED series: a counter, a histogram of 17 buckets with its sum, five labels. Error twins are off.

A new process makes the series from spans, as in real life, and compares its resident memory before and after. Run as a
module, this file is that process: ``python -m benchmarks.micro.series_memory 100000``.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.measure import Row, Settings
from benchmarks.processes import python, resident_bytes
from benchmarks.workload import one_span_each
from pipeline.codec.otlp_traces import TracesProjection
from pipeline.testing import Harness
from processors.span_metrics import SpanMetrics

SERIES = 100_000
BATCH = 1_000
LIMIT_BYTES = 600


def group(settings: Settings) -> Iterator[Row]:
    """Measure in a new process, whose memory holds nothing else."""
    series = settings.amount(SERIES)
    output = subprocess.run(
        python("benchmarks.micro.series_memory", str(series)), check=True, capture_output=True, text=True
    ).stdout
    measured = json.loads(output)
    yield Row(
        f"series memory/counter, histogram and labels at {measured['series']:,} series",
        measured["bytes"] / measured["series"],
        "B/series",
        limit_value=None if settings.quick else LIMIT_BYTES,
        against=f"growth of resident memory, {measured['label_bytes']:.0f} B of labels included",
    )


def main() -> None:
    """Make the series and print what they took."""
    wanted = int(sys.argv[1])
    run = Harness(
        SpanMetrics, dimensions=[{"name": "http.route"}], max_active_series=2 * wanted, zero_error_series=False
    )
    projection = TracesProjection(run.processor.reads)

    def process(begin: int, end: int) -> None:
        routes = [{"http.route": f"/api/v1/orders/{number}"} for number in range(begin, end)]
        spans, _ = projection.decode(one_span_each(routes))
        run.processor.process_traces(spans)

    process(0, BATCH)
    run.collect()
    gc.collect()
    before = resident_bytes("self")
    for begin in range(BATCH, wanted, BATCH):
        process(begin, min(begin + BATCH, wanted))
    gc.collect()
    after = resident_bytes("self")
    points = [point for point in run.metrics() if point.name.endswith(".calls")]
    labels = sum(len(text) for point in points for text in point.labels.values()) / len(points)
    print(json.dumps({"bytes": after - before, "series": len(points) - BATCH, "label_bytes": labels}))


if __name__ == "__main__":
    main()
