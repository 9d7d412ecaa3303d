"""Incidents against fault labels: the rules of the kit's ``spanscore.py``.

A fault is detected by the first event from ``label_slack_s`` before its start to its deadline. An event outside the
zones around faults and unlabelled gaps, after the warm-up, is a false alarm, counted per hour of telemetry there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Scores = dict[str, Any]


def score(meta: dict[str, Any], events: Sequence[dict[str, Any]]) -> Scores:
    """What became of each fault, and the false alarms, of one stream."""
    events = sorted(events, key=lambda event: event["ts"])
    before, after = meta["exclude_before_s"], meta["exclude_after_s"]
    zones = [(fault["start"] - before, fault["start"] + after) for fault in meta["faults"]]
    zones += [(start, end) for start, end in meta.get("unlabelled_gaps", [])]
    rows = [_fault(fault, meta, events) for fault in meta["faults"] if fault["scored"]]
    false_alarms = [
        event
        for event in events
        if event["ts"] >= meta["score_from"] and not any(start <= event["ts"] <= end for start, end in zones)
    ]
    return {"faults": rows, "false_alarms": len(false_alarms), "clean_h": _clean_seconds(meta, zones) / 3600}


def combine(scores: Sequence[Scores]) -> Scores:
    """The figures of several streams together."""
    faults = [fault for one in scores for fault in one["faults"]]
    n = max(len(faults), 1)
    hits = [fault for fault in faults if fault["hit"]]
    alarms = sum(one["false_alarms"] for one in scores)
    hours = sum(one["clean_h"] for one in scores)
    return {
        "faults": len(faults),
        "recall": len(hits) / n,
        "top1": sum(fault["top1"] for fault in faults) / n,
        "top3": sum(fault["top3"] for fault in faults) / n,
        "false_alarms": alarms,
        "clean_h": hours,
        "fa_per_h": alarms / hours if hours else 0.0,
        "repeats": sum(fault["repeats"] for fault in faults),
        **_quantiles("delay", [fault["delay"] for fault in hits]),
        **_quantiles("delay_avail", [fault["delay_avail"] for fault in hits]),
    }


def _fault(fault: dict[str, Any], meta: dict[str, Any], events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    first = fault["start"] - meta.get("label_slack_s", 0)
    inside = [event for event in events if first <= event["ts"] <= fault["deadline"]]
    row = {"id": fault["id"], "type": fault["type"], "service": fault["service"], "hit": bool(inside)}
    if not inside:
        return row | {"delay": None, "delay_avail": None, "top1": False, "top3": False, "repeats": 0, "first": []}
    event = inside[0]
    ranking = event["ranking"]
    return row | {
        "delay": max(0.0, event["ts"] - fault["start"]),
        "delay_avail": _overlap(fault["start"], event["ts"], meta["available"]),
        "top1": ranking[:1] == [fault["service"]],
        "top3": fault["service"] in ranking[:3],
        "repeats": len(inside) - 1,
        "first": ranking[:3],
    }


def _clean_seconds(meta: dict[str, Any], zones: list[tuple[float, float]]) -> float:
    at, clean = meta["score_from"], 0.0
    for start, end in [*sorted(zones), (meta["t1"], meta["t1"])]:
        if start > at:
            clean += _overlap(at, start, meta["available"])
        at = max(at, end)
    return clean


def _overlap(start: float, end: float, spans: Sequence[Sequence[float]]) -> float:
    return sum(max(0.0, min(end, b) - max(start, a)) for a, b in spans)


def _quantiles(name: str, values: list[float]) -> dict[str, float | None]:
    ordered = sorted(values)
    if not ordered:
        return {f"{name}_p50": None, f"{name}_p90": None}
    return {f"{name}_p50": ordered[len(ordered) // 2], f"{name}_p90": ordered[int(len(ordered) * 0.9)]}
