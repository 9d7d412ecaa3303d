"""Entry points → classes. Only what a configuration names is imported.

Each component is one entry point whose name is the type in the YAML, for built-ins and plug-ins alike:

    [project.entry-points."weir.processors"]
    drop_health_checks = "my_package.drop:DropHealthChecks"

Connectors are processors that emit metrics, so both sections look into the same group.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points

from pipeline.api import Component, Exporter, Extension, Processor, Receiver
from pipeline.component_check import mistakes_of_class
from pipeline.errors import ConfigError

GROUPS: dict[str, tuple[str, type[Component]]] = {
    "receivers": ("weir.receivers", Receiver),
    "processors": ("weir.processors", Processor),
    "connectors": ("weir.processors", Processor),
    "exporters": ("weir.exporters", Exporter),
    "extensions": ("weir.extensions", Extension),
}
"""Section of the configuration → entry point group and base class."""


class Registry:
    """What is installed. Implements ``config.check.Catalog``.

    Args:
        extra: Classes beside the installed ones, by section and type; for tests and embedding.
    """

    def __init__(self, extra: dict[str, dict[str, type[Component]]] | None = None) -> None:
        self._extra = extra or {}

    @cached_property
    def _found(self) -> dict[str, dict[str, list[EntryPoint]]]:
        found: dict[str, dict[str, list[EntryPoint]]] = {}
        for group in {group for group, _ in GROUPS.values()}:
            names = found.setdefault(group, {})
            for entry in entry_points(group=group):
                # An editable and an ordinary installation of one distribution list the same entry twice.
                same = names.setdefault(entry.name, [])
                if all(entry.value != other.value for other in same):
                    same.append(entry)
        return found

    def types(self, kind: str) -> Sequence[str]:
        """Names of all types that may stand in a section; nothing is imported."""
        group, _ = GROUPS[kind]
        return sorted({*self._found[group], *self._extra.get(kind, {})})

    def load(self, kind: str, type_name: str) -> type[Component]:
        """Import the class of a type.

        Raises:
            ConfigError: It cannot be imported, is claimed by two distributions, or is not a component. Names the
            distribution.
        """
        given = self._extra.get(kind, {}).get(type_name)
        if given is not None:
            return given
        group, base = GROUPS[kind]
        entries = self._found[group].get(type_name, [])
        if not entries:
            raise ConfigError([f'no installed package provides a {kind[:-1]} of type "{type_name}"'])
        if len(entries) > 1:
            owners = " and ".join(origin(entry) for entry in entries)
            raise ConfigError([f'"{type_name}" is provided by {owners}; uninstall one of them'])
        return _import(entries[0], base)

    def origin(self, kind: str, type_name: str) -> str:
        """Distribution and version that provide a type."""
        entries = self._found[GROUPS[kind][0]].get(type_name, [])
        return origin(entries[0]) if entries else "given by the program"


def origin(entry: EntryPoint) -> str:
    """``otel-weir 0.1.0``, the distribution that an entry point comes from."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.value


def _import(entry: EntryPoint, base: type[Component]) -> type[Component]:
    where = f'"{entry.name}" of {origin(entry)} ({entry.value})'
    try:
        cls = entry.load()
    except Exception as error:
        raise ConfigError([f"{where} cannot be imported: {type(error).__name__}: {error}"]) from error
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise ConfigError([f"{where} is not a {base.__name__} of pipeline.api"])
    mistakes = [f"{where}: {mistake}" for mistake in mistakes_of_class(cls)]
    if mistakes:
        raise ConfigError(mistakes)
    return cls
