"""One component's YAML against its pydantic model, with mistakes told in places of the user's file.

Two habits of the Collector's configuration go beyond plain pydantic:

- null keeps defaults: ``grpc:`` without anything below it means "with defaults", ``timeout:`` means "the default
  timeout";
- a variable that looks like a number is still text where text is wanted (``token: ${env:PIN}`` with ``PIN=0123``).
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from pipeline.config.node import Node, Path
from pipeline.config.report import Report
from pipeline.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)

_NUMBERS = {"int_parsing": "a whole number", "float_parsing": "a number"}
"""pydantic's error → what was wanted."""
_WANTS_TEXT = {"string_type", "string_sub_type"}


def validate(model: type[Model], node: Node, path: Path, report: Report) -> Model | None:
    """An instance of ``model`` from ``node``; mistakes go to ``report`` and give None."""
    if node.value is None:
        node = Node({}, node.mark)
    node = _effective(node, model, path, report)
    as_text: set[Path] = set()
    try:
        try:
            return model.model_validate(_plain(node, model, as_text))
        except ValidationError as error:
            as_text = {_path_of(item["loc"], node) for item in error.errors() if item["type"] in _WANTS_TEXT}
            as_text = {place for place in as_text if node.nearest(place).text is not None}
            if not as_text:
                raise
            return model.model_validate(_plain(node, model, as_text))
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            _tell(item, model, node, path, report)
    except ConfigError as error:
        for problem in error.problems:
            report.problem(path, node.mark, problem)
    return None


def _effective(node: Node, annotation: Any, path: Path, report: Report) -> Node:
    """``node`` without keys that have no effect, and with others in place of values that there are none of; each is a
    warning.
    """
    if isinstance(node.value, dict):
        reasons = {key: reason for model in _models(annotation) for key, reason in without_effect(model).items()}
        others = {key: known for model in _models(annotation) for key, known in instead(model).items()}
        kept = {}
        for key, child in node.value.items():
            if key in reasons:
                report.warning((*path, key), child.mark, f"has no effect: {reasons[key]}")
            elif key in others and isinstance(child.value, str) and child.value.lower() in others[key]:
                value, reason = others[key][child.value.lower()]
                report.warning((*path, key), child.mark, f"{child.value} becomes {value}: {reason}")
                kept[key] = Node(value, child.mark)
            else:
                wanted = _union(list(_entry_annotations(annotation, key)))
                kept[key] = _effective(child, wanted, (*path, key), report)
        return Node(kept, node.mark, node.text)
    if isinstance(node.value, list):
        item = _union(list(_item_annotations(annotation)))
        items = [_effective(child, item, (*path, index), report) for index, child in enumerate(node.value)]
        return Node(items, node.mark, node.text)
    return node


def without_effect(model: type[BaseModel]) -> Mapping[str, str]:
    """Keys that a model does not have and that are no mistake, with the reason."""
    found: Mapping[str, str] = getattr(model, "without_effect", {})
    return found


def instead(model: type[BaseModel]) -> Mapping[str, Mapping[str, tuple[str, str]]]:
    """Values that a model does not have and takes others for, with the reason."""
    found: Mapping[str, Mapping[str, tuple[str, str]]] = getattr(model, "instead", {})
    return found


def _tell(item: Any, model: type[BaseModel], node: Node, path: Path, report: Report) -> None:
    inner = _path_of(item["loc"], node)
    mark = node.nearest(inner).mark
    if item["type"] == "extra_forbidden":
        wrong = str(inner[-1])
        way_out = _way_out(model, node, inner)
        candidates = () if way_out else _keys_at(model, inner[:-1])
        report.problem((*path, *inner), mark, f"unknown key{way_out}", wrong, candidates)
    elif item["type"] == "missing":
        report.problem((*path, *inner), mark, "this key is required")
    else:
        if item["type"] in _NUMBERS and isinstance(given := node.nearest(inner).value, str):
            what = f'must be {_NUMBERS[item["type"]]}, without a unit, not "{given}"'
            report.problem((*path, *inner), mark, what)
            return
        message = item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        report.problem((*path, *inner), mark, message[:1].lower() + message[1:] if message[:6] == "Input " else message)


