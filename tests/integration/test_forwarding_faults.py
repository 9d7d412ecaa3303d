"""All three signals through a whole Weir to destinations that fail (catalogue of faults, part B: 6 scaled, 7, 8, 9, 10,
23, 35, 37). The oracle is set algebra: what Weir acknowledged to the sender, against what destinations acknowledged to
Weir.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import grpc
import pytest

from benchmarks.processes import free_port
from pipeline.api import Exporter, LogBatch, MetricBatch, Settings, SpanBatch
from pipeline.receivers.signals import SIGNALS
from pipeline.telemetry.edges import ITEM_NAMES
from pipeline.testing import export_request, logs_request, metrics_request
from tests.integration.destinations import (
    Failure,
    Reply,
    busy,
    grpc_destination,
    http_destination,
    partial,
    reset,
    silent,
)
from tests.integration.sdk_target import SdkTarget
from tests.waiting import eventually

SERVICE = """
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [{0}]}}
    metrics: {{receivers: [otlp], exporters: [{0}]}}
    logs: {{receivers: [otlp], exporters: [{0}]}}
  telemetry: {{metrics: {{level: none}}}}
"""
FAST = "retry_on_failure: {initial_interval: 10ms, max_interval: 50ms, max_elapsed_time: 60s}"
CODES = grpc.StatusCode
KINDS: dict[str, Any] = {"otlp": grpc_destination, "otlphttp": http_destination}
SCRIPTS: dict[str, list[Any]] = {
    "otlp": [Failure(CODES.UNAVAILABLE), busy(0.05, CODES.RESOURCE_EXHAUSTED), Failure(CODES.ABORTED)],
    "otlphttp": [Reply(503), Reply(429, {"retry-after": "0"}), Reply(413), Reply(act=reset), Reply(504)],
}
REQUESTS: dict[str, Callable[[list[int]], Any]] = {
    "traces": lambda numbers: export_request([{"span_id": number.to_bytes(8, "big")} for number in numbers]),
    "metrics": lambda numbers: metrics_request([{"time_unix_nano": number} for number in numbers]),
    "logs": lambda numbers: logs_request([{"time_unix_nano": number} for number in numbers]),
}
EACH = pytest.mark.parametrize("exporter", KINDS)
OF_ALL = pytest.mark.parametrize("signal", SIGNALS)


def exporter_config(exporter: str, endpoint: str, more: str = "") -> str:
    tls = ", tls: {insecure: true}" if exporter.startswith("otlp/") or exporter == "otlp" else ""
    return f'  {exporter}: {{endpoint: "{endpoint}"{tls}, timeout: 5s, {FAST}{more}}}\n'


class Sender:
    """Sends requests of a signal to a Weir."""

    def __init__(self, weir: SdkTarget, signal: str, channel: grpc.Channel) -> None:
        self._call = channel.unary_unary(SIGNALS[signal].method)
        self._signal = signal
        self._number = 0
        self.weir = weir
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()

    def send(self, requests: int, items: int = 4) -> None:
        """Raises where a request is not acknowledged."""
        for _ in range(requests):
            numbers = list(range(self._number + 1, self._number + items + 1))
            self._number += items
            ids = {f"{number:016x}" for number in numbers}
            self.sent |= ids
            self._call(REQUESTS[self._signal](numbers).SerializeToString(), timeout=30, wait_for_ready=True)
            self.acknowledged |= ids

    def counted(self, what: str, **labels: str) -> float:
        """One of Weir's own metrics about its exporters."""
        return self.weir.own(f"otelcol_exporter_{what}_{ITEM_NAMES[self._signal]}", **labels)


@contextmanager
def sending(signal: str, exporters: str, names: str) -> Iterator[Sender]:
    with ExitStack() as stack:
        config = "exporters:\n" + exporters + SERVICE.format(names)
        weir = stack.enter_context(SdkTarget(config, plugins={"storm": Storm}))
        channel = stack.enter_context(grpc.insecure_channel(weir.grpc))
        yield Sender(weir, signal, channel)


