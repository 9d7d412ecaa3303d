"""OpenTelemetry names to Prometheus names: the rules of prometheus/otlptranslator.

Four strategies decide two things: whether characters outside ``[a-zA-Z0-9_:]`` are escaped, and whether unit and
type become suffixes. A name that cannot be expressed is the empty string; the caller drops what bears it, and says so.

    http.server.duration, s, histogram   UnderscoreEscapingWithSuffixes     http_server_duration_seconds
                                         UnderscoreEscapingWithoutSuffixes  http_server_duration
                                         NoUTF8EscapingWithSuffixes         http.server.duration_seconds
                                         NoTranslation                      http.server.duration

Sources: otlptranslator (2026-07) ``metric_namer.go label_namer.go unit_namer.go``; OpenTelemetry specification,
"Prometheus and OpenMetrics compatibility". What a scraper may ask for with ``escaping=`` is prometheus/common's
``model.EscapeName``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class Strategy(StrEnum):
    """How names are translated; the values are those of the Collector's ``translation_strategy``."""

    UNDERSCORES_WITH_SUFFIXES = "UnderscoreEscapingWithSuffixes"
    UNDERSCORES_WITHOUT_SUFFIXES = "UnderscoreEscapingWithoutSuffixes"
    UTF8_WITH_SUFFIXES = "NoUTF8EscapingWithSuffixes"
    NO_TRANSLATION = "NoTranslation"

    @property
    def adds_suffixes(self) -> bool:
        return self in (Strategy.UNDERSCORES_WITH_SUFFIXES, Strategy.UTF8_WITH_SUFFIXES)

    @property
    def keeps_utf8(self) -> bool:
        return self in (Strategy.UTF8_WITH_SUFFIXES, Strategy.NO_TRANSLATION)


class Escaping(StrEnum):
    """What a scraper that cannot take UTF-8 names wants instead (``escaping=`` in ``Accept``)."""

    ALLOW_UTF8 = "allow-utf-8"
    UNDERSCORES = "underscores"
    DOTS = "dots"
    VALUES = "values"


