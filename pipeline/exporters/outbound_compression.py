"""Compression of what is sent over HTTP. gzip by isal where it is installed: a fifth of zlib's time."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Literal

import zstandard

Compression = Literal["gzip", "zstd", "zlib", "deflate", "none", ""]
Compress = Callable[[bytes], bytes]

# Telemetry is repetition: level 1 finds nearly all of it, and more costs more than the network it saves.
LEVEL = 1
_GZIP_WBITS = 31


def compressor(name: Compression) -> tuple[Compress | None, str]:
    """The function for a name of the configuration, and its ``Content-Encoding``; None for no compression."""
    if name in {"none", ""}:
        return None, ""
    if name == "gzip":
        return _gzip(), "gzip"
    if name == "zstd":
        return _zstd, "zstd"
    return (lambda body: zlib.compress(body, LEVEL)), "deflate"


def _gzip() -> Compress:
    try:
        from isal import isal_zlib
    except ImportError:
        return lambda body: zlib.compress(body, LEVEL, _GZIP_WBITS)
    compress: Compress = lambda body: isal_zlib.compress(body, LEVEL, _GZIP_WBITS)  # noqa: E731 - one of two
    return compress


def _zstd(body: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=LEVEL).compress(body)  # objects are not for several threads
