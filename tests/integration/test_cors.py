"""Telemetry from pages in a browser: what a browser is told, over a socket."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.config.check import check
from pipeline.config.load import load_document
from pipeline.service.clock import SystemClock
from pipeline.service.engine import Engine
from pipeline.service.registry import Registry
from pipeline.testing import SpanSink, export_request

CONFIG = """
receivers:
  otlp:
    protocols:
      http:
        endpoint: "127.0.0.1:0"
        cors:
          allowed_origins: ["https://*.example.com", "http://localhost:3000"]
          allowed_headers: [X-Tenant]
          exposed_headers: [X-Weir]
          max_age: 7200
        response_headers: {X-Weir: here}
exporters: {spans: }
service:
  pipelines: {traces: {receivers: [otlp], exporters: [spans]}}
  telemetry: {metrics: {level: none}}
"""
ALLOWED, STRANGE = "https://shop.example.com", "https://example.com.evil.test"
ASKED = {"access-control-request-method": "POST", "access-control-request-headers": "content-type,x-tenant"}


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """Of a receiver for pages of two origins."""
    document = load_document(["env:CONFIG"], environ={"CONFIG": CONFIG})
    engine = Engine(check(document, Registry({"exporters": {"spans": SpanSink}})), SystemClock())
    engine.start()
    receiver: Any = engine.graph.receivers["otlp"]
    yield receiver.addresses["http"]
    engine.stop(5.0)


def asked(
    address: tuple[str, int], method: str, headers: dict[str, str], body: bytes = b"", path: str = "/v1/traces"
) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection(*address, timeout=10)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.read()
        return response.status, {name.lower(): value for name, value in response.getheaders()}
    finally:
        connection.close()


def test_a_page_of_an_allowed_origin_may_send(address: tuple[str, int]) -> None:
    status, headers = asked(address, "OPTIONS", {"origin": ALLOWED, **ASKED})
    assert status == 204
    assert "content-length" not in headers
    assert headers["access-control-allow-origin"] == ALLOWED
    assert headers["access-control-allow-methods"] == "POST"
    assert headers["access-control-allow-headers"] == "content-type,x-tenant"
    assert headers["access-control-max-age"] == "7200"
    body = export_request([{"service": "page"}]).SerializeToString()
    status, headers = asked(address, "POST", {"origin": ALLOWED, "content-type": "application/x-protobuf"}, body)
    assert status == 200
    assert headers["access-control-allow-origin"] == ALLOWED
    assert headers["access-control-expose-headers"] == "X-Weir"
    assert headers["vary"] == "origin"


@pytest.mark.parametrize(
    "changed",
    [
        {"origin": STRANGE},
        {"origin": "https://example.com"},
        {"origin": "null"},
        {"access-control-request-method": "DELETE"},
        {"access-control-request-headers": "authorization"},
    ],
)
def test_another_page_or_another_request_is_not_allowed(address: tuple[str, int], changed: dict[str, str]) -> None:
    status, headers = asked(address, "OPTIONS", {"origin": ALLOWED, **ASKED, **changed})
    assert status == 204
    assert not [name for name in headers if name.startswith("access-control")]


def test_a_page_learns_why_it_was_refused_and_a_stranger_does_not(address: tuple[str, int]) -> None:
    status, headers = asked(address, "POST", {"origin": ALLOWED, "content-type": "text/plain"}, b"x")
    assert (status, headers["access-control-allow-origin"]) == (415, ALLOWED)
    status, headers = asked(address, "POST", {"origin": STRANGE, "content-type": "text/plain"}, b"x")
    assert status == 415
    assert "access-control-allow-origin" not in headers


def test_services_are_not_concerned(address: tuple[str, int]) -> None:
    body = export_request([{"service": "cart"}]).SerializeToString()
    status, headers = asked(address, "POST", {"content-type": "application/x-protobuf"}, body)
    assert (status, headers["x-weir"]) == (200, "here")
    status, _ = asked(address, "OPTIONS", {"origin": ALLOWED})
    assert status == 405
    status, _ = asked(address, "OPTIONS", {"origin": ALLOWED, **ASKED}, path="/elsewhere")
    assert status == 404