class MetricType(StrEnum):
    """The types of the exposition formats, as they are spelled there."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"


# UCUM (case sensitive) to the words of Prometheus; otlptranslator unit_namer.go.
_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
_PER_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}

_NOT_METRIC = re.compile(r"[^a-zA-Z0-9:]+")  # underscores separate tokens too
_NOT_METRIC_OR_UNDERSCORE = re.compile(r"[^a-zA-Z0-9:_]+")
_NOT_LABEL = re.compile(r"[^a-zA-Z0-9]+")
_LEGACY_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_LEGACY_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")


@dataclass(frozen=True)
class Namer:
    """Translates names by one strategy. ``namespace`` goes before every metric name."""

    strategy: Strategy = Strategy.UNDERSCORES_WITH_SUFFIXES
    namespace: str = ""

    def metric(self, name: str, unit: str, kind: MetricType) -> str:
        """The name of a metric family, or "" if nothing expressible is left of it."""
        return _metric_name(name, unit, kind, self.strategy, self.namespace)

    def label(self, key: str) -> str:
        """The label name of an attribute key, or "" if nothing expressible is left of it."""
        return _label_name(key, self.strategy.keeps_utf8)

    def unit(self, unit: str) -> str:
        """The unit as a word, such as ``bytes_per_second``; "" if there is none."""
        main, per = (_clean_unit(part).rstrip("_") for part in _unit_suffixes(unit))
        return "_".join(part for part in (main, per) if part)


@lru_cache(maxsize=4096)
def _metric_name(name: str, unit: str, kind: MetricType, strategy: Strategy, namespace: str) -> str:
    if strategy.keeps_utf8:
        return _utf8_metric_name(name, unit, kind, strategy, namespace)
    if strategy.adds_suffixes:
        result = _suffixed_metric_name(name, unit, kind, namespace)
    else:
        result = "_".join(part for part in _NOT_METRIC_OR_UNDERSCORE.split(name) if part)
        if namespace:
            result = "_".join(part for part in _NOT_METRIC_OR_UNDERSCORE.split(namespace) if part) + "_" + result
    if result[:1].isdigit():
        result = "_" + result
    return result if result == name or result.strip("_") else ""


def _suffixed_metric_name(name: str, unit: str, kind: MetricType, namespace: str) -> str:
    tokens = [token for token in _NOT_METRIC.split(name) if token]
    main, per = (_clean_unit(part) for part in _unit_suffixes(unit))
    per = "" if per == "per_" else per.removesuffix("_")
    if main in tokens:
        main = ""
    if per in tokens:
        per = ""
    if per:
        main = main.removesuffix("_")
    tokens += [part for part in (main, per) if part]
    if kind is MetricType.COUNTER:
        tokens = [*(part for part in tokens if part != "total"), "total"]
    if kind is MetricType.GAUGE and unit == "1":
        tokens = [*(part for part in tokens if part != "ratio"), "ratio"]
    # otlptranslator takes the namespace as it is, which lets "my-team" through and makes the whole scrape unreadable.
    return "_".join([*(part for part in _NOT_METRIC_OR_UNDERSCORE.split(namespace) if part), *tokens])


def _utf8_metric_name(name: str, unit: str, kind: MetricType, strategy: Strategy, namespace: str) -> str:
    if not name:
        return ""
    if namespace:
        name = f"{namespace}_{name}"
    if not strategy.adds_suffixes:
        return name
    suffixes = []
    if kind is MetricType.GAUGE and unit == "1":
        name = _without_suffix(name, "ratio")
        suffixes.append("ratio")
    if kind is MetricType.COUNTER:
        name = _without_suffix(name, "total")
        suffixes.append("total")
    main, per = _unit_suffixes(unit)
    if per:
        name = _without_suffix(name, per)
        suffixes.append(per)
    if main and not name.endswith(main):
        suffixes.append(main)
    return "_".join([name, *reversed(suffixes)])


def _without_suffix(name: str, suffix: str) -> str:
    """``name`` without ``suffix`` and the one character before it, whatever that is."""
    return name[: -len(suffix) - 1] if name.endswith(suffix) and len(name) > len(suffix) + 1 else name


def _unit_suffixes(unit: str) -> tuple[str, str]:
    """``By/s`` → ``bytes``, ``per_second``. Annotations in braces count for nothing."""
    main, _, per = (part.strip() for part in unit.partition("/"))
    main = "" if "{" in main or "}" in main else _UNITS.get(main, main)
    per = "" if "{" in per or "}" in per else _PER_UNITS.get(per, per)
    return main, f"per_{per}" if per else ""


def _clean_unit(unit: str) -> str:
    return _NOT_METRIC.sub("_", unit).removeprefix("_")


@lru_cache(maxsize=4096)
def _label_name(key: str, keeps_utf8: bool) -> str:
    if keeps_utf8:
        return key if key.strip("_") else ""
    reserved = len(key) > 4 and key.startswith("__") and key.endswith("__")
    name = _NOT_LABEL.sub("_", key.strip("_") if reserved else key)
    if reserved:
        name = f"__{name.strip('_')}__"
    elif name[:1].isdigit():
        name = f"key_{name}"
    return name if name.strip("_") else ""


def is_legacy_metric(name: str) -> bool:
    """Whether every Prometheus can read this metric name unquoted."""
    return _LEGACY_METRIC.match(name) is not None


def is_legacy_label(name: str) -> bool:
    """Whether every Prometheus can read this label name unquoted."""
    return _LEGACY_LABEL.match(name) is not None


@lru_cache(maxsize=4096)
def escape(name: str, scheme: Escaping, label: bool = False) -> str:
    """The name for a scraper that asked for ``scheme``. ``label``: a colon is not allowed either.

    A name of the legacy alphabet stays as it is, even for ``dots``, which would double its underscores: so do all pages
    of the Go libraries (prometheus/common, ``EscapeMetricFamily``), and series must have one name whoever exposes them.
    """
    legacy = is_legacy_label(name) if label else is_legacy_metric(name)
    if scheme is Escaping.ALLOW_UTF8 or legacy:
        return name
    escaped = "".join(_escape_character(c, i, scheme, label) for i, c in enumerate(name))
    return f"U__{escaped}" if scheme is Escaping.VALUES else escaped


def _escape_character(c: str, position: int, scheme: Escaping, label: bool) -> str:
    if scheme is not Escaping.UNDERSCORES and c == "_":
        return "__"
    if scheme is Escaping.DOTS and c == ".":
        return "_dot_"
    if c.isascii() and (c.isalpha() or c == "_" or (c == ":" and not label) or (c.isdigit() and position > 0)):
        return c
    if scheme is Escaping.VALUES:
        return f"_{ord(c):x}_"
    return "_" if scheme is Escaping.UNDERSCORES else "__"
