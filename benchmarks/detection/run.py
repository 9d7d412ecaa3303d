"""Measure detection on a kit folder: replay, score, write events and scores.

python -m benchmarks.detection.run --kit DIR --split dev --out DIR --save-thresholds thresholds.json
python -m benchmarks.detection.run --kit OTHER --split final --out DIR --thresholds thresholds.json

The parameters are those of the processor's defaults, the same for all streams. Thresholds are the only thing that may
be frozen on one split and used on another.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file

from benchmarks.detection import nab, span_score
from benchmarks.detection.kit import Series, SpanStream, nab_series, span_streams
from benchmarks.detection.replay import Event, replay
from processors.anomaly.config import Config

FIGURES = ("recall", "top1", "top3", "fa_per_h", "delay_p50", "delay_p90")


def main() -> int:
    """Run and print; the scores are in ``OUT/scores.json``."""
    parser = argparse.ArgumentParser(prog="benchmarks.detection.run", description=__doc__.partition("\n")[0])
    parser.add_argument("--kit", type=Path, required=True, help="folder with spans/SPLIT and nab/SPLIT")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--out", type=Path, required=True, help="folder for events and scores")
    parser.add_argument("--only", default="", metavar="WORD", help="streams whose name contains WORD")
    parser.add_argument("--thin", type=int, default=1, metavar="N", help="replay one in N traces")
    parser.add_argument("--thresholds", type=Path, help="use the thresholds of this file")
    parser.add_argument("--save-thresholds", type=Path, help="write the thresholds to this file")
    arguments = parser.parse_args()

    logging.getLogger("weir").setLevel(logging.CRITICAL)
    thresholds = json.loads(arguments.thresholds.read_text()) if arguments.thresholds else {}
    thresholds.setdefault("spans", Config.model_validate({}).threshold)
    arguments.out.mkdir(parents=True, exist_ok=True)
    console = Console(width=140)
    streams = span_streams(arguments.kit, arguments.split, arguments.thin)
    streams = [stream for stream in streams if arguments.only in stream.name]
    scores = {"spans": measure_spans(streams, {"threshold": thresholds["spans"]}, arguments.out, console)}
    series = [one for one in nab_series(arguments.kit, arguments.split) if arguments.only in one.name]
    if series:
        scores["nab"] = measure_nab(series, thresholds, arguments.out, console)
    (arguments.out / "scores.json").write_text(json.dumps(scores, indent=1) + "\n")
    if arguments.save_thresholds:
        arguments.save_thresholds.write_text(json.dumps(thresholds, indent=1) + "\n")
    return 0


def measure_spans(streams: list[SpanStream], config: dict[str, Any], out: Path, console: Console) -> dict[str, Any]:
    """Replay and score the span streams. Streams of fragments are left out of the figures and given by themselves."""
    scored: dict[str, span_score.Scores] = {}
    with Progress(console=console) as progress:
        for stream in streams:
            task = progress.add_task(stream.name, total=1.0)

            def moved(share: float, task: Any = task) -> None:
                progress.update(task, completed=share)

            events = replay(stream, config, moved)
            progress.update(task, completed=1.0)
            _write_events(out / f"{stream.name}.jsonl", events)
            scored[stream.name] = span_score.score(stream.meta, events)
    whole = [scored[stream.name] for stream in streams if not stream.is_fragmented]
    fragments = [scored[stream.name] for stream in streams if stream.is_fragmented]
    combined = span_score.combine(whole)
    console.print(
        _table({**{name: span_score.combine([one]) for name, one in scored.items()}, "all but fragments": combined})
    )
    return {
        **{name: combined[name] for name in FIGURES},
        "delay_avail_p50": combined["delay_avail_p50"],
        "delay_avail_p90": combined["delay_avail_p90"],
        "false_alarms": combined["false_alarms"],
        "clean_h": combined["clean_h"],
        "fragments": span_score.combine(fragments) if fragments else None,
        "streams": {name: span_score.combine([one]) | {"rows": one["faults"]} for name, one in scored.items()},
    }


def measure_nab(series: list[Series], thresholds: dict[str, Any], out: Path, console: Console) -> dict[str, Any]:
    """Score the NAB series; thresholds that are not given are the best ones here, and are put into ``thresholds``."""
    rows = []
    with Progress(console=console) as progress:
        for one in progress.track(series, description="NAB"):
            scores = nab.scores_of(one)
            path = out / "nab" / one.name
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = [
                f"{second:.0f},{value!r},{score:.6g}"
                for second, value, score in zip(one.seconds, one.values.tolist(), scores, strict=True)
            ]
            path.write_text("\n".join(["second,value,anomaly_score", *lines]) + "\n")
            rows.append(nab.prepare(one, scores))
    frozen = thresholds.setdefault("nab", {})
    figures = {}
    for name, profile in nab.PROFILES.items():
        if name not in frozen:
            frozen[name] = nab.best_threshold(rows, profile)
        figures[name] = nab.normalised(rows, profile, frozen[name])
    console.print("NAB  " + "  ".join(f"{name} {figure:.1f}" for name, figure in figures.items()))
    return figures


def _write_events(path: Path, events: list[Event]) -> None:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))


def _table(rows: dict[str, span_score.Scores]) -> Table:
    table = Table(title="Incidents against injected faults")
    for name in ("stream", "faults", "recall", "top-1", "top-3", "false alarms", "per hour", "delay p50 s", "p90 s"):
        table.add_column(name, justify="left" if name == "stream" else "right")
    for name, row in rows.items():
        hits = round(row["recall"] * row["faults"])
        table.add_row(
            name,
            str(row["faults"]),
            f"{row['recall']:.3f} ({hits})",
            f"{row['top1']:.3f}",
            f"{row['top3']:.3f}",
            f"{row['false_alarms']} in {row['clean_h']:.2f} h",
            f"{row['fa_per_h']:.2f}",
            "-" if row["delay_p50"] is None else f"{row['delay_p50']:.0f}",
            "-" if row["delay_p90"] is None else f"{row['delay_p90']:.0f}",
        )
    return table


if __name__ == "__main__":
    raise SystemExit(main())
