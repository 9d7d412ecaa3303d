"""What a configuration means: every mistake with its place and the nearest name."""

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
from pydantic import Field

from pipeline.api import Component, ComponentConfig, Exporter, Extension, Processor, Receiver, SpanBatch
from pipeline.config.check import Checked, check
from pipeline.config.durations import Duration
from pipeline.config.load import load_document
from pipeline.config.secrets import Secret
from pipeline.errors import ConfigError


class Tls(ComponentConfig):
    ca_file: str = ""


class Endpoint(ComponentConfig):
    endpoint: str = "localhost:1"
    tls: Tls | None = None


class In(Receiver):
    class Config(ComponentConfig):
        grpc: Endpoint | None = None
        timeout: Duration = 5.0
        token: Secret = Secret("")
        headers: dict[str, str] = Field(default_factory=dict)
        listeners: tuple[Endpoint, ...] = ()

    signals = ("traces",)


class Out(Exporter):
    signals = ("traces", "metrics")


class MetricsOut(Exporter):
    signals = ("metrics",)


class Drop(Processor):
    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        return spans


class Red(Processor):
    class Config(ComponentConfig):
        dimensions: tuple[str, ...] = ()

    emits_metrics = True

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        return spans


class Slo(Processor):
    emits_metrics = True

    def process_metrics(self, metrics: Any) -> Any:
        return metrics


class Needs(Processor):
    class Config(ComponentConfig):
        key: str
        error_mode: int = 3


class Health(Extension):
    pass


class Known:
    """A catalog without entry points."""

    classes: ClassVar[dict[str, dict[str, type[Component]]]] = {
        "receivers": {"otlp": In},
        "processors": {"drop": Drop, "red": Red, "slo": Slo, "needs": Needs},
        "connectors": {"drop": Drop, "red": Red, "slo": Slo},
        "exporters": {"debug": Out, "prometheus": MetricsOut},
        "extensions": {"health": Health},
    }

    def types(self, kind: str) -> Sequence[str]:
        return sorted(self.classes[kind])

    def load(self, kind: str, type_name: str) -> type[Component]:
        return self.classes[kind][type_name]


BASE = """
receivers: {otlp: {}}
processors: {drop: {}}
connectors: {red: {}}
exporters: {debug: {}, prometheus: {}}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [drop], exporters: [red, debug]}
    metrics: {receivers: [red], exporters: [prometheus]}
"""


def checked(*texts: str, **environ: str) -> Checked:
    sources = {f"C{number}": text for number, text in enumerate(texts)}
    return check(load_document([f"env:{name}" for name in sources], environ=sources | environ), Known())


