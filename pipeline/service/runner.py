"""``weir run``: build the engine, run it until a signal, stop it within the drain time."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
import uuid
from collections.abc import Sequence
from types import FrameType

from pipeline import __version__, native
from pipeline.config.check import Checked
from pipeline.errors import WeirError
from pipeline.service.allocator import limit_arenas
from pipeline.service.clock import SystemClock
from pipeline.service.engine import Engine
from pipeline.telemetry.logs import ComponentLogger, configure_logging

DRAIN_S = 20.0
"""Less than the 30 s that Kubernetes grants between SIGTERM and SIGKILL."""

GIVE_UP_S = 8.0
"""After the drain time, for the last flush and for shutdowns. A component that hangs longer is left behind."""


def run(checked: Checked, uris: Sequence[str], drain_s: float = DRAIN_S) -> int:
    """Run until SIGTERM or SIGINT.

    Returns:
        Exit status: 0 after a clean stop. A stop that hangs ends the process with 1.
    Raises:
        ConfigError: The pipelines cannot be started.
    """
    configure_logging(checked.telemetry.logs.level, checked.telemetry.logs.encoding)
    clock = SystemClock()
    logger = ComponentLogger("service", clock)
    for warning in checked.warnings:
        logger.warning(warning)
    require_fast_protobuf()
    limit_arenas()
    engine = Engine(checked, clock, process_resource(checked, uris))
    if slow := native.uncompiled_modules():
        logger.warning("native modules are not compiled: expect a small part of the usual speed", modules=slow)
    stop = _Stop(logger)
    with stop:
        engine.start()
        # What exists now stays. Its 60,000 objects made a full collection take 32 ms, in which nothing is served.
        gc.collect()
        gc.freeze()
        logger.info("everything is ready", version=__version__, pid=os.getpid())
        stop.wait()
        logger.info("stopping", drain_s=drain_s)
        give_up = threading.Timer(drain_s + GIVE_UP_S, _give_up, (logger,))
        give_up.daemon = True
        give_up.start()
        engine.stop(drain_s)
        give_up.cancel()
    logger.info("stopped")
    return 0


def _give_up(logger: ComponentLogger) -> None:
    logger.error("a component does not stop; leaving it behind")
    os._exit(1)


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


def process_resource(checked: Checked, uris: Sequence[str]) -> dict[str, str]:
    """Resource attributes of this process; ``service.telemetry.resource`` overrides them, null removes one.

    ``service.instance.id`` follows from the host and the configuration's names, so that it survives a restart and
    differs between two Weirs on one host.
    """
    identity = "|".join([socket.gethostname(), *(os.path.abspath(uri) for uri in uris)])  # noqa: PTH100 - may be a URI
    resource: dict[str, str | None] = {
        "service.name": "weir",
        "service.version": __version__,
        "service.instance.id": str(uuid.uuid5(uuid.NAMESPACE_URL, identity)),
        **checked.telemetry.resource,
    }
    return {key: value for key, value in resource.items() if value is not None}


class _Stop:
    """Waits for SIGTERM or SIGINT; a second one ends the process at once."""

    def __init__(self, logger: ComponentLogger) -> None:
        self._event = threading.Event()
        self._logger = logger
        self._before: dict[int, object] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._stop)
        self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._hang_up)

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned

    def wait(self) -> None:
        self._event.wait()

    def _stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signature of a handler
        if self._event.is_set():
            os._exit(128 + number)
        self._event.set()

    def _hang_up(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signature of a handler
        self._logger.limited("sighup", "the configuration is not read again on SIGHUP; restart to apply changes")