def once(acknowledged: set[str]) -> Counter[str]:
    return Counter(acknowledged)


def asserted(claim: bool) -> None:
    assert claim


@OF_ALL
@EACH
def test_a_destination_that_is_away_comes_back_and_stumbles_gets_everything_once(exporter: str, signal: str) -> None:
    port = free_port()
    address = f"127.0.0.1:{port}" if exporter == "otlp" else f"http://127.0.0.1:{port}"
    with sending(signal, exporter_config(exporter, address), exporter) as sender:
        sender.send(20)
        reason = "grpc_unavailable" if exporter == "otlp" else "refused"
        eventually(lambda: asserted(sender.weir.own("weir_exporter_retries", reason=reason) > 0))
        with KINDS[exporter](*SCRIPTS[exporter], port=port) as (_, first):
            sender.send(20)
            eventually(lambda: asserted(first.acknowledged == once(sender.acknowledged)))
            eventually(lambda: asserted(sender.counted("sent") == 160))
        sender.send(20)
        with KINDS[exporter](*SCRIPTS[exporter], port=port) as (_, second):
            sender.send(20)
            eventually(lambda: asserted(first.acknowledged + second.acknowledged == once(sender.acknowledged)))
            eventually(lambda: asserted(sender.counted("sent") == 320))


@OF_ALL
@EACH
def test_a_partial_success_is_counted_and_never_repeated(exporter: str, signal: str) -> None:
    body = partial(3, "bad ids")
    reply: Any = body if exporter == "otlp" else Reply(body=body, keeps=True)
    with (
        KINDS[exporter](reply) as (address, ledger),
        sending(signal, exporter_config(exporter, address), exporter) as sender,
    ):
        sender.send(1)
        eventually(lambda: asserted(sender.counted("send_failed", reason="partial_success") == 3))
        assert (len(ledger.requests), sender.counted("sent")) == (1, 1)


@OF_ALL
def test_a_destination_that_never_answers_delays_nobody_else(signal: str) -> None:
    stop = threading.Event()
    with (
        http_destination(*[Reply(act=silent(stop))] * 3) as (slow_address, slow),
        http_destination() as (address, ledger),
    ):
        exporters = exporter_config("otlphttp/slow", slow_address).replace("timeout: 5s", "timeout: 300ms")
        exporters += exporter_config("otlphttp", address)
        with sending(signal, exporters, "otlphttp, otlphttp/slow") as sender:
            sender.send(5)
            eventually(lambda: asserted(ledger.acknowledged == once(sender.acknowledged)))
            eventually(lambda: asserted(slow.acknowledged == once(sender.acknowledged)))
            assert sender.weir.own("weir_exporter_retries", reason="timeout") == 3
        stop.set()


