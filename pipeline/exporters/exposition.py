"""The metrics page, apart from sockets: a request in, an answer out.

request ─ negotiate ─┬─ same page being asked for ─▶ wait for it
                     └─ collect (short, under the engine's lock) ─ families ─ text or protobuf ─ gzip ─▶ answer
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pipeline.codec.page_buffers import PIECE_BYTES, PageBuffers
from pipeline.codec.prometheus_families import assemble
from pipeline.codec.prometheus_labels import Format, LabelOptions, LabelWriter
from pipeline.codec.prometheus_names import Escaping, Namer
from pipeline.codec.prometheus_page import NEVER, Piece, write_page
from pipeline.codec.prometheus_protobuf import write_families
from pipeline.exporters.leading_zero import LeadingZero, Mode
from pipeline.exporters.negotiation import Choice, accepts_gzip, choose
from pipeline.exporters.shared_render import SharedRender
from pipeline.http_message import Request, Response
from pipeline.model.snapshot import MetricSnapshot

if TYPE_CHECKING:
    from pipeline.api import Clock, Collect
    from pipeline.telemetry import ComponentTelemetry

PATH = "/metrics"
METHODS = ("GET", "HEAD")

# Level 1 of either: a page is mostly repetition, and a higher level costs more time than the network it saves.
GZIP_LEVEL = 1
GZIP_WINDOW = 31

REASONS = {
    "delta": "metrics of delta temporality that cannot be added up are left out",
    "late": "points that are older than what is known of their series are left out",
    "series_limit": "there are too many series of applications; points of further ones are left out",
    "damaged": "points whose attributes or scope are not what protobuf allows are left out",
    "label_limit": "points with too many or too long attribute keys are left out",
    "name_limit": "metrics with a name that long are left out",
    "native_histogram": "exponential histograms are shown to scrapers that ask for protobuf only",
    "invalid_name": "metrics whose name has no Prometheus form are left out",
    "type_conflict": "a metric of the same name and another type exists; the later one is left out",
    "name_conflict": "a metric with samples of the same name exists; the later one is left out",
    "duplicate": "two metrics have a series of the same name and labels; the later one is left out",
    "merged": "series of resources that differ in no label are added up",
    "scale": "exponential histograms with a scale below -4 have no native form",
}


@dataclass(frozen=True)
class ExpositionOptions:
    """What the user decides about the page."""

    namer: Namer = field(default_factory=Namer)
    labels: LabelOptions = field(default_factory=LabelOptions)
    openmetrics: bool = False
    with_timestamps: bool = False
    leading_zero: Mode = "auto"


class Compressor(Protocol):
    """``zlib.compressobj`` and its faster twin."""

    def compress(self, data: Piece, /) -> bytes:
        """Some of the output."""

    def flush(self) -> bytes:
        """The rest."""


class Exposition:
    """Answers scrapes. ``respond`` may be called from any number of threads.

    Args:
        options: See there.
        collect: Gives all metrics as of now; called in the thread of a scraper.
        clock: For the age of series.
        telemetry: Where to count and log what is left out.
    """

    def __init__(
        self, options: ExpositionOptions, collect: Collect, clock: Clock, telemetry: ComponentTelemetry
    ) -> None:
        self._options = options
        self._collect = collect
        self._clock = clock
        self._telemetry = telemetry
        self._pages: SharedRender[tuple[Piece, ...]] = SharedRender()
        self._buffers = PageBuffers()
        self._leading_zero = LeadingZero(options.leading_zero, clock.unix_nano())
        self._writers: dict[tuple[bool, Escaping], LabelWriter] = {}

    def admit(self, request: Request) -> Response | None:
        """Refuse what is no scrape; None for the rest. Cheap: no page is made."""
        if request.path != PATH:
            return Response(404, b"not found; metrics are at /metrics\n")
        if request.method not in METHODS:
            return Response(405, b"method not allowed\n", headers={"allow": ", ".join(METHODS)})
        return None

    def respond(self, request: Request) -> Response:
        """The answer to one request."""
        refusal = self.admit(request)
        if refusal is not None:
            return refusal
        choice = choose(request.headers.get("accept", ""), openmetrics=self._options.openmetrics)
        gzip = accepts_gzip(request.headers.get("accept-encoding", ""))
        scraper = self._leading_zero.scraper(request)
        key = (choice.form, choice.escaping, gzip, scraper)
        page = self._pages.get(key, lambda: self._render(choice, gzip, scraper))
        self._telemetry.count("scrapes", format=choice.form.value)
        headers = {"content-encoding": "gzip"} if gzip else {}
        if len(page) == 1:
            return Response(200, bytes(page[0]), choice.content_type, headers)
        return Response(200, b"", choice.content_type, headers, page)

    def _render(self, choice: Choice, gzip: bool, scraper: str) -> tuple[Piece, ...]:
        """Called for one page at a time."""
        zero_after = self._leading_zero.zero_after(scraper, self._clock.unix_nano()) if scraper else NEVER
        batches = self._collect()
        pieces = self._pieces(batches, choice, zero_after)
        page = tuple(_gathered(_compressed(pieces) if gzip else pieces))
        self._buffers.keep(len(page) + 1)  # one is being filled
        if scraper:
            self._leading_zero.remember(scraper, zero_after, _newest(batches))
        self._telemetry.count("rendered_pages", format=choice.form.value)
        return page

    def _pieces(self, batches: Sequence[MetricSnapshot], choice: Choice, zero_after: int) -> Iterator[Piece]:
        options = self._options
        escaping = self._escaping(choice.escaping)
        writer = self._writer(choice.form, escaping)
        families = assemble(batches, options.namer, writer, choice.form, escaping, self._report)
        if choice.form is Format.PROTOBUF:
            return write_families(families, self._report, zero_after, options.with_timestamps)
        return write_page(families, choice.form, zero_after, options.with_timestamps, self._buffers)

    def _escaping(self, wanted: Escaping) -> Escaping:
        """Names that the strategy has escaped already need no more, except that "dots" doubles their underscores."""
        if wanted is Escaping.DOTS or self._options.namer.strategy.keeps_utf8:
            return wanted
        return Escaping.ALLOW_UTF8

    def _writer(self, form: Format, escaping: Escaping) -> LabelWriter:
        """The two text formats write labels alike and share what is prepared."""
        key = (form is Format.PROTOBUF, escaping)
        writer = self._writers.get(key)
        if writer is None:
            writer = self._writers[key] = LabelWriter(self._options.namer, self._options.labels, form, escaping)
        return writer

    def _report(self, reason: str, metric: str, series: int) -> None:
        if not series:
            return
        self._telemetry.count("merged_series" if reason == "merged" else "dropped_series", series, reason=reason)
        self._telemetry.logger.limited(reason, REASONS[reason], metric=metric, series=series)


def _newest(batches: Iterable[MetricSnapshot]) -> int:
    """When the newest of all series began."""
    starts = (metric.series.start_unix_nano for batch in batches for metric in batch.metrics if len(metric.series))
    return max((int(start.max()) for start in starts), default=0)


def _gathered(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The same text, its short pieces put together."""
    short: list[Piece] = []
    size = 0
    for piece in pieces:
        is_short = 2 * len(piece) < PIECE_BYTES
        if short and (not is_short or size >= PIECE_BYTES):
            yield b"".join(short)
            short, size = [], 0
        if is_short:
            short.append(piece)
            size += len(piece)
        else:
            yield piece
    if short:
        yield b"".join(short)


def _compressed(pieces: Iterable[Piece]) -> Iterator[Piece]:
    compressor = _compressor()
    yield from map(compressor.compress, pieces)
    yield compressor.flush()


def _compressor() -> Compressor:
    """isal takes a third of zlib's time where it is installed (extra ``speed``)."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.compressobj(level=GZIP_LEVEL, wbits=GZIP_WINDOW)
    compressor: Compressor = isal_zlib.compressobj(level=GZIP_LEVEL, wbits=GZIP_WINDOW)
    return compressor
