"""What tests measure with every instrument of an SDK, whatever its language, and what a metrics page must say then.

collection n of 3      requests{route="/a"} += n    requests{route="/b"} += 1    sent += n / 2    queue.length -= 2
                       fill = n / 4    latency: SECONDS    sizes: sizes_of(n)    gc.collections = {a: 2 n, b: 2}
                       connections = {a: -3 n, b: -3}    temperature = {a: n / 2, b: 0.5}
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.oracles.prometheus_proto import positive_buckets, read_delimited

COLLECTIONS = 3
SECONDS = (0.0625, 0.5, 2.0)
TEXT = "application/openmetrics-text;version=1.0.0"
PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

Labels = frozenset[tuple[str, str]]


def sizes_of(number: int) -> tuple[int, ...]:
    """What one collection records: the range grows, so the scale changes between collections."""
    return (1, 100, 100_000 * number)


def truth(job: str) -> dict[tuple[str, Labels], float]:
    """Samples of the page, by hand."""
    target = {"job": job, "instance": "i-1"}
    found: dict[tuple[str, Labels], float] = {}

    def add(name: str, value: float, **labels: str) -> None:
        found[name, frozenset((target | labels).items())] = value

    add("requests_total", 6, route="/a", ok="true", codes="[1,2]")
    add("requests_total", 3, route="/b")
    add("sent_bytes_total", 3.0)
    add("queue_length", -6, route='quo"te\\')
    add("fill_ratio", 0.75)
    add("gc_collections_total", 6, pool="a")
    add("gc_collections_total", 2, pool="b")
    add("connections", -9, pool="a")
    add("connections", -3, pool="b")
    add("temperature_celsius", 1.5, pool="a")
    add("temperature_celsius", 0.5, pool="b")
    for le, count in (("0.1", 3), ("1.0", 6), ("+Inf", 9)):
        add("latency_seconds_bucket", count, le=le)
    add("latency_seconds_count", 9)
    add("latency_seconds_sum", COLLECTIONS * sum(SECONDS))
    add("target_info", 1, zone="b")
    return found


def native_buckets(schema: int) -> dict[int, int]:
    """Bucket number → count of all that was recorded, from the definition: the upper bound is 2^(number / 2^schema)."""
    sizes = [size for number in range(1, COLLECTIONS + 1) for size in sizes_of(number)]
    return dict(Counter(math.ceil(math.log2(size) * 2**schema) for size in sizes))


def samples_of(page: bytes) -> list[Sample]:
    """Samples of an OpenMetrics page."""
    return [sample for family in text_string_to_metric_families(page.decode()) for sample in family.samples]


def assert_page(samples: Sequence[Sample], protobuf: bytes, job: str) -> None:
    """The page says what was measured, no more and no less; exponential histograms are on the protobuf page alone."""
    plain = [sample for sample in samples if not sample.name.endswith("_created")]
    found = {(sample.name, _without_scope(sample)): sample.value for sample in plain}
    assert found == truth(job)
    assert len(plain) == len(found)
    (family,) = [one for one in read_delimited(protobuf) if one.name == "sizes_bytes"]
    shown = family.metric[0].histogram
    assert (shown.sample_count, shown.sample_sum) == (9, 3 * 101 + 600_000)
    assert {bucket: count for bucket, count in positive_buckets(shown).items() if count} == native_buckets(shown.schema)


def _without_scope(sample: Sample) -> Labels:
    return frozenset(pair for pair in sample.labels.items() if not pair[0].startswith("otel_scope_"))
