"""Outputs: what users see of the anomalies: gauges per series and incident, durations, and events, in Weir's log and as
log records where a pipeline takes them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.api import Label, Settings, SpanIds
from pipeline.model.limits import Limits
from processors.anomaly import names, own_metrics
from processors.anomaly.detector import Bools, Floats, Matrix
from processors.anomaly.events import anomaly_event, incident_event
from processors.anomaly.explanation import sentence
from processors.anomaly.incidents import Change, Incident
from processors.anomaly.metric_watch import Judged, MetricWatch
from processors.anomaly.series_bank import DURATION, ERRORS, GAP, METRIC, RATE, Series, SeriesBank
from processors.anomaly.strangest import Example, Strangest
from processors.anomaly.tick_inputs import ERROR_SCALE

SERIES_LABELS = tuple(Label(name, ()) for name in (*names.ANOMALY_LABELS, "span_kind", "peer_service"))
INCIDENT_LABELS = tuple(Label(name, ()) for name in names.INCIDENT_LABELS)
SUSPECT_LABELS = tuple(Label(name, ()) for name in names.SUSPECT_LABELS)
ONSETS = names.ANOMALY_ONSETS.removesuffix("_total")
TIME_TO_DETECT = names.INCIDENT_TIME_TO_DETECT.removesuffix("_seconds")
TIME_TO_RESOLVE = names.INCIDENT_TIME_TO_RESOLVE.removesuffix("_seconds")
"""The exposition adds ``_total`` and the unit."""
SECONDS = (1.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0)
MAX_INCIDENTS = 256
MAX_SUSPECTS = 1024
ENDS = ("resolved", "unseen", "lasting")
MAX_EVENTS = 64
"""Anomalies of one tick that are told as events, strongest first. The gauges show all."""
UNSEEN = -1


class Outputs:
    """See the module.

    Args:
        max_series: Series that are exported; the first ones to come.
        active_from: Evidence from which one series is shown as active.
    """

    def __init__(self, settings: Settings, max_series: int, active_from: float) -> None:
        self._telemetry = settings.telemetry
        self._logs = settings.logs
        meter = settings.meter
        self._active_from = active_from
        self._max_series = max_series
        self.table = meter.table(SERIES_LABELS, limits=Limits(max_series=max(max_series, 1)))
        self.score = meter.gauge(
            names.ANOMALY_SCORE, description="Evidence against a series, as surprise added up", table=self.table
        )
        self.active = meter.gauge(names.ANOMALY_ACTIVE, description="1 while a series is anomalous", table=self.table)
        self.onsets = meter.counter(
            ONSETS, description="How often a series became anomalous", table=self.table, exemplars=True
        )
        self.lower = meter.gauge(
            names.ANOMALY_EXPECTED_LOWER, description="Lower end of what was expected", table=self.table
        )
        self.upper = meter.gauge(
            names.ANOMALY_EXPECTED_UPPER, description="Upper end of what was expected", table=self.table
        )
        self.observed = meter.gauge(names.ANOMALY_OBSERVED, description="What the last tick saw", table=self.table)
        incidents = meter.table(INCIDENT_LABELS, limits=Limits(max_series=MAX_INCIDENTS))
        self.incident = meter.gauge(names.INCIDENT_ACTIVE, description="1 while an incident is open", table=incidents)
        suspects = meter.table(SUSPECT_LABELS, limits=Limits(max_series=MAX_SUSPECTS))
        self.suspect = meter.gauge(
            names.INCIDENT_SUSPECT_SHARE,
            description="How much more often a value occurs in bad spans than before",
            table=suspects,
        )
        self.detect = meter.histogram(
            TIME_TO_DETECT,
            unit="s",
            description="From first evidence to the alarm",
            buckets=SECONDS,
            exemplars=True,
        )
        self.resolve = meter.histogram(
            TIME_TO_RESOLVE,
            unit="s",
            description="From the alarm to its end",
            buckets=SECONDS,
            # A table of its own: with a row shared with ``detect``, its series would begin with the first alarm, and
            # its own first value would not be preceded by the zero that rate() needs (docs/decisions/0006).
            limits=Limits(max_series=1),
            exemplars=True,
        )
        self._rows = np.zeros(0, np.int32)
        self._generation = (-1, -1)

    def show_series(self, bank: SeriesBank, matrix: Matrix, evidence: Floats, band: tuple[Floats, Floats]) -> None:
        """Set the gauges of the series that had a value in this tick."""
        rows = np.flatnonzero(matrix.present)
        exported = self._exported(bank, rows)
        rows, exported = rows[exported >= 0], exported[exported >= 0]
        if not len(rows):
            return
        signals = [bank.names(row).signal for row in rows.tolist()]
        self.score.set(exported, evidence[rows])
        self.active.set(exported, (evidence[rows] >= self._active_from).astype(np.float64))
        self.observed.set(exported, natural(signals, matrix.mean[rows]))
        for gauge, values in ((self.lower, band[0]), (self.upper, band[1])):
            known = np.isfinite(values[rows])
            chosen = [signal for signal, is_known in zip(signals, known.tolist(), strict=True) if is_known]
            gauge.set(exported[known], natural(chosen, values[rows][known]))

    def show_turns(
        self,
        bank: SeriesBank,
        matrix: Matrix,
        before: Floats,
        now: Floats,
        band: tuple[Floats, Floats],
        spans: Strangest,
    ) -> None:
        """Tell which series have become anomalous in this tick, and which are usual again.

        Args:
            before, now: float64[n], evidence before and after the tick.
            spans: Examples of the tick.
        """
        was, is_active = before >= self._active_from, now >= self._active_from
        began = _strongest(is_active & ~was & matrix.present, now)
        examples = {row: spans.of(row) for row in began[:MAX_EVENTS]}
        self._count_onsets(bank, began, examples)
        if self._logs.wanted:
            ended = _strongest(was & ~is_active, before)
            for what, turned in ((names.ANOMALY_OPENED, began), (names.ANOMALY_RESOLVED, ended)):
                for row in turned[:MAX_EVENTS]:
                    self._tell_anomaly(what, bank.names(row), row, matrix, now, band, examples.get(row, []))
            withheld = max(len(began) - MAX_EVENTS, 0) + max(len(ended) - MAX_EVENTS, 0)
            self._telemetry.count(own_metrics.EVENTS_WITHHELD, withheld)

    def _count_onsets(self, bank: SeriesBank, began: list[int], examples: dict[int, list[Example]]) -> None:
        targets = self._exported(bank, np.array(began, np.int64))
        shown = np.array([bool(examples.get(row)) for row in began], bool) & (targets >= 0)
        first = [examples[row][0] for row, is_shown in zip(began, shown.tolist(), strict=True) if is_shown]
        self.onsets.add(targets[shown], exemplars_from=SpanIds.of(first))
        self.onsets.add(targets[~shown & (targets >= 0)])

    def _tell_anomaly(
        self,
        what: str,
        series: Series,
        row: int,
        matrix: Matrix,
        scores: Floats,
        band: tuple[Floats, Floats],
        examples: list[Example],
    ) -> None:
        values = (matrix.mean[row] if matrix.present[row] else np.nan, band[0][row], band[1][row])
        keys = (names.EVENT_OBSERVED, names.EVENT_LOWER, names.EVENT_UPPER)
        units = natural([series.signal] * 3, np.array(values, np.float64)).tolist()
        shown = {key: value for key, value, raw in zip(keys, units, values, strict=True) if np.isfinite(raw)}
        text = sentence(series, float(values[0]), float(values[1] + values[2]) / 2)
        example = examples[0] if examples else None
        self._logs.emit(anomaly_event(what, series, text, float(scores[row]), shown, matrix.second, example))

    def show_metrics(
        self, watch: MetricWatch, judged: Judged, began: npt.NDArray[np.int64], ended: npt.NDArray[np.int64]
    ) -> None:
        """Set the gauges of watched metrics, and tell of those that have become anomalous, or usual again."""
        matrix, scores, (lower, upper) = judged.matrix, np.abs(judged.surprise), judged.band
        new = set(began.tolist())
        for row in np.flatnonzero(matrix.present).tolist():
            series = watch.bank.names(row)
            labels = (series.service or None, series.operation, METRIC, series.kind or None, None)
            target = np.array([self.table.ensure_row(labels)], np.int32)
            if target[0] < 0:
                continue
            self.score.set(target, scores[row])
            self.active.set(target, float(watch.active[row]))
            self.observed.set(target, matrix.mean[row])
            if row in new:
                self.onsets.add(target)
            if np.isfinite(lower[row]) and np.isfinite(upper[row]):
                self.lower.set(target, lower[row])
                self.upper.set(target, upper[row])
        for what, turned in ((names.ANOMALY_OPENED, began), (names.ANOMALY_RESOLVED, ended)):
            strongest = turned[np.lexsort((turned, -scores[turned]))].tolist()
            for row in strongest[:MAX_EVENTS]:
                self._tell_metric(what, watch.bank.names(row), row, judged, scores)
            self._telemetry.count(own_metrics.EVENTS_WITHHELD, max(len(turned) - MAX_EVENTS, 0))

    def _tell_metric(self, what: str, series: Series, row: int, judged: Judged, scores: Floats) -> None:
        if what == names.ANOMALY_OPENED:
            self._telemetry.logger.limited(
                f"strange {series.operation}",
                f"{series.operation} is not what it usually is.",
                service=series.service,
                labels=series.kind,
                observed=float(judged.matrix.mean[row]),
                surprise=float(judged.surprise[row]),
            )
        self._tell_anomaly(what, series, row, judged.matrix, scores, judged.band, [])

    def show_change(self, change: Change, *, is_first: bool) -> None:
        """Set the gauges of an incident, and tell what happened.

        Args:
            is_first: Nobody has heard of it before.
        """
        incident = change.incident
        is_open = change.what in ("opened", "updated")
        self.incident.set((incident.id, incident.root, incident.severity), float(is_open))
        if change.what == "updated" and incident.severity != "warning":
            self.incident.set((incident.id, incident.root, "warning"), 0.0)
        for attribute, value, share, before in incident.differs:
            self.suspect.set((incident.id, attribute, value), share - before if is_open else 0.0)
        ids = SpanIds.of(incident.exemplars[:1]) if incident.exemplars else None
        if is_first:
            self.detect.record((), np.array([incident.time_to_detect]), exemplars_from=ids)
        elif change.what in ENDS:
            self.resolve.record((), np.array([max(change.second - incident.opened, 0.0)]), exemplars_from=ids)
        self._log(change.what, incident)
        if self._logs.wanted:
            self._logs.emit(incident_event(change))

    def _log(self, what: str, incident: Incident) -> None:
        write = self._telemetry.logger.warning if what == "opened" else self._telemetry.logger.info
        write(
            f"Incident {what}: {incident.root} is the likeliest cause.",
            incident=incident.id,
            severity=incident.severity,
            ranking=", ".join(incident.ranking),
            evidence="; ".join(incident.evidence),
        )

    def _exported(self, bank: SeriesBank, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """int32: row in the table of gauges by row of the bank; -1 for series beyond the limit."""
        generation = (bank.generation, self.table.generation)
        if generation != self._generation:
            self._rows[:] = UNSEEN
            self._generation = generation
        if len(self._rows) < bank.capacity:
            self._rows = np.concatenate((self._rows, np.full(bank.capacity - len(self._rows), UNSEEN, np.int32)))
        if self.table.live < self._max_series:
            for row in rows[self._rows[rows] == UNSEEN].tolist():
                series = bank.names(row)
                labels = (series.service, series.operation, series.signal, series.kind, series.peer)
                self._rows[row] = self.table.ensure_row([label or None for label in labels])
        return self._rows[rows]


def _strongest(chosen: Bools, strength: Floats) -> list[int]:
    """Rows that are chosen, strongest first."""
    rows = np.flatnonzero(chosen)
    found: list[int] = rows[np.lexsort((rows, -strength[rows]))].tolist()
    return found


def natural(signals: list[str], values: Floats) -> Floats:
    """Values of the matrix in the units of users: seconds, calls per root, share of failed calls."""
    kinds = np.array(signals)
    tens = 10.0 ** np.clip(values, -12, 12)
    timed = (kinds == DURATION) | (kinds == GAP)
    logs = np.where(timed, tens / 1e3, tens)
    shares = np.clip(values / ERROR_SCALE, 0.0, 1.0)
    return np.where(timed | (kinds == RATE), logs, np.where(kinds == ERRORS, shares, values))
