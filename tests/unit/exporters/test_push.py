"""What exporters of OTLP do with metrics of components."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.api import Settings
from pipeline.exporters.otlphttp import OtlpHttpConfig, OtlpHttpExporter
from pipeline.model.meter import Meter
from pipeline.telemetry import ComponentTelemetry
from pipeline.testing import FakeClock
from tests.unit.codec.metric_batches import batch, number


def test_a_state_in_which_nothing_is_left_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    settings = Settings("otlphttp", clock, Meter("x", clock), ComponentTelemetry("exporter", "otlphttp", clock))
    exporter = OtlpHttpExporter(OtlpHttpConfig.model_validate({"endpoint": "http://localhost:1"}), settings)
    put: list[int] = []
    monkeypatch.setattr(exporter, "put", lambda signal, payload, items: put.append(items))
    full = replace(batch(number("c", [({"id": "1"}, 1.0)])), source="span_metrics")
    for snapshot in (full, replace(full, metrics=()), full):
        exporter.export_snapshot(snapshot)
    assert put == [1, 1]