def _way_out(model: type[BaseModel], node: Node, path: Path) -> str:
    """What to write instead of an unknown key, where that is known."""
    key, around = str(path[-1]), _annotations_at(model, path[:-1])
    for found in (found for annotation in around for found in _models(annotation)):
        otherwise: Mapping[str, str] = getattr(found, "written_otherwise", {})
        if key in otherwise:
            return f"; {otherwise[key]}"
    beside = node.nearest(path[:-1]).value
    for sibling, child in beside.items() if isinstance(beside, dict) else ():
        models = models_inside([found for annotation in around for found in _models(annotation)], sibling)
        if sibling != key and child.value is None and any(key in _names(found) for found in models):
            return f'; it is a key of "{sibling}", which is empty: indent it below'
    return ""


def _path_of(loc: tuple[int | str, ...], node: Node) -> Path:
    """pydantic's location as a path of the document: names of union members and validators on the way are left out."""
    path: list[str | int] = []
    for index, step in enumerate(loc):
        child = node.child(step)
        if child is not None:
            node = child
            path.append(step)
        elif index == len(loc) - 1 and isinstance(node.value, dict) and isinstance(step, str) and "[" not in step:
            path.append(step)
    return tuple(path)


def _plain(node: Node, annotation: Any, as_text: set[Path], path: Path = ()) -> Any:
    """Python data for pydantic: nulls replaced by defaults, and the text of variables where ``as_text`` says so."""
    if path in as_text:
        return node.text
    if isinstance(node.value, dict):
        result = {}
        fields = {name for model in _models(annotation) for name in _names(model)}
        for key, child in node.value.items():
            wanted = list(_entry_annotations(annotation, key))
            if child.value is not None:
                result[key] = _plain(child, _union(wanted), as_text, (*path, key))
            elif any(_models(item) for item in wanted):
                result[key] = {}
            elif key not in fields:
                result[key] = None  # an entry of a free map, where null may have a meaning, or an unknown key
        return result
    if isinstance(node.value, list):
        item = _union(list(_item_annotations(annotation)))
        return [_plain(child, item, as_text, (*path, index)) for index, child in enumerate(node.value)]
    return node.value


def _names(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield name
        if field.alias:
            yield field.alias


def _union(annotations: list[Any]) -> Any:
    return Union[tuple(annotations)] if annotations else None  # noqa: UP007 - built at run time


def _members(annotation: Any) -> Iterator[Any]:
    """The alternatives of an annotation, with Annotated and unions taken apart."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in {Union, types.UnionType}:
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def _models(annotation: Any) -> list[type[BaseModel]]:
    return [member for member in _members(annotation) if isinstance(member, type) and issubclass(member, BaseModel)]


def _entry_annotations(annotation: Any, key: str) -> Iterator[Any]:
    """What may stand under ``key`` of a map of this annotation."""
    for model in _models(annotation):
        for name, field in model.model_fields.items():
            if key in {name, field.alias}:
                yield field.annotation
    for member in _members(annotation):
        if (
            get_origin(member) in {dict, types.MappingProxyType}
            or getattr(get_origin(member), "__name__", "") == "Mapping"
        ):
            yield get_args(member)[1]


def _item_annotations(annotation: Any) -> Iterator[Any]:
    """What may stand in a list of this annotation."""
    for member in _members(annotation):
        if (
            get_origin(member) in {list, tuple, set, frozenset}
            or getattr(get_origin(member), "__name__", "") == "Sequence"
        ):
            yield from (item for item in get_args(member) if item is not Ellipsis)


def models_inside(models: Iterable[type[BaseModel]], key: str) -> list[type[BaseModel]]:
    """The models that may stand under ``key``, directly or as entries of a list."""
    annotations = [found for model in models for found in _entry_annotations(model, key)]
    annotations += [item for annotation in annotations for item in _item_annotations(annotation)]
    return [model for annotation in annotations for model in _models(annotation)]


def _annotations_at(model: type[BaseModel], path: Path) -> list[Any]:
    """What may stand at ``path``."""
    annotations: list[Any] = [model]
    for step in path:
        if isinstance(step, int):
            annotations = [item for annotation in annotations for item in _item_annotations(annotation)]
        else:
            annotations = [item for annotation in annotations for item in _entry_annotations(annotation, step)]
    return annotations


def _keys_at(model: type[BaseModel], path: Path) -> list[str]:
    """The keys that are right in the map at ``path``."""
    return [
        field.alias or name
        for annotation in _annotations_at(model, path)
        for found in _models(annotation)
        for name, field in found.model_fields.items()
    ]
