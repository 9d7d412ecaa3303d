"""What crosses the border between the HTTP server and those who use it: a request, and an answer to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(slots=True)
class Request:
    """One request.

    Attributes:
        method: As sent; methods are case-sensitive.
        path: As sent: no percent-decoding, no removal of dot segments or double slashes. Compare it exactly.
        query: What followed the first ``?``.
        headers: Names in lower case; repeated fields joined with ``", "``.
        body: Empty while only ``admit`` has seen the request.
        peer: Address and port of the other side. Never a metric label.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    peer: str


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. ``content-length`` and ``connection`` are the server's business.

    Attributes:
        parts: The body where it is long, in place of ``body``: written one by one, each let go when it is written.
    """

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    parts: Sequence[bytes | memoryview] = ()

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return sum(map(len, self.parts)) if self.parts else len(self.body)


def encode_head(response: Response, *, keep_alive: bool, http10: bool) -> bytes:
    """The bytes of an answer before its body.

    Args:
        response: Status, body, headers.
        keep_alive: Further requests may follow on this connection.
        http10: The request was HTTP/1.0, where staying connected has to be said.
    """
    status = response.status
    head = f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\n"
    if status != HTTPStatus.NO_CONTENT:  # RFC 9110 section 8.6
        head += f"content-length: {response.size}\r\n"
    if response.content_type:
        head += f"content-type: {response.content_type}\r\n"
    for name, value in response.headers.items():
        head += f"{name}: {value}\r\n"
    if not keep_alive:
        head += "connection: close\r\n"
    elif http10:
        head += "connection: keep-alive\r\n"
    head += "\r\n"
    return head.encode("latin-1", "replace")
