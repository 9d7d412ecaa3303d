"""Series of applications end over remote write: a point without a recorded value becomes stale markers, at its time,
for every sample that its values were.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import pytest

from pipeline.model.last_values import READS
from pipeline.testing import START_UNIX_NANO, metric_batch
from tests.integration.destinations import Reply, http_destination
from tests.integration.test_remote_write_faults import V2, WRITTEN, received, writing
from tests.unit.codec.metric_batches import batch, number

STALE = struct.pack("<Q", 0x7FF0000000000002)
SECOND = 1_000_000_000
POINTS: list[dict[str, Any]] = [
    {"name": "g", "kind": "gauge", "attributes": {"n": 1}},
    {"name": "g", "kind": "gauge", "attributes": {"n": 2}},
    {"name": "c", "kind": "sum"},
    {"name": "h", "kind": "histogram", "bounds": [1.0], "counts": [2, 3], "sum": 4.0},
    {"name": "s", "kind": "summary", "quantiles": {0.5: 1.0}, "count": 2, "sum": 3.0},
    {"name": "e", "kind": "exponential_histogram", "counts": [1, 2], "sum": 3.0},
]


def at(second: int, *ended: str, **fields: Any) -> list[dict[str, Any]]:
    """The points at a time; those of the ``ended`` metrics have no value."""
    time = {"time_unix_nano": START_UNIX_NANO + second * SECOND}
    return [
        {**point, **time, **fields, **({"flags": 1, "count": 0, "value": None} if point["name"] in ended else {})}
        for point in POINTS
    ]


def samples(requests: list[tuple[str, Any]]) -> list[tuple[frozenset[tuple[str, str]], int, bool]]:
    """Series, second and whether it is a stale marker, of all samples and native histograms."""
    found = []
    for _, series in requests:
        for labels, one in series:
            values = [(sample.timestamp, sample.value) for sample in one.samples]
            values += [(histogram.timestamp, histogram.sum) for histogram in one.histograms]
            for time_ms, value in values:
                second = (time_ms - START_UNIX_NANO // 1_000_000) // 1000
                found.append((frozenset(labels), second, struct.pack("<d", value) == STALE))
    return found


@pytest.mark.parametrize("message", ["prometheus.WriteRequest", V2])
def test_a_point_without_a_value_ends_all_series_of_its_values(message: str) -> None:
    names = [point["name"] for point in POINTS]
    replies = [Reply(204, {WRITTEN: "100"})] * 4
    with (
        http_destination(*replies) as (url, ledger),
        writing(url, protobuf_message=message, remote_write_queue={"num_consumers": 1}) as writer,
    ):
        writer.exporter.export_metrics(metric_batch(points=at(1), columns=READS))
        writer.exporter.export_metrics(metric_batch(points=at(2, *names), columns=READS))
        writer.exporter.drain(20)
        found = samples(received(ledger))
    info = [labels for labels, _, _ in found if ("__name__", "target_info") in labels]
    assert len(info) <= 1
    values = {labels for labels, second, is_end in found if second == 1 and not is_end} - set(info)
    ends = {labels for labels, second, is_end in found if second == 2 and is_end}
    assert len(values) == 2 + 1 + 4 + 3 + 1
    assert ends == values
    assert len(found) == 2 * len(values) + len(info)


def test_values_and_ends_of_one_batch_leave_in_order_of_time() -> None:
    points = [*at(3, "g", value=None), *at(1), *at(2, "g"), *at(4)]
    with http_destination() as (url, ledger), writing(url, remote_write_queue={"num_consumers": 1}) as writer:
        writer.exporter.export_metrics(metric_batch(points=points[:2] + points[6:8] + points[12:14], columns=READS))
        writer.exporter.drain(20)
        found = samples(received(ledger))
    assert [(second, is_end) for labels, second, is_end in found if ("__name__", "g") in labels] == [
        (1, False),
        (1, False),
        (3, True),
        (3, True),
    ]


@pytest.mark.parametrize("message", ["prometheus.WriteRequest", V2])
def test_a_source_of_which_nothing_is_left_ends_with_a_marker_for_each_series(message: str) -> None:
    full = replace(batch(number("c", [({"id": str(i)}, 1.0) for i in range(5)])), source="span_metrics")
    replies = [Reply(204, {WRITTEN: "100"})] * 4
    with (
        http_destination(*replies) as (url, ledger),
        writing(url, protobuf_message=message, remote_write_queue={"num_consumers": 1}) as writer,
    ):
        for second, snapshot in enumerate((full, *[replace(full, metrics=())] * 3)):
            writer.exporter.export_snapshot(replace(snapshot, time_unix_nano=START_UNIX_NANO + second * SECOND))
        writer.exporter.drain(20)
        found = samples(received(ledger))
    values = {labels for labels, second, is_end in found if second == 0 and not is_end}
    assert len(values) >= 5
    assert {labels for labels, second, is_end in found if second == 1 and is_end} == values
    assert len(found) == 2 * len(values)
    assert len(ledger.requests) == 2


def test_what_is_absent_from_a_batch_of_points_has_not_ended() -> None:
    """Points of applications, or those that processors leave of Weir's own metrics: as in the Collector."""
    batches = [[*at(1)], [{**point, "name": "other"} for point in at(2)]]
    with http_destination() as (url, ledger), writing(url, remote_write_queue={"num_consumers": 1}) as writer:
        for points in batches:
            writer.exporter.export_metrics(metric_batch(points=points[:2], columns=READS))
        writer.exporter.drain(20)
        found = samples(received(ledger))
    assert sum(("__name__", "other") in labels for labels, _, _ in found) == 2
    assert not any(is_end for _, _, is_end in found)
