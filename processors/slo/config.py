"""Objectives: what is promised, about which spans, over which period. ``weir rules generate`` reads this too."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from pipeline.api import ComponentConfig
from pipeline.config.durations import Duration

Kind = Literal["server", "consumer", "client", "producer", "internal"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
WINDOW = "[window]"
"""Stands for the window of a rate in ``queries``: ``rate(http_requests_total[window])``."""


def _days(value: Any) -> Any:
    if isinstance(value, str) and (match := re.fullmatch(r"([0-9]+)d", value.strip())):
        return int(match[1])
    raise ValueError(f'{value!r} is not a number of days; write it like "30d"')


Days = Annotated[
    int,
    BeforeValidator(_days),
    PlainSerializer(lambda days: f"{days}d", return_type=str),
    WithJsonSchema({"type": "string", "examples": ["30d"]}),
]
"""A number of days, written ``30d``."""


class Queries(ComponentConfig):
    """Any two counters, for rules alone.

    Attributes:
        errors: PromQL for bad events per second, with ``[window]`` as the range.
        total: PromQL for all events per second, likewise.
    """

    errors: str
    total: str

    @model_validator(mode="after")
    def _have_windows(self) -> Self:
        for name in ("errors", "total"):
            if WINDOW not in getattr(self, name):
                raise ValueError(f"{name} must have {WINDOW} where its range is, as in rate(x_total{WINDOW})")
        return self


class Objective(ComponentConfig):
    """One SLO.

    Attributes:
        name: Unique; label ``slo`` of all metrics.
        service: Whose spans (``service.name``).
        operation: Span name; without it, all of the service.
        span_kinds: Kinds of spans that count.
        objective: Percent of events that are to be good, such as 99.9.
        period: Over which the promise holds, in days: ``30d``.
        latency: A span is good if it takes no longer; without it, if its status is not an error. Becomes a bound of
            the histograms of span_metrics, so that Prometheus can count the same.
        queries: Instead of spans, any two counters; rules alone can look at them.
        description: For the alert.
        page: Whether fast burns page.
        ticket: Whether slow burns open tickets.
    """

    name: str
    service: str = Field(min_length=1)
    operation: str = ""
    span_kinds: tuple[Kind, ...] = Field(default=("server", "consumer"), min_length=1)
    objective: float = Field(gt=0, lt=100)
    period: Annotated[Days, Field(ge=7, le=90)] = 30
    latency: Annotated[Duration, Field(gt=0)] | None = None
    queries: Queries | None = None
    description: str = ""
    page: bool = True
    ticket: bool = True

    @model_validator(mode="after")
    def _is_clear(self) -> Self:
        if _NAME.fullmatch(self.name) is None:
            raise ValueError(f'"{self.name}": a name has letters, digits, underscores, dots and dashes')
        if self.queries is not None and (self.latency is not None or self.operation):
            raise ValueError("`queries` stand instead of `latency` and `operation`")
        return self

    @property
    def target(self) -> float:
        """Share of good events: 0 … 1."""
        return round(self.objective / 100, 9)

    @property
    def budget(self) -> float:
        """Share of events that may be bad."""
        return round(1 - self.target, 9)


class Config(ComponentConfig):
    """Keys of ``slo``.

    Attributes:
        objectives: What is promised.
    """

    objectives: tuple[Objective, ...] = Field(default=(), max_length=1000)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [objective.name for objective in self.objectives]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"objectives named more than once: {', '.join(twice)}")
        return self

    def needs_bounds_s(self) -> tuple[float, ...]:
        """Bounds that the histograms of span_metrics must have (``pipeline/config/bounds.py``)."""
        return tuple(objective.latency for objective in self.objectives if objective.latency is not None)
