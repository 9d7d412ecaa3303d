"""What the debug exporter shows, and how much of it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from pipeline.api import Meter, Settings
from pipeline.codec.otlp_metrics import MetricsProjection
from pipeline.codec.signals import batch_of
from pipeline.exporters.debug import DebugConfig, DebugExporter, Sampler
from pipeline.exporters.logging import LoggingExporter
from pipeline.telemetry import ComponentTelemetry
from pipeline.testing import FakeClock, log_batch, span_batch
from tests.unit.codec.metric_batches import NOW, batch, exemplars, exponential, gauge, histogram, number, resource

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7"
SNAPSHOT = batch(
    number("calls", [({"a": "1"}, 3)], unit="{call}", resources=[0], samples=exemplars((0, -1, 0.5, NOW, TRACE, SPAN))),
    gauge("g", [({"x": "line\nbreak", "y": "z"}, -1.5)]),
    histogram("h", [({}, [1, 2, 3], 4.5)]),
    exponential("e", [({}, 2, 1.0, -3, [1.0, 2.0], 5.0)]),
    resources=[resource(service__name="cart")],
)


METRICS = batch_of(SNAPSHOT, MetricsProjection([]))


class Debug:
    """A debug exporter and its clock."""

    def __init__(self, cls: type[DebugExporter] = DebugExporter, **config: Any) -> None:
        self.clock = FakeClock()
        telemetry = ComponentTelemetry("exporter", "debug", self.clock)
        settings = Settings("debug", self.clock, Meter("debug", self.clock), telemetry)
        self.exporter = cls(cls.Config.model_validate(config), settings)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    logging.getLogger("weir").propagate = True
    caplog.set_level(logging.INFO, "weir")
    return caplog


def written(
    capsys: pytest.CaptureFixture[str], show: str, cls: type[DebugExporter] = DebugExporter, **config: Any
) -> list[str]:
    """Lines on stdout."""
    debug = Debug(cls, use_internal_logger=False, **config).exporter
    debug.start(list)
    if show == "traces":
        spans = span_batch(
            spans=[
                {"name": "GET /", "attributes": {"http.route": "/", "n": 3, "evil": "a\nb\x1b[0m"}, "status": "error"},
                {"name": "client", "kind": "client", "duration_ms": 1.5, "parent_span_id": b"12345678"},
            ],
            resource={"service.name": "cart"},
        )
        debug.export_traces(spans)
    elif show == "logs":
        debug.export_logs(
            log_batch(body={"a": "line\nbreak"}, severity="warn2", attributes={"k": 1}, event_name="login")
        )
    else:
        debug.export_metrics(METRICS)
    debug.shutdown()
    return capsys.readouterr().out.splitlines()


def test_basic_is_one_line_per_batch(log: pytest.LogCaptureFixture) -> None:
    debug = Debug().exporter
    debug.export_traces(span_batch(n=3))
    debug.export_metrics(METRICS)
    assert [record.getMessage() for record in log.records] == ["Traces", "Metrics"]
    assert [record.fields for record in log.records] == [  # type: ignore[attr-defined]
        {"resource spans": 1, "spans": 3},
        {"resource metrics": 2, "metrics": 4, "data points": 4},
    ]


def test_normal_shows_a_line_per_span(capsys: pytest.CaptureFixture[str]) -> None:
    head, first, second = written(capsys, "traces", verbosity="normal")
    assert head == "Traces\t{'resource spans': 1, 'spans': 2}"
    name, _, rest = first.partition(" /")
    assert name == "GET"
    assert rest.endswith(r" http.route=/ n=3 evil=a\nb\x1b[0m")
    assert second.split(" ")[0] == "client"
    assert [len(part) for part in second.split(" ")[1:]] == [32, 16]


def test_normal_shows_a_line_per_data_point(capsys: pytest.CaptureFixture[str]) -> None:
    assert written(capsys, "metrics", verbosity="normal")[1:] == [
        "calls{a=1} 3",
        r"g{x=line\nbreak,y=z} -1.5",
        "h{} count=6 sum=4.5 le0.5=1 le10=2 3",
        "e{} count=4 sum=5 scale=2 zero_count=1 offset=-3 1 2",
    ]


def test_detailed_shows_everything_about_spans(capsys: pytest.CaptureFixture[str]) -> None:
    shown = written(capsys, "traces", verbosity="detailed")
    for line in (
        "ResourceSpans #0",
        "     -> service.name: Str(cart)",
        "Span #1",
        "    Parent ID      : 3132333435363738",
        "    Name           : GET /",
        "    Kind           : Client",
        "    Start time     : 2026-01-01 00:00:00 +0000 UTC",
        "    End time       : 2026-01-01 00:00:00.0015 +0000 UTC",
        "    Status code    : Error",
        "     -> n: Int(3)",
        r"     -> evil: Str(a\nb\x1b[0m)",
    ):
        assert line in shown


def test_detailed_shows_everything_about_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    shown = written(capsys, "metrics", verbosity="detailed")
    for line in (
        "InstrumentationScope test ",
        "     -> Name: calls",
        "     -> DataType: Sum",
        "     -> IsMonotonic: true",
        "     -> AggregationTemporality: Cumulative",
        "     -> service.name: Str(cart)",
        "     -> a: Str(1)",
        "Timestamp: 2023-11-14 22:13:20 +0000 UTC",
        "Value: 3.000000",
        "HistogramDataPoints #0",
        "ExponentialHistogramDataPoints #0",
        f"     -> Trace ID: {TRACE}",
    ):
        assert line in shown


def test_log_records_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    head, line = written(capsys, "logs", verbosity="normal")
    assert head == "Logs\t{'resource logs': 1, 'log records': 1}"
    assert line == r'{"a":"line\nbreak"} k=1'
    shown = written(capsys, "logs", verbosity="detailed")
    for line in (
        "ResourceLogs #0",
        "LogRecord #0",
        "SeverityText: warn2",
        "SeverityNumber: 14",
        "EventName: login",
        r'Body: Map({"a":"line\nbreak"})',
        "     -> k: Int(1)",
        "Trace ID: ",
    ):
        assert line in shown


def test_the_log_gets_one_record_per_line(log: pytest.LogCaptureFixture) -> None:
    Debug(verbosity="normal").exporter.export_metrics(METRICS)
    assert [record.getMessage() for record in log.records][1:3] == ["calls{a=1} 3", r"g{x=line\nbreak,y=z} -1.5"]


def test_percent_signs_in_data_are_no_format(log: pytest.LogCaptureFixture) -> None:
    Debug(verbosity="normal").exporter.export_traces(span_batch(name="100 %s %d"))
    assert log.records[1].getMessage().startswith("100 %s %d ")


@pytest.mark.parametrize(
    ("initial", "thereafter", "shown"),
    [
        (2, 1, [True] * 6),
        (2, 3, [True, True, False, False, True, False]),
        (0, 2, [False, True, False, True, False, True]),
        (1, 0, [True, False, False, False, False, False]),
    ],
)
def test_sampling_shows_the_first_few_of_a_second_and_then_every_nth(
    initial: int, thereafter: int, shown: list[bool]
) -> None:
    clock = FakeClock()
    sampler = Sampler(clock, initial, thereafter)
    assert [sampler.allows() for _ in shown] == shown
    clock.advance(1)
    assert [sampler.allows() for _ in shown] == shown


def test_signals_are_sampled_apart(log: pytest.LogCaptureFixture) -> None:
    debug = Debug(sampling_initial=1, sampling_thereafter=0).exporter
    for _ in range(3):
        debug.export_traces(span_batch())
        debug.export_metrics(METRICS)
    assert [record.getMessage() for record in log.records] == ["Traces", "Metrics"]


@pytest.mark.parametrize("config", [{"verbosity": "loud"}, {"sampling_initial": -1}, {"output_paths": ["weir.log"]}])
def test_mistakes_in_the_configuration_are_errors(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        DebugConfig.model_validate(config)


@pytest.mark.parametrize(
    ("given", "as_if"),
    [
        ({"loglevel": "DEBUG"}, {"verbosity": "detailed"}),
        ({"loglevel": "info"}, {"verbosity": "normal"}),
        ({"loglevel": "warn"}, {"verbosity": "basic"}),
        ({"verbosity": "normal"}, {"verbosity": "normal"}),
        ({}, {}),
    ],
)
def test_logging_is_debug_under_its_older_name(
    given: dict[str, Any], as_if: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert written(capsys, "traces", LoggingExporter, **given) == written(capsys, "traces", **as_if)
