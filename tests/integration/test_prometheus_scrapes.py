"""The metrics page over real sockets: odd, many and slow readers (catalogue A 77, B 32)."""

from __future__ import annotations

import gzip
import http.client
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipeline.api import ConfigError, Meter, Settings
from pipeline.exporters.prometheus import THREADS, PrometheusConfig, PrometheusExporter
from pipeline.telemetry import ComponentTelemetry
from pipeline.testing import FakeClock
from tests.unit.codec.metric_batches import batch, number
from tests.unit.codec.pages import samples

SERIES = 20_000
BATCH = batch(number("calls", [({"span.name": f"operation {i} " + "x" * 100}, i) for i in range(SERIES)]))


class Served:
    """An exporter that serves ``BATCH``."""

    def __init__(self, **config: Any) -> None:
        clock = FakeClock()
        self.telemetry = ComponentTelemetry("exporter", "prometheus", clock)
        settings = Settings("prometheus", clock, Meter("prometheus", clock), self.telemetry)
        self.exporter = PrometheusExporter(PrometheusConfig(endpoint="127.0.0.1:0", **config), settings)
        self.exporter.start(lambda: [BATCH])
        self.host, self.port = self.exporter.address

    def ask(self, method: str = "GET", path: str = "/metrics", **headers: str) -> tuple[int, Mapping[str, str], bytes]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): v for name, v in headers.items()})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=60)

    def counted(self, name: str) -> float:
        return self.telemetry.metrics.value(f"otelcol_exporter_prometheus_{name}")


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.exporter.shutdown()


def test_a_page_is_served_whole(served: Served) -> None:
    status, headers, body = served.ask()
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert [value for _, _, value in samples(body)] == [float(i) for i in range(SERIES)]
    _, headers, packed = served.ask(accept_encoding="gzip")
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed) == body


def test_head_has_the_headers_of_get_and_no_body(served: Served) -> None:
    _, expected, body = served.ask()
    status, headers, nothing = served.ask("HEAD")
    assert (status, nothing) == (200, b"")
    assert headers["content-length"] == expected["content-length"] == str(len(body))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/metrics", 405),
        ("DELETE", "/metrics", 405),
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("GET", "//metrics", 404),
        ("GET", "/metrics%2e", 404),
        ("GET", "/metrics?name[]=x&" + "q" * 2000, 200),
        ("GET", "/metrics?" + "q" * 100_000, 414),
    ],
)
def test_odd_requests_are_answered(served: Served, method: str, path: str, status: int) -> None:
    assert served.ask(method, path)[0] == status


@pytest.mark.parametrize(
    "raw",
    [
        b"GET http://[bad/metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /metrics?" + b"q" * 10_000_000,
    ],
)
def test_malformed_requests_do_no_harm(served: Served, raw: bytes) -> None:
    """CVE-2026-44902: a malformed URL crashed another exporter's process."""
    with served.connect() as connection:
        try:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65536)
        except (ConnectionError, BrokenPipeError):
            answer = b""
    assert answer[:12] in {b"", *(b"HTTP/1.1 %d" % status for status in (200, 400, 404, 414, 431, 505))}
    assert served.ask()[0] == 200


def test_a_hundred_parallel_scrapes_share_few_renders(served: Served) -> None:
    with ThreadPoolExecutor(100) as threads:
        answers = list(threads.map(lambda _: served.ask(accept_encoding="gzip"), range(100)))
    assert {status for status, _, _ in answers} == {200}
    assert len({body for _, _, body in answers}) == 1
    assert served.counted("scrapes") == 100
    assert served.counted("rendered_pages") <= 100 - THREADS, "scrapes that wait together get one page"


def test_slow_readers_harm_nobody(served: Served) -> None:
    slow = [served.connect() for _ in range(THREADS + 4)]
    try:
        for connection in slow:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        for connection in slow:
            assert connection.recv(1) == b"H"
        assert served.ask()[0] == 200
    finally:
        for connection in slow:
            connection.close()


def test_the_port_is_free_after_shutdown(served: Served) -> None:
    served.exporter.shutdown()
    with pytest.raises(ConnectionError):
        served.connect()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_pages_are_served_over_tls(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=127.0.0.1"
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
        timeout=60,
    )
    key.chmod(0o600)
    served = Served(tls={"cert_file": certificate, "key_file": key})
    context = ssl.create_default_context(cafile=certificate)
    connection = http.client.HTTPSConnection(served.host, served.port, timeout=60, context=context)
    try:
        connection.request("GET", "/metrics", headers={"accept-encoding": "gzip"})
        body = gzip.decompress(connection.getresponse().read())
        assert len(samples(body)) == SERIES
    finally:
        connection.close()
        served.exporter.shutdown()


def test_a_missing_certificate_is_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.pem"):
        Served(tls={"cert_file": tmp_path / "nothing.pem", "key_file": tmp_path / "nothing.key"})
