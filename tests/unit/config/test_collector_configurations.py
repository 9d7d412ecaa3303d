"""Configurations as users of the Collector have them: each is accepted as it is, or refused with the way out.

Those under ``tests/data/collector`` are accepted, and warned about in exactly the places that their first lines name:

    # warns: extensions.pprof

They are written after the documentation of the Collector's components, its Helm chart and demo, Jaeger's service
performance monitoring, and what people publish; none is a copy.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.config.check import Checked, check
from pipeline.config.collector_types import REMEDIES, WITHOUT_COUNTERPART
from pipeline.config.effective import effective, to_yaml, without_variables
from pipeline.config.load import load_document
from pipeline.errors import ConfigError
from pipeline.service.clock import SystemClock
from pipeline.service.graph import build_graph
from pipeline.service.registry import GROUPS, Registry
from pipeline.telemetry import OwnMetrics

DATA = Path(__file__).parents[2] / "data"
ACCEPTED = sorted((DATA / "collector").glob("*.yaml"))
PLACE = re.compile(r"(\S+) \(.*?\): ")


def environ(directory: Path) -> dict[str, str]:
    """What the configurations take from the environment."""
    return {
        "MY_POD_IP": "127.0.0.1",
        "OTEL_COLLECTOR_HOST": "127.0.0.1",
        "OTEL_COLLECTOR_PORT_GRPC": "4317",
        "OTEL_COLLECTOR_PORT_HTTP": "4318",
        "POSTGRES_HOST": "db",
        "TOKEN": "secret",
        "CERTIFICATES": str(DATA / "tls"),
        "STATE": str(directory),
    }


def checked(text: str, directory: Path = Path()) -> Checked:
    return check(load_document(["env:CONFIG"], environ={"CONFIG": text, **environ(directory)}), Registry())


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_it_is_accepted_and_warned_about_where_its_first_lines_say(path: Path, tmp_path: Path) -> None:
    text = path.read_text()
    found = checked(text, tmp_path)
    build_graph(found, SystemClock(), OwnMetrics(), {})
    said = re.findall(r"^# warns: (\S+)$", text, re.MULTILINE)
    assert [PLACE.match(line)[1] for line in found.warnings] == said  # type: ignore[index]


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_what_is_printed_of_it_means_the_same(path: Path, tmp_path: Path) -> None:
    found = checked(path.read_text(), tmp_path)
    printed = checked(to_yaml(without_variables(effective(found, reveal=True))), tmp_path)
    assert {key: one.config for key, one in printed.components.items()} == {
        key: one.config for key, one in found.components.items()
    }


BODY = """
receivers: {otlp: {protocols: {grpc: {}}}}
exporters: {debug: }
service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
"""


@pytest.mark.parametrize(("kind", "name"), [*REMEDIES, *WITHOUT_COUNTERPART], ids="/".join)
def test_a_type_with_a_remedy_is_none_that_there_is(kind: str, name: str) -> None:
    assert kind in GROUPS
    assert name not in Registry().types(kind) or kind == "processors"


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        build_graph(checked(text), SystemClock(), OwnMetrics(), {})
    return caught.value.problems


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ("receivers: {prometheus: {config: }}", "Weir does not scrape: let Prometheus do it"),
        ("receivers: {jaeger: }", "let applications send OTLP"),
        ("receivers: {filelog: }", "keep a Collector for it, and let it send OTLP to the receiver otlp"),
        ("processors: {tail_sampling: {decision_wait: 10s}}", "put a Collector with it behind Weir"),
        ("processors: {k8sattributes: }", "keep a Collector with it in front, on each node"),
        ("exporters: {jaeger: {endpoint: 'jaeger:14250'}}", "use the exporter otlp with endpoint jaeger:4317"),
        ("exporters: {loki: }", 'use the exporter otlphttp with endpoint "http://loki:3100/otlp"'),
        ("exporters: {clickhouse/one: }", "send OTLP to a Collector that has it (exporter otlp)"),
        ("exporters: {azuredataexplorer: {cluster_uri: x}}", "send OTLP to a Collector that has it (exporter otlp)"),
        ("receivers: {mysterious: }", "keep a Collector for it, and let it send OTLP to the receiver otlp"),
        ("connectors: {count: }", "span_metrics counts spans and their events"),
        ("connectors: {routing: }", "list several pipelines, each with a filter that keeps its part"),
        ("extensions: {oidc: }", "there are bearertokenauth, basicauth, headers of exporters, and mutual TLS"),
        ("receivers: {health_check: }", "it is of the section extensions"),
        ("exporters: {promethues: }", 'did you mean "prometheus"?'),
    ],
)
def test_a_component_that_there_is_not_is_refused_with_the_way_out(section: str, what: str) -> None:
    kind, _, rest = section.partition(": ")
    component = rest.strip("{").partition(":")[0]
    (problem,) = problems(
        f"{BODY}{section}" if kind not in BODY else BODY.replace(f"{kind}: {{", f"{section[:-1]}, ", 1)
    )
    assert problem.startswith(f"{kind}.{component} (env:CONFIG:")
    assert what in problem


@pytest.mark.parametrize(
    ("change", "to", "what"),
    [
        ("{debug: }", "{debug: , file: {path: x, compression: zstd}}", "files are not compressed; take it out"),
        ("{grpc: {}}", "{grpc: {transport: unix}}", "listen on 127.0.0.1 for senders on this machine"),
        ("{debug: }", "{debug: , logging: {loglevel: info, verbosity: basic}}", "take loglevel out"),
    ],
)
def test_a_value_that_cannot_be_had_is_refused_with_the_way_out(change: str, to: str, what: str) -> None:
    (problem,) = problems(BODY.replace(change, to))
    assert what in problem
