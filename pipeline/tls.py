"""TLS of what we listen on: the Collector's keys, and certificates that can be replaced while connections live."""

from __future__ import annotations

import ssl
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import grpc
from pydantic import BaseModel, ConfigDict

from pipeline.config.durations import Duration
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.api import Clock
    from pipeline.telemetry import ComponentLogger

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class TlsConfig(BaseModel):
    """``tls`` of a server."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None
    """Demand a certificate of the client that one of these authorities has signed."""
    min_version: Literal["1.2", "1.3"] = "1.2"
    reload_interval: Duration = 0.0
    """How often to look for new files when a client connects; 0: never."""


class ServerTls:
    """The certificates of one listener, for new connections; a bad file leaves the old ones in use."""

    def __init__(self, config: TlsConfig, clock: Clock, logger: ComponentLogger) -> None:
        self._config = config
        self._clock = clock
        self._logger = logger
        self._lock = threading.Lock()
        self._checked = 0
        self._seen: tuple[tuple[int, int], ...] = ()
        self._context: ssl.SSLContext | None = None

    def load(self) -> None:
        """Read the files for the first time.

        Raises:
            ConfigError: A file is missing or unusable, with its name.
        """
        try:
            self._seen = self._signature()
            self._context = self._new_context()
        except (OSError, ValueError) as error:
            raise ConfigError([f"tls: {_what_is_wrong(self._config, error)}"]) from None
        self._checked = self._clock.monotonic_nano()
        if stat.S_IMODE(self._config.key_file.stat().st_mode) & 0o077:
            self._logger.warning(
                "the private key can be read by others than its owner", file=str(self._config.key_file)
            )

    def context(self) -> ssl.SSLContext:
        """The context for a new connection."""
        with self._lock:
            self._renew()
            assert self._context is not None  # noqa: S101 - load() comes first
            return self._context

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """The same for a gRPC server, which asks again for each new connection."""

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            with self._lock:
                return self._grpc_configuration() if self._renew() else None  # None: keep what you have

        return grpc.dynamic_ssl_server_credentials(
            self._grpc_configuration(), fetch, require_client_authentication=self._config.client_ca_file is not None
        )

    def _renew(self) -> bool:
        """Take new files into use if it is time to look and there are some."""
        interval, now = self._config.reload_interval, self._clock.monotonic_nano()
        if not interval or now - self._checked < interval * 1e9:
            return False
        self._checked = now
        try:
            seen = self._signature()
            if seen == self._seen:
                return False
            self._context = self._new_context()
        except (OSError, ValueError) as error:
            reason = _what_is_wrong(self._config, error)
            self._logger.limited("tls_reload", "new certificates cannot be used, keeping the old ones", error=reason)
            return False
        self._seen = seen
        self._logger.info("certificates reloaded", file=str(self._config.cert_file))
        return True

    def _files(self) -> list[Path]:
        config = self._config
        return [config.cert_file, config.key_file, *([config.client_ca_file] if config.client_ca_file else [])]

    def _signature(self) -> tuple[tuple[int, int], ...]:
        return tuple((found.st_mtime_ns, found.st_size) for found in (path.stat() for path in self._files()))

    def _new_context(self) -> ssl.SSLContext:
        config = self._config
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[config.min_version]
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(config.cert_file, config.key_file, password=_no_password)
        if config.client_ca_file is not None:
            context.load_verify_locations(config.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _grpc_configuration(self) -> grpc.ServerCertificateConfiguration:
        config = self._config
        pair = (config.key_file.read_bytes(), config.cert_file.read_bytes())
        root = config.client_ca_file.read_bytes() if config.client_ca_file else None
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=root)


def _no_password() -> str:
    """Keep OpenSSL from asking on the terminal."""
    raise ValueError("the private key is encrypted")


def _what_is_wrong(config: TlsConfig, error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"{config.cert_file} and {config.key_file} are no certificate with its key: {error.reason or 'not PEM'}"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return str(error)
