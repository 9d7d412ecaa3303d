"""Values that must not be seen: tokens, passwords, keys.

    class Config(ComponentConfig):
        token: Secret

A ``Secret`` shows ``[REDACTED]`` in ``repr``, ``str``, JSON and ``weir print-config``; ``reveal()`` gives the value
where it is used.
"""

from __future__ import annotations

import hmac
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, SerializationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

REDACTED = "[REDACTED]"
REDACTED_USERINFO = "REDACTED@"
"""In place of name and password in a URL, where brackets would not be valid."""


class Secret:
    """A string that does not show itself."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value. Never pass it to a log, an exception text or a label."""
        return self._value

    def __repr__(self) -> str:
        return REDACTED

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __bool__(self) -> bool:
        return bool(self._value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.no_info_before_validator_function(_text, core_schema.str_schema())
        return core_schema.no_info_after_validator_function(
            cls, text, serialization=core_schema.plain_serializer_function_ser_schema(_show, info_arg=True)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "secret"}


def _text(value: Any) -> Any:
    return value.reveal() if isinstance(value, Secret) else value


def _show(secret: Secret, info: SerializationInfo) -> str:
    return secret.reveal() if isinstance(info.context, dict) and info.context.get("reveal") else REDACTED
