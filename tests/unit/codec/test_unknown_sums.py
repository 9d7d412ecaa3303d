"""Histograms whose senders do not say what the sum is: 0 on the page, which the Collector shows too, and no series of
sums in remote write.
"""

from __future__ import annotations

import math
from collections import Counter

import pytest

from pipeline.codec.prometheus_labels import Format
from pipeline.codec.remote_write import Message
from tests.unit.codec.metric_batches import NOW, batch, exponential, histogram
from tests.unit.codec.pages import OPENMETRICS, TEXT, render, samples
from tests.unit.codec.test_prometheus_protobuf import families as protobuf_families
from tests.unit.codec.test_remote_write import V1, V2, encode, families, series, stale, writer

HALF = batch(histogram("h", [({"a": "1"}, [1.0, 2.0, 3.0], math.nan), ({"a": "2"}, [1.0, 1.0, 1.0], 7.5)]))
NATIVE = batch(exponential("e", [({}, 3, 2.0, -1, [1.0, 0.0, 4.0], math.nan)]))


@pytest.mark.parametrize("form", [TEXT, OPENMETRICS])
def test_the_sum_is_zero_on_the_page(form: Format) -> None:
    sums = {
        dict(labels)["a"]: value for name, labels, value in samples(render(HALF, form=form), form) if name == "h_sum"
    }
    assert sums == {"1": 0.0, "2": 7.5}


def test_the_sum_is_zero_in_protobuf() -> None:
    (family,) = protobuf_families(*HALF.metrics)
    assert [metric.histogram.sample_sum for metric in family.metric] == [0.0, 7.5]
    (family,) = protobuf_families(*NATIVE.metrics)
    assert [(metric.histogram.sample_sum, metric.histogram.sample_count) for metric in family.metric] == [(0.0, 7)]


def names(found: list[tuple[list[tuple[str, str]], object]]) -> Counter[tuple[str, str]]:
    return Counter((dict(labels)["__name__"], dict(labels)["a"]) for labels, _ in found)


EXPECTED = Counter(
    {
        ("h_bucket", "1"): 3,
        ("h_count", "1"): 1,
        ("h_bucket", "2"): 3,
        ("h_count", "2"): 1,
        ("h_sum", "2"): 1,
    }
)


@pytest.mark.parametrize("message", [V1, V2])
@pytest.mark.parametrize("shards", [1, 3])
def test_remote_write_has_no_series_of_sums_that_nobody_knows(message: Message, shards: int) -> None:
    found = series(encode(HALF, message=message, shards=shards), message)
    assert names(found) == EXPECTED
    values = {(dict(labels)["__name__"], dict(labels)["a"]): one.samples[0].value for labels, one in found}
    assert (values["h_count", "1"], values["h_count", "2"], values["h_sum", "2"]) == (6.0, 3.0, 7.5)


def test_what_was_not_written_does_not_end() -> None:
    remote = writer()
    list(remote.encode(families(HALF), "source", NOW))
    ended = stale(list(remote.encode([], "source", NOW)), V1)
    assert names([(labels, None) for labels in ended]) == EXPECTED


def test_where_an_application_ends_series_sums_end_with_them() -> None:
    ended = stale(list(writer().encode(families(HALF), None, NOW, ended=True)), V1)
    assert names([(labels, None) for labels in ended]) == EXPECTED + Counter({("h_sum", "1"): 1})


@pytest.mark.parametrize("message", [V1, V2])
def test_native_histograms_always_have_a_sum(message: Message) -> None:
    ((_, found),) = series(encode(NATIVE, message=message), message)
    assert (found.histograms[0].sum, found.histograms[0].count_int) == (0.0, 7)
