"""``include`` and ``exclude``: which items a processor works on, by the Collector's match properties.

    include: {match_type: strict, services: [cart], attributes: [{key: http.route, value: /api}]}
    exclude: {match_type: regexp, span_names: ["^health"], resources: [{key: team}]}

All properties of one block must match; of a list of texts one entry is enough, of ``attributes``, ``resources`` and
``libraries`` every entry must match. ``include`` is asked before ``exclude``. With ``strict``, texts and values are
equal, types included (404 is not "404"); with ``regexp``, an RE2 expression is found somewhere in the text. An entry
without ``value`` asks whether the attribute is there.

Compiled once into conditions, each of which reads columns and makes a mask; expressions run once per distinct value.

Source: opentelemetry-collector-contrib, ``internal/filter`` (filterconfig, filterspan, filterlog, filtermatcher). What
its documentation says of ``resources`` and ``libraries`` (one entry is enough) is not what it does. For it, services
are of spans only, attributes and libraries not of metrics; here all signals have them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from decimal import Decimal
from math import isfinite
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from pipeline.api import SIGNALS, ComponentConfig
from pipeline.model.attribute_text import value_text
from pipeline.model.batch import Batch
from pipeline.model.columns import SPAN_KINDS
from pipeline.ottl.re2 import RegexError, compile_re2

Mask = npt.NDArray[np.bool_]
MatchType = Literal["strict", "regexp"]
Test = Callable[[Any], bool]

OWN_PREFIXES = ("span.", "log.", "point.")
"""Of the attributes of the items of each signal."""
NO_SERVICE = "<nil-service-name>"
"""What the Collector takes for ``service.name`` where there is none."""

_ONE_SIGNAL = {
    "span_names": "traces",
    "span_kinds": "traces",
    "log_bodies": "logs",
    "log_severity_texts": "logs",
    "log_severity_number": "logs",
    "metric_names": "metrics",
}
"""Properties that items of one signal alone have."""
_ALL_SIGNALS = ("services", "attributes", "resources", "libraries")


class MatchAttribute(ComponentConfig):
    """An attribute that must be there, and its value."""

    key: str = Field(min_length=1)
    value: StrictBool | StrictInt | StrictFloat | StrictStr | list[Any] | dict[str, Any] | None = None


class MatchLibrary(ComponentConfig):
    """An instrumentation scope; without ``version`` any version of it."""

    name: str
    version: str | None = None


class SeverityNumberMatch(ComponentConfig):
    """Log records of at least this severity; those without one only if ``match_undefined``."""

    min: int = Field(default=0, ge=0, le=24)
    match_undefined: bool = False


class RegexpConfig(ComponentConfig):
    """The Collector's cache of matches. Here an expression runs once per distinct value of a batch anyway."""

    cacheenabled: bool = False
    cachemaxnumentries: int = Field(default=0, ge=0)


Texts = Annotated[tuple[str, ...], Field(default=())]


