"""How much the figures hang on the parameters: each is moved up and down, and each stream is left out once.

python -m benchmarks.detection.spread --kit DIR --split dev

Figures that only one value of a parameter reaches are noise. Streams are replayed once; their matrices are judged again
for every variant.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.detection import span_score
from benchmarks.detection.capture import Captured, capture, judge
from benchmarks.detection.kit import span_streams
from processors.anomaly.config import Config

THRESHOLD = "threshold"
VARIANTS: dict[str, list[tuple[str, float]]] = {
    THRESHOLD: [("spans", 14.0), ("spans", 16.0), ("spans", 20.0), ("spans", 23.0)],
    "detector": [
        ("memory", 80.0),
        ("memory", 130.0),
        ("warm_up", 8),
        ("warm_up", 13),
        ("floor", 0.04),
        ("floor", 0.07),
        ("frozen_rate", 0.0),
        ("frozen_rate", 0.05),
        ("tail_rate", 0.01),
        ("tail_rate", 0.02),
        ("tail_prior", 0.5),
        ("tail_prior", 0.7),
        ("tail_weight", 30.0),
        ("tail_weight", 100.0),
    ],
    "evidence": [
        ("slack", 1.2),
        ("slack", 1.5),
        ("decay", 0.3),
        ("decay", 0.6),
        ("strongest", 4),
        ("strongest", 7),
        ("share", 0.65),
        ("share", 0.85),
    ],
    "incidents": [("close_ticks", 4), ("close_ticks", 9), ("unseen_ticks", 20), ("unseen_ticks", 45)],
}


def main() -> int:
    """Print one line per variant."""
    parser = argparse.ArgumentParser(prog="benchmarks.detection.spread", description=__doc__.partition("\n")[0])
    parser.add_argument("--kit", type=Path, required=True)
    parser.add_argument("--split", default="dev")
    arguments = parser.parse_args()
    logging.getLogger("weir").setLevel(logging.CRITICAL)
    streams = [stream for stream in span_streams(arguments.kit, arguments.split) if not stream.is_fragmented]
    captured = [capture(stream, {}) for stream in streams]

    table = Table(title="Figures under other parameters")
    for name in ("variant", "recall", "top-1", "top-3", "false alarms", "delay p50 s", "p90 s"):
        table.add_column(name, justify="left" if name == "variant" else "right")
    table.add_row("as shipped", *measured(captured, {}))
    for part, values in VARIANTS.items():
        for name, value in values:
            changed = {THRESHOLD: value} if part == THRESHOLD else {part: {name: value}}
            table.add_row(f"{part} {name} {value:.4g}", *measured(captured, changed))
    for left_out in captured:
        rest = [one for one in captured if one is not left_out]
        table.add_row(f"without {left_out.stream.name}", *measured(rest, {}))
    Console(width=120).print(table)
    return 0


def measured(captured: list[Captured], changed: dict[str, Any]) -> list[str]:
    """The figures with some parameters changed."""
    arguments = {THRESHOLD: Config.model_validate({}).threshold} | changed
    scores = span_score.combine([span_score.score(one.stream.meta, judge(one, **arguments)) for one in captured])
    figures = [f"{scores[name]:.2f}" for name in ("recall", "top1", "top3")]
    delays = ["-" if scores[name] is None else f"{scores[name]:.0f}" for name in ("delay_p50", "delay_p90")]
    return [*figures, str(scores["false_alarms"]), *delays]


if __name__ == "__main__":
    raise SystemExit(main())
