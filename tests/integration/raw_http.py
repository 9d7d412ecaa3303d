"""An HTTP client that sends exactly what it is told, for tests of servers."""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import dataclass
from types import TracebackType

WAIT_S = 20.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """One connection."""

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(address, timeout=WAIT_S)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=address[0])
        self._input = self.socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._input.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send; a server that has hung up is no error here."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def answer(self, *, to_head: bool = False) -> Answer:
        """The next answer."""
        line = self._input.readline()
        assert line, "the connection was closed without an answer"
        headers = {}
        while (field := self._input.readline()) != b"\r\n":
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = b"" if to_head else self._input.read(int(headers.get("content-length", "0")))
        return Answer(int(line.split()[1]), headers, body)

    def is_closed(self) -> bool:
        """Wait until the server closes the connection; False if it sends something instead."""
        try:
            return self._input.read(1) == b""
        except ConnectionResetError:
            return True


def post(body: bytes = b"", *headers: str, path: str = "/") -> bytes:
    """A POST with the right length."""
    return (
        "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]).encode()
        + body
    )
