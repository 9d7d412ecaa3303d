"""Services and incidents as JSON, for Backstage, other catalogues and ``weir incidents``; described in
``docs/api/openapi.yaml``.

- ``/api/v1/services``: all of them.
- ``/api/v1/services/{name}``: one.
- ``/api/v1/incidents``, ``/api/v1/mutes``: see ``incident_pages``.
- ``/api/v1/series``: see ``series_pages``.

What is said of services comes from the metrics that the components have at the time of the request, so nothing is
measured twice.
"""

from __future__ import annotations

import threading
import urllib.parse
from collections import deque
from typing import Any

from pydantic import Field

from pipeline.api import ComponentConfig, Settings
from pipeline.config.secrets import Secret
from pipeline.endpoint import Endpoint
from pipeline.extensions.http_extension import HttpExtension
from pipeline.extensions.incident_pages import INCIDENTS, MAX_BODY_BYTES, MUTES, READING, IncidentPages
from pipeline.extensions.json_answers import answer, error, wrong_method
from pipeline.extensions.series_pages import SERIES, tables
from pipeline.extensions.service_reading import Reading, read
from pipeline.extensions.service_view import view
from pipeline.http_server import Request, Response

SERVICES = "/api/v1/services"
NO_SUCH_PAGE = f"there is no such page; there are {SERVICES}, {INCIDENTS}, {MUTES} and {SERIES}"
FRESH_NANO = 1_000_000_000
"""An answer is good for this long: asking often must not cost much."""
COUNTED_NANO = 10_000_000_000
WINDOW_NANO = 60_000_000_000
SPACING_NANO = 10_000_000_000
"""Between readings that are kept to compare with: a few of them must span the window."""


class AdminConfig(ComponentConfig):
    """Keys of the admin extension.

    Attributes:
        endpoint: Where to listen. Reading needs no authentication.
        token: Bearer token of requests that change something: mute and unmute. Needed where other machines can reach
            the endpoint.
        degraded_error_ratio: Share of failed spans from which a service is degraded.
    """

    endpoint: Endpoint = "127.0.0.1:8890"
    token: Secret | None = None
    degraded_error_ratio: float = Field(default=0.05, gt=0, le=1)


class Admin(HttpExtension):
    """Answers what is known about services and incidents."""

    Config = AdminConfig
    server_name = "admin"
    max_body_bytes = MAX_BODY_BYTES
    threads = 1

    def __init__(self, config: AdminConfig, settings: Settings) -> None:
        super().__init__(config.endpoint, settings)
        self._config = config
        self._incidents = IncidentPages(config.endpoint, config.token)
        self._lock = threading.Lock()
        self._kept: deque[tuple[int, Reading]] = deque()
        self._counted: tuple[int, dict[str, Any]] | None = None
        self._shown: tuple[int, float | None, dict[str, Any]] | None = None

    def answer(self, request: Request) -> Response:
        """The answer to one request."""
        if request.path == SERIES:
            return answer(200, self._series()) if request.method in READING else wrong_method("GET, HEAD")
        name = _service_of(request.path)
        if name is None:
            return self._incidents.answer(request, self.host) or error(404, NO_SUCH_PAGE)
        if request.method not in READING:
            return wrong_method("GET, HEAD")
        window_s, services = self._services()
        if not name:
            return answer(200, {"window_seconds": window_s, "services": list(services.values())})
        if name not in services:
            return error(404, "no such service is known")
        return answer(200, {"window_seconds": window_s, **services[name]})

    def _series(self) -> dict[str, Any]:
        """See ``series_pages``; counting takes long enough to be kept for a while."""
        with self._lock:
            now = self._clock.monotonic_nano()
            if self._counted is None or now - self._counted[0] >= COUNTED_NANO:
                self._counted = now, {"tables": tables(self.host.snapshots())}
            return self._counted[1]

    def _services(self) -> tuple[float | None, dict[str, Any]]:
        """Seconds that the figures are of, and services by name."""
        with self._lock:
            now = self._clock.monotonic_nano()
            if self._shown is None or now - self._shown[0] >= FRESH_NANO:
                reading = read(self.host.snapshots())
                window_s, before = self._earlier(now)
                services = view(reading, before, window_s, self._config.degraded_error_ratio)
                self._shown = now, window_s, services
                if not self._kept or now - self._kept[-1][0] >= SPACING_NANO:
                    self._kept.append((now, reading))
            return self._shown[1:]

    def _earlier(self, now: int) -> tuple[float | None, Reading | None]:
        """The reading to compare with: the youngest that is a minute old, else the oldest."""
        while len(self._kept) > 1 and now - self._kept[1][0] >= WINDOW_NANO:
            self._kept.popleft()
        if not self._kept:
            return None, None
        then, reading = self._kept[0]
        return (now - then) / 1e9, reading


def _service_of(path: str) -> str | None:
    """The service that a path asks for, "" for all; None when it is no path of ours."""
    if path in {SERVICES, f"{SERVICES}/"}:
        return ""
    name = path.removeprefix(f"{SERVICES}/")
    return None if name == path or "/" in name else urllib.parse.unquote(name)
