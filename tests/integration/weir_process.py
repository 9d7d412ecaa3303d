"""A Weir in a process of its own, for tests that need signals, ports and exit statuses."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_S = 60.0


def free_ports(n: int) -> list[int]:
    """Ports that nothing listens on now. Another process may take them before they are used; that is rare enough."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(n)]
        return [listener.getsockname()[1] for listener in sockets]


class WeirProcess:
    """``weir run`` as a child; its log is read line by line."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", "pipeline", *arguments],
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self.log: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for_line(self, text: str, timeout_s: float = START_S) -> str:
        """The next line of the log that holds ``text``."""
        while True:
            line = self._lines.get(timeout=timeout_s)
            assert line is not None, f"exited with {self.child.wait()} before logging {text!r}:\n" + "\n".join(self.log)
            self.log.append(line)
            if text in line:
                return line

    def signal(self, number: int) -> None:
        """Send a signal."""
        self.child.send_signal(number)

    def wait(self, timeout_s: float = 30.0) -> int:
        """Exit status."""
        status = self.child.wait(timeout_s)
        self._reader.join(timeout_s)
        while not self._lines.empty():
            line = self._lines.get()
            if line is not None:
                self.log.append(line)
        return status

    def kill(self) -> None:
        """End it whatever it does."""
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        self._reader.join()
        if self.child.stderr is not None:
            self.child.stderr.close()

    def _read(self) -> None:
        assert self.child.stderr is not None
        for line in self.child.stderr:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)


@contextlib.contextmanager
def running(*arguments: str, env: dict[str, str] | None = None) -> Iterator[WeirProcess]:
    """A Weir that is ready; killed at the end if it still runs."""
    weir = WeirProcess(*arguments, env=env)
    try:
        weir.wait_for_line("everything is ready")
        yield weir
    finally:
        weir.kill()


def get(url: str) -> tuple[int, str]:
    """Status and body of a GET."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def post(url: str, body: bytes, content_type: str = "application/x-protobuf") -> tuple[int, bytes]:
    """Status and body of a POST."""
    request = urllib.request.Request(url, body, {"content-type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def terminate(weir: WeirProcess) -> int:
    """SIGTERM, and the exit status."""
    weir.signal(signal.SIGTERM)
    return weir.wait()