def problems_of(*texts: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        checked(*texts, **environ)
    return caught.value.problems


def test_a_collector_configuration_with_a_connector_is_fine() -> None:
    result = checked(BASE)
    assert result.warnings == []
    assert set(result.components) == {
        ("receivers", "otlp"),
        ("processors", "drop"),
        ("connectors", "red"),
        ("exporters", "debug"),
        ("exporters", "prometheus"),
    }


def test_an_unknown_key_names_the_nearest_and_its_line() -> None:
    text = "connectors:\n  red:\n    dimension: [a]\nreceivers:\n  otlp:\n    grpc:\n      tls:\n        cafile: x\n"
    assert problems_of(BASE, text) == [
        'receivers.otlp.grpc.tls.cafile (env:C1:8): unknown key; did you mean "ca_file"?',
        'connectors.red.dimension (env:C1:3): unknown key; did you mean "dimensions"?',
    ]


def test_an_unknown_key_inside_a_list_is_found() -> None:
    assert problems_of(BASE, "receivers: {otlp: {listeners: [{endpoint: a}, {endpont: b}]}}") == [
        'receivers.otlp.listeners[1].endpont (env:C1:1): unknown key; did you mean "endpoint"?'
    ]


def test_wrong_types_say_what_is_wanted() -> None:
    text = "receivers: {otlp: {timeout: 5, headers: {a: 1}, token: [x]}}"
    assert problems_of(BASE, text) == [
        'receivers.otlp.timeout (env:C1:1): 5 has no unit; write "5s" for seconds or "5ms" for milliseconds',
        "receivers.otlp.token (env:C1:1): input should be a valid string",
        "receivers.otlp.headers.a (env:C1:1): input should be a valid string",
    ]


def test_a_variable_that_looks_like_a_number_is_text_where_text_is_wanted() -> None:
    result = checked(BASE, "receivers: {otlp: {token: '${env:PIN}', headers: {x: '${env:PIN}'}}}", PIN="0123")
    config: Any = result.components["receivers", "otlp"].config
    assert (config.token.reveal(), config.headers) == ("0123", {"x": "0123"})


def test_null_keeps_defaults() -> None:
    text = "receivers: {otlp: {grpc: , timeout: , headers: }}\nprocessors: {drop: }\nconnectors: {red: }"
    config: Any = checked(BASE, text).components["receivers", "otlp"].config
    assert (config.grpc, config.timeout, config.headers) == (Endpoint(), 5.0, {})


def test_a_missing_key_is_named() -> None:
    text = "processors: {needs: {}}\nservice: {pipelines: {traces: {processors: [needs]}}}"
    assert problems_of(BASE, text) == ["processors.needs.key (env:C1:1): this key is required"]


def test_unknown_types_and_undefined_ids_are_told_together() -> None:
    pipeline = "{traces: {receivers: [otpl], exporters: [dbg]}}"
    text = f"processors: {{dorp: {{}}}}\nservice: {{extensions: [helth], pipelines: {pipeline}}}"
    assert problems_of(BASE, text, "connectors: {red: null}\nextensions: {health: {}}") == [
        'processors.dorp (env:C1:1): there is no processor of type "dorp"; did you mean "drop"?',
        'connectors.red (env:C2:1): connector "red" is a receiver of metrics, but exporter of no pipeline',
        (
            'service.pipelines.traces.receivers[0] (env:C1:2): "otpl" is not defined under receivers or connectors'
            '; did you mean "otlp"?'
        ),
        (
            'service.pipelines.traces.exporters[0] (env:C1:2): "dbg" is not defined under exporters or connectors'
            '; did you mean "debug"?'
        ),
        'service.extensions[0] (env:C1:2): "helth" is not defined under extensions; did you mean "health"?',
    ]


def test_a_connector_on_one_side_only_is_an_error() -> None:
    text = "service: {pipelines: {metrics: {receivers: [otlp]}}}"
    assert problems_of(BASE, text) == [
        'connectors.red (env:C0:4): connector "red" is an exporter of traces, but receiver of no pipeline',
        'service.pipelines.metrics.receivers[0] (env:C1:1): "otlp" handles traces, not metrics',
    ]


def test_a_processor_without_metrics_is_no_connector() -> None:
    text = (
        "connectors: {drop/c: {}}\n"
        "service: {pipelines: {traces: {exporters: [drop/c]}, metrics: {receivers: [drop/c]}}}"
    )
    problems = problems_of(BASE, text)
    assert problems[0] == (
        'connectors.drop/c (env:C1:1): "drop" emits no metrics or logs and so cannot connect pipelines; '
        "list it under processors"
    )


def test_an_id_that_is_receiver_and_connector_is_ambiguous() -> None:
    problems = problems_of(BASE, "exporters: {red: {}}")
    assert any('"red" is defined under exporters too' in problem for problem in problems)


def test_a_signal_that_a_component_does_not_handle_is_an_error() -> None:
    text = "service: {pipelines: {traces: {exporters: [red, prometheus]}, metrics: {processors: [drop]}}}"
    assert problems_of(BASE, text) == [
        'service.pipelines.traces.exporters[1] (env:C1:1): "prometheus" handles metrics, not traces',
        'service.pipelines.metrics.processors[0] (env:C1:1): "drop" handles traces, not metrics',
    ]


def test_a_pipeline_needs_exporters_unless_a_processor_emits_metrics() -> None:
    text = "service: {pipelines: {traces: {exporters: []}, metrics: {receivers: [red/p]}}}\nconnectors: null\n"
    assert problems_of(BASE, "connectors: null\nservice: {pipelines: {traces: {exporters: []}, metrics: null}}")[0] == (
        "service.pipelines.metrics (env:C1:2): must have at least one entry in receivers"
    )
    emitting = "processors: {red/p: {}}\nservice: {pipelines: {traces: {processors: [red/p]}}}\n"
    assert checked(BASE, text, emitting).warnings == [
        "processors.drop (env:C0:3): not used in any pipeline; it is not started",
        "exporters.debug (env:C0:5): not used in any pipeline; it is not started",
    ]


def test_metrics_that_nobody_takes_are_warned_about() -> None:
    text = "processors: {red/p: {}}\nservice: {pipelines: {traces: {processors: [drop, red/p]}}}"
    assert checked(BASE, text).warnings == [
        ("processors.red/p (env:C1:1): emits metrics, but no pipeline lists it as a receiver: nobody sees them")
    ]


def test_cycles_are_shown_from_pipeline_to_pipeline() -> None:
    text = """
connectors: {slo/a: {}, slo/b: {}}
service:
  pipelines:
    metrics: {receivers: [red, slo/b], exporters: [slo/a]}
    metrics/2: {receivers: [slo/a], exporters: [slo/b]}
"""
    assert problems_of(BASE, text) == ["service.pipelines.metrics (env:C0:9): cycle: metrics → metrics/2 → metrics"]


def test_error_mode_is_a_key_of_every_processor_that_has_none_of_its_own() -> None:
    text = "processors: {drop: {error_mode: ignore}, needs: {key: x, error_mode: 7}}"
    more = "service: {pipelines: {traces: {processors: [drop, needs]}}}"
    components = checked(BASE, text, more).components
    assert components["processors", "drop"].error_mode == "ignore"
    assert components["processors", "needs"].error_mode == "propagate"
    assert components["connectors", "red"].error_mode == "ignore"
    needs: Any = components["processors", "needs"].config
    assert needs.error_mode == 7
    assert problems_of(BASE, "processors: {drop: {error_mode: silent}}") == [
        'processors.drop.error_mode (env:C1:1): must be "ignore" or "propagate"'
    ]


def test_telemetry_keys_are_checked_too() -> None:
    text = "service: {telemetry: {metrics: {levl: none, address: nowhere}, logs: {level: DEBUG, encoding: xml}}}"
    assert problems_of(BASE, text) == [
        "service.telemetry.logs.encoding (env:C1:1): input should be 'console' or 'json'",
        "service.telemetry.metrics.address (env:C1:1): write it as host:port",
        'service.telemetry.metrics.levl (env:C1:1): unknown key; did you mean "level"?',
    ]


def test_secrets_do_not_show_themselves() -> None:
    secret = Secret("abc")
    assert f"{secret} {secret!r}" == "[REDACTED] [REDACTED]"
    assert secret == Secret("abc")
    config: Any = checked(BASE, "receivers: {otlp: {token: abc}}").components["receivers", "otlp"].config
    assert "abc" not in repr(config) + config.model_dump_json()
    assert config.model_dump(mode="json", context={"reveal": True})["token"] == secret.reveal()
