"""``otlp`` (``otlp_grpc``): all three signals to an OTLP destination over gRPC. Keys and defaults as the Collector's.

The stubs take raw bytes, so what only passes through leaves as the bytes that came in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, Literal

import grpc
from pydantic import Field, field_validator

from pipeline.api import Collect, ComponentConfig, Settings
from pipeline.authentication import AuthConfig, client_authenticator
from pipeline.codec.otlp_split import split
from pipeline.config.durations import Duration
from pipeline.config.secrets import Secret
from pipeline.exporters.client_tls import ClientTls
from pipeline.exporters.delivery import Shipping
from pipeline.exporters.otlp_answers import grpc_verdict, success
from pipeline.exporters.push import PushConfig, PushExporter
from pipeline.exporters.verdict import Verdict
from pipeline.receivers.signals import SIGNALS, Signal

MAX_RESPONSE_BYTES = 4 << 20
_COMPRESSIONS = {"gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}
# gRPC itself waits up to two minutes before it connects again: too long after an outage, with our own waits on top.
_MAX_RECONNECT_MS = 5_000


class KeepaliveConfig(ComponentConfig):
    """``keepalive``: pings that find a dead connection."""

    time: Duration = 60.0
    timeout: Duration = 20.0
    permit_without_stream: bool = False


class OtlpConfig(PushConfig):
    """The Collector's keys."""

    without_effect: ClassVar[Mapping[str, str]] = {
        "read_buffer_size": "the gRPC library chooses its buffers",
        "write_buffer_size": "the gRPC library chooses its buffers",
    }
    instead: ClassVar[Mapping[str, Mapping[str, tuple[str, str]]]] = {
        "compression": dict.fromkeys(
            ("zstd", "snappy"), ("gzip", "the gRPC library has gzip and deflate; otlphttp has zstd")
        ),
    }

    written_otherwise: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("insecure", "ca_file", "cert_file", "key_file", "insecure_skip_verify"), "write it below tls"
    )

    endpoint: str
    tls: ClientTls = ClientTls()
    headers: dict[str, Secret] = Field(default_factory=dict)
    auth: AuthConfig | None = None
    compression: Literal["gzip", "deflate", "none", ""] = "gzip"
    keepalive: KeepaliveConfig = KeepaliveConfig()
    balancer_name: Literal["round_robin", "pick_first"] = "round_robin"
    wait_for_ready: bool = False
    authority: str = ""

    @field_validator("endpoint")
    @classmethod
    def _is_target(cls, value: str) -> str:
        if not value.strip() or not target_of(value):
            raise ValueError('write it as "host:port"')
        return value

    @field_validator("headers")
    @classmethod
    def _lower(cls, value: dict[str, Secret]) -> dict[str, Secret]:
        return {name.lower(): text for name, text in value.items()}

    @property
    def is_secure(self) -> bool:
        """A scheme in the endpoint decides; else ``tls.insecure``."""
        if self.endpoint.startswith("http://"):
            return False
        return self.endpoint.startswith("https://") or not self.tls.insecure


def target_of(endpoint: str) -> str:
    """The endpoint as gRPC wants it.

    >>> target_of("https://collector:4317/"), target_of("dns:///collector:4317")
    ('collector:4317', 'dns:///collector:4317')
    """
    return endpoint.removeprefix("http://").removeprefix("https://").rstrip("/")


class OtlpExporter(PushExporter):
    """Sends over gRPC."""

    Config: ClassVar[type[ComponentConfig]] = OtlpConfig

    def __init__(self, config: OtlpConfig, settings: Settings) -> None:
        super().__init__(config, settings)
        self._config = config
        self._channel: grpc.Channel | None = None
        self._calls: dict[str, Callable[..., Any]] = {}
        self._authenticator = client_authenticator(config.auth, settings)
        self._metadata = tuple((name, text.reveal()) for name, text in config.headers.items())

    def start(self, collect: Collect) -> None:
        """Make the channel, which connects with the first call.

        Raises:
            ConfigError: A certificate cannot be used.
        """
        target, options = target_of(self._config.endpoint), self._options()
        compression = _COMPRESSIONS.get(self._config.compression, grpc.Compression.NoCompression)
        if self._config.is_secure:
            credentials = self._config.tls.credentials()
            self._channel = grpc.secure_channel(target, credentials, options, compression)
        else:
            self._channel = grpc.insecure_channel(target, options, compression)
        self._calls = {signal.name: self._channel.unary_unary(signal.method) for signal in SIGNALS.values()}
        super().start(collect)

    def shipping(self, signal: str) -> Shipping:
        """See ``PushExporter``."""
        return Shipping(
            signal,
            partial(self._send, SIGNALS[signal]),
            self._config.timeout,
            split=lambda payload, items: split(payload, items, signal),
        )

    def close(self) -> None:
        """Close the channel."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _metadata_now(self) -> tuple[tuple[str, str], ...]:
        if self._authenticator is None:
            return self._metadata
        return (*self._metadata, *self._authenticator.credentials().items())

    def _send(self, signal: Signal, payload: bytes, items: int, timeout_s: float) -> Verdict:  # noqa: ARG002 - Shipping.send
        try:
            body = self._calls[signal.name](
                payload,
                timeout=timeout_s or None,
                metadata=self._metadata_now(),
                wait_for_ready=self._config.wait_for_ready or None,
            )
        except grpc.RpcError as error:
            return grpc_verdict(error)
        return success(body, signal)

    def _options(self) -> list[tuple[str, Any]]:
        keepalive = self._config.keepalive
        options: list[tuple[str, Any]] = [
            ("grpc.max_receive_message_length", MAX_RESPONSE_BYTES),
            ("grpc.max_send_message_length", -1),
            ("grpc.keepalive_time_ms", round(keepalive.time * 1000)),
            ("grpc.keepalive_timeout_ms", round(keepalive.timeout * 1000)),
            # a ping may go unanswered for a minute by default, whatever the time-out of keepalive is
            ("grpc.http2.ping_timeout_ms", round(keepalive.timeout * 1000)),
            ("grpc.keepalive_permit_without_calls", int(keepalive.permit_without_stream)),
            ("grpc.initial_reconnect_backoff_ms", 1000),
            ("grpc.max_reconnect_backoff_ms", _MAX_RECONNECT_MS),
            ("grpc.lb_policy_name", self._config.balancer_name),
            ("grpc.enable_retries", 0),  # the queue retries
            ("grpc.enable_http_proxy", 0),
        ]
        if self._config.authority:
            options.append(("grpc.default_authority", self._config.authority))
        if self._config.tls.server_name_override:
            options.append(("grpc.ssl_target_name_override", self._config.tls.server_name_override))
        return options
