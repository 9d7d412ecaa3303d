"""The words of spans against the columns of the batch, compiled and uncompiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.api import SpanBatch
from pipeline.model.records import Level
from pipeline.testing import START_UNIX_NANO, span_batch
from processors.anomaly import span_words
from processors.anomaly.span_join import WORDS
from tests.kernels import uncompiled

MODULES = {"compiled": span_words, "uncompiled": uncompiled("processors.anomaly.span_words")}
TICK = 10_000_000_000
KINDS = ("internal", "server", "client", "producer", "consumer")


def batch(seed: int, n: int = 200) -> SpanBatch:
    rng = np.random.default_rng(seed)
    spans: list[dict[str, Any]] = [
        {
            "trace_id": rng.bytes(16),
            "span_id": rng.bytes(8),
            "parent_span_id": rng.bytes(8) if rng.random() < 0.7 else b"",
            "kind": str(rng.choice(KINDS)),
            "status": str(rng.choice(["unset", "ok", "error"])),
            "start_unix_nano": START_UNIX_NANO + int(rng.integers(-3, 4)) * TICK,
            "duration_nano": int(rng.choice([0, 5_000, TICK, 3 * span_words.MAX_NANO])),
        }
        for _ in range(n)
    ]
    return span_batch(spans=spans)


def layout(spans: SpanBatch) -> tuple[Any, ...]:
    fields = tuple(spans.projection.field(column).word for column in span_words.COLUMNS)  # type: ignore[union-attr]
    return spans.records.words, spans.records.first[Level.ITEM], spans.records.width[Level.ITEM], fields


def expected(spans: SpanBatch, operations: Any, begin: int, until: int, keep_late: bool) -> np.ndarray[Any, Any]:
    rows = []
    ends = spans["end_time_unix_nano"].tolist()
    kinds = ("unspecified", *("internal", "server", "client", "producer", "consumer"))
    for i in range(len(spans)):
        if ends[i] >= until or (ends[i] < begin and not keep_late):
            continue
        kind = kinds.index(spans["kind"].values[spans["kind"].codes[i]].removeprefix("SPAN_KIND_").lower())
        failed = spans["status_code"].values[spans["status_code"].codes[i]] == "STATUS_CODE_ERROR"
        ids = [int.from_bytes(spans["trace_id"][i].tobytes()[at : at + 8], "little") for at in (0, 8)]
        ids += [int.from_bytes(spans[name][i].tobytes(), "little") for name in ("span_id", "parent_span_id")]
        nano = min(int(spans["duration_nano"][i]), span_words.MAX_NANO)
        rows.append([*ids, max(ends[i], begin), nano, (kind << 8 | failed) << 32 | int(operations[i])])
    return np.array(rows, np.uint64).reshape(-1, WORDS)


@pytest.mark.parametrize("mode", MODULES)
@pytest.mark.parametrize("keep_late", [False, True])
@pytest.mark.parametrize("part", [False, True], ids=["all rows", "some rows"])
def test_the_words_are_those_of_the_columns(mode: str, keep_late: bool, part: bool) -> None:
    spans = batch(1)
    if part:
        spans = spans.where(np.random.default_rng(2).random(len(spans)) < 0.5)
    operations = np.arange(len(spans), dtype=np.int32) % 7
    begin, until = START_UNIX_NANO - TICK, START_UNIX_NANO + 3 * TICK
    out = np.zeros((len(spans), WORDS), np.uint64)
    written, late, future, *ends_between = MODULES[mode].fill(
        out, *layout(spans), spans.rows, operations, begin, until, keep_late
    )
    ends = spans["end_time_unix_nano"].astype(np.int64)
    assert ends_between == [ends.min(), ends.max()]
    assert (late, future) == (int((ends < begin).sum()), int((ends >= until).sum()))
    assert late > 0 < future
    assert np.array_equal(out[:written], expected(spans, operations, begin, until, keep_late))


@pytest.mark.parametrize("mode", MODULES)
def test_whole_traces_are_kept_and_fewer_with_each_step(mode: str) -> None:
    spans = batch(3, n=4000)
    kept = np.zeros((4, len(spans)), np.uint8)
    left = [
        MODULES[mode].sample(*layout(spans), spans.rows, len(spans), thinning, kept[thinning - 1])
        for thinning in (1, 2, 3, 4)
    ]
    assert left == kept.sum(1).tolist()
    for thinning, number in enumerate(left, start=1):
        assert number == pytest.approx(len(spans) / 2**thinning, rel=0.25)
    assert (kept[1:] <= kept[:-1]).all()
    again = np.zeros(len(spans), np.uint8)
    MODULES["compiled"].sample(*layout(spans), spans.rows, len(spans), 2, again)
    assert np.array_equal(again, kept[1])
