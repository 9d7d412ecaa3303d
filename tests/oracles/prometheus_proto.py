"""``io.prometheus.client`` messages for reading what the exporter wrote, from a descriptor built here.

Field names, numbers and types are those of prometheus/client_model ``metrics.proto`` (proto2).
"""

from __future__ import annotations

from typing import Any

from tests.oracles.message_class import Messages, message_class

_MESSAGES: Messages = {
    "Timestamp": {1: ("seconds", "int64"), 2: ("nanos", "int32")},
    "LabelPair": {1: ("name", "string"), 2: ("value", "string")},
    "Gauge": {1: ("value", "double")},
    "Exemplar": {1: ("label", "*LabelPair"), 2: ("value", "double"), 3: ("timestamp", "Timestamp")},
    "Counter": {1: ("value", "double"), 2: ("exemplar", "Exemplar"), 3: ("created_timestamp", "Timestamp")},
    "Bucket": {
        1: ("cumulative_count", "uint64"),
        4: ("cumulative_count_float", "double"),
        2: ("upper_bound", "double"),
        3: ("exemplar", "Exemplar"),
    },
    "BucketSpan": {1: ("offset", "sint32"), 2: ("length", "uint32")},
    "Histogram": {
        1: ("sample_count", "uint64"),
        4: ("sample_count_float", "double"),
        2: ("sample_sum", "double"),
        3: ("bucket", "*Bucket"),
        15: ("created_timestamp", "Timestamp"),
        5: ("schema", "sint32"),
        6: ("zero_threshold", "double"),
        7: ("zero_count", "uint64"),
        8: ("zero_count_float", "double"),
        9: ("negative_span", "*BucketSpan"),
        10: ("negative_delta", "*sint64"),
        11: ("negative_count", "*double"),
        12: ("positive_span", "*BucketSpan"),
        13: ("positive_delta", "*sint64"),
        14: ("positive_count", "*double"),
        16: ("exemplars", "*Exemplar"),
    },
    "Quantile": {1: ("quantile", "double"), 2: ("value", "double")},
    "Summary": {
        1: ("sample_count", "uint64"),
        2: ("sample_sum", "double"),
        3: ("quantile", "*Quantile"),
        4: ("created_timestamp", "Timestamp"),
    },
    "Metric": {
        1: ("label", "*LabelPair"),
        2: ("gauge", "Gauge"),
        3: ("counter", "Counter"),
        4: ("summary", "Summary"),
        7: ("histogram", "Histogram"),
        6: ("timestamp_ms", "int64"),
    },
    "MetricFamily": {
        1: ("name", "string"),
        2: ("help", "string"),
        3: ("type", "int32"),
        4: ("metric", "*Metric"),
        5: ("unit", "string"),
    },
}


MetricFamily = message_class("io.prometheus.client", _MESSAGES, "MetricFamily", syntax="proto2")


def read_delimited(page: bytes) -> list[Any]:
    """The MetricFamily messages of a page; fails on unknown fields and rests."""
    families = []
    at = 0
    while at < len(page):
        size = shift = 0
        while True:
            byte = page[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        assert at + size <= len(page)
        family = MetricFamily.FromString(page[at : at + size])
        whole = family.ByteSize()
        family.DiscardUnknownFields()
        assert family.ByteSize() == whole, "unknown fields"
        families.append(family)
        at += size
    return families


def native_buckets(spans: Any, deltas: Any) -> dict[int, int]:
    """Bucket number → count, decoded by the rules of the native histogram specification."""
    found: dict[int, int] = {}
    left = iter(deltas)
    index = count = 0
    for span in spans:
        index += span.offset
        for _ in range(span.length):
            count += next(left)
            found[index] = count
            index += 1
    assert next(left, None) is None
    return found


def positive_buckets(histogram: Any) -> dict[int, int]:
    """``native_buckets`` of the positive side."""
    return native_buckets(histogram.positive_span, histogram.positive_delta)
