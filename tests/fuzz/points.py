"""The way of a data point: through the decoder and its checks, to the metrics page in all its forms, into remote write,
and out again as OTLP.

Whatever the bytes, the request is decoded or refused with one of the two documented errors. Of what was decoded every
column can be read, every page can be parsed by readers that are not ours, and what is written out decodes to the same
points.
"""

from __future__ import annotations

import numpy as np

from pipeline.codec.otlp_metrics import MetricsProjection
from pipeline.codec.projection import Limits
from pipeline.codec.prometheus_families import assemble
from pipeline.codec.prometheus_labels import Format, LabelOptions, LabelWriter
from pipeline.codec.prometheus_names import Escaping, Namer
from pipeline.codec.remote_write import Message, RemoteWriter
from pipeline.errors import MalformedPayload, PayloadTooLarge
from pipeline.model.columns import POINT_COLUMNS
from pipeline.model.last_values import READS, LastValues, snapshots_of
from pipeline.model.metrics import MetricBatch
from pipeline.model.snapshot import MetricSnapshot
from tests.oracles.prometheus_proto import read_delimited
from tests.oracles.remote_write_proto import series_of
from tests.unit.codec.pages import OPENMETRICS, PROTOBUF, TEXT, render, samples

ATTRIBUTES = ("point.route", "point.n", "resource.service.name")
COLUMNS = tuple(dict.fromkeys((*READS, *POINT_COLUMNS, *ATTRIBUTES)))
PROJECTION = MetricsProjection(COLUMNS, Limits(max_items=2_000, max_children=5_000))
RESERVED = b"__"
"""Labels that begin so are Prometheus's own. It reads them, the parser in Python does not."""
ABOUT_VALUES = ("Counter-like samples cannot be", "Quantile values cannot be negative")
"""What OpenMetrics wants of values, applications may break; not what it wants of lines."""
NOW = 1_700_000_000_000_000_000


def fuzz_one(payload: bytes) -> bool:
    """Run one input. Returns whether it was decoded."""
    try:
        points, rejected = PROJECTION.decode(payload)
    except (MalformedPayload, PayloadTooLarge):
        return False
    for column in COLUMNS:
        points[column]
    if not len(points):
        return True
    values = LastValues(lambda: 0, lambda *_: None)
    values.add(points)
    values.add(points)
    show(values.snapshots(NOW))
    write(snapshots_of(points, NOW, split_times=True))
    if not rejected:
        forward(points)
    return True


def show(snapshots: list[MetricSnapshot]) -> None:
    """The page in all its forms."""
    for form in (TEXT, OPENMETRICS):
        page = render(*snapshots, form=form)
        if RESERVED in page:
            continue
        try:
            samples(page, form)
        except ValueError as error:
            if not str(error).startswith(ABOUT_VALUES):
                raise
    read_delimited(render(*snapshots, form=PROTOBUF))


def write(snapshots: list[MetricSnapshot]) -> None:
    """Remote write in both versions."""
    namer = Namer()
    labels = LabelWriter(namer, LabelOptions(), Format.PROTOBUF, Escaping.ALLOW_UTF8)
    families = assemble(snapshots, namer, labels, Format.PROTOBUF, Escaping.ALLOW_UTF8, lambda *_: None)
    for message in Message:
        for request in RemoteWriter(message, 2, 100_000, lambda *_: None).encode(families, "s", NOW):
            for pairs, _ in series_of(request.payload, v2=message is Message.V2):
                names = [name for name, _ in pairs]
                assert names == sorted(set(names))


def forward(points: MetricBatch) -> None:
    """Some of the points leave and are decoded again."""
    some = points.where(np.arange(len(points)) % 2 == 0)
    again, _ = PROJECTION.decode(some.to_otlp())
    assert again["metric.name"].tolist() == some["metric.name"].tolist()
    assert again["time_unix_nano"].tolist() == some["time_unix_nano"].tolist()
    assert again["point.route"].tolist() == some["point.route"].tolist()
    assert [list(one) for one in again["bucket_counts"]] == [list(one) for one in some["bucket_counts"]]
