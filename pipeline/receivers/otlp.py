"""The ``otlp`` receiver: telemetry in over gRPC and HTTP.

receivers:
  otlp:
    protocols:
      grpc:                            # 127.0.0.1:4317
      http:                            # 127.0.0.1:4318
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import ClassVar

from pipeline.api import Intake, Receiver, Settings
from pipeline.authentication import server_authenticator
from pipeline.endpoint import is_local
from pipeline.errors import ConfigError
from pipeline.receivers.admission import Admission
from pipeline.receivers.delivery import Delivery
from pipeline.receivers.otlp_config import MIB, GrpcConfig, HttpConfig, OtlpConfig
from pipeline.receivers.otlp_grpc import OtlpGrpc
from pipeline.receivers.otlp_http import OtlpHttp
from pipeline.receivers.signals import SIGNALS
from pipeline.tls import ServerTls, TlsConfig


class OtlpReceiver(Receiver):
    """Receives OTLP."""

    Config = OtlpConfig
    signals: ClassVar[tuple[str, ...]] = tuple(SIGNALS)

    def __init__(self, config: OtlpConfig, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._authenticators = {
            protocol: server_authenticator(one.auth, settings, f"protocols.{protocol}.auth")
            for protocol, one in (("grpc", config.protocols.grpc), ("http", config.protocols.http))
            if one is not None
        }
        self._servers: dict[str, OtlpGrpc | OtlpHttp] = {}

    def start(self, intakes: Mapping[str, Intake]) -> None:
        """Bind both endpoints, then accept.

        Raises:
            ConfigError: An endpoint or a certificate cannot be used. Nothing is left open.
        """
        limits = self._config.admission
        admission = Admission(limits.receiving_mib * MIB, limits.memory_mib * MIB, limits.requests)
        delivery = Delivery(intakes, admission, self._settings.telemetry)
        grpc, http = self._config.protocols.grpc, self._config.protocols.http
        try:
            if grpc is not None:
                self._start(
                    "grpc", OtlpGrpc(grpc, delivery, self._tls("grpc", grpc.tls), self._authenticators["grpc"]), grpc
                )
            if http is not None:
                self._start(
                    "http", OtlpHttp(http, delivery, self._tls("http", http.tls), self._authenticators["http"]), http
                )
        except ConfigError:
            self.shutdown()
            raise

    @property
    def addresses(self) -> dict[str, tuple[str, int]]:
        """Protocol → host and port in use."""
        return {protocol: server.address for protocol, server in self._servers.items()}

    def drain(self, timeout_s: float) -> None:
        """Accept nothing new and wait for the requests under way, for at most ``timeout_s``."""
        servers, self._servers = self._servers, {}
        drains = [threading.Thread(target=server.drain, args=(timeout_s,)) for server in servers.values()]
        for drain in drains:
            drain.start()
        for drain in drains:
            drain.join()

    def shutdown(self) -> None:
        """Stop at once."""
        self.drain(0.0)

    def _start(self, protocol: str, server: OtlpGrpc | OtlpHttp, config: GrpcConfig | HttpConfig) -> None:
        try:
            server.start()
        except ConfigError as error:
            raise ConfigError([f"protocols.{protocol}.endpoint: {problem}" for problem in error.problems]) from None
        self._servers[protocol] = server
        logger = self._settings.telemetry.logger
        host, port = server.address
        logger.info("listening", protocol=protocol, endpoint=f"{host}:{port}")
        if config.tls is None and not is_local(config.endpoint):
            what = "anybody who can reach the endpoint can send to it, unencrypted"
            if config.auth is not None:
                what = "tokens are sent to the endpoint unencrypted: whoever can listen can send"
            logger.warning(what, endpoint=config.endpoint)

    def _tls(self, protocol: str, config: TlsConfig | None) -> ServerTls | None:
        if config is None:
            return None
        tls = ServerTls(config, self._settings.clock, self._settings.telemetry.logger)
        try:
            tls.load()
        except ConfigError as error:
            raise ConfigError([f"protocols.{protocol}.{problem}" for problem in error.problems]) from None
        return tls
