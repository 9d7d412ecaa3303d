"""What a processor in plain Python adds: it reads three columns and drops by a mask."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.measure import MICRO, Row, Settings, compare, cpu_in_turns
from benchmarks.micro.decode import TWO_ATTRIBUTES
from benchmarks.micro.steps import UPB, parse_all, process_all
from benchmarks.workload import payloads
from pipeline.api import Processor, SpanBatch
from pipeline.codec.otlp_traces import TracesProjection
from pipeline.testing import Harness

LIMIT = 0.1


class DropScripts(Processor):
    """Drop successful requests made by scripts."""

    reads = ("kind", "status_code", "span.user_agent.original")

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        """Keep everything else."""
        served = spans["kind"] == "SPAN_KIND_SERVER"
        failed = spans["status_code"] == "STATUS_CODE_ERROR"
        script = spans["span.user_agent.original"].isin(("python-requests/2.32.3", "Go-http-client/1.1"))
        return spans.where(~(served & script & ~failed))


def group(settings: Settings) -> Iterator[Row]:
    """Where other components read the columns anyway, and where one of them is decoded for this processor alone."""
    bodies = payloads(512)
    processor = Harness(DropScripts).processor
    projection = TracesProjection({*TWO_ATTRIBUTES, *processor.reads})
    for case, without in (("decoded anyway", projection), ("one of them new", TracesProjection(TWO_ATTRIBUTES))):
        measured = cpu_in_turns(
            settings.repetitions,
            MICRO / (512 * len(bodies)),
            {
                "with": partial(process_all, projection, bodies, (processor,)),
                "without": partial(process_all, without, bodies),
                "upb": partial(parse_all, bodies),
            },
        )
        added = [both - alone for both, alone in zip(measured["with"], measured["without"], strict=True)]
        name = f"custom processor/three columns, {case}, and a mask, 512 spans a request"
        yield compare(name, "µs/span", added, measured["upb"], against=UPB, limit=LIMIT)
