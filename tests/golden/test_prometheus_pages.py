"""Spans in, pages out: the whole text that a scraper gets. ``make golden`` rewrites the files; read the diff."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.codec.prometheus_labels import Format, LabelOptions
from pipeline.testing import Harness, span_batch
from processors.service_graph import ServiceGraph
from processors.span_metrics import SpanMetrics
from tests.unit.codec.pages import OPENMETRICS, TEXT, render, samples

PAGES = Path(__file__).parent / "pages"
TRACE = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")
SHOP = {"service.name": "shop", "service.instance.id": "shop-1", "host.name": "node-1"}
CART = {"service.name": "cart", "service.namespace": "store", "service.instance.id": "cart-1"}


def spans(resource: dict[str, Any], *wanted: dict[str, Any]) -> Any:
    """Spans of one resource and one trace."""
    return span_batch(spans=[{"trace_id": TRACE, **fields} for fields in wanted], resource=resource)


def feed(run: Harness[Any]) -> None:
    """A call from shop to cart, an error, and a route that needs escaping."""
    root, call = b"\x01" * 8, b"\x02" * 8
    run.traces(
        spans(
            SHOP,
            {"name": "GET /buy", "span_id": root, "duration_ms": 12.5, "attributes": {"http.route": "/buy"}},
            {"name": "cart", "kind": "client", "span_id": call, "parent_span_id": root, "duration_ms": 9},
        )
    )
    run.traces(
        spans(
            CART,
            {
                "name": "POST /cart",
                "span_id": b"\x03" * 8,
                "parent_span_id": call,
                "duration_ms": 7.25,
                "status": "error",
                "attributes": {"http.route": '/cart/"{id}"\\\n'},
            },
        )
    )


@pytest.mark.parametrize("form", [TEXT, OPENMETRICS])
def test_pages_are_as_they_were(form: Format) -> None:
    metrics = Harness(
        SpanMetrics,
        dimensions=["http.route"],
        histogram={"unit": "s", "explicit": {"buckets": ["5ms", "10ms", "1s"]}},
        exemplars={"enabled": True},
    )
    graph = Harness(ServiceGraph, latency_histogram_buckets=["5ms", "10ms", "1s"])
    for run in (metrics, graph):
        feed(run)
    page = render(metrics.collect(), graph.collect(), form=form, options=LabelOptions())
    assert samples(page, form), "a strict parser takes it"
    path = PAGES / f"{form.value}.txt"
    if os.environ.get("WEIR_REWRITE_GOLDEN"):
        path.write_bytes(page)
    assert page.decode() == path.read_text()
