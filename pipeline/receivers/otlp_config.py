"""The configuration of the ``otlp`` receiver: the keys of the Collector's, and what bounds Weir's memory.

Where the Collector's default is "no limit" or a library's, Weir's is safer; 0 means the default, or no time limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from pipeline.api import ComponentConfig
from pipeline.authentication import AuthConfig
from pipeline.config.durations import Duration
from pipeline.endpoint import Endpoint
from pipeline.tls import TlsConfig

MIB = 1 << 20
DEFAULT_BODY_MIB = 16
COMPRESSION = ("", "gzip", "zstd", "zlib", "deflate")


def _no_sockets(value: object) -> object:
    if value != "tcp":
        raise ValueError("only tcp is supported: listen on 127.0.0.1 for senders on this machine")
    return value


Transport = Annotated[Literal["tcp"], BeforeValidator(_no_sockets)]


class KeepaliveServerParameters(ComponentConfig):
    """``keepalive.server_parameters``. A limited age spreads clients over servers that were added later."""

    max_connection_idle: Duration = 0.0
    max_connection_age: Duration = 1800.0
    max_connection_age_grace: Duration = 60.0
    time: Duration = 60.0
    timeout: Duration = 20.0


class KeepaliveEnforcementPolicy(ComponentConfig):
    """``keepalive.enforcement_policy``: which pings of clients are too many."""

    min_time: Duration = 10.0
    permit_without_stream: bool = True


class Keepalive(ComponentConfig):
    """``keepalive``."""

    server_parameters: KeepaliveServerParameters = KeepaliveServerParameters()
    enforcement_policy: KeepaliveEnforcementPolicy = KeepaliveEnforcementPolicy()


class GrpcConfig(ComponentConfig):
    """``protocols.grpc``."""

    without_effect: ClassVar[Mapping[str, str]] = {
        "read_buffer_size": "the gRPC library chooses its buffers",
        "write_buffer_size": "the gRPC library chooses its buffers",
        "include_metadata": "nothing reads the metadata of a request",
    }

    written_otherwise: ClassVar[Mapping[str, str]] = {"tls_settings": "write tls"}

    endpoint: Endpoint = "127.0.0.1:4317"
    transport: Transport = "tcp"
    max_recv_msg_size_mib: int = Field(default=DEFAULT_BODY_MIB, ge=0, le=1024)
    """Largest message, after decompression."""
    max_concurrent_streams: int = Field(default=100, ge=0)
    """Calls at a time on one connection."""
    receive_timeout: Duration = 30.0
    """How long the message of a call may take to arrive. Weir's own key."""
    keepalive: Keepalive = Keepalive()
    tls: TlsConfig | None = None
    auth: AuthConfig | None = None

    @field_validator("tls")
    @classmethod
    def _version_is_grpcs(cls, tls: TlsConfig | None) -> TlsConfig | None:
        if tls is not None and tls.min_version != "1.2":
            raise ValueError("the gRPC library offers TLS 1.2 and 1.3 together; leave min_version out")
        return tls

    @property
    def max_message_bytes(self) -> int:
        """The limit in bytes."""
        return (self.max_recv_msg_size_mib or DEFAULT_BODY_MIB) * MIB


class CorsConfig(ComponentConfig):
    """``cors``: pages of which origins a browser may let send telemetry."""

    allowed_origins: tuple[str, ...] = ()
    """Such as ``https://*.example.com``; ``*`` stands for any text."""
    allowed_headers: tuple[str, ...] = ()
    """Besides those that every page may send, and content-type; ``*``: all."""
    exposed_headers: tuple[str, ...] = ()
    """Headers of answers that a page may read."""
    max_age: int = Field(default=0, ge=0)
    """For how many seconds a browser may keep the answer; 0: as it likes."""


