"""The kernel writes the same bytes compiled and uncompiled."""

from __future__ import annotations

import random

import pytest

from pipeline.codec import prometheus_labels, prometheus_page
from pipeline.codec.prometheus_labels import LabelOptions
from pipeline.model.snapshot import MetricSnapshot
from tests.kernels import uncompiled
from tests.unit.codec.metric_batches import (
    NOW,
    Labels,
    batch,
    exemplars,
    exponential,
    gauge,
    histogram,
    number,
    resource,
)
from tests.unit.codec.pages import OPENMETRICS, PROTOBUF, TEXT, render

OPTIONS = LabelOptions((("const", 'c"'),), promote_resource=True)


def random_batch(seed: int) -> MetricSnapshot:
    """Every path of the kernel: odd bytes, absent labels, labels that collide, exemplars, values of all sizes."""
    generator = random.Random(seed)
    words = ["", "a", "GET /x", 'q"', "\\", "\n", "ä😀", b"\xff\xc3", b"\xf4\x90\x80\x80", "x" * 130, None]

    def labels(i: int) -> Labels:
        keys = ("id", "http.route", "http_route", "job", "region")
        return {"id": str(i), **{key: generator.choice(words) for key in keys[1:]}}

    def value() -> float:
        return generator.choice([0.0, 3.0, 2.0**53, 1e300, -1.5, generator.random(), generator.random() * 1e9, 5e-324])

    count = 40
    owners = [generator.randrange(-1, 3) for _ in range(count)]
    trace, span = f"{generator.randrange(1, 2**127):032x}", f"{generator.randrange(1, 2**63):016x}"
    sampled = exemplars(*((i, b, value(), NOW, trace, span) for i in range(0, count, 3) for b in (0, 2)))
    points = exemplars(*((i, -1, value(), NOW, trace, "00" * 8) for i in range(0, count, 4)))
    starts = [generator.randrange(1, 200) * 10**9 for _ in range(count)]
    return batch(
        number("c", [(labels(i), value()) for i in range(count)], resources=owners, samples=points, start=starts),
        gauge("g", [(labels(i), value()) for i in range(count)], resources=owners),
        histogram(
            "h",
            [(labels(i), [1.0, 2.5, 3.0], value()) for i in range(count)],
            resources=owners,
            samples=sampled,
            start=starts,
        ),
        exponential("e", [(labels(i), i % 12 - 2, 1.0, -i, [1.0, 0.0, 2.0], value()) for i in range(count)]),
        resources=[
            resource(1, service__name="cart", region="eu"),
            resource(2, service__name="cart", region="eu"),
            resource(3, service__instance__id="i", http__route="/r"),
        ],
    )


@pytest.mark.parametrize("form", [TEXT, OPENMETRICS, PROTOBUF])
@pytest.mark.parametrize("seed", range(5))
def test_compiled_and_uncompiled_pages_are_equal(seed: int, form: object, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = random_batch(seed)

    def page() -> bytes:
        return render(metrics, form=form, options=OPTIONS, zero_after=150 * 10**9, with_timestamps=True)  # type: ignore[arg-type]

    compiled = page()
    source = uncompiled("pipeline.codec.prometheus_text")
    monkeypatch.setattr(prometheus_labels, "Series", uncompiled("pipeline.codec.series_labels").Series)
    monkeypatch.setattr(prometheus_page, "Frame", source.Frame)
    monkeypatch.setattr(prometheus_page, "Samples", source.Samples)
    assert page() == compiled
    assert len(compiled) > 10_000
