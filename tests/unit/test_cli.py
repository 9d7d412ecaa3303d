"""The command line."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pipeline import __version__
from pipeline.cli import app

CONFIG = """
receivers:
  otlp:
    protocols: {grpc: , http: }
processors:
  batch: {timeout: 1s}
  memory_limiter: {limit_mib: 400}
exporters:
  debug: {}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [memory_limiter, batch], exporters: [debug]}
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return str(path)


def weir(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_the_version_is_printed() -> None:
    assert weir("--version") == (0, f"weir version {__version__}\n", "")


def test_a_valid_configuration_is_quiet(config: str) -> None:
    assert weir("validate", "--config", config) == (0, "", "")


def test_options_may_stand_before_the_command(config: str) -> None:
    assert weir("--config", config, "validate", "--set", "processors.batch.timeout=2s")[0] == 0


def test_every_mistake_is_printed_and_the_exit_status_is_one(config: str) -> None:
    status, out, err = weir(
        "validate", "--config", config, "--set", "processors.batch.timeot=1s", "--set", "exporters.debg={}"
    )
    assert (status, out) == (1, "")
    assert err.splitlines() == [
        "weir: the configuration cannot be used:",
        '  processors.batch.timeot (--set processors.batch.timeot): unknown key; did you mean "timeout"?',
        '  exporters.debg (--set exporters.debg): there is no exporter of type "debg"; did you mean "debug"?',
    ]


def test_unused_components_are_warned_about(config: str) -> None:
    status, _, err = weir("validate", "--config", config, "--set", "processors.batch/2={}")
    assert status == 0
    assert (
        err == "warning: processors.batch/2 (--set processors.batch/2): not used in any pipeline; it is not started\n"
    )


def test_running_without_a_configuration_says_so() -> None:
    assert weir("run")[0] == 1
    assert weir()[0] == 1
    assert weir("nonsense")[0] == 2


def test_print_config_shows_defaults_and_no_secrets(config: str) -> None:
    status, out, _ = weir("print-config", "--config", config)
    shown = yaml.safe_load(out)
    assert status == 0
    assert shown["processors"]["batch"]["timeout"] == "1s"
    assert shown["processors"]["memory_limiter"]["check_interval"] == "1s"
    status, out, _ = weir(
        "print-config", "--no-validate", "--format", "json", "--config", config,
        "--set", "exporters.debug.api_key=abc", "--set", "exporters.debug.url=https://me:pw@example.com/x",
        "--set", "exporters.debug.token_file=/run/token", "--set", "exporters.debug.headers.authorization=[abc]",
    )  # fmt: skip
    assert json.loads(out)["exporters"]["debug"] == {
        "api_key": "[REDACTED]",
        "url": "https://REDACTED@example.com/x",
        "token_file": "/run/token",
        "headers": {"authorization": ["[REDACTED]"]},
    }


def test_print_config_can_be_told_to_show_secrets(config: str) -> None:
    sets = ("--set", "exporters.debug.api_key=abc")
    _, out, _ = weir("print-config", "--no-validate", "--mode", "unredacted", "--config", config, *sets)
    assert yaml.safe_load(out)["exporters"]["debug"] == {"api_key": "abc"}
    assert weir("print-config", "--mode", "loud", "--config", config)[0] == 2


def test_components_are_listed_with_signals_and_origin() -> None:
    status, out, _ = weir("components")
    listed = yaml.safe_load(out)
    assert status == 0
    assert {"name": "batch", "module": f"otel-weir {__version__}", "signals": ["traces", "metrics", "logs"]} in listed[
        "processors"
    ]
    assert {"name": "span_metrics", "module": f"otel-weir {__version__}", "signals": ["traces to metrics"]} in listed[
        "connectors"
    ]
    assert not [entry for entries in listed.values() for entry in entries if "error" in entry]


@pytest.mark.parametrize(
    "name", ["otlp", "batch", "memory_limiter", "span_metrics", "service_graph", "prometheus", "debug"]
)
def test_what_components_show_prints_is_yaml(name: str) -> None:
    status, out, _ = weir("components", "show", name)
    assert status == 0
    for part in out.split("\n\n"):
        assert yaml.safe_load(part)


def test_components_show_prints_defaults_as_one_would_write_them() -> None:
    _, out, _ = weir("components", "show", "batch")
    assert "timeout: 200ms  # duration" in out


def test_an_unknown_component_names_the_nearest() -> None:
    status, _, err = weir("components", "show", "span_metric")
    assert status == 1
    assert 'there is no component of type "span_metric"; did you mean "span_metrics"?' in err
