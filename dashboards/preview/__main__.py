"""``python -m dashboards.preview``: draw all dashboards of an edition from a real Prometheus."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from dashboards.build import COMPILED, FLAVOURS, SOURCES
from dashboards.preview import screenshot
from dashboards.preview.asking import Answered, Asker
from dashboards.preview.hours import Span, play
from dashboards.preview.page import WIDTH, page, section_height
from dashboards.preview.prometheus import Prometheus
from pipeline.promql.flavour import Flavour
from pipeline.service.clock import SystemClock

CHOSEN = {
    "service": {"service": "checkout"},
}
"""Slug → variables that are chosen in place of the first value."""
BORDER = 32


def main() -> int:
    """Run from the command line."""
    options = _parse()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    flavour = next(one for one in FLAVOURS if one.id == options.edition)
    played, data = folder / "played.json", folder / "prometheus"
    if not (options.again and played.exists()):
        shutil.rmtree(data, ignore_errors=True)
    data.mkdir(exist_ok=True)
    try:
        with Prometheus(data) as prometheus:
            if options.again and played.exists():
                hours = Span(**json.loads(played.read_text()))
            else:
                hours = _hours(options.hours)
                print(f"{options.hours:g} hours of a shop, edition {flavour.id} ...", flush=True)
                play(flavour, hours, options.rate, prometheus)
                played.write_text(json.dumps({"begin_s": hours.begin_s, "end_s": hours.end_s}))
            answered = {slug: answer(prometheus, flavour, slug, hours, options.min_step) for slug in SOURCES}
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    written = folder / "index.html"
    written.write_text(page(list(answered.values())))
    print(f"page: {written}")
    _shoot(folder, answered)
    return 0


def answer(prometheus: Prometheus, flavour: Flavour, slug: str, hours: Span, min_step: str = "") -> Answered:
    """One dashboard with all its answers at the end of the hours."""
    chosen = CHOSEN.get(slug, {}) | ({"min_step": min_step} if min_step else {})
    dashboard = json.loads((COMPILED / flavour.id / f"{slug}.json").read_text())
    return Asker(prometheus, hours.end_s, chosen).answer(dashboard)


def _shoot(folder: Path, answered: dict[str, Answered]) -> None:
    if screenshot.program() is None:
        print(screenshot.HOW_TO_GET)
        return
    for slug, one in answered.items():
        html, png = folder / f"{slug}.html", folder / f"{slug}.png"
        html.write_text(page([one]))
        screenshot.shoot(html, png, WIDTH + BORDER, section_height(one))
        print(f"screenshot: {png}")


def _hours(hours: float) -> Span:
    # Ends at a whole two minutes, so that the last step of all panels is the end.
    end_s = SystemClock().unix_nano() // 10**9 // 120 * 120
    return Span(end_s - round(hours * 60) * 60, end_s)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dashboards.preview")
    parser.add_argument("--edition", choices=[flavour.id for flavour in FLAVOURS], default="otelcol-classic")
    parser.add_argument("--folder", type=Path, default=Path("build/dashboards-preview"))
    parser.add_argument("--hours", type=float, default=6.0, help="how long before now the shop opens (default 6)")
    parser.add_argument("--rate", type=float, default=6.0, help="traces per second at noon (default 6)")
    parser.add_argument("--min-step", default="", help="the variable of that name, such as 15s; else as exported")
    parser.add_argument("--again", action="store_true", help="draw what was played the last time")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
