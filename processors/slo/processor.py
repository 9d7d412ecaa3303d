"""Slo: spans → good and bad events (``process_traces``) → sliding sums (``windows``) → gauges and alarms (``tick``)."""

from __future__ import annotations

import json
import math

import numpy as np
import numpy.typing as npt

from pipeline.api import Label, Processor, Settings, SpanBatch
from processors.adjusted_count import AdjustedCount
from processors.slo import names
from processors.slo.alarms import Alarm
from processors.slo.burn import WINDOWS_S, burns
from processors.slo.config import Config as SloConfig
from processors.slo.config import Objective
from processors.slo.windows import Windows
from processors.span_metrics.names import STATUS_ERROR

Bools = npt.NDArray[np.bool_]
DAY_S = 86_400
PERIOD = "period"
"""The window of the whole period, beside those of the alerts."""
WINDOWS = (*WINDOWS_S, PERIOD)
_HEAD = 4


class Slo(Processor):
    """Error budgets and burn rates, live: they need no recording rules and no history in Prometheus.

    Windows that began before Weir did show what has been seen since.
    """

    Config = SloConfig
    emits_metrics = True
    scope_name = "weir/slo"
    tick_interval_s = 5.0
    metrics_flush_interval_s = 15.0
    keyed_by = ("resource.service.name",)
    state_version = "1"

    def __init__(self, config: SloConfig, settings: Settings) -> None:
        self._objectives = [objective for objective in config.objectives if objective.queries is None]
        self._adjusted = AdjustedCount()
        self.reads = (
            *("resource.service.name", "name", "kind", "status_code", "duration_nano"),
            *self._adjusted.reads,
        )
        self._clock = settings.clock
        self._logger = settings.telemetry.logger
        self._windows: Windows | None = None
        self._alarms = [Alarm(burns(objective.period)) for objective in self._objectives]
        self._budgets = np.array([objective.budget for objective in self._objectives])
        self._make_instruments(settings)

    def start(self) -> None:
        """Show every objective before anything has happened."""
        for objective in self._objectives:
            key = _key(objective)
            self._goal.set(key, objective.target)
            self._events.add(key, 0)
            self._bad_events.add(key, 0)
            for severity in dict.fromkeys(burn.severity for burn in burns(objective.period)):
                self._burning.set((*key, severity), 0.0)
                for counter in (self._incidents, self._detect_s, self._resolve_s):
                    counter.add((*key, severity), 0)
        self._at(self._clock.unix_nano())

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        """Count the events of each objective."""
        windows = self._at(self._clock.unix_nano())
        adjusted = self._adjusted.of(spans)
        weights = None if adjusted is None else adjusted.counts
        for index, objective in enumerate(self._objectives):
            chosen = _chosen(spans, objective)
            if not chosen.any():
                continue
            bad = chosen & _bad(spans, objective)
            total, failed = (float(_weigh(mask, weights)) for mask in (chosen, bad))
            windows.add(index, total, failed)
            self._events.add(_key(objective), total)
            self._bad_events.add(_key(objective), failed)
        return spans

    def tick(self, now_unix_nano: int) -> None:
        """Set the gauges; see who burns too fast."""
        ratios = self._at(now_unix_nano).error_ratios()
        for index, objective in enumerate(self._objectives):
            key = _key(objective)
            rates = dict(zip(WINDOWS, (ratios[index] / self._budgets[index]).tolist(), strict=True))
            for window, rate in rates.items():
                if not math.isnan(rate):
                    self._ratio.set((*key, window), rate * objective.budget)
                    self._burn.set((*key, window), rate)
            if not math.isnan(rates[PERIOD]):
                self._remaining.set(key, 1 - rates[PERIOD])
            self._sound(objective, self._alarms[index], now_unix_nano / 1e9, rates)

    def snapshot(self) -> bytes:
        """Length of the JSON (4 bytes), the alarms as JSON, the windows."""
        alarms = json.dumps([[alarm.sign_since_s, alarm.since_s] for alarm in self._alarms]).encode()
        return len(alarms).to_bytes(_HEAD, "little") + alarms + self._at(self._clock.unix_nano()).snapshot()

    def restore(self, state: bytes) -> None:
        """Go on where ``snapshot`` was."""
        size = int.from_bytes(state[:_HEAD], "little")
        for alarm, (sign, since) in zip(self._alarms, json.loads(state[_HEAD : _HEAD + size]), strict=True):
            alarm.sign_since_s, alarm.since_s = sign, since
        self._at(self._clock.unix_nano()).restore(state[_HEAD + size :])

    def _make_instruments(self, settings: Settings) -> None:
        meter = settings.meter
        own = (Label(names.SLO, ()), Label(names.SERVICE_NAME, ()))
        windowed, severed = (*own, Label(names.WINDOW, ())), (*own, Label(names.SEVERITY, ()))
        self._goal = meter.gauge(names.SLO_OBJECTIVE, description="Share of good events promised", labels=own)
        self._events = meter.counter(names.SLO_EVENTS, description="Events that an SLO looks at", labels=own)
        self._bad_events = meter.counter(names.SLO_BAD_EVENTS, description="Events that miss it", labels=own)
        self._remaining = meter.gauge(
            names.SLO_BUDGET_REMAINING, description="Share of the period's error budget that is left", labels=own
        )
        self._ratio = meter.gauge(names.SLO_ERROR_RATIO, description="Bad events per event", labels=windowed)
        self._burn = meter.gauge(names.SLO_BURN_RATE, description="Error ratio per error budget", labels=windowed)
        self._burning = meter.gauge(names.SLO_BURNING, description="1 while it burns too fast", labels=severed)
        self._incidents = meter.counter(names.SLO_INCIDENTS, description="Times it began to burn", labels=severed)
        self._detect_s = meter.counter(
            names.SLO_DETECT_SECONDS, description="Seconds from the first sign to the alarm, added up", labels=severed
        )
        self._resolve_s = meter.counter(
            names.SLO_RESOLVE_SECONDS, description="Seconds from the alarm to its end, added up", labels=severed
        )

    def _at(self, now_unix_nano: int) -> Windows:
        now_s = now_unix_nano / 1e9
        if self._windows is None:
            sizes = [(*WINDOWS_S.values(), objective.period * DAY_S) for objective in self._objectives]
            self._windows = Windows(sizes, now_s)
        self._windows.advance(now_s)
        return self._windows

    def _sound(self, objective: Objective, alarm: Alarm, now_s: float, rates: dict[str, float]) -> None:
        for change in alarm.update(now_s, rates):
            key = (*_key(objective), change.severity)
            self._burning.set(key, float(change.began))
            (self._detect_s if change.began else self._resolve_s).add(key, change.seconds)
            if change.began:
                self._incidents.add(key)
            text = "an SLO burns its budget too fast" if change.began else "an SLO is within its budget's pace again"
            self._logger.limited(
                f"{objective.name} {change.severity} {change.began}",
                text,
                slo=objective.name,
                severity=change.severity,
                seconds=round(change.seconds, 1),
            )


def _key(objective: Objective) -> tuple[str, str]:
    return objective.name, objective.service


def _chosen(spans: SpanBatch, objective: Objective) -> Bools:
    chosen: Bools = spans["resource.service.name"] == objective.service
    if objective.operation:
        chosen = chosen & (spans["name"] == objective.operation)
    kinds: Bools = spans["kind"].isin([f"SPAN_KIND_{kind.upper()}" for kind in objective.span_kinds])
    return chosen & kinds


def _bad(spans: SpanBatch, objective: Objective) -> Bools:
    if objective.latency is None:
        failed: Bools = spans["status_code"] == STATUS_ERROR
        return failed
    too_long: Bools = spans["duration_nano"] > round(objective.latency * 1e9)
    return too_long


def _weigh(mask: Bools, weights: npt.NDArray[np.float64] | None) -> float:
    return float(mask.sum() if weights is None else weights[mask].sum())
