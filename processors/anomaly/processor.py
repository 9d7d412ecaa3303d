"""Anomaly: spans → ticks (``span_store``) → series (``tick_inputs``) → surprise (detectors) → ``evidence`` →
``incidents`` → ``outputs``.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from pipeline.api import MetricBatch, Processor, Settings, SpanBatch
from pipeline.model.last_values import READS
from processors.anomaly import checkpoint, own_metrics
from processors.anomaly.book import Book
from processors.anomaly.config import Config as AnomalyConfig
from processors.anomaly.deployments import NAME_COLUMN, VERSION_COLUMN, Deployments
from processors.anomaly.detector import Floats, Matrix, make, scored
from processors.anomaly.differences import Differences
from processors.anomaly.evidence import Evidence
from processors.anomaly.explanation import differing, findings_of, sentences_of, strongest_rows
from processors.anomaly.failures import FailureOdds
from processors.anomaly.findings import merged
from processors.anomaly.incidents import Change, Incident, Incidents
from processors.anomaly.joined import Joined
from processors.anomaly.local_time import LocalTime
from processors.anomaly.metric_watch import MetricWatch
from processors.anomaly.outputs import Outputs
from processors.anomaly.series_bank import ERRORS, SeriesBank
from processors.anomaly.span_store import FATES, SpanStore
from processors.anomaly.span_words import COLUMNS as SPAN_COLUMNS
from processors.anomaly.strangest import Strangest
from processors.anomaly.symptoms import Symptoms, about
from processors.anomaly.tick_inputs import OPERATION_COLUMNS, TickInputs

FROZEN_FROM = 1.0
"""Evidence from which a series is learnt slowly: it may be ill."""
ACTIVE_SHARE = 0.5
"""A series with this share of the threshold as evidence is shown as active."""
ONSET_SHARE = 0.2
"""First evidence against a service counts from this share of the threshold."""
MAX_GAP_TICKS = 60
"""So many ticks without anything are gone through one by one; a longer gap is jumped over."""
SERIES_IDLE_S = 6 * 3600.0
CHANGES = ("opened", "updated", "resolved", "unseen", "lasting", "muted")


class Anomaly(Processor):
    """The anomaly connector: spans in, incidents with a likely cause out."""

    Config = AnomalyConfig
    emits_metrics = True
    emits_logs = True
    scope_name = "weir.anomaly"
    keyed_by = ("trace_id",)
    state_version = "1"

    def __init__(self, config: AnomalyConfig, settings: Settings) -> None:
        of_metrics = READS if config.metrics else ()
        self.reads = tuple(
            dict.fromkeys(
                (
                    *SPAN_COLUMNS,
                    "duration_nano",
                    NAME_COLUMN,
                    VERSION_COLUMN,
                    *OPERATION_COLUMNS,
                    *config.differs_by,
                    *of_metrics,
                )
            )
        )
        self.tick_interval_s = min(1.0, config.window)
        self._window = round(config.window * 1e9)
        self._lateness = round(config.lateness * 1e9)
        self._idle_ticks = round(SERIES_IDLE_S / config.window)
        self._threshold = config.threshold
        self._clock = settings.clock
        self._local = LocalTime(config.timezone)
        self._telemetry = settings.telemetry
        self.bank = SeriesBank(config.max_series)
        self.inputs = TickInputs(self.bank, settings.clock, config.max_operations)
        self._store = SpanStore(
            self._window,
            config.max_spans,
            config.join_ticks,
            secrets.randbits(62),
            keep_late=config.late_spans == "current",
        )
        self._detector = make(config.detector, config.detector_parameters)
        self.watch = MetricWatch(config.metrics, make("seasonal", {}), config.max_series, self._local)
        self._metric_threshold = config.metric_threshold
        self.differences = Differences(config.differs_by, self._window)
        self.deployments = Deployments()
        self.evidence = Evidence()
        self.failures = FailureOdds()
        self.symptoms = Symptoms()
        self.incidents = Incidents(config.threshold, config.close_ticks, config.unseen_ticks, config.lasting_ticks)
        self.book = Book(self.incidents.open)
        self.changes: list[Change] = []
        self._since: dict[str, float] = {}
        self._outputs = Outputs(settings, config.max_exported_series, ACTIVE_SHARE * config.threshold)
        self._reported: dict[str, int] = {}

    def start(self) -> None:
        """Show the own metrics at 0, and tell of incidents that are still open."""
        for fate in FATES:
            self._telemetry.count(own_metrics.SPANS, 0, outcome=fate)
        for what in CHANGES:
            self._telemetry.count(own_metrics.INCIDENTS, 0, change=what)
        for name in (
            own_metrics.REFUSED_SERIES,
            own_metrics.REFUSED_INCIDENTS,
            own_metrics.COLD_STARTS,
            own_metrics.QUIET_CHANGES,
            own_metrics.EVENTS_WITHHELD,
        ):
            self._telemetry.count(name, 0)
        for what in self._detector.totals():
            self._telemetry.count(own_metrics.DETECTOR_EVENTS, 0, event=what)
        self._telemetry.gauge(own_metrics.SERIES, lambda: self.bank.live + self.watch.bank.live)
        self._telemetry.gauge(own_metrics.MUTES, lambda: len(self.book.mutes))
        for incident in self.incidents.open.values():  # after a restart, for those who remember open ones
            if incident.told and not incident.mute:
                self._tell(Change("updated", incident, incident.updated))

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        """Take spans into their ticks."""
        now = self._clock.unix_nano()
        self._close_ticks(now)
        if self._store.open_tick < 0:
            self._store.skip_to(max(0, (now - self._lateness) // self._window))
        kept = self._store.thinned(spans)
        if kept is not None:
            operations = self.inputs.operations_of(kept)
            ends = self._store.add(kept, operations, now // self._window)
            self.differences.add(kept, operations, self.inputs, ends)
        for service in self.deployments.look(spans, now):
            self._relax(service)
        return spans

    def process_metrics(self, metrics: MetricBatch) -> MetricBatch:
        """Look at the watched metrics and pass all on."""
        judged = self.watch.judge_points(metrics, self._clock.unix_nano()) if self.watch.names else None
        if judged is not None:
            turned = self.watch.turns(judged, self._metric_threshold)
            self._outputs.show_metrics(self.watch, judged, *turned)
        return metrics

    def tick(self, now_unix_nano: int) -> None:
        """Close the ticks whose time is over."""
        self._close_ticks(now_unix_nano)
        self._report()

    def snapshot(self) -> bytes:
        """All that was learnt, and the spans of open ticks."""
        return checkpoint.save(self._parts(), self._since, self._now())

    def restore(self, state: bytes) -> None:
        """Take up a snapshot; from one that is damaged or of another version nothing is taken, and that is counted."""
        try:
            self._since = checkpoint.load(state, self._parts())
            self.differences.suspect(self._since)
        except ValueError as error:
            self._telemetry.count(own_metrics.COLD_STARTS, 1)
            self._telemetry.logger.limited("cold_start", "Detectors start without memory.", error=str(error))

    def shutdown(self) -> None:
        """Report what the last tick left."""
        self._report()

    def take_changes(self) -> Sequence[Change]:
        """What happened to incidents since the last call; for tests and benchmarks."""
        changes, self.changes = self.changes, []
        return changes

    def _parts(self) -> checkpoint.Parts:
        return checkpoint.Parts(
            self._store,
            self.inputs,
            self._detector,
            self.evidence,
            self.failures,
            self.symptoms,
            self.incidents,
            self.differences,
            self.book,
            self.deployments,
            self.watch,
        )

    # -- what people ask for (``pipeline.api.IncidentKeeper``) ---------------------------------------

    def list_incidents(self) -> list[dict[str, Any]]:
        """Open incidents, then the last closed ones."""
        return self.book.incidents()

    def list_mutes(self) -> list[dict[str, Any]]:
        """Mutes that hold."""
        return self.book.mutes.to_json(self._now())

    def mute_incident(self, incident_id: str, duration_s: float | None, reason: str) -> None:
        """Keep the pattern of an incident quiet. Raises LookupError, or ValueError where there are too many mutes."""
        change = self.book.mute(incident_id, self._now(), duration_s, reason)
        if change is not None:
            self._publish(change)

    def unmute_incident(self, incident_id: str) -> None:
        """Take a mute back. Raises LookupError where there is none."""
        if not self.book.mutes.remove(incident_id):
            raise LookupError(incident_id)

    def _now(self) -> float:
        return self._clock.unix_nano() / 1e9

    # -- ticks -------------------------------------------------------------------------------------

    def _close_ticks(self, now: int) -> None:
        store = self._store
        if store.open_tick < 0:
            return
        still_open = (now - self._lateness) // self._window
        if still_open < store.open_tick - MAX_GAP_TICKS:
            store.skip_to(still_open)  # the wall clock was set back: wait for it no longer
        if still_open > store.open_tick + MAX_GAP_TICKS and not len(store):
            self.no_data(still_open * self._window / 1e9)
            store.skip_to(still_open)
        while store.open_tick < still_open:
            self._close_tick()

    def _close_tick(self) -> None:
        tick = self._store.open_tick
        second = (tick + 1) * self._window / 1e9
        joined = self._store.close(self.inputs.services())
        if joined is None:
            self.no_data(second)
            return
        self.differences.tick()
        matrix = self.inputs.measure(joined, tick, second)
        matrix = replace(matrix, utc_offset_s=self._local.utc_offset_s(second))
        self.judge(matrix, second, joined)
        if tick % 360 == 0:
            gone = self.inputs.expire(tick - self._idle_ticks)
            if len(gone):
                self._detector.clear(gone)
                self.evidence.clear(gone)
                self.failures.clear(gone)
                self.symptoms.clear(gone)

    def judge(self, matrix: Matrix, second: float, joined: Joined) -> None:
        """Score a tick, see whether it makes incidents, and learn it. ``joined``: the spans it is made of."""
        if len(self.evidence.total) != len(matrix):
            self._detector.resize(len(matrix))
            self.evidence.resize(len(matrix))
            self.failures.resize(len(matrix))
            self.symptoms.resize(len(matrix))
        ill = self.evidence.total > FROZEN_FROM  # before this tick: a burst of one tick belongs to a series' nature
        surprise, band = scored(self._detector, matrix)
        before = self.evidence.total.copy()
        self.evidence.add(surprise, matrix, self.bank)
        self.evidence.at_least(*self.failures.score(matrix, self.bank))
        spans = Strangest(self.inputs, joined, (band[0] + band[1]) / 2)
        self._outputs.show_series(self.bank, matrix, self.evidence.total, band)
        self._outputs.show_turns(self.bank, matrix, before, self.evidence.total, band, spans)
        self.symptoms.measure(matrix, band)
        self._correlate(matrix, band, second, spans)
        incidents = list(self.incidents.open.values())
        self.symptoms.note(incidents, self.evidence, matrix, band, self.bank)
        learnt = self.symptoms.without(matrix, incidents, band, self.bank)
        self._detector.learn(learnt, ill)
        self.failures.learn(learnt)

    def _correlate(self, matrix: Matrix, band: tuple[Floats, Floats], second: float, spans: Strangest) -> None:
        scores = self.evidence.of_services(self.bank)
        silent = [self.bank.service_numbers[name] for name in self.inputs.silent()]
        scores[silent] = np.maximum(scores[silent], self._threshold)
        self._note_onsets(scores, second)
        goes_on = partial(self.symptoms.remain, band=band, bank=self.bank)
        for change in self.incidents.update(self.bank.services, scores, self.inputs.edges, second, goes_on):
            if change.what == "opened":
                change.incident.began = min(self._since.get(name, second) for name in change.incident.services)
            if change.what in ("opened", "updated"):
                self._explain(change.incident, matrix, band, spans)
            elif change.what == "lasting":
                self._learn_anew(change.incident.services)
            self._publish(change)
        for incident in self.incidents.open.values():
            self._note(incident, matrix, band)
            if not incident.differs:
                incident.differs = self.differences.of(incident.root)
                if incident.differs:
                    self._explain(incident, matrix, band, spans)
                    self._publish(Change("updated", incident, second))
        for change in self.book.unquiet(second):
            self._tell(change)

    def _explain(self, incident: Incident, matrix: Matrix, band: tuple[Floats, Floats], spans: Strangest) -> None:
        """Say what speaks against the root service, and show spans."""
        self._note(incident, matrix, band)
        found = incident.findings
        failed = bool(found) and found[0].series.signal == ERRORS
        quiet = [f"{name} has fallen silent" for name in self.inputs.silent() if name in incident.services]
        deployed = self.deployments.sentence(incident.root, matrix.second)
        incident.evidence = [*quiet, *sentences_of(found), *deployed, *differing(incident.differs, failed)]
        if not incident.exemplars:
            rows = strongest_rows(incident.root, self.bank, self.evidence)
            incident.exemplars = [*spans.of_all(rows)]

    def _note(self, incident: Incident, matrix: Matrix, band: tuple[Floats, Floats]) -> None:
        """Remember what has spoken against the root service, and which of its signals: they belong to a mute's
        pattern.
        """
        new = findings_of(incident.root, self.bank, self.evidence, matrix, band)
        incident.findings = merged(incident.findings, new)
        theirs = about(self.bank, [incident.root])
        rows = np.flatnonzero(theirs & (self.evidence.total >= ACTIVE_SHARE * self._threshold)).tolist()
        signals = {series.signal for row in rows if (series := self.bank.series[row]) is not None}
        incident.signals = sorted(signals | set(incident.signals))

    def _learn_anew(self, services: Sequence[str]) -> None:
        """What lasts is a new normal: the series that are out of band forget the old one, who is gone is not missed."""
        self.inputs.accept_silence(services)
        theirs = about(self.bank, services)
        rows = np.flatnonzero(theirs & ((self.evidence.total > FROZEN_FROM) | (self.symptoms.values[0] > 0)))
        self._detector.clear(rows)
        self.evidence.clear(rows)
        self.failures.clear(rows)
        self.symptoms.clear(rows)

    def _relax(self, service: str) -> None:
        """A deployment: what was learnt of the service's series is trusted less, and learnt faster."""
        self._telemetry.count(own_metrics.DEPLOYMENTS, 1)
        rows = np.flatnonzero(about(self.bank, [service]))
        if len(rows):
            self._detector.resize(self.bank.capacity)
            self._detector.relax(rows)

    def _note_onsets(self, scores: Floats, second: float) -> None:
        suspects = np.flatnonzero(scores >= ONSET_SHARE * self._threshold).tolist()
        services = self.bank.services
        self._since = {services[number]: self._since.get(services[number], second) for number in suspects}
        self.differences.suspect(self._since)

    def no_data(self, second: float) -> None:
        """A tick without any telemetry: missing, not zero."""
        for change in self.incidents.no_data(second):
            self._publish(change)

    def _publish(self, change: Change) -> None:
        self.changes = [*self.changes[-99:], change]
        self._telemetry.count(own_metrics.INCIDENTS, 1, change=change.what)
        if self.book.told(change):
            self._tell(change)
        else:
            self._telemetry.count(own_metrics.QUIET_CHANGES, 1)

    def _tell(self, change: Change) -> None:
        self._outputs.show_change(change, is_first=change.what == "opened" and not change.incident.told)
        change.incident.told = True

    def _report(self) -> None:
        """Own metrics, for what has been added since the last time."""
        totals = dict(zip(FATES, self._store.fates.tolist(), strict=True))
        for fate, total in totals.items():
            self._grow(own_metrics.SPANS, total, outcome=fate)
        self._grow(own_metrics.REFUSED_SERIES, self.bank.refused + self.watch.bank.refused)
        self._grow(own_metrics.REFUSED_INCIDENTS, self.incidents.refused)
        for what, total in self._detector.totals().items():
            self._grow(own_metrics.DETECTOR_EVENTS, total, event=what)
        if totals["thinned"] > 0 and self._store.thinning:
            self._telemetry.logger.limited(
                "thinned",
                "Traces are thinned out: there are more spans in a tick than max_spans.",
                spans=totals["thinned"],
            )

    def _grow(self, name: str, total: int, **attributes: str) -> None:
        key = name + "".join(attributes.values())
        added = total - self._reported.get(key, 0)
        if added:
            self._telemetry.count(name, added, **attributes)
            self._reported[key] = total
