"""Families → a page in the text format 0.0.4 or OpenMetrics 1.0, piece by piece.

Python runs per family and per 256 KiB; what is per series is in the kernel (``codec/prometheus_text.py``), which
writes into buffers that are handed on as they are (``codec/page_buffers.py``). Short pieces are copied, so that a page
does not hold much more memory than it has text.

Sources: prometheus/docs "Exposition formats"; OpenMetrics 1.0 specification; client_golang's ``expfmt`` where these
    leave room.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from pipeline.codec.page_buffers import PageBuffers
from pipeline.codec.prometheus_families import Family, Part, base_name
from pipeline.codec.prometheus_labels import Format, escaped, quoted, utf8
from pipeline.codec.prometheus_names import MetricType, is_legacy_metric
from pipeline.codec.prometheus_text import Frame, Samples
from pipeline.model.snapshot import Exemplars, HistogramValues, NumberValues, SummaryValues

NEVER = np.iinfo(np.int64).max
"""``zero_after`` where every series shows its true value."""

ROWS_AT_ONCE = 4096  # bounds the cumulated copy of bucket counts

Piece = bytes | memoryview


def write_page(
    families: Sequence[Family],
    form: Format,
    zero_after: int = NEVER,
    with_timestamps: bool = False,
    buffers: PageBuffers | None = None,
) -> Iterator[Piece]:
    """The page, in pieces of at most ``PIECE_BYTES``, or of one series where that is longer.

    Args:
        families: From ``prometheus_families.assemble`` for the same ``form``.
        form: ``Format.TEXT`` or ``Format.OPENMETRICS``.
        zero_after: Counters and histograms that began after this time, in nanoseconds since 1970, are shown at zero.
        with_timestamps: Give each sample the time of its batch.
        buffers: Whose buffers the long pieces are; new ones where it is missing.
    """
    names = {family.name for family in families}
    page = _Page(form, zero_after, with_timestamps, names, buffers or PageBuffers())
    for family in families:
        yield page.head(family)
        for part in family.parts:
            yield from page.lines(family, part)
    if form is Format.OPENMETRICS:
        yield b"# EOF\n"


class _Page:
    """The decisions that hold for a whole page, and the buffer that is being filled."""

    def __init__(
        self, form: Format, zero_after: int, with_timestamps: bool, names: set[str], buffers: PageBuffers
    ) -> None:
        self._openmetrics = form is Format.OPENMETRICS
        self._zero_after = zero_after
        self._with_timestamps = with_timestamps
        self._names = names
        self._buffers = buffers
        self._current: npt.NDArray[np.uint8] | None = None

    def _buffer(self, room: int) -> npt.NDArray[np.uint8]:
        """Where to write next, with at least this room."""
        if self._current is None or len(self._current) < room:
            self._current = self._buffers.lend(room)
        return self._current

    def _piece(self, buffer: npt.NDArray[np.uint8], used: int) -> Piece:
        """What has been written: the buffer itself where it is at least half full, and then the next is another."""
        if 2 * used < len(buffer):
            return buffer[:used].tobytes()
        self._current = None
        return buffer.data[:used]

    def head(self, family: Family) -> bytes:
        """HELP, TYPE and UNIT."""
        name, kind = self._metadata(family)
        shown = _shown(name)
        lines = [b"# TYPE %s %s\n" % (shown, kind.encode())]
        if family.help_text:
            lines.insert(0, b"# HELP %s %s\n" % (shown, self._help(family.help_text)))
        if self._openmetrics and family.unit and name.endswith(f"_{family.unit}"):
            lines.append(b"# UNIT %s %s\n" % (shown, utf8(family.unit)))
        return b"".join(lines)

    def _help(self, text: str) -> bytes:
        """The text formats differ: only OpenMetrics escapes quotes here."""
        return escaped(text) if self._openmetrics else utf8(text.replace("\\", "\\\\").replace("\n", "\\n"))

    def lines(self, family: Family, part: Part) -> Iterator[Piece]:
        """The samples of one metric."""
        frame = self._frame(family, part)
        room = frame.room(part.series)
        zero_after = NEVER if family.kind is MetricType.GAUGE else self._zero_after
        samples = self._samples(family, part)
        values = part.values
        row, count = 0, len(part.view)
        if isinstance(values, NumberValues):
            numbers = values.values.view(np.uint64)
            while row < count:
                buffer = self._buffer(room)
                row, used = frame.numbers(part.series, buffer, row, count, numbers, zero_after, samples)
                yield self._piece(buffer, used)
        elif isinstance(values, HistogramValues):
            # Where it is unknown: a count without a sum would be no valid page, and the Collector shows 0 too.
            sums = np.where(np.isnan(values.sums), 0.0, values.sums).view(np.uint64)
            while row < count:
                last = min(row + ROWS_AT_ONCE, count)
                counts = np.cumsum(values.counts[row:last], axis=1).view(np.uint64)
                begin = row
                while row < last:
                    buffer = self._buffer(room)
                    row, used = frame.histograms(
                        part.series, buffer, row, last, counts[row - begin :], sums[row:], zero_after, samples
                    )
                    yield self._piece(buffer, used)
        elif isinstance(values, SummaryValues):
            yield self._summaries(family, part, values)

    def _summaries(self, family: Family, part: Part, values: SummaryValues) -> bytes:
        """All lines of one summary before those of the next; they are few, and Python writes each."""
        tail = self._timestamp(part.time_unix_nano) if self._with_timestamps else b""
        created = _opening(f"{self._metadata(family)[0]}_created") if self._openmetrics else b""
        heads = [_opening(family.name) + b'quantile="%s",' % self._bound(quantile) for quantile in values.quantiles]
        frames = [Frame(head, tail=tail) for head in heads]
        frames.append(Frame(_opening(f"{family.name}_sum"), tail=tail))
        frames.append(Frame(_opening(f"{family.name}_count"), created=created, tail=tail))
        numbers = np.hstack((values.values, values.sums[:, None], values.counts[:, None])).view(np.uint64).T
        columns = [np.ascontiguousarray(column) for column in numbers]
        buffer = self._buffer(max(frame.room(part.series) for frame in frames))
        lines = []
        for row in range(len(part.view)):
            for frame, column in zip(frames, columns, strict=True):
                _, used = frame.numbers(part.series, buffer, row, row + 1, column, NEVER, None)
                lines.append(buffer[:used].tobytes())
        return b"".join(lines)

    def _metadata(self, family: Family) -> tuple[str, str]:
        """Name and type as the header shows them; in OpenMetrics a counter without ``_total`` of its own is
        ``unknown``.
        """
        if not self._openmetrics or family.kind is not MetricType.COUNTER:
            return family.name, family.kind
        base = base_name(family.name)
        return (family.name, "unknown") if base == family.name or base in self._names else (base, family.kind)

    def _frame(self, family: Family, part: Part) -> Frame:
        base, kind = self._metadata(family)
        created = self._openmetrics and kind in (MetricType.COUNTER, MetricType.HISTOGRAM)
        head_of_created = _opening(f"{base}_created") if created else b""
        tail = self._timestamp(part.time_unix_nano) if self._with_timestamps else b""
        if not isinstance(part.values, HistogramValues):
            return Frame(_opening(family.name), created=head_of_created, tail=tail)
        bounds = [b'le="%s"} ' % self._bound(bound) for bound in (*part.values.bounds, math.inf)]
        bucket, total, count = (_opening(f"{family.name}_{suffix}") for suffix in ("bucket", "sum", "count"))
        return Frame(bucket, total, count, head_of_created, bounds, tail)

    def _bound(self, bound: float) -> bytes:
        text = go_float(bound)
        return (text if not self._openmetrics or not text.isdecimal() else f"{text}.0").encode()

    def _timestamp(self, unix_nano: int) -> bytes:
        milli = max(unix_nano, 0) // 1_000_000
        return b" %d.%03d" % divmod(milli, 1000) if self._openmetrics else b" %d" % milli

    def _samples(self, family: Family, part: Part) -> Samples | None:
        """Exemplars, which OpenMetrics has on counters and buckets."""
        exemplars = part.values.exemplars
        if not self._openmetrics or self._metadata(family)[1] not in (MetricType.COUNTER, MetricType.HISTOGRAM):
            return None
        return None if exemplars is None or not len(exemplars) else _in_order(exemplars)


def _in_order(exemplars: Exemplars) -> Samples:
    order = np.lexsort((exemplars.bucket, exemplars.point))
    return Samples(
        exemplars.point[order],
        exemplars.bucket[order],
        exemplars.value[order].view(np.uint64),
        exemplars.time_unix_nano[order],
        np.hstack([exemplars.trace_id[order], exemplars.span_id[order]]),
    )


def _opening(name: str) -> bytes:
    """What a line begins with, up to the first label: ``name{``, or ``{"name",`` for a name outside the legacy
    alphabet.
    """
    return name.encode() + b"{" if is_legacy_metric(name) else b"{" + quoted(name) + b","


def _shown(name: str) -> bytes:
    return name.encode() if is_legacy_metric(name) else quoted(name)


def go_float(value: float) -> str:
    """A float as Go's ``strconv.FormatFloat(value, 'g', -1, 64)`` writes it, which is what ``le`` values look like
    elsewhere.

    >>> [go_float(v) for v in (0.005, 10.0, 123456.0, 1e6, 2.5e-5, 1234567.5, math.inf)]
    ['0.005', '10', '123456', '1e+06', '2.5e-05', '1.2345675e+06', '+Inf']
    """
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return repr(value).removesuffix(".0")
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    mantissa = f"{digits[0]}.{''.join(map(str, digits[1:]))}".removesuffix(".")
    return f"{'-' if sign else ''}{mantissa}e{int(exponent) + len(digits) - 1:+03d}"
