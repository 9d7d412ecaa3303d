"""What the builders of all signals share: items with the same resource and scope stand together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pipeline.model.any_value import key_values

START_UNIX_NANO = 1_767_225_600_000_000_000
"""2026-01-01T00:00:00Z, when the telemetry of tests begins unless they say otherwise."""

ENVELOPE_FIELDS = ("service", "resource", "scope")


class Envelopes:
    """The envelopes of one request, made when their first item comes.

    Args:
        request: An empty export request.
        signal: Middle part of the names of its fields: ``spans``, ``metrics``, ``logs``.
    """

    def __init__(self, request: Any, signal: str) -> None:
        self._request = request
        self._signal = signal
        self._known: dict[str, tuple[Any, dict[str, Any]]] = {}

    def scope(self, fields: Mapping[str, Any]) -> Any:
        """Where an item goes: by its ``service`` (None: no ``service.name``), ``resource`` (attributes) and
        ``scope``.
        """
        service = fields.get("service", "cart")
        attributes = ({} if service is None else {"service.name": service}) | dict(fields.get("resource", {}))
        scope_name = fields.get("scope", "tests")
        identity = repr(attributes)
        if identity not in self._known:
            self._known[identity] = getattr(self._request, f"resource_{self._signal}").add(), {}
            self._known[identity][0].resource.attributes.extend(key_values(attributes))
        resource, scopes = self._known[identity]
        if scope_name not in scopes:
            scopes[scope_name] = getattr(resource, f"scope_{self._signal}").add()
            scopes[scope_name].scope.name = scope_name
        return scopes[scope_name]


def refuse_unknown(fields: Mapping[str, Any], known: Sequence[str], item: str) -> None:
    """A field that nobody reads would make a test prove nothing. Raises TypeError."""
    for name in fields:
        if name not in known and name not in (*ENVELOPE_FIELDS, "number"):
            near = get_close_matches(name, (*known, *ENVELOPE_FIELDS), 1)
            remedy = f'did you mean "{near[0]}"?' if near else f"it has {', '.join((*known, *ENVELOPE_FIELDS))}"
            raise TypeError(f'a {item} of tests has no "{name}"; {remedy}')


def own_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the item itself."""
    return {key: value for key, value in fields.items() if key not in (*ENVELOPE_FIELDS, "number")}


def rows_of(n: int, rows: Any, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``n`` equal items, or the given ones with ``fields`` as defaults."""
    if rows is None:
        return [dict(fields, number=number) for number in range(n)]
    return [{**fields, **row} for row in rows]


def attribute_columns(rows: list[dict[str, Any]], prefix: str) -> set[str]:
    """Columns of all attributes that the items have."""
    columns = {f"{prefix}{key}" for row in rows for key in row.get("attributes", {})}
    return columns | {f"resource.{key}" for row in rows for key in row.get("resource", {})}
