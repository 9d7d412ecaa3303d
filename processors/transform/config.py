"""The keys of the Collector's ``transformprocessor``, of which a signal uses one form.

    trace_statements: ['set(span.attributes["tier"], "gold")']              context inferred, for each statement
    trace_statements: [{context: span, statements: ['set(name, "x")']}]     context given, or inferred for the group

All statements are compiled when the configuration is checked; a mistake is shown at its place.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from pipeline.api import ComponentConfig
from pipeline.ottl import SIGNAL_CONTEXTS, compile_condition, compile_statement, infer_context, parse_statement

ErrorMode = Literal["propagate", "ignore", "silent"]
"""What follows when a statement cannot be carried out for an item: the request is refused; or the item stays as it is,
with a line in the log or without."""


class StatementGroup(ComponentConfig):
    """Statements that are about one thing.

    Attributes:
        context: What they are about; inferred from their paths where it is not given.
        conditions: They concern what any of these is true of; everything where there are none.
        statements: Carried out in order.
        error_mode: For these statements; that of the processor where it is not given.
    """

    context: str = ""
    conditions: tuple[str, ...] = ()
    statements: tuple[str, ...] = Field(min_length=1)
    error_mode: ErrorMode | None = None


def _grouped(given: Any) -> Any:
    """Each text is a group."""
    if not isinstance(given, (list, tuple)) or not any(isinstance(one, str) for one in given):
        return given
    return [{"statements": [one]} if isinstance(one, str) else one for one in given]


def _with_contexts(signal: str, groups: tuple[StatementGroup, ...]) -> tuple[StatementGroup, ...]:
    return tuple(_with_context(group, signal) for group in groups)


def _with_context(group: StatementGroup, signal: str) -> StatementGroup:
    """The group with its context, its statements and conditions checked."""
    possible = [name for name in SIGNAL_CONTEXTS[signal] if name != "spanevent"]
    context = group.context.lower()
    if not context:
        context = infer_context(group.statements, signal, parse_statement)
    if context == "spanevent":
        raise ValueError("events of spans cannot be changed, only taken out: see filter (traces.spanevent)")
    if context not in possible:
        raise ValueError(f'there is no context "{group.context}" here; possible: {", ".join(possible)}')
    for text in group.conditions:
        compile_condition(text, context, prefixed=not group.context)
    for text in group.statements:
        compile_statement(text, context, prefixed=not group.context)
    return group.model_copy(update={"context": context})


_Groups = Annotated[tuple[StatementGroup, ...], BeforeValidator(_grouped)]
TraceStatements = Annotated[_Groups, AfterValidator(partial(_with_contexts, "traces"))]
MetricStatements = Annotated[_Groups, AfterValidator(partial(_with_contexts, "metrics"))]
LogStatements = Annotated[_Groups, AfterValidator(partial(_with_contexts, "logs"))]


class TransformConfig(ComponentConfig):
    """What is changed.

    Attributes:
        error_mode: What follows when a statement cannot be carried out for an item: refuse the request, or leave the
            item as it is, with a line in the log or without.
        trace_statements: OTTL statements about spans, scopes or resources; their paths, or ``context``, say which.
        metric_statements: The same about data points, metrics, scopes or resources.
        log_statements: The same about log records, scopes or resources.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "error_mode": "ignore",
                    "trace_statements": ['set(span.name, span.attributes["http.route"])'],
                    "metric_statements": [
                        {
                            "context": "datapoint",
                            "statements": ['set(attributes["pod"], resource.attributes["k8s.pod.name"])'],
                        }
                    ],
                    "log_statements": ['replace_pattern(log.attributes["url"], "token=[^&]+", "token=***")'],
                }
            ]
        }
    )

    error_mode: ErrorMode = "propagate"
    trace_statements: TraceStatements = ()
    metric_statements: MetricStatements = ()
    log_statements: LogStatements = ()
