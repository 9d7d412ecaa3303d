"""``weir run``: what the process needs, and its signals."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType

from pipeline import __version__, native
from pipeline.config.check import Checked
from pipeline.errors import WeirError
from pipeline.service.allocator import limit_arenas
from pipeline.service.clock import SystemClock
from pipeline.service.service import Service
from pipeline.telemetry.logs import ComponentLogger

DRAIN_S = 20.0
"""Less than the 30 s that Kubernetes grants between SIGTERM and SIGKILL."""


def run(read: Callable[[], Checked], uris: Sequence[str], drain_s: float = DRAIN_S) -> int:
    """Run until SIGTERM or SIGINT; read the configuration again on SIGHUP.

    Args:
        read: Gives the configuration; called again for each SIGHUP.
        uris: Where it comes from, as part of this process's identity.
    Returns:
        Exit status: 0 after a clean stop. A stop that hangs ends the process with 1.
    Raises:
        ConfigError: The configuration cannot be used, or the pipelines cannot be started.
    """
    checked = read()
    clock = SystemClock()
    logger = ComponentLogger("service", clock)
    require_fast_protobuf()
    limit_arenas()
    service = Service(uris, clock, drain_s)
    signals = _Signals()
    with signals:
        service.start(checked)
        if slow := native.uncompiled_modules():
            logger.warning("native modules are not compiled: expect a small part of the usual speed", modules=slow)
        logger.info("everything is ready", version=__version__, pid=os.getpid())
        while signals.wait() == signal.SIGHUP:
            service.reload(read)
        logger.info("stopping", drain_s=drain_s)
        service.stop()
    logger.info("stopped")
    return 0


def require_fast_protobuf() -> None:
    """Refuse protobuf's pure-Python backend: slow, and its guards against hostile input are weaker.

    Raises:
        WeirError: Another backend than upb is active.
    """
    from google.protobuf.internal import api_implementation

    if api_implementation.Type() != "upb":
        raise WeirError(
            f"protobuf runs on its {api_implementation.Type()} backend; unset PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION "
            "or install a protobuf wheel for this platform"
        )


class _Signals:
    """Waits for SIGTERM, SIGINT or SIGHUP. A second one of the first two ends the process at once."""

    def __init__(self) -> None:
        self._arrived = threading.Event()
        self._stop: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._on_stop)
        self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._on_hang_up)

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned

    def wait(self) -> int:
        """The signal that arrived; several SIGHUP before it is asked for are one."""
        self._arrived.wait()
        self._arrived.clear()
        return signal.SIGHUP if self._stop is None else self._stop

    def _on_stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signature of a handler
        if self._stop is not None:
            os._exit(128 + number)
        self._stop = number
        self._arrived.set()

    def _on_hang_up(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signature of a handler
        self._arrived.set()
