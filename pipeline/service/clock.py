"""The only module that asks the operating system for the time."""

import time


class SystemClock:
    """The clock of a running Weir; tests use ``pipeline.testing.FakeClock``."""

    __slots__ = ()

    unix_nano = staticmethod(time.time_ns)
    """Wall clock, nanoseconds since 1970. May jump."""
    monotonic_nano = staticmethod(time.monotonic_ns)
    """Nanoseconds that never go backwards."""
