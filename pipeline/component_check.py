"""What the author of a component can get wrong before the first batch comes.

The registry asks about a class, the graph and the ``Harness`` about an instance, so that a test says what
``weir validate`` would say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from pipeline.api import SIGNALS, Component, Meter, Processor
from pipeline.config.check import signals_of
from pipeline.model.columns import is_column, no_column

_NAMES = ("reads", "adds", "keyed_by", "signals")


def mistakes_of_class(cls: type[Component]) -> Iterator[str]:
    """What is wrong with a component, each with the remedy."""
    config: Any = cls.Config
    if not (isinstance(config, type) and issubclass(config, BaseModel)):
        yield "Config must be a ComponentConfig of pipeline.api"
    yield from _not_tuples(cls)
    if issubclass(cls, Processor) and all(getattr(cls, name) is getattr(Processor, name) for name in _METHODS):
        others = [name for name in dir(cls) if name.startswith("process_") and name not in _METHODS]
        if others:
            yield f"it has {', '.join(others)}, which nobody calls, and none of {', '.join(_METHODS)}"


def mistakes_of(component: Component, meter: Meter) -> Iterator[str]:
    """What is wrong with a component that was constructed, and with the instruments that it made."""
    wrong = [*_not_tuples(component)]
    yield from wrong
    signals = signals_of(type(component)) or SIGNALS
    for attribute in ("reads", "adds") if not wrong else ():
        for name in getattr(component, attribute, ()):
            if not any(is_column(name, signal) for signal in signals):
                yield f'{attribute} "{name}": {no_column(name, signals)}'
    if not isinstance(component, Processor):
        return
    if component.tick_interval_s is not None and not component.tick_interval_s > 0:
        yield f"tick_interval_s is {component.tick_interval_s}: it must be above 0, or None"
    if meter.instruments and not component.emits_metrics:
        made = ", ".join(sorted(meter.instruments))
        yield f"it makes instruments ({made}), which no pipeline can take: set emits_metrics = True in its class"


_METHODS = tuple(f"process_{signal}" for signal in SIGNALS)


def _not_tuples(component: Component | type[Component]) -> Iterator[str]:
    for attribute in _NAMES:
        # A property or a plain tuple; a string would silently be taken for its letters.
        if isinstance(getattr(component, attribute, ()), str):
            yield f'{attribute} must be a tuple of names, not a string: ("name",) with its comma'
