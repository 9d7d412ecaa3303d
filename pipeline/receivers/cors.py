"""What browsers are told before a page of another origin may send telemetry (WHATWG Fetch, CORS protocol).

Nothing is refused for its origin: a browser keeps to these headers, and nothing else does. Answers are like those of
the Collector's ``confighttp``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pipeline.http_message import Request, Response
from pipeline.receivers.otlp_config import CorsConfig

METHODS = ("POST",)
ALWAYS_ALLOWED = frozenset(
    ("accept", "accept-language", "content-language", "content-type", "origin", "x-requested-with")
)
_VARY_PREFLIGHT = "origin, access-control-request-method, access-control-request-headers"


class Cors:
    """Judges origins.

    Args:
        config: Without origins, no page of another origin may send.
    """

    def __init__(self, config: CorsConfig) -> None:
        patterns = (".*".join(re.escape(part) for part in origin.split("*")) for origin in config.allowed_origins)
        self._origins = re.compile("|".join(patterns), re.IGNORECASE) if config.allowed_origins else None
        self._all_headers = "*" in config.allowed_headers
        self._headers = ALWAYS_ALLOWED | {name.lower() for name in config.allowed_headers}
        self._exposed = ", ".join(config.exposed_headers)
        self._max_age = config.max_age

    def is_preflight(self, request: Request) -> bool:
        """Whether a browser asks if it may send."""
        return request.method == "OPTIONS" and "access-control-request-method" in request.headers

    def preflight(self, request: Request) -> Response:
        """The answer to that; without the headers that allow it where it may not."""
        headers = {"vary": _VARY_PREFLIGHT}
        wanted = request.headers.get("access-control-request-headers", "")
        method = request.headers["access-control-request-method"]
        if self._allows(request) and method in METHODS and self._allows_headers(wanted):
            headers |= {**self._granted(request), "access-control-allow-methods": method}
            if wanted:
                headers["access-control-allow-headers"] = wanted
            if self._max_age:
                headers["access-control-max-age"] = str(self._max_age)
        return Response(204, b"", "", headers)

    def headers(self, request: Request) -> Mapping[str, str]:
        """Further headers of the answer to a request."""
        if not self._allows(request):
            return {"vary": "origin"}
        exposed = {"access-control-expose-headers": self._exposed} if self._exposed else {}
        return {"vary": "origin", **self._granted(request), **exposed}

    def _allows(self, request: Request) -> bool:
        origin = request.headers.get("origin", "")
        return bool(origin) and self._origins is not None and self._origins.fullmatch(origin) is not None

    def _allows_headers(self, wanted: str) -> bool:
        names = {name.strip().lower() for name in wanted.split(",") if name.strip()}
        return self._all_headers or names <= self._headers

    def _granted(self, request: Request) -> dict[str, str]:
        return {
            "access-control-allow-origin": request.headers["origin"],
            "access-control-allow-credentials": "true",
        }