class HttpConfig(ComponentConfig):
    """``protocols.http``."""

    without_effect: ClassVar[Mapping[str, str]] = {"include_metadata": "nothing reads the headers of a request"}

    written_otherwise: ClassVar[Mapping[str, str]] = {
        "tls_settings": "write tls",
        "cors_allowed_origins": "write cors: {allowed_origins: […]}",
        "cors_allowed_headers": "write cors: {allowed_headers: […]}",
    }

    endpoint: Endpoint = "127.0.0.1:4318"
    transport: Transport = "tcp"
    traces_url_path: str = "/v1/traces"
    metrics_url_path: str = "/v1/metrics"
    logs_url_path: str = "/v1/logs"
    max_request_body_size: int = Field(default=DEFAULT_BODY_MIB * MIB, ge=0, le=1 << 30)
    """Largest body in bytes, as sent and after decompression."""
    max_json_body_size: int = Field(default=4 * MIB, ge=0, le=1 << 30)
    """The same for JSON, which costs a hundred times as much to read. Weir's own key."""
    compression_algorithms: tuple[str, ...] = COMPRESSION
    read_header_timeout: Duration = 10.0
    read_timeout: Duration = 30.0
    write_timeout: Duration = 30.0
    idle_timeout: Duration = 60.0
    keep_alives_enabled: bool = True
    tls: TlsConfig | None = None
    auth: AuthConfig | None = None
    cors: CorsConfig | None = None
    response_headers: dict[str, str] = Field(default_factory=dict)
    """Further headers of every answer."""

    @field_validator("traces_url_path", "metrics_url_path", "logs_url_path")
    @classmethod
    def _is_absolute(cls, path: str) -> str:
        return path if path.startswith("/") else f"/{path}"

    @field_validator("compression_algorithms")
    @classmethod
    def _is_known(cls, algorithms: tuple[str, ...]) -> tuple[str, ...]:
        for algorithm in algorithms:
            if algorithm not in COMPRESSION:
                known = ", ".join(name for name in COMPRESSION if name)
                raise ValueError(f"{algorithm!r} is not supported; choose from {known}")
        return algorithms

    @model_validator(mode="after")
    def _paths_differ(self) -> HttpConfig:
        if len({self.traces_url_path, self.metrics_url_path, self.logs_url_path}) < 3:
            raise ValueError("traces_url_path, metrics_url_path and logs_url_path must differ")
        return self

    @property
    def max_body_bytes(self) -> int:
        """The limit in bytes."""
        return self.max_request_body_size or DEFAULT_BODY_MIB * MIB

    @property
    def max_json_bytes(self) -> int:
        """The limit for JSON, which is never above the other one."""
        return min(self.max_json_body_size or 4 * MIB, self.max_body_bytes)

    def path_of(self, signal: str) -> str:
        """Where a signal is received."""
        return str(getattr(self, f"{signal}_url_path"))


class Protocols(ComponentConfig):
    """``protocols``: naming one switches it on, even with nothing below it."""

    grpc: GrpcConfig | None = None
    http: HttpConfig | None = None

    @model_validator(mode="before")
    @classmethod
    def _named_is_enabled(cls, given: Any) -> Any:
        if isinstance(given, dict):
            return {name: {} if config is None else config for name, config in given.items()}
        return given

    @model_validator(mode="after")
    def _at_least_one(self) -> Protocols:
        if self.grpc is None and self.http is None:
            raise ValueError("name at least one protocol: grpc, http")
        return self


class AdmissionConfig(ComponentConfig):
    """``admission``: what may be under way at once in this receiver; beyond it senders are told to try later."""

    receiving_mib: int = Field(default=64, ge=1)
    """Bodies on their way in, as sent."""
    memory_mib: int = Field(default=256, ge=1)
    """Memory of the requests being processed, taken as four times their decoded size."""
    requests: int = Field(default=256, ge=1)


class OtlpConfig(ComponentConfig):
    """``otlp``."""

    protocols: Protocols
    admission: AdmissionConfig = AdmissionConfig()
