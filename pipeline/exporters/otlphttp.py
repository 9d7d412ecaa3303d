"""``otlphttp`` (``otlp_http``): all three signals to an OTLP destination over HTTP. Keys and defaults as the
Collector's.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from pipeline import __version__
from pipeline.api import Collect, ComponentConfig, Settings
from pipeline.authentication import AuthConfig, client_authenticator
from pipeline.codec.otlp_json_encode import encode_json
from pipeline.codec.otlp_split import split
from pipeline.config.durations import Duration
from pipeline.config.secrets import Secret
from pipeline.exporters.client_tls import ClientTls
from pipeline.exporters.delivery import Shipping
from pipeline.exporters.http_client import CLIENT_KEYS_WITHOUT_EFFECT, HttpClient
from pipeline.exporters.otlp_answers import http_verdict
from pipeline.exporters.outbound_compression import Compression, compressor
from pipeline.exporters.push import PushConfig, PushExporter
from pipeline.exporters.verdict import Verdict
from pipeline.receivers.signals import SIGNALS, Signal

CONTENT_TYPES = {"proto": "application/x-protobuf", "json": "application/json"}


class OtlpHttpConfig(PushConfig):
    """The Collector's keys."""

    without_effect: ClassVar[Mapping[str, str]] = CLIENT_KEYS_WITHOUT_EFFECT

    written_otherwise: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("insecure", "ca_file", "cert_file", "key_file", "insecure_skip_verify"), "write it below tls"
    )

    timeout: Duration = 30.0
    endpoint: str = ""
    """The base; ``/v1/traces`` and so on are added."""
    traces_endpoint: str = ""
    metrics_endpoint: str = ""
    logs_endpoint: str = ""
    tls: ClientTls = ClientTls()
    headers: dict[str, Secret] = Field(default_factory=dict)
    auth: AuthConfig | None = None
    compression: Compression = "gzip"
    encoding: Literal["proto", "json"] = "proto"

    @field_validator("endpoint", "traces_endpoint", "metrics_endpoint", "logs_endpoint")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if value:
            check_url(value)
        return value

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        if not any(self.url(signal) for signal in SIGNALS):
            raise ValueError("at least one endpoint must be specified")
        return self

    def url(self, signal: str) -> str:
        """Where a signal goes; "" for nowhere."""
        own: str = getattr(self, f"{signal}_endpoint")
        return own or (f"{self.endpoint.rstrip('/')}/v1/{signal}" if self.endpoint else "")


def check_url(url: str) -> None:
    """Raise ValueError where a URL is none for a client."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError('write it as "https://host:port"')
    if parts.username is not None:
        raise ValueError("no user and password in the address, which is logged; use headers")
    _ = parts.port  # raises ValueError where it is none


class OtlpHttpExporter(PushExporter):
    """Sends over HTTP."""

    Config: ClassVar[type[ComponentConfig]] = OtlpHttpConfig

    def __init__(self, config: OtlpHttpConfig, settings: Settings) -> None:
        super().__init__(config, settings)
        self._config = config
        self._client: HttpClient | None = None
        self._authenticator = client_authenticator(config.auth, settings)
        self._compress, encoding = compressor(config.compression)
        self._headers = {
            "content-type": CONTENT_TYPES[config.encoding],
            "user-agent": f"weir/{__version__}",
            **({"content-encoding": encoding} if encoding else {}),
            **{name.lower(): text.reveal() for name, text in config.headers.items()},
        }

    def start(self, collect: Collect) -> None:
        """Read the certificates; connections are made with the first request of each thread.

        Raises:
            ConfigError: A certificate cannot be used.
        """
        tls = self._config.tls
        self._client = HttpClient(tls.context(), tls.server_name_override, self._settings.clock)
        super().start(collect)

    def shipping(self, signal: str) -> Shipping | None:
        """See ``PushExporter``."""
        url = self._config.url(signal)
        if not url:
            return None
        return Shipping(
            signal,
            partial(self._send, SIGNALS[signal], url),
            self._config.timeout,
            split=lambda payload, items: split(payload, items, signal),
        )

    def close(self) -> None:
        """Cut what is under way."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _send(self, signal: Signal, url: str, payload: bytes, items: int, timeout_s: float) -> Verdict:  # noqa: ARG002 - Shipping.send
        client = self._client
        if client is None:
            raise RuntimeError("the exporter has not been started")
        body = payload if self._config.encoding == "proto" else encode_json(payload, signal.request)
        if self._compress is not None:
            body = self._compress(body)
        headers = self._headers
        if self._authenticator is not None:
            headers = {**headers, **self._authenticator.credentials()}
        answer = client.send(url, body, headers, timeout_s)
        if isinstance(answer, Verdict):
            return answer
        return http_verdict(answer, signal, self._settings.clock.unix_nano())
