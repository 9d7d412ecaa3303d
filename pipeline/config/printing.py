"""What the command line shows of components: which there are, and their keys as YAML that can be pasted."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import yaml
from pydantic import BaseModel

from pipeline.api import Component, ComponentConfig
from pipeline.config.check import Catalog, emitted_by, signals_of
from pipeline.config.document import SECTIONS
from pipeline.config.durations import format_duration
from pipeline.config.report import suggestion
from pipeline.config.validate import models_inside
from pipeline.errors import ConfigError


class ComponentCatalog(Catalog, Protocol):
    """A catalog that knows where its components come from."""

    def origin(self, kind: str, type_name: str) -> str:
        """Distribution and version."""


def list_components(catalog: ComponentCatalog) -> str:
    """All components as YAML, one entry each; a component that cannot be imported says why."""
    listed: dict[str, list[dict[str, Any]]] = {}
    for kind in SECTIONS:
        for type_name in catalog.types(kind):
            entry: dict[str, Any] = {"name": type_name, "module": catalog.origin(kind, type_name)}
            try:
                cls = catalog.load(kind, type_name)
            except ConfigError as error:
                entry["error"] = str(error)
            else:
                if kind == "connectors" and not emitted_by(cls):
                    continue
                signals = signals_of(cls)
                if kind == "connectors":
                    entry["signals"] = [f"{signal} to metrics" for signal in signals]
                elif signals:
                    entry["signals"] = list(signals)
            listed.setdefault(kind, []).append(entry)
    return yaml.safe_dump(listed, sort_keys=False)


def show_component(catalog: ComponentCatalog, name: str) -> str:
    """Configuration of all components of a type, as YAML with comments that can be pasted.

    Raises:
        ConfigError: There is none; names the nearest.
    """
    kinds = [kind for kind in SECTIONS if name in catalog.types(kind)]
    if not kinds:
        known = [known for kind in SECTIONS for known in catalog.types(kind)]
        raise ConfigError([f'there is no component of type "{name}"{suggestion(name, known)}'])
    parts = []
    for kind in kinds:
        cls = catalog.load(kind, name)
        if kind == "processors" and "connectors" in kinds and emitted_by(cls):
            continue  # shown as a connector, with a word on the other use
        if kind == "connectors" and not emitted_by(cls):
            continue
        parts.append(_show(kind, name, cls, catalog.origin(kind, name)))
    return "\n".join(parts)


def _show(kind: str, name: str, cls: type[Component], origin: str) -> str:
    summary = (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " ")
    lines = [f"# {kind[:-1]} {name} ({origin})"]
    lines += textwrap.wrap(summary, 100, initial_indent="# ", subsequent_indent="# ")
    signals = signals_of(cls)
    if kind == "connectors":
        taken, emitted = " and ".join(signals), " and ".join(emitted_by(cls))
        lines.append(f"# takes {taken}, emits {emitted}; may be listed under processors instead")
    elif signals:
        lines.append(f"# signals: {', '.join(signals)}")
    if kind == "processors" and "error_mode" not in cls.Config.model_fields:
        lines.append("# error_mode: ignore | propagate is accepted by every processor")
    lines += [f"{kind}:", f"  {name}:"]
    schema = cls.Config.model_json_schema()
    body = list(_keys(schema, schema.get("$defs", {}), [cls.Config], "    ", frozenset()))
    lines += body or ["    {}  # no keys"]
    for example in schema.get("examples", []):
        lines += ["# for example:", *(f"#   {line}" for line in yaml.safe_dump(example, sort_keys=False).splitlines())]
    return "\n".join(lines) + "\n"


def _keys(
    schema: dict[str, Any],
    definitions: dict[str, Any],
    models: Sequence[type[BaseModel]],
    indent: str,
    seen: frozenset[str],
) -> Iterator[str]:
    """One line per key: value by default, type, meaning; models inside are shown below their key."""
    required = schema.get("required", [])
    for key, field in schema.get("properties", {}).items():
        inner_name, inner = _model_of(field, definitions)
        inner_models = models_inside(models, key)
        meaning = next((text for model in models if (text := _meanings(model).get(key))), field.get("description", ""))
        if meaning:
            yield from textwrap.wrap(meaning, 100, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        comment = "; ".join(part for part in ("required" if key in required else "", _type(field, definitions)) if part)
        default = field.get("default")
        if inner is not None and inner_name not in seen and not _is_list(field):
            absent = default is None and key not in required
            note = "  # off unless given; with:" if absent else "  # required" if key in required else ""
            yield f"{indent}{'# ' if absent else ''}{key}:{note}"
            below = f"{indent}{'# ' if absent else ''}  "
            yield from _keys(inner, definitions, inner_models, below, seen | {inner_name})
        else:
            value = "" if key in required else f" {_value(default, comment)}"
            yield f"{indent}{key}:{value}  # {comment}" if comment else f"{indent}{key}:{value}"
            if inner is not None and inner_name not in seen and _is_list(field):
                yield f"{indent}#   each entry:"
                yield from _keys(inner, definitions, inner_models, f"{indent}#     ", seen | {inner_name})


def _value(default: Any, comment: str) -> str:
    if "duration" in comment and isinstance(default, (int, float)):
        return format_duration(default)
    if "list of duration" in comment and isinstance(default, list):
        default = [format_duration(item) if isinstance(item, (int, float)) else item for item in default]
    text: str = yaml.safe_dump(default, default_flow_style=True, width=10_000)
    return text.removesuffix("...\n").strip()


def _model_of(field: dict[str, Any], definitions: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """The one model that a field holds, directly, optionally or in a list."""
    options = [field, *field.get("anyOf", []), *field.get("allOf", [])]
    options += [option["items"] for option in list(options) if isinstance(option.get("items"), dict)]
    for option in list(options):
        options += option.get("anyOf", [])
    for option in options:
        name = option.get("$ref", "").rpartition("/")[2]
        if name and definitions.get(name, {}).get("properties"):
            return name, definitions[name]
    return "", None


def _is_list(field: dict[str, Any]) -> bool:
    return any(option.get("type") == "array" for option in (field, *field.get("anyOf", [])))


def _type(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in field:
        return _type(definitions.get(field["$ref"].rpartition("/")[2], {}), definitions)
    if "enum" in field or "const" in field:
        return " | ".join(str(value) for value in field.get("enum", [field.get("const")]))
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(text for option in field["anyOf"] if (text := _type(option, definitions))))
    kind = field.get("format") or field.get("type", "")
    if kind == "array":
        item = _type(field.get("items", {}), definitions) if isinstance(field.get("items"), dict) else ""
        return f"list of {item}".removesuffix(" of ")
    if kind == "null":
        return ""
    bounds = [
        f"{sign} {field[name]}"
        for name, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
        if name in field and kind != "duration"
    ]
    return " ".join([{"object": "map"}.get(kind, kind), *bounds])


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """What the source says about each key, in the class or in what it derives from."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, BaseModel) and cls not in {BaseModel, ComponentConfig}:
            found |= _described_in_docstring(cls) | _strings_below_fields(cls)
    return found


def _described_in_docstring(cls: type[BaseModel]) -> dict[str, str]:
    """Entries of the docstring: ``    key, other_key: what they mean``, below ``Attributes:`` or another heading."""
    entries: list[str] = []
    for line in inspect.cleandoc(cls.__doc__ or "").splitlines():
        indent = len(line) - len(line.lstrip())
        if indent == 4:
            entries.append(line.strip())
        elif indent > 4 and entries:
            entries[-1] += f" {line.strip()}"
    found: dict[str, str] = {}
    for entry in entries:
        keys, _, meaning = entry.partition(": ")
        if all(key in cls.model_fields for key in keys.split(", ")):
            found |= dict.fromkeys(keys.split(", "), meaning)
    return found


def _strings_below_fields(cls: type) -> dict[str, str]:
    """A string literal right below a field."""
    try:
        statement = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    except (OSError, TypeError, SyntaxError):
        return {}
    body = statement.body if isinstance(statement, ast.ClassDef) else []
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
