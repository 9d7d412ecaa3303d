"""Thresholds that one component needs as bounds of the histograms of another.

A latency objective is exact in Prometheus only if its threshold is a bucket, so the bucket is added. Components take
part by having ``needs_bounds_s()`` or ``with_bounds_s(bounds)`` on their configuration; neither knows the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.config.report import Report

if TYPE_CHECKING:
    from pipeline.config.check import CheckedComponent, Key


def with_needed_bounds(components: Mapping[Key, CheckedComponent], report: Report) -> dict[Key, CheckedComponent]:
    """The components, each histogram with the bounds that others need; reports where that cannot be."""
    found = dict(components)
    needed: dict[Key, tuple[float, ...]] = {
        key: getattr(component.config, "needs_bounds_s", tuple)() for key, component in found.items()
    }
    bounds = tuple(sorted({bound for several in needed.values() for bound in several}))
    if not bounds:
        return found
    asked = " and ".join(key[1] for key, several in needed.items() if several)
    takers = [key for key, component in found.items() if hasattr(component.config, "with_bounds_s")]
    for key in takers:
        component = found[key]
        try:
            found[key] = replace(component, config=component.config.with_bounds_s(bounds))  # type: ignore[attr-defined]
        except ValueError as error:
            definition = component.definition
            report.problem(definition.path, definition.node.mark, f"{asked} needs its histogram: {error}")
    if not takers:
        definition = next(found[key].definition for key, several in needed.items() if several)
        what = "no span_metrics in any pipeline, so rules about latency have no histogram to read"
        report.warning(definition.path, definition.node.mark, what)
    return found
