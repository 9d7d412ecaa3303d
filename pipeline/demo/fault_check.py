"""Whether the fault of the demo was found: an incident after it began, with the right cause and the guilty value."""

from __future__ import annotations

from pipeline.demo.scrape import Incident, Scrape
from pipeline.demo.shop import FAULT
from pipeline.demo.truth import Truth

FAULT_AFTER_S = 45.0
TIME_TO_FIND_S = 25.0
"""A run must go on for so long with the fault to be judged."""
LOWEST_RATE = 20.0
"""Traces per second; with fewer, one card's slow payments are too few for this time."""
GUILTY = f"{FAULT.attribute}={FAULT.value}"


def why_not_checked(duration_s: float, rate: float, fault_after_s: float) -> str:
    """Why a run cannot say whether the fault is found; "" where it can."""
    needed_s = fault_after_s + TIME_TO_FIND_S
    if duration_s < needed_s:
        return f"the run of {duration_s:g} s is shorter than {needed_s:g} s"
    return f"{rate:g} traces/s are fewer than {LOWEST_RATE:g}" if rate < LOWEST_RATE else ""


def found(truth: Truth, shown: Scrape) -> Incident | None:
    """The first incident since the fault began."""
    began = truth.fault_began_unix_s
    if began is None:
        return None
    since = [one for one in shown.incidents.values() if one.opened_unix_s >= began - 1.0]  # ids have whole seconds
    return min(since, key=lambda one: one.id, default=None)


def problems(truth: Truth, shown: Scrape) -> list[str]:
    """What is wrong with what was found."""
    if truth.fault_began_unix_s is None:
        return ["the fault did not begin"]
    incident = found(truth, shown)
    if incident is None:
        return ["the fault was not found: no incident since it began"]
    wrong = []
    if incident.root != FAULT.service:
        wrong.append(f"{incident.id} names {incident.root} as the cause, and not {FAULT.service}")
    if GUILTY not in incident.suspects:
        named = ", ".join(sorted(incident.suspects)) or "nothing"
        wrong.append(f"{incident.id} names {named} as suspect, and not {GUILTY}")
    return wrong


def praise(truth: Truth, shown: Scrape) -> str:
    """What was found, for the summary."""
    incident = found(truth, shown)
    if incident is None or truth.fault_began_unix_s is None:
        return ""
    after_s = max(incident.opened_unix_s - truth.fault_began_unix_s, 0.0)
    suspects = ", ".join(sorted(incident.suspects)) or "none"
    return (
        f"the fault ({FAULT.service}, {GUILTY}) was found {after_s:.0f} s after it began: "
        f"cause {incident.root}, suspects {suspects}"
    )


def false_alarms(truth: Truth, shown: Scrape) -> list[str]:
    """Incidents that opened before the fault began, or without one."""
    began = truth.fault_began_unix_s
    return [one.id for one in shown.incidents.values() if began is None or one.opened_unix_s < began - 1.0]
