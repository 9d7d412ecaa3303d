"""``weir demo``: the real pipeline on loopback, fed by six simulated services that use the stock OpenTelemetry SDK.

``shop`` describes the services, ``plan`` decides what happens in one trace, ``load`` is the child process that sends it
and counts what it sent, ``truth`` is that count, ``scrape`` reads ``/metrics`` back over HTTP, ``history`` and ``view``
turn scrapes into a table, and ``command`` ties them together. Nothing here looks into the engine: what the demo shows
is what a user would get.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run ``weir demo`` with its command line; return the exit status."""
    from pipeline.demo.command import main as run

    return run(arguments)
