"""MetricSnapshots → metric families: what a page of exposition shows, each name once, no series twice.

Prometheus refuses a whole page for one name with two types, and drops a series that comes twice. So here, whatever
arrives:

* Metrics of the same final name are one family under one header. Of different types the first counts; the others are
  left out.
* Series of *one* metric with equal final labels are added up: they come from resources that differ only in attributes
  which are no labels, such as two pods without ``service.instance.id`` (docs/decisions/0007). Gauges cannot be added:
  the first counts.
* Series of *different* metrics with equal final labels are the same measurement taken twice: the first counts. They
  are found where both metrics have the same labels of their own.

Everything left out or added up is reported with a reason and a number of series.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from pipeline.codec.prometheus_labels import Format, LabelWriter
from pipeline.codec.prometheus_names import Escaping, MetricType, Namer, escape
from pipeline.codec.series_labels import Series
from pipeline.model.resources import Resource
from pipeline.model.snapshot import (
    Exemplars,
    ExponentialValues,
    HistogramValues,
    Metric,
    MetricKind,
    MetricSnapshot,
    NumberValues,
    Scope,
    SeriesView,
    SummaryValues,
    Temporality,
    Values,
)

Report = Callable[[str, str, int], None]
"""Called with a reason, the name of a metric or family, and how many series it is about."""

Indices = npt.NDArray[np.intp]

RESERVED_LABELS = {MetricType.HISTOGRAM: "le", MetricType.SUMMARY: "quantile"}

TARGET_INFO = "target_info"
TARGET_INFO_HELP = "Target metadata"


@dataclass(eq=False)
class Part:
    """What one metric adds to a family."""

    view: SeriesView
    values: Values
    series: Series
    groups: npt.NDArray[np.uint64]
    resources: tuple[Resource, ...]
    scope: Scope
    time_unix_nano: int


@dataclass(eq=False)
class Family:
    """All series of one name.

    Attributes:
        name: Of counters with ``_total`` where the strategy adds it.
        help_text: Description.
        unit: As a word, or "".
        additive: Equal series may be added up.
    """

    name: str
    kind: MetricType
    help_text: str
    unit: str
    additive: bool
    parts: list[Part] = field(default_factory=list)


def assemble(
    batches: Iterable[MetricSnapshot],
    namer: Namer,
    labels: LabelWriter,
    form: Format,
    escaping: Escaping,
    report: Report,
) -> list[Family]:
    """The families of a page, in the order in which their first metric arrived; ``target_info`` first."""
    batches = tuple(batches)
    families: dict[str, Family] = {}
    claimed: dict[str, str] = {}
    info = _target_info(batches, namer, labels, escaping)
    if info is not None:
        families[info.name] = info
        claimed[info.name] = info.name
    for batch in batches:
        for metric in batch.metrics:
            if not len(metric.series):
                continue
            family = _family_of(metric, families, claimed, namer, form, escaping, report)
            if family is not None:
                family.parts.append(_part(family, metric.series, metric.values, batch, labels))
    for family in families.values():
        if family is not info:
            _remove_duplicates(family, labels, report)
    labels.distinct.keep(families)
    return list(families.values())


def _family_of(
    metric: Metric,
    families: dict[str, Family],
    claimed: dict[str, str],
    namer: Namer,
    form: Format,
    escaping: Escaping,
    report: Report,
) -> Family | None:
    """The family that a metric belongs to, or None where it cannot be shown."""
    count = len(metric.series)
    if metric.temporality is Temporality.DELTA:
        report("delta", metric.name, count)
        return None
    if metric.kind is MetricKind.EXPONENTIAL_HISTOGRAM and form is not Format.PROTOBUF:
        report("native_histogram", metric.name, count)
        return None
    kind = _type_of(metric)
    # A gauge without a unit is a ratio, but a sum that goes down is only shown as a gauge (otlptranslator).
    unit = "" if metric.unit == "1" and metric.kind is MetricKind.SUM else metric.unit
    name = escape(namer.metric(metric.name, unit, kind), escaping)
    if not name:
        report("invalid_name", metric.name, count)
        return None
    family = families.get(name)
    if family is None:
        if any(claimed.get(sample, name) != name for sample in _sample_names(name, kind, form)):
            report("name_conflict", name, count)
            return None
        claimed |= dict.fromkeys(_sample_names(name, kind, form), name)
        additive = metric.kind in (MetricKind.SUM, MetricKind.HISTOGRAM)
        family = families[name] = Family(name, kind, metric.description, namer.unit(metric.unit), additive)
    elif family.kind is not kind:
        report("type_conflict", name, count)
        return None
    family.additive = family.additive and metric.kind in (MetricKind.SUM, MetricKind.HISTOGRAM)
    return family


def _type_of(metric: Metric) -> MetricType:
    if metric.kind in (MetricKind.HISTOGRAM, MetricKind.EXPONENTIAL_HISTOGRAM):
        return MetricType.HISTOGRAM
    if metric.kind is MetricKind.SUMMARY:
        return MetricType.SUMMARY
    return MetricType.COUNTER if metric.kind is MetricKind.SUM and metric.monotonic else MetricType.GAUGE


def base_name(name: str) -> str:
    """Name of a counter family in OpenMetrics, where ``_total`` belongs to the sample."""
    return name.removesuffix("_total") if name != "_total" else name


def _sample_names(name: str, kind: MetricType, form: Format) -> tuple[str, ...]:
    """The names of the samples of a family."""
    created = (f"{base_name(name)}_created",) if form is Format.OPENMETRICS and kind is not MetricType.GAUGE else ()
    if kind is MetricType.HISTOGRAM:
        return (name, f"{name}_bucket", f"{name}_sum", f"{name}_count", *created)
    if kind is MetricType.SUMMARY:
        return (name, f"{name}_sum", f"{name}_count", *created)
    return (name, *created)


def _part(family: Family, view: SeriesView, values: Values, batch: MetricSnapshot, labels: LabelWriter) -> Part:
    reserved = RESERVED_LABELS.get(family.kind, "")
    series, groups = labels.series(view, batch.resources, batch.scope, reserved)
    return Part(view, values, series, groups, batch.resources, batch.scope, batch.time_unix_nano)


def _target_info(
    batches: Sequence[MetricSnapshot], namer: Namer, labels: LabelWriter, escaping: Escaping
) -> Family | None:
    """The remaining attributes of resources, once per job and instance."""
    resources = tuple(resource for batch in batches for resource in batch.resources)
    series, view = labels.target_info(resources)
    if not len(view):
        return None
    values = NumberValues(np.ones(len(view)))
    time_unix_nano = max(batch.time_unix_nano for batch in batches)
    name = escape(namer.metric(TARGET_INFO, "", MetricType.GAUGE), escaping)
    part = Part(view, values, series, np.zeros(0, dtype=np.uint64), resources, Scope(""), time_unix_nano)
    return Family(name, MetricType.GAUGE, TARGET_INFO_HELP, "", False, [part])


def _remove_duplicates(family: Family, labels: LabelWriter, report: Report) -> None:
    """Add up or leave out series that would be written alike."""
    if labels.distinct.knows(family):
        return
    room = np.empty(max(part.series.room() for part in family.parts), dtype=np.uint8)
    marks = np.concatenate([part.series.fingerprints(part.groups, room) for part in family.parts])
    ordered = np.sort(marks)
    if not (ordered[1:] == ordered[:-1]).any():
        labels.distinct.note(family)
        return
    _, index, inverse = np.unique(marks, return_index=True, return_inverse=True)
    first = index[inverse]
    begin = 0
    for number, part in enumerate(family.parts):
        end = begin + len(part.view)
        family.parts[number] = _without_repeats(family, part, first[begin:end] - begin, labels, report)
        begin = end
    family.parts = [part for part in family.parts if len(part.view)]


def _without_repeats(family: Family, part: Part, first: Indices, labels: LabelWriter, report: Report) -> Part:
    """``first``: for each series the first that is written alike; negative if it belongs to an earlier part."""
    rows = np.arange(len(part.view))
    keep = first == rows
    if keep.all():
        return part
    added = (first >= 0) & ~keep if family.additive else np.zeros(len(rows), dtype=np.bool_)
    report("merged", family.name, int(added.sum()))
    report("duplicate", family.name, int((~keep & ~added).sum()))
    place = np.where(keep, np.cumsum(keep) - 1, -1)
    place[added] = place[first[added]]
    batch = MetricSnapshot(part.resources, part.scope, (), part.time_unix_nano)
    view = replace(
        part.view.take(keep),
        start_unix_nano=_smallest(part.view.start_unix_nano, place),
        created_seq=_smallest(part.view.created_seq, place),
    )
    values = _take(part.values, keep, added, place)
    return _part(family, view, values, batch, labels)


def _smallest(column: npt.NDArray[np.int64], place: Indices) -> npt.NDArray[np.int64]:
    """The smallest value at each place; -1 is nowhere."""
    result = np.full(place.max() + 1, np.iinfo(np.int64).max)
    np.minimum.at(result, place[place >= 0], column[place >= 0])
    return result


def _take(values: Values, keep: npt.NDArray[np.bool_], added: npt.NDArray[np.bool_], place: Indices) -> Values:
    """The values of the kept series with those of the added ones in them."""

    def gather(column: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        taken = column[keep]
        np.add.at(taken, place[added], column[added])
        return taken

    exemplars = _move(values.exemplars, place)
    if isinstance(values, NumberValues):
        return NumberValues(gather(values.values), exemplars)
    if isinstance(values, HistogramValues):
        return HistogramValues(values.bounds, gather(values.counts), gather(values.sums), exemplars)
    if isinstance(values, SummaryValues):
        return SummaryValues(values.quantiles, values.values[keep], values.counts[keep], values.sums[keep], exemplars)
    return ExponentialValues(
        values.scale[keep],
        values.zero_count[keep],
        values.offset[keep],
        values.counts[keep],
        values.sums[keep],
        values.minimum[keep],
        values.maximum[keep],
        exemplars,
        None if values.negative_offset is None else values.negative_offset[keep],
        None if values.negative_counts is None else values.negative_counts[keep],
        None if values.zero_threshold is None else values.zero_threshold[keep],
    )


def _move(exemplars: Exemplars | None, place: Indices) -> Exemplars | None:
    """The exemplars of the series that are left, at their new places."""
    if exemplars is None or not len(exemplars):
        return exemplars
    point = place[exemplars.point]
    order = np.lexsort((exemplars.bucket, point))
    order = order[point[order] >= 0]
    return Exemplars(
        point[order].astype(np.int32),
        exemplars.bucket[order],
        exemplars.value[order],
        exemplars.time_unix_nano[order],
        exemplars.trace_id[order],
        exemplars.span_id[order],
    )
