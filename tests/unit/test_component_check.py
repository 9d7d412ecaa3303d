"""Mistakes of authors: the registry, the graph and the Harness say the same, with the remedy."""

from typing import Any

import pytest

from pipeline.api import ComponentConfig, LogBatch, Processor, Settings, SpanBatch
from pipeline.component_check import mistakes_of_class
from pipeline.testing import Harness, log_batch, metric_batch, span_batch


def made(**attributes: Any) -> Harness[Processor]:
    """The harness of a processor of spans that is right but for these attributes."""
    right = {"process_traces": lambda self, spans: spans, "emits_metrics": True}
    return Harness(type("Mine", (Processor,), right | attributes))


def counting(**instrument: Any) -> Any:
    """An ``__init__`` that makes a counter."""

    def init(self: Processor, config: ComponentConfig, settings: Settings) -> None:
        settings.meter.counter("calls", **instrument)

    return init


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"reads": "name"}, r'reads must be a tuple of names, not a string: \("name",\) with its comma'),
        ({"adds": "span.tier"}, "adds must be a tuple of names"),
        ({"reads": ("nmae",)}, 'reads "nmae": there is no such column; did you mean "name"'),
        ({"reads": ("service.name",)}, r'in front, as "span\.service\.name" or "resource\.service\.name"'),
        ({"adds": ("tier",)}, r'adds "tier": there is no such column; .* "span\.tier"'),
        ({"reads": ("log.tier",)}, r'attributes in "log\." are of another signal than traces'),
        ({"reads": ("severity_text",)}, 'reads "severity_text": there is no such column'),
        ({"tick_interval_s": 0}, "tick_interval_s is 0: it must be above 0, or None"),
        ({"tick_interval_s": float("nan")}, "tick_interval_s is nan"),
        ({"Config": dict}, "Config must be a ComponentConfig"),
        ({"emits_metrics": False, "__init__": counting()}, r"instruments \(calls\), .* set emits_metrics = True"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(attributes: dict[str, Any], said: str) -> None:
    made()
    with pytest.raises(ValueError, match=said):
        made(**attributes)


def test_a_method_that_nobody_calls_is_a_mistake_where_there_is_no_other() -> None:
    class Misspelt(Processor):
        def process_trace(self, spans: SpanBatch) -> SpanBatch:
            return spans

    class WithHelper(Processor):
        def process_logs(self, logs: LogBatch) -> LogBatch:
            return self.process_bodies(logs)

        def process_bodies(self, logs: LogBatch) -> LogBatch:
            return logs

    assert [*mistakes_of_class(Misspelt)] == [
        "it has process_trace, which nobody calls, and none of process_traces, process_metrics, process_logs"
    ]
    assert not [*mistakes_of_class(WithHelper)]


def test_labels_are_no_string() -> None:
    with pytest.raises(TypeError, match=r'\("name",\) with its comma'):
        made(__init__=counting(labels="name"))


@pytest.mark.parametrize(
    ("out", "what"), [(None, "NoneType"), ([], "list"), (log_batch(1), "LogBatch")], ids=["None", "list", "logs"]
)
def test_what_is_returned_is_a_batch_of_the_signal(out: Any, what: str) -> None:
    run = made(process_traces=lambda self, spans: out)
    with pytest.raises(TypeError, match=f"process_traces returned {what}, not SpanBatch"):
        run.traces(span_batch(1))


def test_a_signal_that_a_processor_does_not_handle_is_not_given_to_it() -> None:
    with pytest.raises(TypeError, match="Mine has no process_logs"):
        made().process(log_batch(1))


def test_state_is_bytes() -> None:
    with pytest.raises(TypeError, match="snapshot gave dict, not bytes"):
        made(snapshot=lambda self: {"a": 1}).restart()
    with pytest.raises(TypeError, match="snapshot gave dict, not bytes"):
        made(snapshot=lambda self: lambda: {"a": 1}).restart()


@pytest.mark.parametrize("build", [span_batch, log_batch, metric_batch])
def test_builders_know_their_fields(build: Any) -> None:
    with pytest.raises(TypeError, match='no "atributes"; did you mean "attributes"'):
        build(2, atributes={})


@pytest.mark.parametrize("target", [5, None, {"cart"}])
def test_measurements_are_of_something_that_has_labels(target: Any) -> None:
    run = made()
    calls = run.meter.counter("calls", labels=("resource.service.name",))
    with pytest.raises(TypeError, match="of a batch, of its groups, or of label values, not of"):
        calls.add(target)
    calls.add(("cart",))
    assert run.metric("calls", "cart") == 1