class MatchProperties(ComponentConfig):
    """The properties of ``include`` or ``exclude``."""

    match_type: MatchType
    regexp: RegexpConfig = RegexpConfig()
    services: Texts
    span_names: Texts
    span_kinds: Texts
    log_bodies: Texts
    log_severity_texts: Texts
    log_severity_number: SeverityNumberMatch | None = None
    metric_names: Texts
    attributes: tuple[MatchAttribute, ...] = ()
    resources: tuple[MatchAttribute, ...] = ()
    libraries: tuple[MatchLibrary, ...] = ()

    @model_validator(mode="after")
    def _can_match(self) -> Self:
        if not any(getattr(self, name) for name in (*_ALL_SIGNALS, *_ONE_SIGNAL)):
            names = ", ".join((*_ALL_SIGNALS, *_ONE_SIGNAL))
            raise ValueError(f"says nothing to match; at least one of {names} must be set")
        if not self.signals:
            used = ", ".join(name for name in _ONE_SIGNAL if getattr(self, name))
            raise ValueError(f"{used} cannot be used together: no item has them all")
        unknown = [kind for kind in self.span_kinds if kind not in SPAN_KINDS[1:]]
        if self.match_type == "strict" and unknown:
            raise ValueError(f"span_kinds: {unknown[0]!r} is no kind of span; one of {', '.join(SPAN_KINDS[1:])}")
        for value in self._patterns():
            _compiled(value, self.match_type)
        return self

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals whose items have all the properties."""
        needed = {signal for name, signal in _ONE_SIGNAL.items() if getattr(self, name)}
        return tuple(signal for signal in SIGNALS if needed <= {signal})

    def conditions(self) -> list[Condition]:
        """What must be true of an item, all of it."""
        found: list[Condition] = []
        for name, column, absent in (
            ("services", "resource.service.name", NO_SERVICE),
            ("span_names", "name", None),
            ("span_kinds", "kind", None),
            ("log_bodies", "body", ""),
            ("log_severity_texts", "severity_text", None),
            ("metric_names", "metric.name", None),
        ):
            if texts := getattr(self, name):
                found.append(TextMatches(column, any_text(texts, self.match_type), absent))
        if self.log_severity_number is not None:
            found.append(SeverityIsAtLeast(self.log_severity_number.min, self.log_severity_number.match_undefined))
        for library in self.libraries:
            found.append(TextMatches("scope.name", any_text((library.name,), self.match_type)))
            if library.version is not None:
                found.append(TextMatches("scope.version", any_text((library.version,), self.match_type)))
        for prefix, attributes in (("resource.", self.resources), ("", self.attributes)):
            found += [AttributeMatches(prefix, one.key, one.value, self.match_type) for one in attributes]
        return found

    def _patterns(self) -> Iterable[Any]:
        for name in (*_ALL_SIGNALS[:1], *_ONE_SIGNAL):
            if isinstance(texts := getattr(self, name), tuple):
                yield from texts
        for library in self.libraries:
            yield from (library.name, library.version or "")
        yield from (one.value for one in (*self.attributes, *self.resources) if one.value is not None)


class MatchConfig(ComponentConfig):
    """``include`` and ``exclude``, for the configuration of a processor."""

    include: MatchProperties | None = None
    exclude: MatchProperties | None = None

    @property
    def match_signals(self) -> tuple[str, ...]:
        """The signals that both can be asked about."""
        given = [one.signals for one in (self.include, self.exclude) if one is not None]
        return tuple(signal for signal in SIGNALS if all(signal in signals for signals in given))


class Matcher:
    """``include`` and ``exclude``, ready to run.

    Attributes:
        reads: Columns needed, of whichever signal has them.
    """

    def __init__(self, config: MatchConfig) -> None:
        self._include = config.include.conditions() if config.include is not None else None
        self._exclude = config.exclude.conditions() if config.exclude is not None else None
        conditions = (*(self._include or ()), *(self._exclude or ()))
        self.reads = tuple(dict.fromkeys(column for one in conditions for column in one.reads))

    def mask(self, batch: Batch) -> Mask | None:
        """bool[n]: the items to work on; None: all."""
        if self._include is None and self._exclude is None:
            return None
        chosen = all_true(self._include or (), batch)
        if self._exclude is not None:
            chosen &= ~all_true(self._exclude, batch)
        return chosen


class Condition(ABC):
    """A claim about an item.

    Attributes:
        reads: Columns needed, of whichever signal has them.
    """

    reads: tuple[str, ...]

    @abstractmethod
    def mask(self, batch: Batch) -> Mask:
        """bool[n]: the items of which it is true."""


class TextMatches(Condition):
    """A text column passes a test.

    Args:
        absent: The text where the column has none; None: such an item does not match.
    """

    def __init__(self, column: str, test: Test, absent: str | None = None) -> None:
        self.reads = (column,)
        self._column = column
        self._test = test
        self._is_absent_ok = absent is not None and test(absent)

    def mask(self, batch: Batch) -> Mask:
        """bool[n]. Cost: a dictionary of the column, and a call per distinct value."""
        column = batch[self._column]
        hits: Mask = column.test(self._test)
        return hits | ~column.present() if self._is_absent_ok else hits


class AttributeMatches(Condition):
    """An attribute is there, and has a value or a text that an expression is found in.

    Args:
        prefix: ``resource.`` or, of the item itself, nothing.
        value: None: any.
    """

    def __init__(self, prefix: str, key: str, value: Any, match_type: MatchType) -> None:
        self._prefix = prefix
        self._key = key
        self._test = None if value is None else _value_test(value, match_type)
        self.reads = tuple(f"{one}{key}" for one in ([prefix] if prefix else OWN_PREFIXES))

    def mask(self, batch: Batch) -> Mask:
        """bool[n]. Cost: a dictionary of the attribute, and a call per distinct value."""
        column = f"{self._prefix or batch.prefix}{self._key}"
        if self._test is None:
            return batch.present(column)
        codes, values = batch.distinct(column)
        return np.array([*map(self._test, values), False])[codes]


class SeverityIsAtLeast(Condition):
    """A log record has at least a severity."""

    reads = ("severity_number",)

    def __init__(self, least: int, undefined: bool) -> None:
        self._least = least
        self._undefined = undefined

    def mask(self, batch: Batch) -> Mask:
        """bool[n]."""
        numbers = batch["severity_number"].codes
        found: Mask = np.where(numbers == 0, self._undefined, numbers >= self._least)
        return found


def all_true(conditions: Iterable[Condition], batch: Batch) -> Mask:
    """bool[n]: the items of which all conditions are true."""
    chosen = np.ones(len(batch), bool)
    for condition in conditions:
        chosen &= condition.mask(batch)
    return chosen


def any_text(texts: Iterable[str], match_type: MatchType) -> Test:
    """Whether a text is one of these, or one of these expressions is found in it."""
    if match_type == "strict":
        return frozenset(texts).__contains__
    searches = [_compiled(text, match_type).search for text in dict.fromkeys(texts)]
    return lambda text: any(search(text) is not None for search in searches)


def _value_test(value: Any, match_type: MatchType) -> Test:
    if match_type == "strict":
        return lambda other: type(other) is type(value) and bool(other == value)
    search = _compiled(value, match_type).search
    return lambda other: isinstance(other, (str, bool, int, float)) and search(_plain_text(other)) is not None


def _plain_text(value: str | bool | float) -> str:
    """Like ``value_text``, but numbers never have an exponent.

    >>> [_plain_text(value) for value in (1e21, 2.5, 1e-7, True)]
    ['1000000000000000000000', '2.5', '0.0000001', 'true']
    """
    if isinstance(value, float) and isfinite(value):
        return f"{Decimal(repr(value)):f}".removesuffix(".0")
    return value_text(value)


def _compiled(value: Any, match_type: MatchType) -> Any:
    """The expression of ``regexp``, checked; ``strict`` takes any value."""
    if match_type == "strict":
        return None
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text, and match_type regexp compares texts; write strict, or an expression")
    try:
        return compile_re2(value)
    except RegexError as error:
        raise ValueError(f"{value!r} is not a regular expression: {error} (at character {error.offset + 1})") from error
