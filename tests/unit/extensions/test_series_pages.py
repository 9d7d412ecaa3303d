"""Which label makes series many, as the admin extension says it."""

from pipeline.extensions.series_pages import tables
from pipeline.testing import Harness, span_batch
from processors.span_metrics import SpanMetrics


def test_a_flood_of_span_names_is_named_with_the_limit_it_has_reached() -> None:
    run = Harness(SpanMetrics, aggregation_cardinality_limit=50, histogram={"disable": False})
    run.traces(
        span_batch(spans=[{"name": f"GET /orders/{number}"} for number in range(200)], columns=run.processor.reads)
    )
    (table,) = tables([run.collect()])
    assert table["overflow"]
    assert {"traces.span.metrics.calls", "traces.span.metrics.duration"} == set(table["metrics"])
    worst = table["labels"][0]
    assert worst["label"] == "span.name"
    assert worst["values"] == table["series"] - 1
    assert worst["series_without"] == 2, "what is left, and the overflow series"


def test_without_series_there_is_no_table() -> None:
    assert tables([Harness(SpanMetrics).collect()]) == []
