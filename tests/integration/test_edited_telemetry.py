"""Telemetry that processors change on the way: what comes later in the pipeline is about the changed telemetry, and so
is what is sent on. Through real receivers and a real page.

Must never regress: an attribute that is set is a dimension of ``span_metrics``; a resource that is changed is ``job``,
``instance`` and ``target_info``; who edits for one pipeline does not edit for another.
"""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.model.attribute_text import plain_value
from pipeline.testing import export_request
from tests.integration.running_engine import CALLS, RunningEngine

EDITED = """
processors:
  attributes/tier:
    include: {match_type: regexp, span_names: ["^GET"]}
    actions:
      - {key: tier, action: upsert, value: gold}
      - {key: user, action: hash}
      - {key: route, action: insert, from_attribute: http.route}
  attributes/url:
    actions:
      - {key: url.full, action: extract, pattern: "^https?://(?P<site>[^/]+)"}
      - {pattern: ^url, action: delete}
  resource:
    attributes:
      - {key: service.namespace, action: upsert, value: shop}
      - {key: service.instance.id, action: insert, from_attribute: host.name}
      - {key: host.name, action: delete}
      - {key: cluster, action: insert, value: eu}
connectors: {span_metrics: {dimensions: [{name: tier}, {name: route}, {name: site}]}}
service:
  pipelines:
    traces: {processors: [resource, attributes/tier, attributes/url], exporters: [span_metrics, spans]}
    metrics: {receivers: [span_metrics]}
"""
SPANS = export_request(
    [
        {
            "name": "GET /cart",
            "service": "cart",
            "resource": {"host.name": "h1"},
            "attributes": {"http.route": "/cart", "user": "ann", "url.full": "https://a.example/cart?user=ann"},
        },
        {"name": "POST /pay", "service": "pay", "resource": {"host.name": "h2"}, "attributes": {"user": "bob"}},
    ]
).SerializeToString()


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_metrics_and_what_is_sent_on_are_about_the_changed_spans(transport: str) -> None:
    with RunningEngine(EDITED) as weir:
        assert weir.send(SPANS, transport).outcome == "ok"
        calls = {dict(labels)["span_name"]: dict(labels) for labels in weir.samples(CALLS)}
        infos = {dict(labels)["job"]: dict(labels) for labels in weir.samples("target_info")}
        spans = {
            span.name: {pair.key: plain_value(pair.value) for pair in span.attributes} for span in weir.passed_on()
        }

    cart, pay = calls["GET /cart"], calls["POST /pay"]
    assert {key: cart.get(key) for key in ("tier", "route", "site")} == {
        "tier": "gold",
        "route": "/cart",
        "site": "a.example",
    }
    assert {key: pay.get(key) for key in ("tier", "route", "site")} == {"tier": None, "route": None, "site": None}
    assert (cart["job"], cart["instance"]) == ("shop/cart", "h1")
    assert (pay["job"], pay["instance"]) == ("shop/pay", "h2")
    assert {job: info["instance"] for job, info in infos.items()} == {"shop/cart": "h1", "shop/pay": "h2"}
    assert all(info["cluster"] == "eu" and "host_name" not in info for info in infos.values())
    assert spans["GET /cart"].keys() == {"http.route", "user", "tier", "route", "site"}
    assert spans["GET /cart"]["user"] != "ann"
    assert spans["POST /pay"] == {"user": "bob"}


TWO_PIPELINES = """
processors:
  attributes: {actions: [{key: user, action: delete}]}
  resource: {attributes: [{key: service.name, action: update, value: x}]}
exporters: {spans/edited: }
connectors: {span_metrics: {dimensions: [{name: user}]}}
service:
  pipelines:
    traces: {exporters: [span_metrics, spans]}
    traces/edited: {receivers: [otlp], processors: [attributes, resource], exporters: [spans/edited]}
    metrics: {receivers: [span_metrics]}
"""


def test_edits_for_one_pipeline_are_not_seen_in_another() -> None:
    with RunningEngine(TWO_PIPELINES) as weir:
        assert weir.send(SPANS).outcome == "ok"
        calls = [dict(labels) for labels in weir.samples(CALLS)]
        sinks: dict[str, Any] = weir.engine.graph.exporters
        edited, untouched = sinks["spans/edited"].batches, sinks["spans"].batches
    assert {one["user"] for one in calls} == {"ann", "bob"}
    assert {one["service_name"] for one in calls} == {"cart", "pay"}
    assert [batch.to_otlp() for batch in untouched] == [SPANS]
    assert all("user" not in {pair.key for pair in span.attributes} for batch in edited for span in batch.iter())
    values = {pair.value.string_value for batch in edited for row in (0, 1) for pair in batch.resource(row).attributes}
    assert values == {"x", "h1", "h2"}


def test_a_processor_for_properties_of_spans_cannot_be_in_a_pipeline_of_logs() -> None:
    config = """
processors: {attributes: {include: {match_type: strict, span_names: [a]}, actions: [{key: a, action: delete}]}}
connectors: {span_metrics: }
service:
  pipelines:
    traces: {exporters: [span_metrics, spans]}
    metrics: {receivers: [span_metrics]}
    logs: {receivers: [otlp], processors: [attributes], exporters: [debug]}
exporters: {debug: }
"""
    with pytest.raises(ConfigError, match="is configured for traces, and pipeline logs is of logs") as refused:
        RunningEngine(config)
    assert "processors.attributes (" in str(refused.value)
