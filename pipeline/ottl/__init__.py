"""Conditions and statements of the OpenTelemetry Transformation Language (OTTL), compiled to column operations.

    condition = compile_condition('kind == SPAN_KIND_SERVER and attributes["http.route"] == "/healthz"', "span")
    condition.reads            # ('kind', 'span.http.route'): to be declared by the component
    condition.mask(spans)      # bool[n]

The way of a condition: ``parser`` (grammar ``ottl.lark``) → ``tree`` → ``compiler``, which knows ``contexts``,
``functions`` and ``item_functions`` → ``plan``, which works on the ``tables`` of a batch with ``vectors``. What values
mean and how they compare is in ``values``. ``statement`` adds the ``editors``, which change a batch.
"""

from pipeline.ottl.condition import Condition, compile_condition, infer_context
from pipeline.ottl.contexts import CONTEXTS, SIGNAL_CONTEXTS
from pipeline.ottl.errors import OttlError
from pipeline.ottl.parser import parse_statement
from pipeline.ottl.re2 import RegexError, compile_re2
from pipeline.ottl.statement import Fault, Statement, compile_statement
from pipeline.ottl.tables import Tables
from pipeline.ottl.vectors import Truth

__all__ = [
    "CONTEXTS",
    "SIGNAL_CONTEXTS",
    "Condition",
    "Fault",
    "OttlError",
    "RegexError",
    "Statement",
    "Tables",
    "Truth",
    "compile_condition",
    "compile_re2",
    "compile_statement",
    "infer_context",
    "parse_statement",
]
