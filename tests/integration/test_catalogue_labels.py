"""The catalogue of bad input, A2 33 and 36: attributes that are named like our labels, and links without end."""

from __future__ import annotations

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.testing import export_request
from tests.integration.running_engine import CALLS, DURATION, RunningEngine

DIMENSIONS = ("job", "instance", "service_name", "le", "quantile", "__name__", "0day", "otel_scope_name", "a.b", "a_b")
CONFIG = f"""
connectors:
  span_metrics:
    histogram: {{unit: s}}
    zero_error_series: false
    dimensions: [{", ".join(f"{{name: {name}}}" for name in DIMENSIONS)}]
  service_graph: {{consumer_links: true}}
"""


def test_row_36_attributes_named_like_our_labels_never_replace_them() -> None:
    """The page stays valid, no series is lost, and the target's identity is that of the resource."""
    resource = {"service.namespace": "shop", "service.instance.id": "cart-1"}
    evil = dict.fromkeys(DIMENSIONS, "evil")
    with RunningEngine(CONFIG) as weir:
        body = export_request([{"resource": resource, "attributes": evil}, {"resource": resource}])
        assert weir.send(body.SerializeToString()).outcome == "ok"
        for openmetrics in (False, True):
            marked, plain = sorted(
                (dict(labels) for labels in weir.samples(CALLS, openmetrics=openmetrics)), key=len, reverse=True
            )
            expected = {"job": "shop/cart", "instance": "cart-1", "span_name": "GET /"}
            expected |= {"span_kind": "SPAN_KIND_SERVER", "status_code": "STATUS_CODE_UNSET"}
            assert plain == {**expected, "service_name": "cart"}
            assert marked == {
                **expected,
                "service_name": "cart;evil",
                "le": "evil",
                "quantile": "evil",
                "key_0day": "evil",
                "a_b": "evil;evil",
            }
            bounds = {dict(labels)["le"] for labels in weir.samples(f"{DURATION}_bucket", openmetrics=openmetrics)}
            assert "evil" not in bounds
        assert weir.total(CALLS) == weir.total(f"{DURATION}_count") == 2


def test_row_33_links_of_a_message_are_followed_up_to_a_limit() -> None:
    links = [Span.Link(trace_id=n.to_bytes(16, "big"), span_id=b"\x01" * 8) for n in range(1, 1_001)]
    with RunningEngine(CONFIG) as weir:
        assert weir.send(export_request([{"kind": "consumer", "links": links}]).SerializeToString()).outcome == "ok"
        weir.pass_time(3)
        assert weir.own("otelcol_connector_servicegraph_sanitized_spans", reason="link_limit") == 1_000 - 128
        assert weir.passed_on()[0].links[:] == links
