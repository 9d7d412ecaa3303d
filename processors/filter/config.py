"""The keys of the Collector's ``filterprocessor``: three generations of them, of which a signal uses one.

    trace_conditions: ['span.attributes["url.path"] == "/healthz"']        context inferred from the paths
    traces: {span: ['attributes["url.path"] == "/healthz"']}               context given by the key
    spans: {exclude: {match_type: strict, services: [probe]}}              no conditions

All conditions are compiled when the configuration is checked; a mistake is shown at its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from pipeline.api import ComponentConfig
from pipeline.ottl import SIGNAL_CONTEXTS, compile_condition, infer_context
from processors.filter.include_exclude import LogMatchConfig, MetricMatchConfig
from processors.matching import MatchConfig

ErrorMode = Literal["propagate", "ignore", "silent"]
"""What follows when a condition cannot be evaluated for an item: the request is refused; or the item is taken as not
matched by this condition, with a line in the log or without."""


def _compiled(context: str, text: str) -> str:
    compile_condition(text, context)
    return text


ResourceCondition = Annotated[str, AfterValidator(partial(_compiled, "resource"))]
SpanCondition = Annotated[str, AfterValidator(partial(_compiled, "span"))]
SpanEventCondition = Annotated[str, AfterValidator(partial(_compiled, "spanevent"))]
MetricCondition = Annotated[str, AfterValidator(partial(_compiled, "metric"))]
DataPointCondition = Annotated[str, AfterValidator(partial(_compiled, "datapoint"))]
LogCondition = Annotated[str, AfterValidator(partial(_compiled, "log"))]


class TraceFilters(ComponentConfig):
    """Conditions that drop, by what they are about."""

    resource: tuple[ResourceCondition, ...] = ()
    span: tuple[SpanCondition, ...] = ()
    spanevent: tuple[SpanEventCondition, ...] = ()


class MetricFilters(MetricMatchConfig):
    """Conditions that drop, or ``include`` and ``exclude``."""

    resource: tuple[ResourceCondition, ...] = ()
    metric: tuple[MetricCondition, ...] = ()
    datapoint: tuple[DataPointCondition, ...] = ()


class LogFilters(LogMatchConfig):
    """Conditions that drop, or ``include`` and ``exclude``."""

    resource: tuple[ResourceCondition, ...] = ()
    log_record: tuple[LogCondition, ...] = ()


class ContextConditions(ComponentConfig):
    """Conditions that are about one thing.

    Attributes:
        context: What they are about; inferred from their paths where it is not given.
        error_mode: For these conditions; that of the processor where it is not given.
    """

    context: str = ""
    conditions: tuple[str, ...] = Field(min_length=1)
    error_mode: ErrorMode | None = None


def _grouped(given: Any) -> Any:
    """A list of texts is one group."""
    if not isinstance(given, (list, tuple)) or not any(isinstance(one, str) for one in given):
        return given
    if not all(isinstance(one, str) for one in given):
        raise ValueError("write either conditions, or groups of {context, conditions}, but not both in one list")
    return [{"conditions": given}]


def _with_contexts(signal: str, groups: tuple[ContextConditions, ...]) -> tuple[ContextConditions, ...]:
    return tuple(_with_context(group, signal) for group in groups)


def _with_context(group: ContextConditions, signal: str) -> ContextConditions:
    """The group with its context, its conditions checked."""
    context = group.context.lower()
    if not context:
        context = infer_context(group.conditions, signal)
    elif context not in SIGNAL_CONTEXTS[signal]:
        possible = ", ".join(SIGNAL_CONTEXTS[signal])
        raise ValueError(f'there is no context "{group.context}" here; possible: {possible}')
    for text in group.conditions:
        compile_condition(text, context, prefixed=not group.context)
    return group.model_copy(update={"context": context})


_Groups = Annotated[tuple[ContextConditions, ...], BeforeValidator(_grouped)]
TraceConditions = Annotated[_Groups, AfterValidator(partial(_with_contexts, "traces"))]
MetricConditions = Annotated[_Groups, AfterValidator(partial(_with_contexts, "metrics"))]
LogConditions = Annotated[_Groups, AfterValidator(partial(_with_contexts, "logs"))]


class FilterConfig(ComponentConfig):
    """What is dropped: whatever any condition is true of, and whatever ``include`` leaves out or ``exclude`` names.

    Attributes:
        error_mode: What follows when a condition cannot be evaluated for an item: refuse the request, or take it as not
            matched, with a line in the log or without.
        trace_conditions: OTTL conditions about spans, their events, scopes or resources; their paths say which.
        metric_conditions: The same about metrics, data points, scopes or resources.
        log_conditions: The same about log records, scopes or resources.
        traces: OTTL conditions by what they are about.
        metrics: The same; or ``include`` and ``exclude``.
        logs: The same; or ``include`` and ``exclude``.
        spans: ``include`` and ``exclude`` of spans.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "error_mode": "ignore",
                    "trace_conditions": [
                        'span.attributes["http.route"] == "/r/1"',
                        'IsMatch(span.name, "^op [34]$") and span.kind == SPAN_KIND_SERVER',
                    ],
                    "metric_conditions": [{"context": "metric", "conditions": ['name == "gauge"']}],
                    "log_conditions": ["log.severity_number < SEVERITY_NUMBER_WARN"],
                }
            ]
        }
    )

    error_mode: ErrorMode = "propagate"
    trace_conditions: TraceConditions = ()
    metric_conditions: MetricConditions = ()
    log_conditions: LogConditions = ()
    traces: TraceFilters = TraceFilters()
    metrics: MetricFilters = MetricFilters()
    logs: LogFilters = LogFilters()
    spans: MatchConfig = MatchConfig()

    @model_validator(mode="after")
    def _one_generation(self) -> Self:
        for signal, inferred, explicit in (
            ("trace", self.trace_conditions, _used(self.traces, "traces", ("resource", "span", "spanevent"))),
            ("metric", self.metric_conditions, _used(self.metrics, "metrics", ("resource", "metric", "datapoint"))),
            ("log", self.log_conditions, _used(self.logs, "logs", ("resource", "log_record"))),
        ):
            block: Any = {"trace": self.spans, "metric": self.metrics, "log": self.logs}[signal]
            matched = _used(block, "spans" if signal == "trace" else f"{signal}s", ("include", "exclude"))
            generations = [[f"{signal}_conditions"] if inferred else [], explicit, matched]
            used = [keys for keys in generations if keys]
            if len(used) > 1:
                raise ValueError(f"{used[0][0]} and {used[1][0]} cannot be used together")
        return self


def _used(block: Any, name: str, keys: Iterable[str]) -> list[str]:
    return [f"{name}.{key}" for key in keys if getattr(block, key)]
