"""LocalTime: what the clocks of users show, whose mornings come an hour earlier or later twice a year."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo


class LocalTime:
    """See the module.

    Args:
        timezone: A name of the IANA database, as ``Europe/Berlin``.

    Raises:
        ValueError: There is no such time zone.
    """

    def __init__(self, timezone: str = "UTC") -> None:
        self._zone: tzinfo = UTC if timezone == "UTC" else _zone(timezone)

    def utc_offset_s(self, second: float) -> float:
        """What local clocks show more than UTC at a Unix time, seconds."""
        offset = datetime.fromtimestamp(second, self._zone).utcoffset()
        return offset.total_seconds() if offset is not None else 0.0


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, KeyError, ValueError):
        raise ValueError(
            f'there is no time zone "{name}"; names are those of the IANA database, as Europe/Berlin '
            "(where none of them is known, install the package tzdata)"
        ) from None
