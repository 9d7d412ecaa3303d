"""Services as the JSON of ``docs/api/openapi.yaml``: a reading, and what has changed since an earlier one."""

from __future__ import annotations

import datetime
import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from pipeline.extensions.service_reading import Buckets, Calls, Durations, Group, Incident, Reading, SeriesId

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def view(now: Reading, before: Reading | None, window_s: float | None, degraded_from: float) -> dict[str, Any]:
    """Service name → its JSON, by name.

    Args:
        now: The reading to show.
        before: An earlier one: rate, errors and latency are of the time in between. Without it, errors and latency
            are of all time, and there is no rate.
        window_s: The time in between.
        degraded_from: Error ratio from which a service is degraded.
    """
    calls = _calls(now, before)
    durations = _durations(now, before)
    shown = {}
    for name in sorted(now.services):
        total, failed = calls.get(name, (None, None))
        ratio = failed / total if total and failed is not None else None
        incident = _last_incident(now, name)
        budgets = now.slos.get(name, [])
        shown[name] = {
            "name": name,
            "status": _status(now, name, ratio, incident, degraded_from),
            "rate": None if window_s is None or total is None else total / window_s,
            "error_ratio": ratio,
            "latency_seconds": _latency(durations.get(name)),
            "upstream": sorted({client for client, server in now.edges if server == name}) if now.has_edges else None,
            "downstream": sorted({server for client, server in now.edges if client == name}) if now.has_edges else None,
            "slo_budget_remaining": min((one.budget_remaining for one in budgets), default=None),
            "slos": [one._asdict() for one in sorted(budgets)] or None,
            "last_incident": _incident_json(incident),
        }
    return shown


def quantile(q: float, buckets: Buckets) -> float:
    """As Prometheus' ``histogram_quantile``: linear within a bucket, the last finite bound above it; NaN of nothing.

    >>> quantile(0.5, {(0.0, 1.0): 2.0, (1.0, 3.0): 2.0}), quantile(0.75, {(0.0, 1.0): 2.0, (1.0, 3.0): 2.0})
    (1.0, 2.0)
    """
    rank = q * sum(buckets.values())
    passed = 0.0
    upper = math.nan
    for (lower, upper), count in sorted(buckets.items()):
        if passed + count >= rank:
            return lower if math.isinf(upper) else lower + (upper - lower) * (rank - passed) / count
        passed += count
    return upper


def _calls(now: Reading, before: Reading | None) -> dict[str, tuple[float, float | None]]:
    """Service → spans, and failed ones where that is known; of the first metric that has the service."""
    chosen = _first_groups(now.calls)
    totals: dict[str, float] = defaultdict(float)
    failures: dict[str, float | None] = {}
    for series, (service, failed, spans) in now.calls.items():
        if chosen[service] != series.group:
            continue
        earlier = before.calls.get(series) if before is not None else None
        grown = max(0.0, spans - earlier.spans) if earlier is not None else spans
        totals[service] += grown
        known = failures.get(service, 0.0)
        failures[service] = None if failed is None or known is None else known + grown * failed
    return {service: (total, failures[service]) for service, total in totals.items()}


def _durations(now: Reading, before: Reading | None) -> dict[str, Buckets]:
    chosen = _first_groups(now.durations)
    found: dict[str, Buckets] = defaultdict(lambda: defaultdict(float))
    for series, (service, buckets) in now.durations.items():
        if chosen[service] != series.group:
            continue
        earlier = before.durations.get(series) if before is not None else None
        for bounds, count in buckets.items():
            grown = count - earlier.buckets.get(bounds, 0.0) if earlier is not None else count
            if grown > 0:
                found[service][bounds] += grown
    return found


def _first_groups(series: Mapping[SeriesId, Calls | Durations]) -> dict[str, Group]:
    """Components that count the same spans must not be added up."""
    groups: dict[str, Group] = {}
    for identity, one in series.items():
        groups.setdefault(one.service, identity.group)
    return groups


def _latency(buckets: Buckets | None) -> dict[str, float] | None:
    if not buckets:
        return None
    return {name: quantile(q, buckets) for name, q in QUANTILES.items()}


def _status(now: Reading, name: str, ratio: float | None, incident: Incident | None, degraded_from: float) -> str:
    alarm = name in now.alarmed or (incident is not None and incident.active)
    if alarm or (ratio is not None and ratio >= degraded_from):
        return "degraded"
    return "unknown" if ratio is None else "healthy"


def _last_incident(now: Reading, name: str) -> Incident | None:
    return max(now.incidents.get(name, {}).values(), key=lambda one: (one.active, one.id), default=None)


def _incident_json(incident: Incident | None) -> dict[str, Any] | None:
    if incident is None:
        return None
    seen = datetime.datetime.fromtimestamp(incident.seen_unix_nano // 1_000_000_000, datetime.UTC)
    since = seen.isoformat().replace("+00:00", "Z")
    return {"id": incident.id, "severity": incident.severity, "active": incident.active, "since": since}
