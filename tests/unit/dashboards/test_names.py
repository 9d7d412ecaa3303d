"""The names that dashboards ask for are those that the processors make."""

from __future__ import annotations

from pipeline.codec.prometheus_names import MetricType, Namer
from pipeline.model.snapshot import MetricKind
from pipeline.testing import Harness
from processors.anomaly import Anomaly, names, outputs

NAMER = Namer()


def labels_of(labels: tuple[object, ...]) -> set[str]:
    return {NAMER.label(label.name) for label in labels}  # type: ignore[attr-defined]


def test_metrics_of_the_anomaly_processor_have_the_agreed_names() -> None:
    run: Harness[Anomaly] = Harness(Anomaly)
    kinds = {
        MetricKind.GAUGE: MetricType.GAUGE,
        MetricKind.SUM: MetricType.COUNTER,
        MetricKind.HISTOGRAM: MetricType.HISTOGRAM,
    }
    made = {
        NAMER.metric(instrument.name, instrument.unit, kinds[instrument.kind])
        for instrument in run.processor._outputs.__dict__.values()
        if getattr(instrument, "kind", None) in kinds
    }
    agreed = {value for name, value in vars(names).items() if isinstance(value, str) and value.startswith("weir_")}
    assert agreed <= made


def test_labels_of_the_anomaly_processor_have_the_agreed_names() -> None:
    assert set(names.ANOMALY_LABELS) <= labels_of(outputs.SERIES_LABELS)
    assert set(names.INCIDENT_LABELS) <= labels_of(outputs.INCIDENT_LABELS)
    assert set(names.SUSPECT_LABELS) <= labels_of(outputs.SUSPECT_LABELS)
