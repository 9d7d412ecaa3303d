"""Addresses as the Collector writes them; errors say what to do."""

import re
import socket

import pytest

from pipeline.endpoint import is_local, listen, split_endpoint
from pipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("localhost:4317", ("localhost", 4317)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::1]:65535", ("::1", 65535)),
        (":4317", ("", 4317)),
    ],
)
def test_host_and_port(endpoint: str, expected: tuple[str, int]) -> None:
    assert split_endpoint(endpoint) == expected


@pytest.mark.parametrize(
    "endpoint", ["", "localhost", "4317", "::1:4317", "http://localhost:1", "a:b", "a:-1", "a:65536", "a:"]
)
def test_what_is_no_endpoint(endpoint: str) -> None:
    with pytest.raises(ValueError, match="write"):
        split_endpoint(endpoint)


def test_only_loopback_is_local() -> None:
    assert all(is_local(endpoint) for endpoint in ("localhost:1", "127.0.0.2:1", "[::1]:1"))
    assert not any(is_local(endpoint) for endpoint in (":1", "0.0.0.0:1", "[::]:1", "example.org:1"))


@pytest.mark.parametrize("endpoint", ["127.0.0.1:0", "localhost:0", ":0"])
def test_listening_works_and_the_port_cannot_be_shared(endpoint: str) -> None:
    with listen(endpoint) as sock:
        host, port = sock.getsockname()[:2]
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0
        again = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        with pytest.raises(ConfigError, match=re.escape(f"{again}: the port is in use; stop the other process")):
            listen(again)


@pytest.mark.parametrize("endpoint", ["192.0.2.1:0", "no-such-host.invalid:0", "nonsense"])
def test_an_address_that_cannot_be_used_is_named(endpoint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(endpoint)):
        listen(endpoint)
