"""Conditions of the OpenTelemetry Transformation Language (OTTL), compiled to column operations.

    condition = compile_condition('kind == SPAN_KIND_SERVER and attributes["http.route"] == "/healthz"', "span")
    condition.reads            # ('kind', 'span.http.route'): to be declared by the component
    condition.mask(spans)      # bool[n]

The way of a condition: ``parser`` (grammar ``ottl.lark``) → ``tree`` → ``compiler``, which knows ``contexts``,
``functions`` and ``item_functions`` → ``plan``, which works on the ``tables`` of a batch with ``vectors``. What values
mean and how they compare is in ``values``.
"""

from pipeline.ottl.condition import Condition, compile_condition, infer_context
from pipeline.ottl.contexts import CONTEXTS, SIGNAL_CONTEXTS
from pipeline.ottl.errors import OttlError
from pipeline.ottl.re2 import RegexError, compile_re2
from pipeline.ottl.tables import Tables
from pipeline.ottl.vectors import Truth

__all__ = [
    "CONTEXTS",
    "SIGNAL_CONTEXTS",
    "Condition",
    "OttlError",
    "RegexError",
    "Tables",
    "Truth",
    "compile_condition",
    "compile_re2",
    "infer_context",
]
