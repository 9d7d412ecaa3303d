"""What one page finds out about its series is used for the next, and changes no page."""

from __future__ import annotations

import gc

from pipeline.api import Meter
from pipeline.codec.prometheus_families import Family, assemble
from pipeline.codec.prometheus_labels import LabelWriter
from pipeline.codec.prometheus_names import Escaping, Namer
from pipeline.codec.prometheus_page import write_page
from pipeline.model.snapshot import MetricSnapshot
from pipeline.testing import START_UNIX_NANO, FakeClock
from tests.unit.codec.metric_batches import batch, gauge, number, resource
from tests.unit.codec.pages import PLAIN, TEXT, Reported, render


class Scrapes:
    """Pages by one writer."""

    def __init__(self) -> None:
        self.writer = LabelWriter(Namer(), PLAIN, TEXT, Escaping.ALLOW_UTF8)
        self.reported: Reported = []

    def families(self, *batches: MetricSnapshot) -> list[Family]:
        self.reported.clear()
        return assemble(batches, Namer(), self.writer, TEXT, Escaping.ALLOW_UTF8, self._report)

    def page(self, *batches: MetricSnapshot) -> bytes:
        return b"".join(bytes(piece) for piece in write_page(self.families(*batches), TEXT))

    def _report(self, reason: str, name: str, series: int) -> None:
        if series:
            self.reported.append((reason, name, series))


def test_pages_of_one_writer_are_those_of_new_ones_while_equal_series_come_and_go() -> None:
    pods = (resource(0, pod="a"), resource(0, pod="b"))
    calm = batch(number("calls", [({"a": "1"}, 3), ({"a": "2"}, 4)]))
    twice = batch(number("calls", [({"a": "1"}, 5)]))
    merged = batch(number("calls", [({"a": "1"}, 1), ({"a": "1"}, 2)], resources=[0, 1]), resources=pods)
    other_type = batch(gauge("calls_total", [({"a": "1"}, 7)]))
    scrapes = Scrapes()
    for batches in [
        (calm,),
        (calm,),
        (calm, twice),
        (calm,),
        (twice, calm),
        (merged,),
        (calm,),
        (other_type,),
        (calm,),
    ]:
        expected: Reported = []
        assert scrapes.page(*batches) == render(*batches, reported=expected)
        assert scrapes.reported == expected


def test_series_of_a_meter_are_known_until_one_comes_or_goes() -> None:
    meter = Meter("test", FakeClock())
    calls = meter.counter("calls", labels=("a",))
    calls.add(("1",), 1.0)
    scrapes = Scrapes()
    before = scrapes.families(meter.collect(START_UNIX_NANO))[-1]
    calls.add(("1",), 2.0)
    assert scrapes.writer.distinct.knows(scrapes.families(meter.collect(START_UNIX_NANO))[-1])
    assert scrapes.writer.distinct.knows(before), "new values are the same series"
    calls.add(("2",), 1.0)
    scrapes.families(meter.collect(START_UNIX_NANO))
    assert not scrapes.writer.distinct.knows(before)


def test_nothing_is_kept_of_families_that_are_gone_and_no_series_is_held() -> None:
    scrapes = Scrapes()
    family = scrapes.families(batch(number("calls", [({"a": "1"}, 3)])))[-1]
    assert scrapes.writer.distinct.knows(family)
    scrapes.families(batch(number("other", [({"a": "1"}, 3)])))
    assert not scrapes.writer.distinct.knows(family)
    views = scrapes.writer.distinct._known["other_total"].views
    gc.collect()
    assert [view() for view in views] == [None]
