"""The measurement of detection itself: encoding, scoring, and a kit in a folder of the test."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow")

import pyarrow as pa
import pyarrow.parquet as parquet

from benchmarks.detection import nab, run, span_score
from benchmarks.detection.encode import requests
from benchmarks.detection.kit import Series, SpanStream
from pipeline.codec.otlp_traces import TracesProjection

T0 = 1_767_225_600
META: dict[str, Any] = {
    "name": "shop",
    "t0": T0,
    "t1": T0 + 1000,
    "score_from": T0 + 200,
    "services": ["front", "cart"],
    "faults": [
        {"id": "0", "type": "delay", "service": "cart", "start": T0 + 600, "deadline": T0 + 840, "scored": True}
    ],
    "available": [[T0, T0 + 1000]],
    "exclude_before_s": 75,
    "exclude_after_s": 300,
    "label_slack_s": 60,
}


def kit(folder: Path) -> Path:
    """One stream: front calls cart twice a second, cart is slow from 600 s on."""
    rng = np.random.default_rng(8)
    rows: list[dict[str, Any]] = []
    for number in range(2000):
        start = T0 * 10**9 + number * 500_000_000
        own = int(5e6 * rng.lognormal(0, 0.2) * (6 if 1200 <= number < 1600 else 1))
        spans = (("front", "GET", 2, -1, own + 4_000_000), ("front", "get", 3, 0, own + 1_000_000))
        for i, (service, name, kind, parent, duration) in enumerate((*spans, ("cart", "get", 2, 1, own))):
            rows.append(
                {
                    "trace_id": f"{number + 1:032x}",
                    "span_idx": i,
                    "parent_idx": parent,
                    "service": service,
                    "pod": f"{service}-1",
                    "operation": name,
                    "kind": kind,
                    "start_unix_nano": start,
                    "duration_ns": duration,
                    "status_code": 0,
                }
            )
    (folder / "spans" / "final").mkdir(parents=True)
    table = pa.Table.from_pylist(rows)
    for name in ("trace_id", "service", "pod", "operation"):
        table = table.set_column(table.column_names.index(name), name, table[name].dictionary_encode())
    parquet.write_table(table, folder / "spans" / "final" / "shop.parquet")
    (folder / "spans" / "final" / "shop.json").write_text(json.dumps(META))
    return folder


def test_a_kit_of_any_name_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    arguments = ["run", "--kit", str(kit(tmp_path)), "--split", "final", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", [*arguments, "--save-thresholds", str(tmp_path / "t.json")])
    assert run.main() == 0
    scores = json.loads((out / "scores.json").read_text())
    assert (scores["spans"]["recall"], scores["spans"]["top1"], scores["spans"]["fa_per_h"]) == (1.0, 1.0, 0.0)
    events = [json.loads(line) for line in (out / "shop.jsonl").read_text().splitlines()]
    assert events[0]["ranking"][0] == "cart"
    assert json.loads((tmp_path / "t.json").read_text())["spans"] > 0


def test_spans_are_sent_in_the_second_after_their_end_with_ids_that_join(tmp_path: Path) -> None:
    stream = SpanStream("shop", META, kit(tmp_path) / "spans" / "final" / "shop.parquet")
    projection = TracesProjection(("trace_id", "span_id", "parent_span_id", "end_time_unix_nano", "name"))
    seen = 0
    for arrival, request in requests(stream.columns()):
        spans, rejected = projection.decode(request)
        assert not rejected
        seen += len(spans)
        ends = spans["end_time_unix_nano"].astype(np.int64)
        assert ((ends < arrival) & (ends >= arrival - 10**9)).all()
        ids = {bytes(span) for span in spans["span_id"]}
        parents = [bytes(span) for span in spans["parent_span_id"] if any(span)]
        assert set(parents) <= ids
    assert seen == 6000


def test_a_thinned_stream_has_whole_traces_of_the_same_ones_each_time(tmp_path: Path) -> None:
    folder = kit(tmp_path)
    whole, thinned, again = (
        SpanStream("shop", META, folder / "spans" / "final" / "shop.parquet", number).columns() for number in (1, 4, 4)
    )
    assert np.array_equal(thinned["trace_id"][0], again["trace_id"][0])
    numbers, spans = np.unique(thinned["trace_id"][0], return_counts=True)
    assert 0.2 * 2000 < len(numbers) < 0.3 * 2000
    assert (spans == 3).all()
    assert len(whole["duration_ns"]) == 6000
    assert len(thinned["duration_ns"]) == len(thinned["trace_id"][0]) == 3 * len(numbers)


def event(second: float, *ranking: str) -> dict[str, Any]:
    return {"ts": T0 + second, "score": 1.0, "ranking": list(ranking)}


def test_events_are_hits_repeats_or_false_alarms() -> None:
    events = [event(100, "x"), event(300, "x"), event(560, "front", "cart"), event(700, "cart"), event(990, "x")]
    scored = span_score.combine([span_score.score(META, events)])
    assert (scored["recall"], scored["top1"], scored["top3"], scored["repeats"]) == (1.0, 0.0, 1.0, 1)
    assert scored["false_alarms"] == 2
    assert scored["clean_h"] == pytest.approx((325 + 100) / 3600)
    assert scored["delay_p50"] == 0.0


def nab_series() -> Series:
    seconds = np.linspace(0.0, 99 * 300.0, 100)
    return Series("a/b.csv", seconds, np.zeros(100), [(seconds[50], seconds[59])])


@pytest.mark.parametrize(("alarm", "score"), [(50, 100.0), (None, 0.0)])
def test_nab_gives_100_for_the_first_point_of_a_window_and_0_for_silence(alarm: int | None, score: float) -> None:
    scores = np.zeros(100)
    if alarm is not None:
        scores[alarm] = 5.0
    rows = [nab.prepare(nab_series(), scores)]
    assert nab.normalised(rows, nab.PROFILES["standard"], 4.0) == pytest.approx(score)


def test_nab_charges_alarms_outside_and_pays_less_for_late_ones() -> None:
    def of(*alarms: int) -> float:
        scores = np.zeros(100)
        scores[list(alarms)] = 5.0
        return nab.normalised([nab.prepare(nab_series(), scores)], nab.PROFILES["standard"], 4.0)

    assert 100 > of(55) > of(58) > 0
    assert of(50, 30) == pytest.approx(100 - 100 * 0.11 / 2)
