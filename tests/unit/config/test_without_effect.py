"""Keys of the Collector that have no meaning here: said, and in nobody's way."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from pydantic import Field

from pipeline.api import Component, ComponentConfig
from pipeline.config.check import check
from pipeline.config.load import load_document
from pipeline.config.node import Mark, Node
from pipeline.config.report import Report
from pipeline.config.validate import validate, without_effect
from pipeline.service.registry import Registry


class Pool(ComponentConfig):
    without_effect: ClassVar[Mapping[str, str]] = {"idle": "there is no pool"}
    size: int = 3


class Config(ComponentConfig):
    pools: tuple[Pool, ...] = ()
    named: dict[str, Pool] = Field(default_factory=dict)
    pool: Pool | None = None


def node(value: Any) -> Node:
    if isinstance(value, dict):
        value = {key: node(child) for key, child in value.items()}
    elif isinstance(value, list):
        value = [node(child) for child in value]
    return Node(value, Mark("x.yaml", 1))


def test_they_are_warned_about_with_the_reason_wherever_they_stand() -> None:
    report = Report()
    given = {"pools": [{"idle": {"a": 1}, "size": 4}], "named": {"idle": {"idle": 1}}, "pool": {"idle": None}}
    config = validate(Config, node(given), ("exporters", "x"), report)
    assert config == Config(pools=(Pool(size=4),), named={"idle": Pool()}, pool=Pool())
    assert report.problems == []
    assert [line.partition(" (")[0] for line in report.warnings] == [
        "exporters.x.pools[0].idle",
        "exporters.x.named.idle.idle",
        "exporters.x.pool.idle",
    ]
    assert all(line.endswith("has no effect: there is no pool") for line in report.warnings)


def test_elsewhere_they_are_mistakes() -> None:
    report = Report()
    assert validate(Config, node({"idle": 1}), (), report) is None
    assert report.problems == ["idle (x.yaml:1): unknown key; possible here: named, pool, pools"]


@pytest.mark.parametrize("kind", ["receivers", "processors", "connectors", "exporters", "extensions"])
def test_no_component_has_a_key_that_it_also_says_has_no_effect(kind: str) -> None:
    registry = Registry()
    for name in registry.types(kind):
        cls: type[Component] = registry.load(kind, name)
        assert not without_effect(cls.Config).keys() & cls.Config.model_fields.keys(), name


def test_extensions_that_only_look_at_the_collector_are_warned_about_and_not_started() -> None:
    text = """
receivers: {otlp: {protocols: {grpc: {read_buffer_size: 1024}}}}
exporters: {debug: }
extensions: {zpages: {endpoint: "localhost:55679"}, pprof: }
service: {extensions: [zpages, pprof], pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
"""
    checked = check(load_document(["env:C"], environ={"C": text}), Registry())
    assert {kind for kind, _ in checked.components} == {"receivers", "exporters"}
    assert [line.partition(" (")[0] for line in checked.warnings] == [
        "receivers.otlp.protocols.grpc.read_buffer_size",
        "extensions.zpages",
        "extensions.pprof",
    ]
