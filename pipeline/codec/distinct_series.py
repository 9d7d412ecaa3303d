"""Families whose series are known to be written differently, each from each.

To find out takes a hash of every label set, a third of the time of a page, and the answer holds as long as no series
comes or goes.
"""

from __future__ import annotations

import weakref
from collections.abc import Container
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pipeline.codec.prometheus_families import Family
    from pipeline.codec.prometheus_names import MetricType
    from pipeline.model.resources import Resource
    from pipeline.model.snapshot import Scope, SeriesView


class _Known(NamedTuple):
    """What label sets are made of, besides what is the same for all pages of one writer."""

    kind: MetricType
    views: list[weakref.ref[SeriesView]]
    resources: list[tuple[Resource, ...]]
    scopes: list[Scope]


class DistinctSeries:
    """Belongs to one ``LabelWriter``; not for several threads at once.

    A ``SeriesView`` is the same object only while its series are the same; it is held weakly.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def knows(self, family: Family) -> bool:
        """True if the family has the very series for which ``note`` was called."""
        known = self._known.get(family.name)
        if known is None or known.kind is not family.kind or len(known.views) != len(family.parts):
            return False
        return all(
            view() is part.view and resources is part.resources and scope == part.scope
            for part, view, resources, scope in zip(family.parts, *known[1:], strict=True)
        )

    def note(self, family: Family) -> None:
        """No two series of the family are written alike."""
        parts = family.parts
        self._known[family.name] = _Known(
            family.kind,
            [weakref.ref(part.view) for part in parts],
            [part.resources for part in parts],
            [part.scope for part in parts],
        )

    def keep(self, names: Container[str]) -> None:
        """Forget families of other names."""
        self._known = {name: known for name, known in self._known.items() if name in names}
