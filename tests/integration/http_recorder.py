"""An HTTP server for tests that remembers requests of any method and answers by script, then with 200 and ``{}``."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Seen:
    """A request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass
class Recorder:
    """What came, and what is answered: (status, headers, JSON), or a function of the request that gives that."""

    url: str = ""
    script: list[Any] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def answer(self, request: Seen) -> tuple[int, Mapping[str, str], Any]:
        with self.changed:
            self.seen.append(request)
            reply: Any = self.script.pop(0) if self.script else (200, {}, {})
            self.changed.notify_all()
        found: tuple[int, Mapping[str, str], Any] = reply(request) if isinstance(reply, Callable) else reply  # type: ignore[arg-type]
        return found

    def wait_for(self, requests: int) -> list[Seen]:
        """The requests, once there are so many."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.seen) >= requests, 20), f"{len(self.seen)} of {requests}"
            return list(self.seen)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def _handle(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.command, self.path, headers, json.loads(content) if content else None)
        status, more, body = self.server.recorder.answer(seen)
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = _handle  # noqa: N815 - names of http.server

    def log_message(self, *args: Any) -> None:
        pass


@contextlib.contextmanager
def recorder(*script: Any) -> Iterator[Recorder]:
    """A server on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    found = Recorder(f"http://127.0.0.1:{server.server_address[1]}", list(script))
    server.recorder = found  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
