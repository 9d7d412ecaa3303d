"""``include`` and ``exclude`` of metrics and log records, told in terms of ``processors/matching``.

Of metrics, resources and names are asked one after the other, as in the Collector: what either leaves out or names is
gone.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from pipeline.api import ComponentConfig
from pipeline.model.columns import SEVERITIES
from processors.matching import (
    MatchAttribute,
    MatchConfig,
    MatchProperties,
    MatchType,
    RegexpConfig,
    SeverityNumberMatch,
)

_SEVERITY_NUMBERS = {name.removeprefix("SEVERITY_NUMBER_"): number for number, name in enumerate(SEVERITIES) if number}
_SEVERITY_NUMBERS |= {str(number): number for number in _SEVERITY_NUMBERS.values()}


def _no_expr(given: Any) -> Any:
    if given == "expr":
        raise ValueError(
            "match_type expr is not supported; write OTTL conditions under metrics.metric or metrics.datapoint: "
            'MetricName == "x" is name == "x", HasLabel("k") is HasAttrKeyOnDatapoint("k")'
        )
    return given


class MetricMatchProperties(ComponentConfig):
    """Metrics by name, and by the attributes of their resource."""

    match_type: Annotated[MatchType, BeforeValidator(_no_expr)]
    regexp: RegexpConfig = RegexpConfig()
    metric_names: tuple[str, ...] = ()
    resource_attributes: tuple[MatchAttribute, ...] = ()

    @model_validator(mode="after")
    def _expressions_are_valid(self) -> Self:
        self.parts()
        return self

    def parts(self) -> list[MatchProperties]:
        """What is asked, one after the other."""
        given: dict[str, Any] = {"resources": self.resource_attributes, "metric_names": self.metric_names}
        return [MatchProperties(match_type=self.match_type, **{name: value}) for name, value in given.items() if value]


class MetricMatchConfig(ComponentConfig):
    """``include`` and ``exclude`` of metrics."""

    regexp: RegexpConfig = RegexpConfig()
    include: MetricMatchProperties | None = None
    exclude: MetricMatchProperties | None = None

    def matches(self) -> list[MatchConfig]:
        """In the order in which they are asked."""
        include = self.include.parts() if self.include is not None else []
        exclude = self.exclude.parts() if self.exclude is not None else []
        return [*(MatchConfig(include=one) for one in include), *(MatchConfig(exclude=one) for one in exclude)]


def _severity(given: Any) -> Any:
    if given in (None, ""):
        return 0
    number = _SEVERITY_NUMBERS.get(str(given).upper())
    if number is None:
        raise ValueError(
            f"{given!r} is no severity; one of 1 to 24, or TRACE, DEBUG, INFO, WARN, ERROR, FATAL (2 to 4)"
        )
    return number


class LogSeverityNumberMatch(SeverityNumberMatch):
    """The least severity, by name or number."""

    min: Annotated[int, BeforeValidator(_severity)] = 0


class LogMatchProperties(ComponentConfig):
    """Log records by what is in them, and by the attributes of their resource."""

    match_type: Literal["strict", "regexp", ""] = ""
    resource_attributes: tuple[MatchAttribute, ...] = ()
    record_attributes: tuple[MatchAttribute, ...] = ()
    severity_texts: tuple[str, ...] = ()
    severity_number: LogSeverityNumberMatch | None = None
    bodies: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _type_is_given_where_it_counts(self) -> Self:
        if not self.match_type and (
            self.resource_attributes or self.record_attributes or self.severity_texts or self.bodies
        ):
            raise ValueError("match_type is missing: strict or regexp")
        self.properties()
        return self

    def properties(self) -> MatchProperties | None:
        """In common terms; None where nothing is asked."""
        given: dict[str, Any] = {
            "resources": self.resource_attributes,
            "attributes": self.record_attributes,
            "log_severity_texts": self.severity_texts,
            "log_severity_number": self.severity_number,
            "log_bodies": self.bodies,
        }
        if not any(given.values()):
            return None
        return MatchProperties(match_type=self.match_type or "strict", **given)


class LogMatchConfig(ComponentConfig):
    """``include`` and ``exclude`` of log records."""

    include: LogMatchProperties | None = None
    exclude: LogMatchProperties | None = None

    def matches(self) -> list[MatchConfig]:
        """In the order in which they are asked."""
        include = self.include.properties() if self.include is not None else None
        exclude = self.exclude.properties() if self.exclude is not None else None
        return [MatchConfig(include=include, exclude=exclude)] if include or exclude else []
