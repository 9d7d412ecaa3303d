"""Reading, merging and overriding configurations."""

from pathlib import Path

import pytest

from pipeline.config.load import load_document, read_override
from pipeline.errors import ConfigError

MINIMAL = """\
receivers:
  otlp:
exporters:
  debug: {verbosity: basic}
service:
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [debug]
"""


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(MINIMAL)
    return path


def problems_of(*uris: str, overrides: tuple[str, ...] = (), environ: dict[str, str] | None = None) -> list[str]:
    try:
        document = load_document(uris, overrides, environ or {})
    except ConfigError as error:
        return error.problems
    return document.report.problems


def test_a_plain_path_and_a_file_uri_mean_the_same(minimal: Path) -> None:
    documents = [load_document([uri], environ={}) for uri in (str(minimal), f"file:{minimal}")]
    assert documents[0].root.plain() == documents[1].root.plain()
    assert documents[0].pipelines[0].receivers[0].id == "otlp"


def test_later_files_merge_maps_and_replace_lists_and_scalars(minimal: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    more.write_text(
        "exporters: {debug: {verbosity: detailed}, debug/2: {}}\n"
        "service: {pipelines: {traces: {exporters: [debug/2]}}}\n"
    )
    plain = load_document([str(minimal), str(more)], environ={}).root.plain()
    assert plain["exporters"] == {"debug": {"verbosity": "detailed"}, "debug/2": {}}
    assert plain["service"]["pipelines"]["traces"] == {"receivers": ["otlp"], "exporters": ["debug/2"]}


def test_environment_and_inline_yaml_are_sources() -> None:
    document = load_document(["env:CONFIG", "yaml:exporters::debug::verbosity: detailed"], environ={"CONFIG": MINIMAL})
    assert document.root.plain()["exporters"] == {"debug": {"verbosity": "detailed"}}


def test_set_comes_last_and_is_expanded(minimal: Path) -> None:
    overrides = (
        "exporters.debug.verbosity=${env:LEVEL}",
        "service.pipelines.traces.exporters=[debug]",
        "extensions={}",
    )
    document = load_document([str(minimal)], overrides, {"LEVEL": "normal"})
    assert document.root.plain()["exporters"]["debug"]["verbosity"] == "normal"
    assert document.report.problems == []


def test_set_without_a_value_says_how_to_write_it() -> None:
    for text in ("a.b", "=1", "a..b=1"):
        with pytest.raises(ConfigError, match=r"path\.to\.key=value"):
            read_override(text)


@pytest.mark.parametrize(
    ("uri", "what"),
    [
        ("missing.yaml", "missing.yaml: No such file or directory"),
        ("env:MISSING", "the environment variable MISSING is not set"),
        ("https://example.com/c.yaml", "not fetched over the network"),
        ("ftp:x", "scheme 'ftp' is not supported"),
        ("yaml:- a", "must be a map"),
    ],
)
def test_a_source_that_cannot_be_read_is_named(uri: str, what: str) -> None:
    assert what in problems_of(uri)[0]


def test_unreadable_sources_are_told_together() -> None:
    assert len(problems_of("missing.yaml", "env:MISSING", overrides=("x",))) == 3


def test_a_file_beyond_one_mebibyte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_text("a: " + "x" * (1 << 20))
    assert problems_of(str(path)) == [f"{path}: larger than 1 MiB"]


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"a: \xe9")
    assert problems_of(str(path)) == [f"{path}: not UTF-8 at byte 3"]


def test_all_mistakes_of_the_shape_are_in_one_report() -> None:
    text = """\
receivers: [otlp]
exporter: {}
processors:
  "bad id": {}
  batch: 3
service:
  pipeline: {}
  extensions: health_check
  pipelines:
    spans: {receivers: [a], exporters: [b]}
    traces: {receivers: [], exporters: [x, x, 3], processor: [y]}
"""
    assert problems_of("env:C", environ={"C": text}) == [
        'exporter (env:C:2): unknown key; did you mean "exporters"?',
        'service.pipeline (env:C:7): unknown key; did you mean "pipelines"?',
        "receivers (env:C:1): must be a map, not a list",
        (
            "processors.bad id (env:C:4): not a component id; write type or type/name, the type in letters, digits and "
            "underscores"
        ),
        "processors.batch (env:C:5): must be a map, not a number",
        'service.pipelines.spans (env:C:10): "spans" is not a signal; possible here: logs, metrics, traces',
        'service.pipelines.traces.processor (env:C:11): unknown key; did you mean "processors"?',
        'service.pipelines.traces.exporters[1] (env:C:11): "x" is listed twice',
        "service.pipelines.traces.exporters[2] (env:C:11): must be an id, not a number",
        "service.pipelines.traces (env:C:11): must have at least one entry in receivers",
        "service.extensions (env:C:8): must be a list of ids, not a string",
    ]


def test_an_empty_configuration_says_what_is_missing() -> None:
    assert problems_of("env:C", environ={"C": ""})[-1].startswith("service (env:C:1): missing")
    assert problems_of() == ["no configuration given; name a file with --config"]
