"""What people who write their first configuration get wrong: each answer has the place, the mistake, and what to do."""

from __future__ import annotations

import pytest

from pipeline.config.check import check
from pipeline.config.load import load_document
from pipeline.errors import ConfigError
from pipeline.service.registry import Registry

BODY = """\
receivers:
  otlp:
    protocols:
      grpc:
exporters:
  debug:
service:
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [debug]
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        check(load_document(["env:C"], environ={"C": text}), Registry())
    return caught.value.problems


@pytest.mark.parametrize(
    ("written", "instead", "place", "answer"),
    [
        (
            "      grpc:\n",
            "\tgrpc:\n",
            "env:C:4",
            "not valid YAML: found character that cannot start any token; the line is indented with a tab: use spaces",
        ),
        (
            "      grpc:\n",
            "      grpc:\n        endpoint: ':1'\n       http:\n",
            "env:C:6",
            "not valid YAML: did not find expected key; look at the indentation here and above",
        ),
        (
            "      grpc:\n",
            "      grpc:\n      endpoint: ':1'\n",
            "receivers.otlp.protocols.endpoint (env:C:5)",
            'unknown key; it is a key of "grpc", which is empty: indent it below',
        ),
        (
            "  debug:\n",
            "debug:\n",
            "debug (env:C:6)",
            'unknown key; does it belong to "exporters", which is empty? Then indent it below',
        ),
        (
            "  otlp:\n    protocols:\n      grpc:\n",
            "  otlp:\n  protocols:\n",
            "receivers.protocols (env:C:3)",
            'there is no receiver of type "protocols"; does it belong to "otlp", which is empty? Then indent it below',
        ),
        (
            "    traces:\n",
            "    trace:\n",
            "service.pipelines.trace (env:C:9)",
            '"trace" is not a signal; did you mean "traces"?',
        ),
        (
            "    traces:\n",
            "    profiles:\n",
            "service.pipelines.profiles (env:C:9)",
            "profiles are not supported; take the pipeline out",
        ),
        ("[otlp]", "otlp", "service.pipelines.traces.receivers (env:C:10)", "must be a list of ids, not a string"),
        (
            "[debug]",
            "[debgu]",
            "service.pipelines.traces.exporters[0] (env:C:11)",
            '"debgu" is not defined under exporters or connectors; did you mean "debug"?',
        ),
        (
            "      grpc:\n",
            "      grpc: {max_recv_msg_size_mib: 4MiB}\n",
            "receivers.otlp.protocols.grpc.max_recv_msg_size_mib (env:C:4)",
            'must be a whole number, without a unit, not "4MiB"',
        ),
        (
            "      grpc:\n",
            "      grpc: {receive_timeout: 5}\n",
            "receivers.otlp.protocols.grpc.receive_timeout (env:C:4)",
            '5 has no unit; write "5s" for seconds or "5ms" for milliseconds',
        ),
        (
            "  debug:\n",
            "  debug: {loglevel: info}\n",
            "exporters.debug.loglevel (env:C:6)",
            "unknown key; write verbosity: basic, normal or detailed",
        ),
        (
            "  debug:\n",
            "  debug:\n  otlp: {endpoint: 'a:1', insecure: true}\n",
            "exporters.otlp.insecure (env:C:7)",
            "unknown key; write it below tls",
        ),
        (
            "  debug:\n",
            "  debug:\nconnectors: {spanmetrics: {latency_histogram_buckets: [1ms]}}\n",
            "connectors.spanmetrics.latency_histogram_buckets (env:C:7)",
            "unknown key; write histogram: {explicit: {buckets: […]}}",
        ),
        (
            "  pipelines:\n",
            "  telemetry: {metrics: {address: '8888'}}\n  pipelines:\n",
            "service.telemetry.metrics.address (env:C:8)",
            "write it as host:port",
        ),
    ],
)
def test_the_answer_says_what_to_do(written: str, instead: str, place: str, answer: str) -> None:
    found = problems(BODY.replace(written, instead, 1))
    assert [one for one in found if one.startswith(f"{place}: {answer}")]
    assert not [one for one in found if 'otlp" handles' in one]


def indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"mode: deployment\nconfig:\n{indented(BODY)}", "config (env:C:2)"),
        (f"kind: OpenTelemetryCollector\nspec:\n  config:\n{indented(BODY)}", "spec.config (env:C:3)"),
        (f"kind: ConfigMap\ndata:\n  relay: |\n{indented(BODY)}", "data (env:C:2)"),
    ],
)
def test_a_manifest_is_told_from_a_configuration(text: str, place: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(f"{place}: this is a manifest, or values for Helm: take out what stands below it here")
