"""Incidents as JSON, and how to mute them; described in ``docs/api/openapi.yaml``.

- ``GET /api/v1/incidents``: all, open ones first. ``GET /api/v1/incidents/{id}``: one.
- ``POST /api/v1/incidents/{id}/mute``, ``…/unmute``: say no more about incidents like this one; take that back.
- ``GET /api/v1/mutes``: the mutes that hold.

A request that changes something must be meant: JSON as content type, so that a page in a browser cannot send it
without asking (CORS); no ``Origin``, so that no page can at all, not even one whose name points at this machine (DNS
rebinding); and a token, unless only this machine can reach the endpoint.
"""

from __future__ import annotations

import hmac
import json
import math
import urllib.parse
from typing import Any

from pipeline.api import Host, IncidentKeeper
from pipeline.config.secrets import Secret
from pipeline.endpoint import is_local
from pipeline.extensions.json_answers import answer, error, wrong_method
from pipeline.http_server import Request, Response

INCIDENTS = "/api/v1/incidents"
MUTES = "/api/v1/mutes"
MAX_BODY_BYTES = 4096
MAX_DURATION_S = 10 * 365 * 86400.0
MAX_REASON = 500
READING = ("GET", "HEAD")


class IncidentPages:
    """See the module.

    Args:
        endpoint: Where they are served.
        token: What a change needs; None: nothing, where only this machine can reach the endpoint.
    """

    def __init__(self, endpoint: str, token: Secret | None) -> None:
        self._is_local = is_local(endpoint)
        self._token = token

    def answer(self, request: Request, host: Host) -> Response | None:
        """The answer to a request; None for paths of others."""
        if request.path == MUTES:
            mutes = host.ask(IncidentKeeper, lambda keeper: keeper.list_mutes())  # type: ignore[type-abstract]
            return self._read(request, {"mutes": _flat(mutes)})
        if request.path == INCIDENTS:
            return self._read(request, {"incidents": self._incidents(host)})
        if not request.path.startswith(f"{INCIDENTS}/"):
            return None
        name, slash, action = request.path.removeprefix(f"{INCIDENTS}/").partition("/")
        incident_id = urllib.parse.unquote(name)
        if not slash:
            found = [one for one in self._incidents(host) if one["id"] == incident_id]
            return self._read(request, found[0]) if found else error(404, "no such incident is known")
        if action not in {"mute", "unmute"}:
            return None
        if request.method != "POST":
            return wrong_method("POST")
        return self._refusal(request) or self._change(request, host, incident_id, action)

    def _incidents(self, host: Host) -> list[dict[str, Any]]:
        found = host.ask(IncidentKeeper, lambda keeper: keeper.list_incidents())  # type: ignore[type-abstract]
        return _flat(found)

    def _read(self, request: Request, body: Any) -> Response:
        return answer(200, body) if request.method in READING else wrong_method("GET, HEAD")

    def _refusal(self, request: Request) -> Response | None:
        """Why a change is not allowed; None where it is."""
        if "origin" in request.headers:
            return error(403, "not from a web page")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return error(415, "content-type must be application/json")
        if self._token:
            given = request.headers.get("authorization", "").encode(errors="replace")
            if not hmac.compare_digest(given, f"Bearer {self._token.reveal()}".encode()):
                return error(401, "the token is missing or wrong", {"www-authenticate": "Bearer"})
        elif not self._is_local:
            return error(403, "set extensions.admin.token: this endpoint can be reached from elsewhere")
        return None

    def _change(self, request: Request, host: Host, incident_id: str, action: str) -> Response:
        try:
            duration_s, reason = _mute_of(request.body) if action == "mute" else _nothing_of(request.body)
        except ValueError as problem:
            return error(400, str(problem))

        def change(keeper: IncidentKeeper) -> bool:
            try:
                if action == "mute":
                    keeper.mute_incident(incident_id, duration_s, reason)
                else:
                    keeper.unmute_incident(incident_id)
            except LookupError:
                return False
            return True

        try:
            changed = host.ask(IncidentKeeper, change)  # type: ignore[type-abstract]
        except ValueError as problem:
            return error(409, str(problem))
        if not any(changed.values()):
            return error(404, "no such incident is known" if action == "mute" else "there is no such mute")
        return answer(200, {"id": incident_id, "muted": action == "mute"})


def _flat(found: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [{**one, "component": component} for component, several in found.items() for one in several]


def _object_of(body: bytes, allowed: set[str]) -> dict[str, Any]:
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise ValueError("the body is not JSON") from None
    if not isinstance(given, dict) or not given.keys() <= allowed:
        keys = " and ".join(sorted(allowed)) or "no keys"
        raise ValueError(f"the body must be an object with {keys}")
    return given


def _nothing_of(body: bytes) -> tuple[None, str]:
    _object_of(body, set())
    return None, ""


def _mute_of(body: bytes) -> tuple[float | None, str]:
    given = _object_of(body, {"duration_seconds", "reason"})
    duration, reason = given.get("duration_seconds"), given.get("reason", "")
    if not isinstance(reason, str) or len(reason) > MAX_REASON:
        raise ValueError(f"reason must be a text of at most {MAX_REASON} characters")
    if duration is None:
        return None, reason
    if isinstance(duration, bool) or not isinstance(duration, (int, float)) or not math.isfinite(duration):
        raise ValueError("duration_seconds must be a number or null")
    if not 0 < duration <= MAX_DURATION_S:
        raise ValueError("duration_seconds must be greater than 0 and at most ten years")
    return float(duration), reason
