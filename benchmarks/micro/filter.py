"""The filter processor with two conditions, after decode, against the official parser.

Each turn decodes and filters 64 requests, and decodes the same requests alone: the difference is what the conditions
cost on a batch that is as warm in the caches as in real life.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import partial

from benchmarks.measure import MICRO, Row, Settings, compare, cpu_in_turns
from benchmarks.micro.steps import UPB, parse_all, process_all
from benchmarks.workload import payloads
from pipeline.codec.otlp_traces import TracesProjection
from pipeline.testing import Harness
from processors.filter import Filter

LIMIT = 0.15
"""Of comparisons. Expressions have none: they need a dictionary of the column, and a look-up per distinct text."""
CONDITIONS = {
    "texts": (
        'attributes["http.route"] == "/api/v1/orders" and kind == SPAN_KIND_SERVER',
        'resource.attributes["service.name"] == "user-accounts" and status.code != STATUS_CODE_ERROR',
    ),
    "numbers": (
        'attributes["http.response.status_code"] >= 500',
        '(end_time - start_time) < Duration("1ms") and IsRootSpan()',
    ),
    "expressions": ('IsMatch(name, "^(GET|POST) .*/carts")', 'IsMatch(attributes["http.route"], "health|ready")'),
}


def group(settings: Settings) -> Iterator[Row]:
    """Conditions of three kinds at 512 spans a request, and one of them at 50."""
    for name, size in (("texts", 512), ("texts", 50), ("numbers", 512), ("expressions", 512)):
        harness = Harness(Filter, traces={"span": list(CONDITIONS[name])}, error_mode="ignore")
        bodies = payloads(size)
        projection = TracesProjection(harness.processor.reads)
        measured = cpu_in_turns(
            settings.repetitions,
            MICRO / (size * len(bodies)),
            {
                "filtered": partial(process_all, projection, bodies, [harness.processor]),
                "decoded": partial(process_all, projection, bodies),
                "upb": partial(parse_all, bodies),
            },
        )
        added = [both - alone for both, alone in zip(measured["filtered"], measured["decoded"], strict=True)]
        limit = LIMIT if size == 512 and name != "expressions" else None
        yield compare(
            f"filter/two conditions on {name} after decode, {size} spans a request",
            "µs/span",
            added,
            measured["upb"],
            against=UPB,
            limit=limit,
        )
        if name == "texts" and limit is not None:
            yield Row(
                f"filter/decode + two conditions on {name}, {size} spans a request",
                statistics.median(measured["filtered"]),
                "µs/span",
                yardstick=statistics.median(measured["upb"]),
                ratio=statistics.median(
                    both / parsed for both, parsed in zip(measured["filtered"], measured["upb"], strict=True)
                ),
                against=UPB,
            )
