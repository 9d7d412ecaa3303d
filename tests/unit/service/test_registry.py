"""Entry points and what can be wrong with them."""

from importlib.metadata import EntryPoint

import pytest

from pipeline.api import Component, Processor, Receiver
from pipeline.errors import ConfigError
from pipeline.service.registry import Registry, _import


class NoConfig(Processor):
    Config = dict  # type: ignore[assignment]  # the mistake under test


class StringReads(Processor):
    reads = "name"  # type: ignore[assignment]  # the mistake under test


class Fine(Processor):
    reads = ("name",)


def entry(value: str) -> EntryPoint:
    return EntryPoint("mine", value, "weir.processors")


def test_built_in_components_are_found_by_their_entry_points() -> None:
    registry = Registry()
    assert {"span_metrics", "spanmetrics", "service_graph", "servicegraph", "batch"} <= set(
        registry.types("processors")
    )
    assert registry.types("connectors") == registry.types("processors")
    assert registry.origin("processors", "batch").startswith("otel-weir ")


@pytest.mark.parametrize(
    ("kind", "before", "since_2026"),
    [
        ("processors", "deltatocumulative", "delta_to_cumulative"),
        ("processors", "resourcedetection", "resource_detection"),
        ("connectors", "servicegraph", "service_graph"),
        ("connectors", "spanmetrics", "span_metrics"),
        ("exporters", "otlp", "otlp_grpc"),
        ("exporters", "otlphttp", "otlp_http"),
        ("exporters", "prometheusremotewrite", "prometheus_remote_write"),
    ],
)
def test_components_that_the_collector_renamed_have_both_names(kind: str, before: str, since_2026: str) -> None:
    registry = Registry()
    assert registry.load(kind, before) is registry.load(kind, since_2026)


def test_a_class_is_imported_when_it_is_asked_for() -> None:
    assert _import(entry(f"{__name__}:Fine"), Processor) is Fine
    assert issubclass(Registry().load("processors", "batch"), Processor)


@pytest.mark.parametrize(
    ("value", "base", "what"),
    [
        ("no_such_module:X", Processor, "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
        (f"{__name__}:Missing", Processor, "cannot be imported: AttributeError"),
        (f"{__name__}:entry", Processor, "is not a Processor of pipeline.api"),
        (f"{__name__}:Fine", Receiver, "is not a Receiver of pipeline.api"),
        (f"{__name__}:NoConfig", Processor, "Config must be a ComponentConfig of pipeline.api"),
        (f"{__name__}:StringReads", Processor, "reads must be a tuple of names, not a string"),
    ],
)
def test_what_is_wrong_with_a_plug_in_is_told_with_its_origin(value: str, base: type[Component], what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _import(entry(value), base)
    assert caught.value.problems[0].startswith('"mine" of ')
    assert what in caught.value.problems[0]


def test_a_type_claimed_twice_names_both_claimants() -> None:
    registry = Registry()
    registry._found["weir.processors"]["batch"].append(EntryPoint("batch", "other:Batch", "weir.processors"))
    with pytest.raises(ConfigError, match=r"provided by otel-weir .* and other:Batch; uninstall one of them"):
        registry.load("processors", "batch")


def test_a_type_that_nobody_provides_is_an_error() -> None:
    with pytest.raises(ConfigError, match='no installed package provides a exporter of type "nope"'):
        Registry().load("exporters", "nope")
