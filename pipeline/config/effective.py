"""The configuration as it is used: merged, expanded, checked, with every default that has a say.

What comes out is again a configuration that means the same: a key without a value is left out instead of shown as
null, a key that the others make meaningless is left out (``keys_without_effect``), and a ``$`` is doubled, because it
would be read as the beginning of a variable. Only secrets are lost; ``load_document`` warns where their place is taken.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from pydantic import BaseModel

from pipeline.api import Processor
from pipeline.config.check import Checked
from pipeline.config.secrets import REDACTED, REDACTED_USERINFO
from pipeline.config.yaml_reader import resolve_scalar

_SENSITIVE = re.compile(
    r"pass(word|phrase|wd)?$|token|secret|authorization|cookie|credential|api[-_.]?key|private[-_.]?key|key_pem|hmac_key",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
# Line breaks of YAML 1.1 alone: PyYAML writes them as they are, and reads a space, unless quotes make it escape them.
_RARE_BREAKS = frozenset("\x85\u2028\u2029")


def effective(checked: Checked, *, reveal: bool = False) -> dict[str, Any]:
    """The whole configuration as it is used, defaults included; ``Secret`` values only with ``reveal``."""
    shown: dict[str, Any] = checked.document.root.plain()
    for (kind, component_id), component in checked.components.items():
        shown[kind][component_id] = _shown(component.config, reveal=reveal)
        if issubclass(component.cls, Processor):
            shown[kind][component_id].setdefault("error_mode", component.error_mode)
    shown.setdefault("service", {})["telemetry"] = _shown(checked.telemetry, reveal=reveal)
    if checked.checkpoint is not None:
        shown["service"]["checkpoint"] = _shown(checked.checkpoint, reveal=reveal)
    return shown


def redact(value: Any, key: str = "") -> Any:
    """``value`` without what sits under a name like ``token`` or ``password``, or before the ``@`` of a URL."""
    if isinstance(value, dict):
        return {name: redact(child, str(name)) for name, child in value.items()}
    if isinstance(value, list):
        return [redact(child, key) for child in value]
    if value is None or isinstance(value, bool):
        return value
    if _SENSITIVE.search(key) and not key.endswith(("_file", "_interval", "_timeout")):
        return REDACTED
    return _USERINFO.sub(REDACTED_USERINFO, value) if isinstance(value, str) else value


def without_variables(value: Any) -> Any:
    """``value`` with each ``$`` doubled, so that reading it as a configuration expands nothing."""
    if isinstance(value, dict):
        return {key: without_variables(child) for key, child in value.items()}
    if isinstance(value, list):
        return [without_variables(child) for child in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def to_yaml(value: Any) -> str:
    """YAML that ``read_yaml`` and readers of YAML 1.1 understand alike."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Quotes text that would be something else without quotes, in YAML 1.1 (PyYAML's own rule) or in 1.2."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    quoted = not isinstance(resolve_scalar(text), str) or _RARE_BREAKS & set(text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if quoted else None)


_Dumper.add_representer(str, _text)


def _shown(config: BaseModel, *, reveal: bool) -> dict[str, Any]:
    dumped = config.model_dump(mode="json", by_alias=True, context={"reveal": reveal})
    found: dict[str, Any] = _given(config, dumped)
    return found


def _given(value: Any, dumped: Any) -> Any:
    """What ``value`` was dumped to, without the keys of models that have no value or no effect.

    Null stays where it may mean something: in the free maps of a model.
    """
    if isinstance(value, BaseModel) and isinstance(dumped, dict):
        hidden: frozenset[str] = getattr(value, "keys_without_effect", frozenset)()
        keys = ((name, field.alias or name) for name, field in type(value).model_fields.items() if name not in hidden)
        return {
            key: _given(getattr(value, name), dumped[key])
            for name, key in keys
            if key in dumped and dumped[key] is not None
        }
    if isinstance(value, (list, tuple)) and isinstance(dumped, list):
        return [_given(one, shown) for one, shown in zip(value, dumped, strict=True)]
    if isinstance(value, dict) and isinstance(dumped, dict):
        return {key: _given(one, shown) for (key, shown), one in zip(dumped.items(), value.values(), strict=True)}
    return dumped
