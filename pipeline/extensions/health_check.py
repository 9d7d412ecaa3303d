"""Health over HTTP: the Collector's ``health_check`` page, and ``/live`` and ``/ready`` for Kubernetes probes.

- ``path`` (``/``): 200 once everything has started, 503 before and while stopping; the Collector's JSON.
- ``/ready``: the same answer; take this process out of the load balancer while it says 503.
- ``/live``: 503 only when the engine has made no round for a minute; restart the process then.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import field_validator

from pipeline.api import ComponentConfig, Settings
from pipeline.config.durations import format_duration
from pipeline.endpoint import Endpoint
from pipeline.extensions.http_extension import HttpExtension
from pipeline.http_server import Request, Response

UP = "Server available"
DOWN = "Server not available"
NEVER = "0001-01-01T00:00:00Z"
"""What the Collector writes for "not up": Go's zero time."""


class ResponseBody(ComponentConfig):
    """Fixed texts instead of the JSON."""

    healthy: str = ""
    unhealthy: str = ""


class HealthCheckConfig(ComponentConfig):
    """Keys and defaults of the Collector's ``healthcheckextension``."""

    without_effect: ClassVar[Mapping[str, str]] = {
        "check_collector_pipeline": "what could not be sent is in otelcol_exporter_send_failed_*",
    }

    written_otherwise: ClassVar[Mapping[str, str]] = {"port": 'write endpoint: "localhost:13133"'}

    endpoint: Endpoint = "localhost:13133"
    path: str = "/"
    response_body: ResponseBody | None = None

    @field_validator("path")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if not value.startswith("/"):
            raise ValueError("must begin with /")
        return value


class HealthCheck(HttpExtension):
    """Answers probes from the start on, with 503 until the rest has started."""

    Config = HealthCheckConfig
    server_name = "health"

    def __init__(self, config: HealthCheckConfig, settings: Settings) -> None:
        super().__init__(config.endpoint, settings)
        self._config = config

    def answer(self, request: Request) -> Response:
        """The answer to one probe."""
        if request.path not in {self._config.path, "/live", "/ready"}:
            return Response(404, b"not found\n")
        if request.method not in {"GET", "HEAD"}:
            return Response(405, b"method not allowed\n", headers={"allow": "GET, HEAD"})
        status = dict(self._host.status()) if self._host is not None else {"ready": False, "live": True}
        healthy = bool(status["live"] if request.path == "/live" else status["ready"])
        return Response(200 if healthy else 503, *self._body(healthy, status))

    def _body(self, healthy: bool, status: dict[str, Any]) -> tuple[bytes, str]:
        fixed = self._config.response_body
        text = (fixed.healthy if healthy else fixed.unhealthy) if fixed is not None else ""
        if text:
            return text.encode(), "text/plain"
        since, uptime = NEVER, ""
        if healthy and status.get("started_unix_nano"):
            started = status["started_unix_nano"]
            moment = datetime.datetime.fromtimestamp(started / 1e9, datetime.UTC)
            since = moment.isoformat().replace("+00:00", "Z")
            uptime = format_duration(max(0, self._clock.unix_nano() - started) / 1e9)
        answer = {"status": UP if healthy else DOWN, "upSince": since, "uptime": uptime}
        return json.dumps(answer).encode(), "application/json"
