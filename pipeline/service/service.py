"""The service: the engine of the configuration that is in force, and how another takes its place.

A configuration that cannot be used changes nothing. One that can: the engine in force is drained and stopped as on
SIGTERM, and the next begins with the state of the processors that both have, so counters go on where they were. Between
the two, for as long as draining takes, connections are refused; senders try again.
"""

from __future__ import annotations

import gc
import os
import socket
import threading
import uuid
from collections.abc import Callable, Sequence
from functools import partial

from pipeline import __version__
from pipeline.api import Clock
from pipeline.config.check import Checked
from pipeline.errors import ConfigError, WeirError
from pipeline.service.checkpoint import CheckpointMemory
from pipeline.service.engine import Engine
from pipeline.service.graph import build_graph
from pipeline.telemetry import OwnMetrics
from pipeline.telemetry.logs import ComponentLogger, configure_logging

GIVE_UP_S = 8.0
"""After the drain time, for the last flush and for shutdowns. A component that hangs longer is left behind."""
RELOADS = "weir_config_reloads"
LAST_RELOAD = "weir_config_last_reload_successful"


class Service:
    """One engine at a time.

    Args:
        uris: Where the configuration comes from, as part of this process's identity.
        clock: Time.
        drain_s: How long an engine may take to finish what is under way.
    """

    def __init__(self, uris: Sequence[str], clock: Clock, drain_s: float) -> None:
        self._uris = uris
        self._clock = clock
        self._drain_s = drain_s
        self._logger = ComponentLogger("service", clock)
        self._memory = CheckpointMemory()
        self._engine: Engine | None = None
        self._checked: Checked | None = None
        self._reloads = {"success": 0, "failure": 0}
        self._last_reload_successful = True

    def start(self, checked: Checked) -> None:
        """Start the engine of a configuration.

        Raises:
            ConfigError: It cannot be started; nothing of it is left running.
        """
        configure_logging(checked.telemetry.logs.level, checked.telemetry.logs.encoding)
        for warning in checked.warnings:
            self._logger.warning(warning)
        engine = Engine(checked, self._clock, process_resource(checked, self._uris), self._memory)
        for outcome in self._reloads:
            engine.metrics.observe(RELOADS, "counter", partial(self._reloads.__getitem__, outcome), outcome=outcome)
        engine.metrics.observe(LAST_RELOAD, "gauge", lambda: float(self._last_reload_successful))
        engine.start()
        self._engine, self._checked = engine, checked
        # What exists now stays. Its 60,000 objects made a full collection take 32 ms, in which nothing is served.
        gc.collect()
        gc.freeze()

    def reload(self, read: Callable[[], Checked]) -> None:
        """Put the configuration that ``read`` gives in force; where that fails, the one before stays or comes back.

        Raises:
            ConfigError: Neither can be started.
        """
        assert self._checked is not None, "reload before start"  # noqa: S101
        before = self._checked
        try:
            checked = read()
            build_graph(checked, self._clock, OwnMetrics(), {})
        except WeirError as error:
            self._reloaded(error, "the configuration is not used; the one before stays in force")
            return
        self._logger.info("the configuration is read again; draining what the one before has", drain_s=self._drain_s)
        self.stop()
        gc.unfreeze()
        try:
            self.start(checked)
        except ConfigError as error:
            self.start(before)
            self._reloaded(error, "the configuration does not start; the one before is in force again")
        else:
            self._reloaded(None, "the configuration has been read again")

    def stop(self) -> None:
        """Drain and stop. A component that hangs is left behind with the process, which ends with 1."""
        if self._engine is None:
            return
        give_up = threading.Timer(self._drain_s + GIVE_UP_S, self._give_up)
        give_up.daemon = True
        give_up.start()
        self._engine.stop(self._drain_s)
        self._engine = None
        give_up.cancel()

    def _reloaded(self, error: WeirError | None, message: str) -> None:
        self._last_reload_successful = error is None
        self._reloads["success" if error is None else "failure"] += 1
        if error is None:
            self._logger.info(message)
        else:
            problems = error.problems if isinstance(error, ConfigError) else [str(error)]
            self._logger.error(message, problems=problems)

    def _give_up(self) -> None:
        self._logger.error("a component does not stop; leaving it behind")
        os._exit(1)


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
