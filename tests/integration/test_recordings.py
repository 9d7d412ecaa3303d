"""All three signals into a file and out of it again: by the ``file`` receiver, and by ``weir replay`` over gRPC and
HTTP.

Must never regress: what was accepted arrives once, in order, with every field, whatever the format.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any, Literal

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from pipeline.receivers.signals import SIGNALS
from pipeline.replay import replay
from pipeline.service.clock import SystemClock
from tests.integration.sdk_target import SdkTarget
from tests.oracles.otlp_requests import ITEMS, accepted, items_of, prune, requests
from tests.waiting import eventually

SERVICE = """
service:
  pipelines: {{{signal}: {{receivers: [{receiver}], exporters: [{exporter}]}}}}
  telemetry: {{metrics: {{level: none}}}}
"""


def recording(path: Path, form: str, signal: str, sent: list[Any]) -> list[Any]:
    """Send requests to a Weir that writes a file; the messages that must be in it."""
    config = f"exporters: {{file: {{path: {path}, format: {form}}}}}"
    config += SERVICE.format(signal=signal, receiver="otlp", exporter="file")
    expected = []
    with (
        SdkTarget(config) as weir,
        grpc.insecure_channel(weir.grpc) as channel,
    ):
        export = channel.unary_unary(SIGNALS[signal].method)
        for request in sent:
            payload = request.SerializeToString()
            export(payload, timeout=30, wait_for_ready=True)
            batch, kept = accepted(signal, request, payload)
            if len(batch) < len(items_of(signal, request)):
                prune(signal, kept)
            expected += [kept] if len(batch) else []
    return expected


def target(signal: str, **receiver: Any) -> SdkTarget:
    """A Weir that keeps."""
    name = "file" if receiver else "otlp"
    config = f"exporters: {{{signal}: }}" + SERVICE.format(signal=signal, receiver=name, exporter=signal)
    return SdkTarget(config, **receiver)


@pytest.mark.parametrize("form", ["json", "proto"])
@pytest.mark.parametrize("signal", ITEMS)
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_what_was_recorded_comes_again(signal: str, form: Literal["json", "proto"], data: st.DataObject) -> None:
    sent = data.draw(st.lists(requests(signal), min_size=1, max_size=4))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recorded"
        expected = recording(path, form, signal, sent)
        with target(signal, receivers=f"receivers: {{file: {{path: {path}, signal: {signal}}}}}\n") as weir:

            def is_read() -> None:
                assert len(weir.received(signal)) == len(expected)

            eventually(is_read, pause_s=0.005)
            assert weir.received(signal) == expected
        for transport in ("grpc", "http"):
            with target(signal) as weir:
                address = getattr(weir, transport)
                shown = Console(file=io.StringIO())
                status = replay([path], address, SystemClock(), recorded=False, signal=signal, console=shown)
                found = sorted(one.SerializeToString(deterministic=True) for one in weir.received(signal))
            assert status == 0
            assert found == sorted(one.SerializeToString(deterministic=True) for one in expected)
