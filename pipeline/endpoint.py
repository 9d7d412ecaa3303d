"""Addresses to listen on, as the Collector writes them: ``host:port``, ``[::1]:4317``, ``:4317`` for all addresses."""

from __future__ import annotations

import errno
import os
import socket
from typing import Annotated

from pydantic import AfterValidator

from pipeline.errors import ConfigError

BACKLOG = 512


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """Host and port; the host is empty for all addresses, the port 0 for one that the system chooses.

    >>> split_endpoint("localhost:4317"), split_endpoint("[::1]:4318"), split_endpoint(":0")
    (('localhost', 4317), ('::1', 4318), ('', 0))

    Raises:
        ValueError: Not an endpoint; the message says how one looks.
    """
    host, colon, port = endpoint.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    if not colon or "/" in host or (":" in host and not bracketed):
        raise ValueError(f'{endpoint!r} is not an endpoint; write "host:port", "[::1]:port" or ":port"')
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError(f"{port!r} is not a port; write a number from 0 to 65535")
    return host, int(port)


def _checked(endpoint: str) -> str:
    split_endpoint(endpoint)
    return endpoint


Endpoint = Annotated[str, AfterValidator(_checked)]
"""A string of a configuration that ``split_endpoint`` accepts."""


def is_local(endpoint: str) -> bool:
    """True if only this machine can reach the endpoint."""
    host = split_endpoint(endpoint)[0]
    return host in {"localhost", "::1"} or host.startswith("127.")


def listen(endpoint: str) -> socket.socket:
    """A listening socket that no other process can share by accident (no ``SO_REUSEPORT``).

    Raises:
        ConfigError: The address cannot be used; the message names it and what to do.
    """
    try:
        host, port = split_endpoint(endpoint)
        if not host:
            dual = socket.has_dualstack_ipv6()
            family = socket.AF_INET6 if dual else socket.AF_INET
            return socket.create_server(("", port), family=family, backlog=BACKLOG, dualstack_ipv6=dual)
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # IPv4 first, as Go's listener does for "localhost".
        family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
        return socket.create_server((str(address[0]), port), family=family, backlog=BACKLOG)
    except (OSError, ValueError) as error:
        raise unusable(endpoint, error) from None


def unusable(endpoint: str, error: Exception) -> ConfigError:
    """The one text for an address that cannot be listened on."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return ConfigError([f"{endpoint}: the port is in use; stop the other process or choose another endpoint"])
    if number == errno.EACCES:
        return ConfigError([f"{endpoint}: no permission to listen there; choose a port above 1023"])
    if number == errno.EADDRNOTAVAIL:
        return ConfigError(
            [f"{endpoint}: this machine has no such address; use 127.0.0.1, or 0.0.0.0 for all addresses"]
        )
    reason = os.strerror(number) if number and number > 0 else str(error)
    return ConfigError([f"{endpoint}: cannot listen: {reason}"])
