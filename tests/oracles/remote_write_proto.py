"""The official messages of remote write, from descriptors built here: to read what the exporter wrote, and as the
yardstick of the benchmark.

Names, numbers and types are those of Prometheus' ``prompb/types.proto``, ``remote.proto`` and
``io/prometheus/write/v2/types.proto``.
"""

from __future__ import annotations

from typing import Any

from tests.oracles.message_class import Messages, message_class

_HISTOGRAM = {
    1: ("count_int", "uint64"),
    2: ("count_float", "double"),
    3: ("sum", "double"),
    4: ("schema", "sint32"),
    5: ("zero_threshold", "double"),
    6: ("zero_count_int", "uint64"),
    7: ("zero_count_float", "double"),
    8: ("negative_spans", "*BucketSpan"),
    9: ("negative_deltas", "*sint64"),
    10: ("negative_counts", "*double"),
    11: ("positive_spans", "*BucketSpan"),
    12: ("positive_deltas", "*sint64"),
    13: ("positive_counts", "*double"),
    14: ("reset_hint", "int32"),
    15: ("timestamp", "int64"),
    16: ("custom_values", "*double"),
}
_SPAN = {1: ("offset", "sint32"), 2: ("length", "uint32")}

V1: Messages = {
    "Label": {1: ("name", "string"), 2: ("value", "string")},
    "Sample": {1: ("value", "double"), 2: ("timestamp", "int64")},
    "Exemplar": {1: ("labels", "*Label"), 2: ("value", "double"), 3: ("timestamp", "int64")},
    "BucketSpan": _SPAN,
    "Histogram": _HISTOGRAM,
    "TimeSeries": {
        1: ("labels", "*Label"),
        2: ("samples", "*Sample"),
        3: ("exemplars", "*Exemplar"),
        4: ("histograms", "*Histogram"),
    },
    "MetricMetadata": {
        1: ("type", "int32"),
        2: ("metric_family_name", "string"),
        4: ("help", "string"),
        5: ("unit", "string"),
    },
    "WriteRequest": {1: ("timeseries", "*TimeSeries"), 3: ("metadata", "*MetricMetadata")},
}
V2: Messages = {
    "Sample": {1: ("value", "double"), 2: ("timestamp", "int64"), 3: ("start_timestamp", "int64")},
    "Exemplar": {1: ("labels_refs", "*uint32"), 2: ("value", "double"), 3: ("timestamp", "int64")},
    "BucketSpan": _SPAN,
    "Histogram": {**_HISTOGRAM, 17: ("start_timestamp", "int64")},
    "Metadata": {1: ("type", "int32"), 3: ("help_ref", "uint32"), 4: ("unit_ref", "uint32")},
    "TimeSeries": {
        1: ("labels_refs", "*uint32"),
        2: ("samples", "*Sample"),
        3: ("histograms", "*Histogram"),
        4: ("exemplars", "*Exemplar"),
        5: ("metadata", "Metadata"),
    },
    "Request": {4: ("symbols", "*string"), 5: ("timeseries", "*TimeSeries")},
}


WriteRequest = message_class("prometheus", V1, "WriteRequest")
Request = message_class("io.prometheus.write.v2", V2, "Request")


def series_of(payload: bytes, *, v2: bool) -> list[tuple[list[tuple[str, str]], Any]]:
    """Each series of a request: its labels in order, and the message."""
    if not v2:
        return [([(p.name, p.value) for p in s.labels], s) for s in WriteRequest.FromString(payload).timeseries]
    request = Request.FromString(payload)
    texts = list(request.symbols)
    assert texts[0] == ""
    assert len(set(texts)) == len(texts)
    return [(labels_of(s.labels_refs, texts), s) for s in request.timeseries]


def labels_of(refs: Any, texts: list[str]) -> list[tuple[str, str]]:
    """Names and values behind references."""
    pairs = list(refs)
    return [(texts[name], texts[value]) for name, value in zip(pairs[::2], pairs[1::2], strict=True)]