class Proxy:
    """A network that can lose connections without a word: nothing is forwarded any more, nothing is closed."""

    def __init__(self, target: tuple[str, int], host: str = "127.0.0.1") -> None:
        self._target = target
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self._sockets: list[socket.socket] = []
        self._lost: set[socket.socket] = set()
        shown = f"[{host}]" if ":" in host else host
        self.address = f"{shown}:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def lose(self) -> None:
        """The connections of now; later ones are fine."""
        self._lost.update(self._sockets)

    def close(self) -> None:
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._sockets += [near, far]
            for pair in ((near, far), (far, near)):
                thread = threading.Thread(target=self._forward, args=pair, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if source not in self._lost:
                    target.sendall(data)


@OF_ALL
@EACH
def test_connections_that_are_lost_without_a_word_are_replaced(exporter: str, signal: str) -> None:
    with KINDS[exporter]() as (address, ledger), ExitStack() as stack:
        host, _, port = address.removeprefix("http://").rpartition(":")
        proxy = Proxy((host, int(port)))
        stack.callback(proxy.close)
        endpoint = proxy.address if exporter == "otlp" else f"http://{proxy.address}"
        keepalive = ", keepalive: {time: 1s, timeout: 500ms}" if exporter == "otlp" else ""
        config = exporter_config(exporter, endpoint, keepalive).replace("timeout: 5s", "timeout: 500ms")
        with sending(signal, config, exporter) as sender:
            sender.send(3)
            eventually(lambda: asserted(ledger.acknowledged == once(sender.acknowledged)))
            proxy.lose()
            sender.send(3)
            eventually(lambda: asserted(ledger.acknowledged == once(sender.acknowledged)))


class Storm(Exporter):
    """Raises for every batch."""

    signals = tuple(SIGNALS)

    def __init__(self, config: Any, settings: Settings) -> None:
        pass

    def export_traces(self, spans: SpanBatch) -> None:
        raise RuntimeError("traces")

    def export_metrics(self, metrics: MetricBatch) -> None:
        raise RuntimeError("metrics")

    def export_logs(self, logs: LogBatch) -> None:
        raise RuntimeError("logs")


@OF_ALL
@pytest.mark.parametrize("order", ["otlphttp, storm", "storm, otlphttp"])
def test_an_exporter_that_raises_is_reported_and_takes_nothing_from_the_others(signal: str, order: str) -> None:
    """What the others have is not asked for again: they would get it twice (``FanOut``)."""
    with (
        http_destination() as (address, ledger),
        sending(signal, "  storm:\n" + exporter_config("otlphttp", address), order) as sender,
    ):
        for _ in range(5):
            with pytest.raises(grpc.RpcError, match="storm failed") as caught:
                sender.send(1)
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        eventually(lambda: asserted(ledger.acknowledged == once(sender.sent)))


@OF_ALL
@EACH
def test_an_address_of_the_new_protocol(exporter: str, signal: str) -> None:
    if not socket.has_ipv6:
        pytest.skip("needs IPv6 on loopback")
    with KINDS[exporter]() as (address, ledger):
        host, _, port = address.removeprefix("http://").rpartition(":")
        proxy = Proxy((host, int(port)), "::1")
        endpoint = proxy.address if exporter == "otlp" else f"http://{proxy.address}"
        with sending(signal, exporter_config(exporter, endpoint), exporter) as sender:
            sender.send(3)
            eventually(lambda: asserted(ledger.acknowledged == once(sender.acknowledged)))
        proxy.close()


class Resolver:
    """Names as the test wants them, for whoever asks Python; gRPC asks for itself."""

    def __init__(self, patch: pytest.MonkeyPatch, name: str) -> None:
        self.answers: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        ask = socket.getaddrinfo

        def answer(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
            if host != name:
                return ask(host, port, *arguments, **options)
            assert self.gate.wait(30)
            return ask(self.answers[-1], port, *arguments, **options)

        patch.setattr(socket, "getaddrinfo", answer)


@OF_ALL
def test_a_name_with_a_new_address_is_found_and_a_slow_resolver_holds_up_nobody(
    signal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = Resolver(monkeypatch, "backend.test")
    resolver.answers.append("127.0.0.2")
    with http_destination() as (address, ledger), http_destination() as (other_address, other):
        port = address.rpartition(":")[2]
        exporters = exporter_config("otlphttp", f"http://backend.test:{port}")
        exporters += exporter_config("otlphttp/other", other_address)
        with sending(signal, exporters, "otlphttp, otlphttp/other") as sender:
            sender.send(3)
            eventually(lambda: asserted(sender.weir.own("weir_exporter_retries", reason="refused") > 0))
            resolver.gate.clear()
            sender.send(3)
            eventually(lambda: asserted(other.acknowledged == once(sender.acknowledged)))
            resolver.answers.append("127.0.0.1")
            resolver.gate.set()
            eventually(lambda: asserted(ledger.acknowledged == once(sender.acknowledged)))
