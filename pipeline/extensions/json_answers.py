"""Answers in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.http_server import Response


def answer(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """A body as JSON; what no UTF-8 can hold is replaced."""
    text = json.dumps(body, allow_nan=False, ensure_ascii=False)
    return Response(status, text.encode(errors="replace"), "application/json", headers or {})


def error(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal."""
    return answer(status, {"error": text}, headers)


def wrong_method(allowed: str) -> Response:
    """405."""
    return error(405, f"only {allowed}", {"allow": allowed})
