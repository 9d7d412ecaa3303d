"""What ``weir print-config`` prints is a configuration again, and means the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config.check import Checked, check
from pipeline.config.document import ROLES
from pipeline.config.effective import effective, redact, to_yaml, without_variables
from pipeline.config.expand import Expander
from pipeline.config.load import load_document
from pipeline.config.yaml_reader import read_yaml
from pipeline.service.registry import Registry

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "deploy/config"
OVERLAYS = {CONFIGS / "compose.yaml": [CONFIGS / "slo.yaml"]}
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = {
    f"{page.name} {number}": text
    for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
    for number, text in enumerate(BLOCK.findall(page.read_text()))
    if "\nservice:" in text
}
WITH_SECRETS = """
receivers: {otlp: {protocols: {grpc: }}}
processors:
  batch: {error_mode: ignore}
exporters:
  otlphttp:
    endpoint: "https://example.internal"
    headers: {authorization: Bearer abc, x-number: "1e3", x-variable: "$${NAME}"}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [otlphttp]}
"""


def read(*uris: str | Path) -> Checked:
    return check(load_document([str(uri) for uri in uris]), Registry())


def meaning(checked: Checked) -> Any:
    components = {key: (one.config, one.error_mode) for key, one in checked.components.items()}
    pipelines = [
        (one.id, *([reference.id for reference in getattr(one, role)] for role in ROLES))
        for one in checked.document.pipelines
    ]
    extensions = [one.id for one in checked.document.extensions]
    return components, pipelines, extensions, checked.telemetry, checked.checkpoint


def printed(folder: Path, *arguments: str | Path) -> Path:
    """The file with what the command prints."""
    result = CliRunner().invoke(app, ["print-config", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    path = folder / "printed.yaml"
    path.write_text(result.stdout)
    return path


def sources(uris: Iterable[str | Path]) -> list[str | Path]:
    return [argument for uri in uris for argument in ("--config", uri)]


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
@pytest.mark.parametrize("output", ["yaml", "json"])
def test_a_shipped_configuration_means_the_same_when_printed(path: Path, output: str, tmp_path: Path) -> None:
    uris = [*OVERLAYS.get(path, ()), path]
    again = read(printed(tmp_path, "--format", output, *sources(uris)))
    assert meaning(again) == meaning(read(*uris))
    assert again.warnings == []


@pytest.mark.parametrize("name", PAGES)
def test_a_documented_configuration_means_the_same_when_printed(name: str, tmp_path: Path) -> None:
    uri = f"yaml:{PAGES[name]}"
    assert meaning(read(printed(tmp_path, "--mode", "unredacted", *sources([uri])))) == meaning(read(uri))


def test_a_printed_configuration_is_printed_alike(tmp_path: Path) -> None:
    once = printed(tmp_path, *sources([CONFIGS / "gateway.yaml"]))
    text = once.read_text()
    assert printed(tmp_path, *sources([once])).read_text() == text


def test_keys_without_value_or_effect_are_not_shown() -> None:
    shown = effective(read(CONFIGS / "tempo-names.yaml"))
    assert shown["service"]["checkpoint"]["interval"] == "30s"
    assert "wait" not in shown["connectors"]["service_graph"]
    assert "tls" not in shown["exporters"]["prometheus"]
    assert not {"histogram", "namespace"} & set(shown["connectors"]["span_metrics"])
    assert shown["connectors"]["span_metrics"]["enable_instance_label"] is True


def test_without_its_secrets_a_configuration_is_accepted_with_a_warning_for_each(tmp_path: Path) -> None:
    uri = f"yaml:{WITH_SECRETS}"
    path = printed(tmp_path, *sources([uri]))
    assert "abc" not in path.read_text()
    again = read(path)
    places = [warning.partition(" (")[0] for warning in again.warnings]
    assert places == [f"exporters.otlphttp.headers.{name}" for name in ("authorization", "x-number", "x-variable")]
    assert all("put the secret here" in warning for warning in again.warnings)
    assert meaning(again) != meaning(read(uri))
    assert meaning(read(printed(tmp_path, "--mode", "unredacted", *sources([uri])))) == meaning(read(uri))


def test_a_url_without_its_password_is_a_url_and_warned_about() -> None:
    shown = redact({"exporters": {"mine": {"url": "https://me:pw@example.internal/x"}}, "service": {}})
    assert urlsplit(shown["exporters"]["mine"]["url"]).hostname == "example.internal"
    (warning,) = load_document([f"yaml:{to_yaml(shown)}"]).report.warnings
    assert warning.startswith("exporters.mine.url (--config yaml:3): is the mark of `weir print-config`")


def test_the_error_mode_of_a_processor_is_shown() -> None:
    shown = effective(read(f"yaml:{WITH_SECRETS}"))
    assert shown["processors"]["batch"]["error_mode"] == "ignore"


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "$b", "<<", "1", "a.b::c", ""]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # which a busy machine is
@given(TREES)
@example(["1e3", "0o17", "yes", "~", "", "${env:HOME}", "a$$b", "1:30", "2026-11-22", ".inf", "<<", "[x", "0x1F"])
def test_values_of_any_kind_survive_printing_and_reading(tree: Any) -> None:
    text = to_yaml({"value": without_variables(tree)})
    expander = Expander({}, lambda path: path)
    assert expander.expand(read_yaml(text, "printed")).plain() == {"value": tree}
    assert expander.problems == []


def test_nothing_but_secrets_is_redacted() -> None:
    value = {"token_file": "/run/token", "password": ["x"], "url": "https://me:pw@host/", "retries": 3, "api_key": None}
    assert redact(value) == value | {"password": ["[REDACTED]"], "url": "https://REDACTED@host/"}
