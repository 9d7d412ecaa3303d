"""HttpExtension: an extension that answers HTTP requests at an address of its own."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from pipeline.api import Extension, Host, Settings
from pipeline.http_server import HttpServer, Request, Response


class HttpExtension(Extension):
    """Binds at the start and stops at the end; subclasses say what is answered, and name their server.

    Args:
        endpoint: Where to listen, ``host:port``.
        settings: Of the extension.
    """

    server_name: ClassVar[str]
    max_body_bytes: ClassVar[int] = 0
    threads: ClassVar[int] = 0

    def __init__(self, endpoint: str, settings: Settings) -> None:
        self._endpoint = endpoint
        self._clock = settings.clock
        self._logger = settings.telemetry.logger
        self._host: Host | None = None
        self._server: HttpServer | None = None

    @abstractmethod
    def answer(self, request: Request) -> Response:
        """The answer to one request."""

    def start(self, host: Host) -> None:
        """Bind; from now on requests are answered."""
        self._host = host
        self._server = HttpServer(
            self._endpoint,
            self.answer,
            max_body_bytes=self.max_body_bytes,
            threads=self.threads,
            name=self.server_name,
        )
        self._server.start()
        self._logger.info("listening", endpoint="{}:{}".format(*self._server.address))

    def shutdown(self) -> None:
        """Stop answering."""
        if self._server is not None:
            self._server.stop(1.0)
            self._server = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port in use; only between start and shutdown."""
        if self._server is None:
            raise RuntimeError("not started")
        return self._server.address

    @property
    def host(self) -> Host:
        """The engine; only after the start."""
        if self._host is None:
            raise RuntimeError("not started")
        return self._host
