"""Actions on attributes: insert, update, upsert, delete, hash, extract and convert, with the Collector's keys.

    - {key: env, action: insert, value: prod}                     only where there is none
    - {key: user.id, action: update, from_attribute: enduser.id}  only where there is one; the type is kept
    - {pattern: ^secret, action: delete}                          all attributes whose key matches
    - {key: user.email, action: hash}                             SHA-256 in hexadecimal
    - {key: url, action: extract, pattern: "^(?P<scheme>[a-z]+):"}
    - {key: http.status_code, action: convert, converted_type: int}

Carried out in order, each on what those before have left. Compiled once into column operations: what depends on values
is computed once per distinct value of a batch.

Source: opentelemetry-collector-contrib, ``internal/coreinternal/attraction``.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import field_validator, model_validator

from pipeline.api import ComponentConfig
from pipeline.model.batch import Batch
from pipeline.model.editor import REMOVED, Editor
from pipeline.ottl.re2 import RegexError, compile_re2
from processors.attribute_values import CONVERTERS, Unchanged, hashed

B = TypeVar("B", bound=Batch)
Mask = npt.NDArray[np.bool_]

_SETTERS = ("insert", "update", "upsert")
_SOURCES = ("value", "from_attribute", "from_context")
_USES = {
    "insert": ("key", *_SOURCES),
    "update": ("key", *_SOURCES),
    "upsert": ("key", *_SOURCES),
    "delete": ("key", "pattern"),
    "hash": ("key", "pattern"),
    "extract": ("key", "pattern"),
    "convert": ("key", "converted_type"),
}
"""Action → the fields that it takes."""
_INT64 = 1 << 63


class ActionConfig(ComponentConfig):
    """One action.

    Attributes:
        key: The attribute that is set, removed, hashed, converted or read.
        value: For insert, update and upsert. Any type, lists and maps as well.
        from_attribute: Instead of ``value``: the attribute to copy, with its type; nothing happens where it is absent.
        from_context: Not supported.
        pattern: For delete and hash, the keys to act on; for extract, named groups that become attributes.
        converted_type: For convert; what cannot be converted stays as it is.
    """

    key: str = ""
    action: Literal["insert", "update", "upsert", "delete", "hash", "extract", "convert"]
    value: Any = None
    from_attribute: str = ""
    from_context: str = ""
    pattern: str = ""
    converted_type: Literal["int", "double", "string"] | None = None

    @field_validator("action", mode="before")
    @classmethod
    def _lower_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _can_be_done(self) -> Self:
        used = _USES[self.action]
        for name in (*_SOURCES, "pattern", "converted_type"):
            if name not in used and getattr(self, name) not in ("", None):
                raise ValueError(f"{self.action} does not use {name}; take it out")
        if self.action in ("delete", "hash"):
            if not self.key and not self.pattern:
                raise ValueError(f"{self.action} needs a key or a pattern of keys")
        elif not self.key:
            raise ValueError(f"{self.action} needs a key")
        if self.action in _SETTERS:
            self._check_source()
        if self.action == "extract":
            self._check_groups()
        elif self.pattern:
            _expression(self.pattern)
        if self.action == "convert" and not self.converted_type:
            raise ValueError("convert needs converted_type: int, double or string")
        return self

    @property
    def groups(self) -> tuple[str, ...]:
        """The attributes that ``extract`` sets."""
        return tuple(_expression(self.pattern).groupindex) if self.action == "extract" else ()

    def _check_source(self) -> None:
        given = [
            name for name in _SOURCES if getattr(self, name) not in ("", None) or (name == "value" and self.value == "")
        ]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"{self.action} needs exactly one of value and from_attribute; there is {found}")
        if self.from_context:
            raise ValueError(
                "from_context is not supported: metadata of requests is not kept. Use value or from_attribute"
            )
        _check_value(self.value)

    def _check_groups(self) -> None:
        if not self.pattern:
            raise ValueError("extract needs a pattern")
        expression = _expression(self.pattern)
        if not expression.groups:
            raise ValueError("pattern has no named groups, such as (?P<user>[a-z]+), so nothing would be extracted")
        if expression.groups > len(expression.groupindex):
            raise ValueError("pattern has a group without a name: write (?P<name>…), or (?:…) to extract nothing")


def some_actions(value: Any) -> Any:
    """A list of actions that is not empty. Said before the actions are looked at, so that wrong ones count as there."""
    if value is None or not len(value):
        raise ValueError("there is nothing to do: give at least one action")
    return value


class Actions:
    """A list of actions, ready to run.

    Args:
        prefixes: Of the attributes that the actions are about, one for each signal: ``span.``, ``resource.`` …
    Attributes:
        columns: Every attribute that is read, set or removed by its key.
    """

    def __init__(self, actions: Sequence[ActionConfig], prefixes: Sequence[str]) -> None:
        self._steps = [_step(action) for action in actions]
        keys = {key for one in actions for key in (one.key, one.from_attribute, *one.groups) if key}
        self.columns = tuple(f"{prefix}{key}" for prefix in prefixes for key in sorted(keys))

    def run(self, batch: B, prefix: str, where: Mask | None) -> B:
        """The batch after all actions on the attributes below a prefix, of the items where the mask is true."""
        if where is not None and not where.any():
            return batch
        editor = batch.edit()
        for step in self._steps:
            step.run(editor, prefix, where)
        return editor.done()


class _Step(ABC):
    """One action on the attributes below a prefix."""

    @abstractmethod
    def run(self, editor: Editor[Any], prefix: str, where: Mask | None) -> None:
        """Carry it out."""


class _Set(_Step):
    """insert, update, upsert."""

    def __init__(self, action: ActionConfig) -> None:
        self._key = action.key
        self._source = action.from_attribute
        self._values = [action.value]
        self._only = {"insert": False, "update": True}.get(action.action)

    def run(self, editor: Editor[Any], prefix: str, where: Mask | None) -> None:
        name = prefix + self._key
        if self._only is not None:
            fits = editor.batch.present(name) == self._only
            where = fits if where is None else where & fits
        if self._source:
            editor.copy(name, prefix + self._source, where)
        elif isinstance(self._values[0], (list, dict)):
            editor.set_codes(name, np.zeros(len(editor.batch), np.int32), self._values, where)
        else:
            editor.set(name, self._values[0], where)


class _Delete(_Step):
    """By key and by pattern."""

    def __init__(self, action: ActionConfig) -> None:
        self._key = action.key
        self._search = _expression(action.pattern).search if action.pattern else None

    def run(self, editor: Editor[Any], prefix: str, where: Mask | None) -> None:
        if self._key:
            editor.remove(prefix + self._key, where)
        if (search := self._search) is not None:
            editor.change_keys(prefix, lambda key: search(key) is not None, REMOVED, where)


class _Change(_Step):
    """hash and convert: what becomes of a value depends on it alone."""

    def __init__(self, action: ActionConfig, change: Callable[[Any], Any]) -> None:
        self._key = action.key
        self._search = _expression(action.pattern).search if action.pattern else None
        self._change = change

    def run(self, editor: Editor[Any], prefix: str, where: Mask | None) -> None:
        if self._key:
            name = prefix + self._key
            codes, values = editor.batch.distinct(name)
            changed = [self._change(value) for value in values]
            is_kept = np.array([*(new is Unchanged for new in changed), True])
            codes = np.where(is_kept[codes], -1, codes).astype(np.int32)
            editor.set_codes(name, codes, [None if new is Unchanged else new for new in changed], where)
        if (search := self._search) is not None:
            editor.change_keys(prefix, lambda key: search(key) is not None, self._change, where)


class _Extract(_Step):
    """Named groups of an expression become attributes."""

    def __init__(self, action: ActionConfig) -> None:
        self._key = action.key
        self._search = _expression(action.pattern).search
        self._groups = action.groups

    def run(self, editor: Editor[Any], prefix: str, where: Mask | None) -> None:
        codes, values = editor.batch.distinct(prefix + self._key)
        found = [self._search(value) if isinstance(value, str) else None for value in values]
        matched = np.array([*(match is not None for match in found), False])
        if not matched.any():
            return
        codes = np.where(matched[codes], codes, -1).astype(np.int32)
        for group in self._groups:
            texts = [(match[group] or "") if match is not None else "" for match in found]
            editor.set_codes(prefix + group, codes, texts, where)


def _step(action: ActionConfig) -> _Step:
    match action.action:
        case "delete":
            return _Delete(action)
        case "hash":
            return _Change(action, hashed)
        case "convert":
            return _Change(action, CONVERTERS[action.converted_type or "string"])
        case "extract":
            return _Extract(action)
    return _Set(action)


def _expression(pattern: str) -> re.Pattern[str]:
    try:
        return compile_re2(pattern)
    except RegexError as error:
        raise ValueError(f"pattern is not a regular expression: {error} (at character {error.offset + 1})") from error


def _check_value(value: Any) -> None:
    """What an attribute can hold."""
    if isinstance(value, dict):
        for inner in value.values():
            _check_value(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_value(inner)
    elif isinstance(value, int) and not -_INT64 <= value < _INT64:
        raise ValueError(f"value {value} does not fit into 64 bits; write it in quotes")
    elif not isinstance(value, (str, bool, int, float, bytes, type(None))):
        raise ValueError(f"value {value} is of a type that attributes cannot have; write it in quotes")
