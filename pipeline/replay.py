"""``weir replay``: send recorded requests to an OTLP destination again, with a progress bar."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from pipeline.api import Exporter, Settings
from pipeline.errors import MalformedPayload, RetryableError
from pipeline.exporters.otlp import OtlpExporter
from pipeline.exporters.otlphttp import OtlpHttpExporter
from pipeline.exporters.push import PushExporter
from pipeline.model.meter import Meter
from pipeline.otlp_records import content_of, format_of, read_records
from pipeline.receivers.file import Pace
from pipeline.telemetry import ComponentTelemetry, OwnMetrics
from pipeline.telemetry.edges import ITEM_NAMES

if TYPE_CHECKING:
    from pipeline.api import Clock

MAX_PAUSE_S = 10.0
DRAIN_S = 60.0
UNREACHABLE = ("grpc_unavailable", "grpc_deadline_exceeded", "refused", "dns", "tls", "timeout", "connection")


def replay(
    files: Sequence[Path], endpoint: str, clock: Clock, *, recorded: bool, signal: str, console: Console | None = None
) -> int:
    """Send all records of the files, in order.

    Args:
        files: From the ``file`` exporter.
        endpoint: ``host:port`` for gRPC, ``http://host:port`` for HTTP.
        clock: Time.
        recorded: With the pauses of the recording, else as fast as they are taken.
        signal: What files of format ``proto`` hold.
        console: Where the progress is shown; None: stderr.
    Returns:
        Exit status: 0 if every item was accepted.
    Raises:
        OSError: A file cannot be read.
    """
    own = OwnMetrics()
    telemetry = ComponentTelemetry("exporter", "replay", clock, own)
    exporter = _exporter(endpoint, Settings("replay", clock, Meter("replay", clock), telemetry))
    console = console or Console(stderr=True)
    exporter.start(lambda: ())
    skipped = 0
    pause = threading.Event()
    try:
        with _progress(console) as progress:
            for path in files:
                task = progress.add_task(path.name, total=path.stat().st_size)
                pace = Pace(MAX_PAUSE_S)
                try:
                    for record in read_records(path, format_of(path), signal):
                        try:
                            if record.error:
                                raise MalformedPayload(record.error)
                            content = content_of(record.payload, record.signal)
                        except MalformedPayload:
                            skipped += 1
                            continue
                        if recorded:
                            pause.wait(pace.pause_s(content.unix_nano))
                        if _is_gone(own):
                            console.print(f"{endpoint} does not answer", style="red", highlight=False)
                            return 1
                        _put(exporter, record.signal, record.payload, content.items, pause)
                        progress.update(task, completed=record.end)
                except MalformedPayload as error:
                    console.print(f"{path}: {error}", style="red", highlight=False)
                    skipped += 1
        exporter.drain(DRAIN_S)
    finally:
        exporter.shutdown()
    return _report(own, skipped, console)


def _is_gone(own: OwnMetrics) -> bool:
    """Whether something was given up because nobody took it in time; there is no sense in sending the rest then."""
    return any(
        own.value(f"otelcol_exporter_send_failed_{items}", reason=reason)
        for items in ITEM_NAMES.values()
        for reason in UNREACHABLE
    )


def _put(exporter: PushExporter, signal: str, payload: bytes, items: int, pause: threading.Event) -> None:
    while True:
        try:
            exporter.put(signal, payload, items)
        except RetryableError as error:
            pause.wait(min(error.retry_after_s, 0.05))
        else:
            return


def _exporter(endpoint: str, settings: Settings) -> PushExporter:
    common = {
        "endpoint": endpoint,
        "sending_queue": {"num_consumers": 4, "queue_size": 64},
        "retry_on_failure": {"initial_interval": "500ms", "max_interval": "5s", "max_elapsed_time": "15s"},
    }
    cls: type[Exporter] = OtlpHttpExporter
    config: dict[str, Any] = common
    if not endpoint.startswith(("http://", "https://")):
        cls, config = OtlpExporter, {**common, "tls": {"insecure": True}}
    exporter = cls(cls.Config.model_validate(config), settings)
    assert isinstance(exporter, PushExporter)  # noqa: S101 - both are
    return exporter


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _report(own: OwnMetrics, skipped: int, console: Console) -> int:
    failed = 0.0
    for items in ITEM_NAMES.values():
        sent = own.value(f"otelcol_exporter_sent_{items}")
        lost = own.value(f"otelcol_exporter_send_failed_{items}")
        failed += lost
        if sent or lost:
            console.print(f"{sent:,.0f} {items.replace('_', ' ')} accepted, {lost:,.0f} not", highlight=False)
    if skipped:
        console.print(f"{skipped:,} records could not be read", highlight=False)
    return int(bool(failed or skipped))
