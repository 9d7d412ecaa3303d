"""What a scraper wants: format, name escaping and compression, from the ``Accept`` headers of its request.

The rules are those of prometheus/common ``expfmt.Negotiate``, which the Collector uses: the best known format by
weight, and the text format 0.0.4 for whatever is not understood. A garbled header is no reason to refuse metrics.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.codec.prometheus_labels import Format
from pipeline.codec.prometheus_names import Escaping

MAX_ITEMS = 32
"""Parts of an ``Accept`` header that are looked at; Prometheus sends five."""

PROTOBUF = "application/vnd.google.protobuf"
PROTOBUF_MESSAGE = "io.prometheus.client.MetricFamily"
OPENMETRICS = "application/openmetrics-text"
TEXT = "text/plain"


@dataclass(frozen=True)
class Choice:
    """What to answer with."""

    form: Format
    escaping: Escaping
    content_type: str


def choose(accept: str, *, openmetrics: bool) -> Choice:
    """The format for an ``Accept`` header.

    Args:
        accept: The header, or "".
        openmetrics: Whether OpenMetrics is offered.
    """
    for media_type, parameters in _by_weight(accept):
        choice = _choice(media_type, parameters, openmetrics)
        if choice is not None:
            return choice
    return Choice(Format.TEXT, Escaping.UNDERSCORES, f"{TEXT}; version=0.0.4; charset=utf-8")


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the answer may be compressed with gzip."""
    return any(coding == "gzip" for coding, _ in _by_weight(accept_encoding))


def _choice(media_type: str, parameters: dict[str, str], openmetrics: bool) -> Choice | None:
    version = parameters.get("version", "")
    if media_type == PROTOBUF:
        if (parameters.get("proto"), parameters.get("encoding")) != (PROTOBUF_MESSAGE, "delimited"):
            return None
        form, content_type = Format.PROTOBUF, f"{PROTOBUF}; proto={PROTOBUF_MESSAGE}; encoding=delimited"
    elif media_type == OPENMETRICS and openmetrics and version in {"", "0.0.1", "1.0.0"}:
        form, content_type = Format.OPENMETRICS, f"{OPENMETRICS}; version={version or '1.0.0'}; charset=utf-8"
    elif media_type in {TEXT, "text/*", "*/*"} and version in {"", "0.0.4", "1.0.0"}:
        form, content_type = Format.TEXT, f"{TEXT}; version={version or '0.0.4'}; charset=utf-8"
    else:
        return None
    # Who says nothing may be a Prometheus before 3.0, which cannot read names outside the legacy alphabet.
    escaping = Escaping.UNDERSCORES
    if parameters.get("escaping") in set(Escaping):
        escaping = Escaping(parameters["escaping"])
        content_type += f"; escaping={escaping}"
    return Choice(form, escaping, content_type)


def _by_weight(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Media types or codings with their parameters, the most wanted first; not those refused with ``q=0``."""
    items = []
    for item in header.split(",")[:MAX_ITEMS]:
        value, *parts = item.split(";")
        pairs = (part.partition("=") for part in parts)
        parameters = {name.strip().lower(): text.strip().strip('"') for name, _, text in pairs}
        weight = _weight(parameters.pop("q", "1"))
        if weight > 0:
            items.append((weight, value.strip().lower(), parameters))
    items.sort(key=lambda entry: -entry[0])
    for _, value, parameters in items:
        yield value, parameters


def _weight(text: str) -> float:
    """A weight between 0 and 1; what is none counts as 0."""
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
