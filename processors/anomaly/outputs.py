"""Outputs: what users see of the anomalies: gauges per series and incident, durations, and events in the log."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.api import Label, Settings
from pipeline.model.limits import Limits
from processors.anomaly import names
from processors.anomaly.detector import Floats, Matrix
from processors.anomaly.incidents import Change, Incident
from processors.anomaly.series_bank import DURATION, ERRORS, GAP, METRIC, RATE, SeriesBank
from processors.anomaly.tick_inputs import ERROR_SCALE

SERIES_LABELS = tuple(Label(name, ()) for name in (*names.ANOMALY_LABELS, "span_kind", "peer_service"))
INCIDENT_LABELS = tuple(Label(name, ()) for name in names.INCIDENT_LABELS)
SUSPECT_LABELS = tuple(Label(name, ()) for name in names.SUSPECT_LABELS)
TIME_TO_DETECT = names.INCIDENT_TIME_TO_DETECT.removesuffix("_seconds")
TIME_TO_RESOLVE = names.INCIDENT_TIME_TO_RESOLVE.removesuffix("_seconds")
"""The exposition adds the unit."""
SECONDS = (1.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0)
MAX_INCIDENTS = 256
MAX_SUSPECTS = 1024
UNSEEN = -1


class Outputs:
    """See the module.

    Args:
        max_series: Series that are exported; the first ones to come.
        active_from: Evidence from which one series is shown as active.
    """

    def __init__(self, settings: Settings, max_series: int, active_from: float) -> None:
        self._telemetry = settings.telemetry
        meter = settings.meter
        self._active_from = active_from
        self._max_series = max_series
        self.table = meter.table(SERIES_LABELS, limits=Limits(max_series=max(max_series, 1)))
        self.score = meter.gauge(
            names.ANOMALY_SCORE, description="Evidence against a series, as surprise added up", table=self.table
        )
        self.active = meter.gauge(names.ANOMALY_ACTIVE, description="1 while a series is anomalous", table=self.table)
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
            TIME_TO_DETECT, unit="s", description="From first evidence to the alarm", buckets=SECONDS
        )
        self.resolve = meter.histogram(
            TIME_TO_RESOLVE, unit="s", description="From the alarm to its end", buckets=SECONDS
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

    def show_metrics(
        self,
        bank: SeriesBank,
        matrix: Matrix,
        surprise: Floats,
        band: tuple[Floats, Floats],
        strange: npt.NDArray[np.int64],
    ) -> None:
        """Set the gauges of watched metrics, and log the strange ones."""
        active = np.isin(np.arange(len(matrix)), strange)
        for row in np.flatnonzero(matrix.present).tolist():
            series = bank.names(row)
            labels = (series.service or None, series.operation, METRIC, series.kind or None, None)
            target = np.array([self.table.ensure_row(labels)], np.int32)
            if target[0] < 0:
                continue
            self.score.set(target, abs(surprise[row]))
            self.active.set(target, float(active[row]))
            self.observed.set(target, matrix.mean[row])
            if np.isfinite(band[0][row]) and np.isfinite(band[1][row]):
                self.lower.set(target, band[0][row])
                self.upper.set(target, band[1][row])
        for row in strange.tolist():
            series = bank.names(row)
            self._telemetry.logger.limited(
                f"strange {series.operation}",
                f"{series.operation} is not what it usually is.",
                service=series.service,
                labels=series.kind,
                observed=float(matrix.mean[row]),
                surprise=float(surprise[row]),
            )

    def show_change(self, change: Change, first_evidence: float) -> None:
        """Set the gauges of an incident, and log what happened."""
        incident = change.incident
        is_open = change.what in ("opened", "updated")
        self.incident.set((incident.id, incident.root, incident.severity), float(is_open))
        if change.what == "updated" and incident.severity != "warning":
            self.incident.set((incident.id, incident.root, "warning"), 0.0)
        for attribute, value, share, before in incident.differs:
            self.suspect.set((incident.id, attribute, value), share - before if is_open else 0.0)
        if change.what == "opened":
            self.detect.record((), np.array([max(change.second - first_evidence, 0.0)]))
        elif not is_open:
            self.resolve.record((), np.array([max(change.second - incident.opened, 0.0)]))
        self._log(change.what, incident)

    def _log(self, what: str, incident: Incident) -> None:
        self._telemetry.count("weir_incidents", 1, change=what)
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


def natural(signals: list[str], values: Floats) -> Floats:
    """Values of the matrix in the units of users: seconds, calls per root, share of failed calls."""
    kinds = np.array(signals)
    tens = 10.0 ** np.clip(values, -12, 12)
    timed = (kinds == DURATION) | (kinds == GAP)
    logs = np.where(timed, tens / 1e3, tens)
    shares = np.clip(values / ERROR_SCALE, 0.0, 1.0)
    return np.where(timed | (kinds == RATE), logs, np.where(kinds == ERRORS, shares, values))
