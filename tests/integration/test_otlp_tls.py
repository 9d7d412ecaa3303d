"""TLS on both transports: who may connect, and new certificates without a restart.

Must never regress: a client without the right certificate gets no further than the handshake; a bad file on disk
leaves the old certificate in use.
"""

from __future__ import annotations

import os
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from pipeline.errors import ConfigError
from pipeline.testing import FakeClock
from pipeline.tls import ServerTls, TlsConfig
from tests.integration.otlp_server import OtlpServer, spans, traces
from tests.integration.raw_grpc import EXPORT
from tests.integration.raw_http import Client

FILES = Path(__file__).parents[1] / "data" / "tls"
GOOD = spans(3).SerializeToString()
WAIT_S = 20.0


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Certificate and key of a server, where a test may replace them."""
    install(tmp_path, "server")
    return tmp_path


def install(directory: Path, name: str) -> None:
    for suffix in ("pem", "key"):
        shutil.copy(FILES / f"{name}.{suffix}", directory / f"tls.{suffix}")
        (directory / f"tls.{suffix}").chmod(0o600)
    count = len(list(directory.iterdir()))
    os.utime(
        directory / "tls.pem", ns=(count, hash(name) % 1_000_000_000)
    )  # a time of its own, however fast the test is


def settings(directory: Path, **more: Any) -> dict[str, Any]:
    return {"cert_file": str(directory / "tls.pem"), "key_file": str(directory / "tls.key"), **more}


@pytest.fixture
def mutual(directory: Path) -> Iterator[OtlpServer]:
    tls = settings(directory, client_ca_file=str(FILES / "ca.pem"))
    with OtlpServer(http={"tls": tls}, grpc={"tls": tls}) as server:
        yield server


def client_context(name: str | None, authority: str = "ca") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=FILES / f"{authority}.pem")
    if name is not None:
        context.load_cert_chain(FILES / f"{name}.pem", FILES / f"{name}.key")
    return context


def send_http(server: OtlpServer, context: ssl.SSLContext) -> int:
    with Client(server.http, context) as client:
        client.send(traces(GOOD))
        return client.answer().status


def send_grpc(server: OtlpServer, name: str | None, authority: str = "ca") -> grpc.StatusCode:
    pair = ((FILES / f"{name}.key").read_bytes(), (FILES / f"{name}.pem").read_bytes()) if name else (None, None)
    credentials = grpc.ssl_channel_credentials((FILES / f"{authority}.pem").read_bytes(), *pair)
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(server.grpc, credentials, options) as channel:
        code: grpc.StatusCode = channel.unary_unary(EXPORT).future(GOOD, timeout=WAIT_S).code()
        return code


def test_encrypted_requests_arrive(directory: Path) -> None:
    tls = settings(directory)
    with OtlpServer(http={"tls": {**tls, "min_version": "1.3"}}, grpc={"tls": tls}) as server:
        assert send_http(server, client_context(None)) == 200
        assert send_grpc(server, None) == grpc.StatusCode.OK
        assert server.accepted == 6


def test_large_requests_and_requests_sent_ahead_arrive_encrypted(directory: Path) -> None:
    body = spans(3_000).SerializeToString()
    with OtlpServer(http={"tls": settings(directory)}) as server, Client(server.http, client_context(None)) as client:
        client.send(traces(body) + traces(GOOD) + traces(body))
        assert [client.answer().status for _ in range(3)] == [200, 200, 200]
        assert server.accepted == 6_003


def test_only_clients_of_the_right_authority_get_in(mutual: OtlpServer) -> None:
    assert send_http(mutual, client_context("client")) == 200
    assert send_grpc(mutual, "client") == grpc.StatusCode.OK
    for name in (None, "stranger"):
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            send_http(mutual, client_context(name))
        assert send_grpc(mutual, name) == grpc.StatusCode.UNAVAILABLE
    assert mutual.accepted == 6


def test_a_client_that_does_not_trust_us_sends_nothing(mutual: OtlpServer) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        send_http(mutual, client_context("client", authority="stranger-ca"))
    assert send_grpc(mutual, "client", authority="stranger-ca") == grpc.StatusCode.UNAVAILABLE
    assert mutual.accepted == 0


def test_plain_text_on_an_encrypted_port_is_closed(mutual: OtlpServer) -> None:
    with Client(mutual.http) as client:
        client.send(traces(GOOD))
        with pytest.raises((AssertionError, ConnectionError, IndexError)):
            client.answer()
    assert send_http(mutual, client_context("client")) == 200


def serial(server: OtlpServer) -> str:
    """Serial number of the certificate that the server shows."""
    with Client(server.http, client_context(None)) as client:
        assert isinstance(client.socket, ssl.SSLSocket)
        certificate = client.socket.getpeercert()
        assert certificate is not None
        return str(certificate["serialNumber"])


def test_new_certificates_are_taken_and_bad_ones_are_not(directory: Path) -> None:
    tls = settings(directory, reload_interval="1ns")
    with OtlpServer(http={"tls": tls}, grpc={"tls": tls}) as server:
        first = serial(server)
        install(directory, "server-2")
        second = serial(server)
        assert second != first
        (directory / "tls.key").write_bytes((FILES / "server.key").read_bytes())
        assert serial(server) == second
        (directory / "tls.pem").unlink()
        assert serial(server) == second
        assert send_grpc(server, None) == grpc.StatusCode.OK
        assert any("new certificates cannot be used" in line for line in server.log.lines)


def test_certificates_are_looked_at_once_per_interval(directory: Path) -> None:
    with OtlpServer() as server:
        clock = FakeClock()
        tls = ServerTls(TlsConfig(**settings(directory, reload_interval="60s")), clock, server.telemetry.logger)
        tls.load()
        first = tls.context()
        install(directory, "server-2")
        clock.advance(59)
        assert tls.context() is first
        clock.advance(1)
        assert tls.context() is not first


BAD_FILES = {
    "missing": ("tls.pem", None, "No such file"),
    "not PEM": ("tls.pem", b"nonsense", "are no certificate with its key"),
    "another key": ("tls.key", (FILES / "client.key").read_bytes(), "are no certificate with its key"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_certificate_that_cannot_be_used_is_an_error_at_the_start(name: str, directory: Path) -> None:
    file, content, message = BAD_FILES[name]
    (directory / file).unlink()
    if content is not None:
        (directory / file).write_bytes(content)
    for protocol in ("http", "grpc"):
        with pytest.raises(ConfigError, match=rf"protocols\.{protocol}\.tls: .*tls.*{message}"):
            OtlpServer(**{protocol: {"tls": settings(directory)}}).__enter__()


def test_a_key_that_others_can_read_is_warned_about(directory: Path) -> None:
    (directory / "tls.key").chmod(0o644)
    with OtlpServer(http={"tls": settings(directory)}) as server:
        assert any("can be read by others" in line for line in server.log.lines)
