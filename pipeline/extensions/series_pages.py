"""Series as JSON, for whoever meets a limit on them: ``GET /api/v1/series``; described in ``docs/api/openapi.yaml``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from pipeline.model.cardinality import cardinality
from pipeline.model.snapshot import OVERFLOW_LABEL, MetricSnapshot, SeriesView

SERIES = "/api/v1/series"
MAX_METRICS = 8
"""Names of metrics that are listed for a table."""


def tables(snapshots: Sequence[MetricSnapshot]) -> list[dict[str, Any]]:
    """Each set of series that components keep, the largest first: which label makes them many.

    Cost: see ``cardinality``.
    """
    found = [
        _table(snapshot.scope.name, names, series)
        for snapshot in snapshots
        for names, series in _sets(snapshot)
        if len(series)
    ]
    return sorted(found, key=lambda table: -table["series"])


def _sets(snapshot: MetricSnapshot) -> Iterator[tuple[list[str], SeriesView]]:
    """Metrics with the same labels share their series; a histogram has those of them that it has recorded."""
    by_labels: dict[tuple[str, ...], tuple[list[str], SeriesView]] = {}
    for metric in snapshot.metrics:
        names, series = by_labels.setdefault(metric.series.labels, ([], metric.series))
        names.append(metric.name)
        largest = metric.series if len(metric.series) > len(series) else series
        by_labels[metric.series.labels] = names, largest
    yield from by_labels.values()


def _table(scope: str, names: list[str], series: SeriesView) -> dict[str, Any]:
    labels = [asdict(one) for one in cardinality(series)]
    return {
        "scope": scope,
        "metrics": names[:MAX_METRICS],
        "series": len(series),
        "overflow": any(one["label"] == OVERFLOW_LABEL for one in labels),
        "labels": [one for one in labels if one["label"] != OVERFLOW_LABEL],
    }
