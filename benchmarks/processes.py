"""Child processes that serve, and what the kernel says they used."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
CPUCLOCK_SCHED = 2


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A child process that listens on ``port``; a context manager that ends it."""

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        self.port = port
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)

    def __enter__(self) -> Self:
        deadline = time.perf_counter() + START_TIMEOUT_S
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(
                    f"{self.process.args!r} ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}"
                )
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            if time.perf_counter() > deadline:
                self.__exit__()
                raise RuntimeError(f"{self.process.args!r} did not listen in time:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def cpu_seconds(self) -> float:
        """Time on a CPU of all its threads, ended ones too: the clock that clock_getcpuclockid(3) gives."""
        return cpu_seconds_of(self.process.pid)

    def memory_bytes(self) -> int:
        """Resident memory now."""
        return resident_bytes(str(self.process.pid))

    def peak_memory_bytes(self) -> int:
        """The most that was ever resident."""
        return resident_bytes(str(self.process.pid), "VmHWM")


def cpu_seconds_of(pid: int) -> float:
    """Time on a CPU of all threads of a process, ended ones too."""
    return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)


def resident_bytes(process: str, field: str = "VmRSS") -> int:
    """Return the memory of a process (its id, or ``self``) as the kernel counts it."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise RuntimeError(f"the kernel gives no {field}")


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


@contextlib.contextmanager
def weir(configuration: str, port: int, scratch: Path, name: str) -> Iterator[Server]:
    """Run ``weir run`` with a configuration until the block ends."""
    path = scratch / f"{name}.yaml"
    path.write_text(configuration)
    with Server(python("pipeline", "run", "--config", str(path)), port, scratch / f"{name}.log") as server:
        yield server


def machine() -> dict[str, object]:
    """Return what a reader needs to judge the figures."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown",
    )
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "kernel": os.uname().release}
