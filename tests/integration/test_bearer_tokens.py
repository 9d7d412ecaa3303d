"""Bearer tokens between a stock SDK, Weir, and another Weir behind it; renewed without a restart.

Must never regress: without a right token nothing is accepted, and no token is in a log, an answer or a printed
configuration.
"""

from __future__ import annotations

import contextlib
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config.check import check
from pipeline.config.load import load_document
from pipeline.errors import ConfigError
from pipeline.service.clock import SystemClock
from pipeline.service.engine import Engine
from pipeline.service.registry import Registry
from pipeline.testing import SpanSink, export_request
from tests.integration.raw_grpc import EXPORT
from tests.integration.weir_process import post
from tests.waiting import eventually

BACK = """
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "127.0.0.1:0", auth: {authenticator: bearertokenauth}}
      http: {endpoint: "127.0.0.1:0", auth: {authenticator: bearertokenauth}}
exporters: {spans: }
extensions: {bearertokenauth: {filename: "${env:TOKENS}"}}
service:
  extensions: [bearertokenauth]
  pipelines: {traces: {receivers: [otlp], exporters: [spans]}}
  telemetry: {metrics: {level: none}}
"""
FRONT = """
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:0"}}}}
exporters:
  otlp: {endpoint: "${env:GRPC}", tls: {insecure: true}, auth: {authenticator: bearertokenauth/out}}
  otlphttp: {endpoint: "http://${env:HTTP}", auth: {authenticator: bearertokenauth/out}}
extensions: {bearertokenauth/out: {tokens: [new-secret, old-secret]}}
service:
  extensions: [bearertokenauth/out]
  pipelines: {traces: {receivers: [otlp], exporters: [otlp, otlphttp]}}
  telemetry: {metrics: {level: none}}
"""
BODY = export_request([{"service": "cart"}]).SerializeToString()


@contextlib.contextmanager
def weir(text: str, **environ: str) -> Iterator[Any]:
    document = load_document(["env:CONFIG"], environ={"CONFIG": text, **environ})
    engine = Engine(check(document, Registry({"exporters": {"spans": SpanSink}})), SystemClock())
    engine.start()
    try:
        yield engine
    finally:
        engine.stop(5.0)


def addresses(engine: Engine) -> dict[str, str]:
    receiver: Any = engine.graph.receivers["otlp"]
    return {name: "{}:{}".format(*address) for name, address in receiver.addresses.items()}


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """A file with two tokens."""
    path = tmp_path / "tokens"
    path.write_text("old-secret\nnew-secret\n")
    return path


@pytest.fixture
def back(tokens: Path) -> Iterator[Any]:
    """A Weir that knows whom it takes telemetry from."""
    with weir(BACK, TOKENS=str(tokens)) as engine:
        yield engine


def by_http(address: str, *metadata: tuple[str, str]) -> tuple[int, bytes]:
    headers = {"content-type": "application/x-protobuf", **dict(metadata)}
    request = urllib.request.Request(f"http://{address}/v1/traces", BODY, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, b""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["www-authenticate"].encode() + error.read()


def by_grpc(address: str, *metadata: tuple[str, str]) -> grpc.StatusCode:
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            channel.unary_unary(EXPORT)(BODY, metadata=metadata, timeout=10)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
    return grpc.StatusCode.OK


WRONG: list[list[tuple[str, str]]] = [
    [],
    [("authorization", "Bearer ")],
    [("authorization", "Bearer old-secre")],
    [("authorization", "Bearer old-secret2")],
    [("authorization", "old-secret")],
    [("authorization", "Basic old-secret")],
    [("x-authorization", "Bearer old-secret")],
]


@pytest.mark.parametrize("metadata", WRONG)
def test_without_a_right_token_nothing_is_accepted(back: Any, metadata: list[tuple[str, str]]) -> None:
    at = addresses(back)
    status, body = by_http(at["http"], *metadata)
    assert status == 401
    assert body.startswith(b"Bearer")
    assert b"secret" not in body
    assert by_grpc(at["grpc"], *metadata) is grpc.StatusCode.UNAUTHENTICATED
    assert not len(back.graph.exporters["spans"])
    assert back.metrics.value("weir_receiver_requests", outcome="unauthenticated") == 2


def test_each_token_is_accepted_and_a_changed_file_is_read_again(back: Any, tokens: Path) -> None:
    at = addresses(back)
    for token in ("old-secret", "new-secret"):
        assert by_http(at["http"], ("Authorization", f"Bearer {token}"))[0] == 200
        assert by_grpc(at["grpc"], ("authorization", f"Bearer {token}")) is grpc.StatusCode.OK
    tokens.write_text("new-secret\n")
    os.utime(tokens, ns=(1, 1))
    assert by_grpc(at["grpc"], ("authorization", "Bearer old-secret")) is grpc.StatusCode.UNAUTHENTICATED
    tokens.unlink()
    assert by_grpc(at["grpc"], ("authorization", "Bearer new-secret")) is grpc.StatusCode.OK, "the last ones hold"


def test_exporters_send_the_first_token(back: Any) -> None:
    at = addresses(back)
    with weir(FRONT, GRPC=at["grpc"], HTTP=at["http"]) as front:
        assert post(f"http://{addresses(front)['http']}/v1/traces", BODY)[0] == 200

        def arrived() -> None:
            assert len(back.graph.exporters["spans"]) == 2, "one span over each exporter"

        eventually(arrived)


@pytest.mark.parametrize(
    ("extensions", "problem"),
    [
        ("service: {extensions: []}", "is not among service.extensions"),
        ("extensions: {bearertokenauth/out: {token: x, tokens: null, filename: y}}", "give one of"),
    ],
)
def test_mistakes_say_where_they_are(extensions: str, problem: str) -> None:
    sources = {"CONFIG": FRONT, "MORE": extensions, "GRPC": "a:1", "HTTP": "a:2"}
    with pytest.raises(ConfigError, match=problem):
        Engine(check(load_document(["env:CONFIG", "env:MORE"], environ=sources), Registry()), SystemClock())


def test_no_token_is_printed(tmp_path: Path) -> None:
    (tmp_path / "weir.yaml").write_text(FRONT)
    result = CliRunner().invoke(
        app, ["print-config", "--config", str(tmp_path / "weir.yaml")], env={"GRPC": "a:1", "HTTP": "a:2"}
    )
    assert result.exit_code == 0
    assert "REDACTED" in result.output
    assert "secret" not in result.output
