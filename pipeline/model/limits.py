"""Limits: everything in a series table that could grow has one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a table may hold; 0 means no limit where the text says so.

    Attributes:
        max_series: Series, without the overflow series (one per resource, and one for none).
        max_series_per_resource: The same per resource; 0: no limit.
        max_resources: Resources. At the limit the least recently used gives way if it has been idle for a minute, with
            its series (counted as evicted); otherwise spans of a new resource are counted in the overflow series that
            has no resource.
        max_label_bytes: Longer values are cut, on a character's boundary, and end in ``~`` and a hash of the whole.
        max_values_per_label: Distinct values of one label; further ones become ``__cardinality_overflow__``; 0: no
            limit.
        expire_series_after_s: A series idle for so long is removed; 0: never. What nobody collected since its last
            change stays up to five minutes longer, so that its last increments are seen.
        expire_resource_after_s: A resource idle for so long is removed with its series; 0: never.
    """

    max_series: int = 10_000
    max_series_per_resource: int = 0
    max_resources: int = 1_000
    max_label_bytes: int = 2_048
    max_values_per_label: int = 0
    expire_series_after_s: float = 0.0
    expire_resource_after_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.max_series < 1 or self.max_resources < 1:
            raise ValueError("max_series and max_resources must be at least 1")
        if not 64 <= self.max_label_bytes <= 32_768:
            raise ValueError("max_label_bytes must be between 64 and 32768")
