"""Thresholds of latency objectives become bounds of histograms."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pipeline.config.check import Checked, check
from pipeline.config.load import load_document
from pipeline.errors import ConfigError
from pipeline.service.registry import Registry
from processors.span_metrics.config import DEFAULT_BUCKETS_S, TEMPO_BUCKETS_S, Config

CONFIG = """
receivers: {otlp: {protocols: {grpc: {}}}}
connectors:
  span_metrics: {%s}
  slo:
    objectives:
      - {name: a, service: cart, objective: 99, latency: 250ms}
      - {name: b, service: cart, objective: 99, latency: 100ms}
exporters: {prometheus: {endpoint: "127.0.0.1:0"}}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [span_metrics, slo]}
    metrics: {receivers: [span_metrics, slo], exporters: [prometheus]}
"""


def checked(keys: str = "") -> Checked:
    return check(load_document([f"yaml:{CONFIG % keys}"]), Registry())


def span_metrics(keys: str = "") -> Config:
    return cast(Any, checked(keys).components["connectors", "span_metrics"].config)


def test_a_threshold_that_is_no_bound_becomes_one() -> None:
    explicit = span_metrics().histogram.explicit
    assert explicit is not None
    assert explicit.buckets == tuple(sorted((*DEFAULT_BUCKETS_S, 0.25)))


def test_tempo_gets_them_too() -> None:
    assert span_metrics("naming: tempo").histogram_buckets == tuple(sorted((*TEMPO_BUCKETS_S, 0.1, 0.25)))


def test_exponential_histograms_need_none() -> None:
    config = span_metrics("histogram: {exponential: {}}")
    assert config.histogram.explicit is None


@pytest.mark.parametrize(
    ("keys", "missing"),
    [
        ("histogram: {disable: true}", "histogram.disable must be false"),
        ("naming: tempo, subprocessors: [count]", "must have latency"),
    ],
)
def test_where_there_is_no_histogram_it_is_a_mistake(keys: str, missing: str) -> None:
    with pytest.raises(ConfigError, match=missing) as caught:
        checked(keys)
    assert "slo needs its histogram" in str(caught.value.problems)
