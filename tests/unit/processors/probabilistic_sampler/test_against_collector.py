"""The same items through a real Collector: kept alike, marked alike.

Must never regress: replicas of Weir and of the Collector, side by side or one behind the other, decide alike.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.codec.signals import projection
from pipeline.testing import Harness
from processors.probabilistic_sampler import ProbabilisticSampler
from processors.tracestate import parse

RECORDED = json.loads((Path(__file__).parents[3] / "data" / "sampling" / "collector.json").read_text(encoding="utf-8"))


def spans() -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number, saved in enumerate(RECORDED["spans"]):
        span = scope.spans.add(span_id=b"\1" * 8, name=str(number), trace_state=saved["trace_state"])
        span.trace_id = bytes.fromhex(saved["trace_id"])
        span.MergeFromString(base64.b64decode(saved["attributes"]))
    return request


def logs() -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for number, saved in enumerate(RECORDED["logs"]):
        record = scope.log_records.add(event_name=str(number), trace_id=bytes.fromhex(saved["trace_id"]))
        record.MergeFromString(base64.b64decode(saved["attributes"]))
    return request


def kept(config: dict[str, Any], signal: str, request: Any) -> list[Any]:
    run = Harness(ProbabilisticSampler, **config)
    processor = run.processor
    batch, rejected = projection(signal, (*processor.reads, *processor.adds)).decode(request.SerializeToString())
    assert rejected == {}
    return list(run.process(batch).iter())


@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda case: json.dumps(case["config"]))
def test_spans_are_kept_and_marked_as_by_the_collector(case: dict[str, Any]) -> None:
    found = {span.name: span.trace_state for span in kept(case["config"], "traces", spans())}
    assert found.keys() == case["traces"].keys()
    for name, text in case["traces"].items():
        # the Collector writes every tracestate anew, here one in which nothing changes stays as it is
        unchanged = found[name] == RECORDED["spans"][int(name)]["trace_state"]
        assert parse(found[name]) == parse(text) if unchanged else found[name] == text, name


@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda case: json.dumps(case["config"]))
def test_log_records_are_kept_and_marked_as_by_the_collector(case: dict[str, Any]) -> None:
    prefix = "sampling."
    found = {
        record.event_name: {
            pair.key.removeprefix(prefix): pair.value.string_value
            for pair in record.attributes
            if pair.key.startswith(prefix)
        }
        for record in kept(case["config"], "logs", logs())
    }
    assert found == case["logs"]
