"""``weir demo``: start the pipeline, start the load, show what ``/metrics`` says, compare it with what was sent."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, cast

from rich.console import Console
from rich.file_proxy import FileProxy
from rich.live import Live

from pipeline.config.check import check
from pipeline.config.load import load_document
from pipeline.demo import fault_check, scrape, view
from pipeline.demo.configuration import STORE_TTL_S, Addresses, choose_addresses
from pipeline.demo.history import History
from pipeline.demo.truth import Truth, differences
from pipeline.errors import ConfigError
from pipeline.native import uncompiled_modules
from pipeline.service.clock import SystemClock
from pipeline.service.engine import Engine
from pipeline.service.registry import Registry
from pipeline.service.runner import require_fast_protobuf
from pipeline.service.service import process_resource
from pipeline.telemetry.logs import configure_logging

REFRESH_S = 1.0
LINES_EVERY_S = 5.0
DRAIN_S = 5.0
LOAD_END_S = 60.0
"""The load flushes six exporters in turn, each of which may retry for ten seconds."""
CHECK_POLL_S = 0.25
CHECK_TIMEOUT_S = STORE_TTL_S + 20.0
"""Calls by users have no client span: they are on /metrics when half an edge has waited for its time to live."""
CHECK_DURATION_S = 80.0
"""The fault, and time to find it."""
START_ATTEMPTS = 3
MAX_DIFFERENCES = 20
LOG_TAIL = 2000


def main(arguments: Sequence[str]) -> int:
    """Run the demo; 0 after a clean end, 1 if ``--check`` found a difference or something could not start."""
    options = _parse(arguments)
    console = Console(highlight=False)
    stop = threading.Event()
    with _interrupted_by_signals(stop), tempfile.TemporaryDirectory(prefix="weir-demo-") as scratch:
        # Lines of the log appear above the live table instead of through it.
        log = FileProxy(console, sys.stderr) if console.is_terminal else sys.stderr
        configure_logging("warn", stream=cast(IO[str], log))
        try:
            addresses, engine = _started()
        except ConfigError as error:
            console.print("cannot start:", *error.problems, sep="\n  ", markup=False)
            return 1
        try:
            return _Demo(options, addresses, console, stop, Path(scratch)).run()
        finally:
            engine.stop(DRAIN_S)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="weir demo", description="Run the pipeline on loopback, fed by six simulated services."
    )
    parser.add_argument("--duration", type=float, metavar="SECONDS", help="end after this time; else at Ctrl-C")
    parser.add_argument("--rate", type=float, default=50.0, metavar="N", help="traces per second (default 50)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="equal seeds send equal traces (default 1)")
    parser.add_argument(
        "--check",
        action="store_true",
        help="compare the counts on /metrics with those the load kept of what it sent, and see whether the fault was "
        "found; exit status 1 if not",
    )
    parser.add_argument(
        "--fault-after",
        type=float,
        default=fault_check.FAULT_AFTER_S,
        metavar="SECONDS",
        help="payments with one kind of card are slow from then on for a minute (default 45)",
    )
    options = parser.parse_args(arguments)
    if options.rate <= 0 or (options.duration is not None and options.duration <= 0):
        parser.error("--rate and --duration must be positive")
    if options.check and options.duration is None:
        options.duration = CHECK_DURATION_S
    return options


def _started() -> tuple[Addresses, Engine]:
    """A running engine. Between choosing a port and listening on it somebody else may take it: then others are chosen.

    Raises:
        ConfigError: It cannot start.
    """
    for attempt in range(START_ATTEMPTS):
        addresses = choose_addresses()
        engine = _engine(addresses)
        try:
            engine.start()
        except ConfigError:
            if attempt == START_ATTEMPTS - 1:
                raise
        else:
            return addresses, engine
    raise AssertionError("the last attempt raises")


def _engine(addresses: Addresses) -> Engine:
    require_fast_protobuf()
    checked = check(load_document([f"yaml:{addresses.configuration()}"]), Registry())
    return Engine(checked, SystemClock(), process_resource(checked, ["demo"]))


@contextmanager
def _interrupted_by_signals(stop: threading.Event) -> Iterator[None]:
    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signature of a handler
        if stop.is_set():  # the second one: do not wait for anything; the load ends when its standard input closes
            os._exit(128 + number)
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, handle) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


class _Demo:
    """One run: the load, the display, the comparison."""

    def __init__(
        self, options: argparse.Namespace, addresses: Addresses, console: Console, stop: threading.Event, scratch: Path
    ) -> None:
        self.options = options
        self.addresses = addresses
        self.console = console
        self.stop = stop
        self.truth_path = scratch / "truth.json"
        self.log_path = scratch / "load.log"
        self.clock = SystemClock()
        self.begin = self.clock.monotonic_nano()
        self.history = History()

    def run(self) -> int:
        """Show the load until it ends; return the exit status."""
        self._print(welcome(self.addresses, self.options.rate, self.options.seed))
        if uncompiled_modules():
            self._print(
                "The native modules are not compiled, for want of a C compiler: expect a small part of the speed."
            )
        load = self._start_load()
        try:
            self._watch(load)
        finally:
            truth = self._end_load(load)
        if truth is None:
            self._print(f"the load failed:\n{self.log_path.read_text()[-LOG_TAIL:]}")
            return 1
        if truth.unsent:
            self._print(f"{truth.unsent} spans could not be sent:\n{self.log_path.read_text()[-LOG_TAIL:]}")
        return self._check(truth) if self.options.check else self._summarize(truth)

    def _start_load(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pipeline.demo.load"]
        command += ["--grpc", self.addresses.grpc, "--http", self.addresses.http, "--truth", str(self.truth_path)]
        command += ["--rate", str(self.options.rate), "--seed", str(self.options.seed)]
        command += ["--fault-after", str(self.options.fault_after)]
        if self.options.duration is not None:
            command += ["--duration", str(self.options.duration)]
        with self.log_path.open("wb") as log:
            # A session of its own: Ctrl-C reaches this process alone, which then ends the load in order. Its standard
            # input stays open for as long as this process lives.
            return subprocess.Popen(  # noqa: S603 - our own module
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )

    def _end_load(self, load: subprocess.Popen[bytes]) -> Truth | None:
        load.terminate()
        try:
            status = load.wait(LOAD_END_S)
        except subprocess.TimeoutExpired:
            load.kill()
            status = load.wait()
        if status == -signal.SIGTERM:  # it had not begun
            return Truth()
        return Truth.read(self.truth_path) if status == 0 else None

    def _watch(self, load: subprocess.Popen[bytes]) -> None:
        if not self.console.is_terminal:
            self._until_end(
                load, LINES_EVERY_S, lambda: self._print("\n".join(view.lines(self.history, self._headline())))
            )
            return
        with Live(console=self.console, auto_refresh=False, transient=False) as live:
            self._until_end(
                load,
                REFRESH_S,
                lambda: live.update(view.tables(self.history, self._headline(), self.console.height), refresh=True),
            )

    def _until_end(self, load: subprocess.Popen[bytes], show_every_s: float, show: Callable[[], None]) -> None:
        shown_s = 0.0
        while load.poll() is None and not self.stop.wait(REFRESH_S):
            self._scrape()
            if self._elapsed_s() - shown_s >= show_every_s - REFRESH_S / 2:
                shown_s = self._elapsed_s()
                show()

    def _scrape(self) -> scrape.Scrape:
        read = scrape.read(self.addresses.metrics)
        self.history.add(self._elapsed_s(), read)
        return read

    def _summarize(self, truth: Truth) -> int:
        shown = self._scrape()
        self._print(
            f"{truth.traces} traces with {truth.spans.total()} spans sent in {self._elapsed_s():.0f} s; "
            f"/metrics counts {shown.total_spans:.0f} spans and {sum(shown.edges.values()):.0f} calls between services"
        )
        if found := fault_check.praise(truth, shown):
            self._print(found)
        return 0

    def _check(self, truth: Truth) -> int:
        """Wait until ``/metrics`` shows exactly what was sent and what went wrong, for as long as that may take."""
        self._print("comparing /metrics with what the load sent …")
        options = self.options
        unchecked = fault_check.why_not_checked(options.duration, options.rate, options.fault_after)
        deadline = self._elapsed_s() + CHECK_TIMEOUT_S
        pause = threading.Event()
        while True:
            shown = self._scrape()
            found = compare(truth, shown) + ([] if unchecked else fault_check.problems(truth, shown))
            if not found or self._elapsed_s() >= deadline:
                break
            pause.wait(CHECK_POLL_S)
        if unchecked:
            self._print(f"whether the fault is found is NOT checked: {unchecked}")
        else:
            self._print(fault_check.praise(truth, shown))
        for incident in fault_check.false_alarms(truth, shown):
            self._print(f"false alarm: {incident}")
        if truth.unsent:
            found.append(f"{truth.unsent} spans were not sent")
        if found:
            self._print("\n".join(["check FAILED:", *found[:MAX_DIFFERENCES]]))
            if len(found) > MAX_DIFFERENCES:
                self._print(f"and {len(found) - MAX_DIFFERENCES} more")
            return 1
        self._print(
            f"check passed: {truth.spans.total()} spans in {len(truth.spans)} series and {truth.edges.total()} calls "
            f"on {len(truth.edges)} edges, each count on /metrics exactly as sent"
        )
        return 0

    def _headline(self) -> str:
        seconds = self._elapsed_s()
        return (
            f"{seconds:.0f} s   {self.history.latest.total_spans:.0f} spans counted   "
            f"http://{self.addresses.metrics}/metrics   Ctrl-C ends it"
        )

    def _elapsed_s(self) -> float:
        return (self.clock.monotonic_nano() - self.begin) / 1e9

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)


def compare(truth: Truth, shown: scrape.Scrape) -> list[str]:
    """Return every difference between what was sent and what ``/metrics`` shows."""
    return [
        *differences("spans counted of", truth.spans, shown.spans),
        *differences("durations observed of", truth.spans, shown.observed),
        *differences("calls", truth.edges, shown.edges),
        *differences("failed calls", truth.failed_edges, shown.failed_edges),
    ]


def _weir() -> str:
    """The command as it was called, so that what is printed can be pasted; it need not be on the path."""
    return sys.argv[0] if Path(sys.argv[0]).name == "weir" else "weir"


def welcome(addresses: Addresses, rate: float, seed: int) -> str:
    """Return what a newcomer wants to know first."""
    moved = ""
    if addresses.moved:
        moved = f"\n  ports in use, others taken instead: {', '.join(map(str, addresses.moved))}"
    return f"""Weir demo: six services send {rate:g} traces/s (seed {seed}) through the pipeline.{moved}

  metrics       http://{addresses.metrics}/metrics
  own metrics   http://{addresses.own_metrics}/metrics
  incidents     {_weir()} incidents list --endpoint http://{addresses.admin}
  your own app  OTEL_EXPORTER_OTLP_ENDPOINT=http://{addresses.grpc} OTEL_EXPORTER_OTLP_PROTOCOL=grpc
           or   OTEL_EXPORTER_OTLP_ENDPOINT=http://{addresses.http} OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
  Prometheus    scrape_configs:
                  - {{job_name: weir, honor_labels: true, static_configs: [{{targets: ["{addresses.metrics}"]}}]}}
"""
