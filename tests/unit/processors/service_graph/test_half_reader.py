"""The label sets of halves against the columns of their spans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.api import Label, SpanBatch
from pipeline.codec.otlp_traces import TracesProjection
from pipeline.testing import FakeClock, export_request
from processors.service_graph import half_reader
from processors.service_graph.config import Config
from processors.service_graph.half_reader import HalfReader
from processors.service_graph.layout import ALONE, LABEL
from processors.service_graph.nodes import Half, Nodes
from tests import kernels
from tests.unit.processors.service_graph.graphs import span_id, trace_id

SERVICE = Label("service", ("resource.service.name",), "unknown")
CLIENT_LABELS = (
    SERVICE,
    Label("interleaved", ("resource.a", "span.a", "resource.b", "span.b")),
    Label("own", ("span.c", "span.a")),
)
SERVER_LABELS = (SERVICE, Label("of_server", ("span.b", "resource.a")))
LABELS = {"client": CLIENT_LABELS, "server": SERVER_LABELS}

Cell = tuple[str, str, dict[str, Any], dict[str, Any]]
"""Kind, service, attributes of the resource, attributes of the span."""


@dataclass
class SomeNodes:
    """Labels that are not those of a service graph."""

    client_labels: tuple[Label, ...] = CLIENT_LABELS
    server_labels: tuple[Label, ...] = SERVER_LABELS

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(column for label in self.client_labels + self.server_labels for column in label.columns)

    def needs_no_server(self, client: Half) -> bool:
        return client.get("own") == "db"


class Reader:
    """Reads batches, and says what became of each client and each server."""

    def __init__(self, mode: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            kernels.use(mode, patch)
            if mode == "uncompiled":
                patch.setattr(half_reader, "HalfScan", kernels.uncompiled("processors.service_graph.halves").HalfScan)
            self.clock = FakeClock()
            self.reader = HalfReader(Config(), cast("Nodes", SomeNodes()), self.clock)
        self.projection = TracesProjection(set(self.reader.reads))

    def batch(self, *cells: Cell) -> SpanBatch:
        spans = [
            {
                "trace_id": trace_id(1),
                "span_id": span_id(number),
                "parent_span_id": span_id(1000),
                "kind": kind,
                "service": service,
                "resource": resource,
                "attributes": attributes,
            }
            for number, (kind, service, resource, attributes) in enumerate(cells, 1)
        ]
        batch, _ = self.projection.decode(export_request(spans).SerializeToString())
        return batch

    def read(self, batch: SpanBatch) -> list[tuple[dict[str, str], bool]]:
        """Labels of each half, clients before servers, and whether it needs no partner."""
        words = self.reader.read(batch)[:, LABEL].tolist()
        return [(dict(self.reader.labels(word)), bool(word >> 32 & ALONE)) for word in words]

    def reads(self, *cells: Cell) -> list[tuple[dict[str, str], bool]]:
        return self.read(self.batch(*cells))


def expected(batch: SpanBatch) -> list[tuple[dict[str, str], bool]]:
    """The same by way of columns."""
    found = []
    for kind, labels in LABELS.items():
        side = batch.where(batch["kind"].isin((kind.upper(), f"SPAN_KIND_{kind.upper()}")))
        halves: list[dict[str, str]] = [{} for _ in range(len(side))]
        for label in labels:
            column = side.coalesce(label)
            for half, code in zip(halves, column.codes.tolist(), strict=True):
                if code >= 0:
                    half[label.name] = column.values[code]
        found += [(half, kind == "client" and half.get("own") == "db") for half in halves]
    return found


@pytest.fixture(params=kernels.MODES)
def reader(request: pytest.FixtureRequest) -> Reader:
    return Reader(request.param)


values = st.one_of(
    st.sampled_from(["", "x", "db", "1", "true", "seven b", "eight by", "nine byte", "é" * 20, "long " * 20]),
    st.booleans(),
    st.integers(-2, 2),
    st.floats(allow_nan=False),
)
cells = st.tuples(
    st.sampled_from(["client", "server", "internal"]),
    st.sampled_from(["shop", "cart"]),
    st.dictionaries(st.sampled_from("ab"), values, max_size=2),
    st.dictionaries(st.sampled_from("abcz"), values, max_size=4),
)


@pytest.mark.parametrize("mode", kernels.MODES)
@given(batches=st.lists(st.lists(cells, min_size=1, max_size=6), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_a_half_has_the_labels_that_its_columns_say_new_or_seen_before(mode: str, batches: list[list[Cell]]) -> None:
    reader = Reader(mode)
    for _ in range(2):
        for drawn in batches:
            batch = reader.batch(*drawn)
            assert reader.read(batch) == expected(batch)


def test_a_part_of_a_batch_is_read_as_the_whole_is(reader: Reader) -> None:
    batch = reader.batch(*(("client", f"shop {n % 3}", {"a": n % 2}, {"c": n}) for n in range(40)))
    part = batch.where(batch["span.c"].isin([str(n) for n in range(0, 40, 3)]))
    thirds = [half for half in reader.read(batch) if int(half[0]["own"]) % 3 == 0]
    assert reader.read(part) == expected(part) == thirds


def test_what_the_resource_has_hides_what_the_span_has(reader: Reader) -> None:
    for number in range(5):
        labels = {"service": "shop", "interleaved": "x"}
        assert reader.reads(("client", "shop", {"a": "x"}, {"b": f"hidden {number}"})) == [(labels, False)]
    assert reader.reader.clients.live == 1


def test_a_database_is_known_by_its_first_call_and_by_every_other(reader: Reader) -> None:
    for _ in range(3):
        lonely = [alone for _, alone in reader.reads(*(("client", "shop", {}, {"c": value}) for value in ("db", "x")))]
        assert lonely == [True, False]


def test_values_of_any_length_up_to_the_end_of_the_payload(reader: Reader) -> None:
    for length in (0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100):
        for _ in range(2):
            batch = reader.batch(("client", "shop", {}, {"c": "y" * length}))
            assert reader.read(batch) == expected(batch)


def test_label_sets_that_are_read_are_kept_and_others_are_given_up_with_their_flags(reader: Reader) -> None:
    used, idle = (reader.batch(("client", "shop", {}, {"c": value})) for value in ("used", "db"))
    reader.read(idle)
    for _ in range(5):
        reader.read(used)
        reader.clock.advance(half_reader.MIN_IDLE_S / 3)
        reader.reader.expire()
    assert reader.reader.clients.live == 1
    assert reader.reads(("client", "shop", {}, {"c": "takes its number"}))[0][1] is False
    assert reader.read(idle)[0] == ({"service": "shop", "own": "db"}, True)


@pytest.mark.parametrize("mode", kernels.MODES)
def test_halves_of_the_overflow_series_get_their_own_when_there_is_room(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(half_reader, "MAX_LABEL_SETS", 1)
    reader = Reader(mode)
    reader.reads(("client", "one", {}, {}))
    assert reader.reads(("client", "two", {}, {}))[0][0] == {"otel.metric.overflow": "true"}
    reader.clock.advance(half_reader.MIN_IDLE_S + 1)
    reader.reader.expire()
    assert reader.reads(("client", "two", {}, {}))[0][0] == {"service": "two"}
