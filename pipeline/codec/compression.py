"""Decompress request bodies with a bound on the output: what goes in is under the sender's control, what comes out
must not be.

A compressed kilobyte can stand for a megabyte (gzip) or thirty (zstd), so every decoder here stops at the limit
instead of checking afterwards. A body must be complete and must end where the compressed stream ends: half a batch
is never accepted.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from types import ModuleType

import zstandard

from pipeline.errors import MalformedPayload, PayloadTooLarge

try:  # the optional extra "speed": a gunzip at half the CPU time of zlib's
    from isal import isal_zlib

    _inflater: ModuleType = isal_zlib
except ImportError:
    _inflater = zlib

# Telemetry compresses 5 to 20 times. Beyond this it is a bomb, whatever the absolute limit says.
MAX_RATIO = 200
RATIO_FREE_BYTES = 1 << 20
# gzip and zstd allow several streams in a row; a thousand small ones only cost us time.
MAX_STREAMS = 16
# RFC 8878 section 3.1.1.1.2 recommends decoders to support at least 8 MiB; the format allows terabytes.
MAX_ZSTD_WINDOW_BYTES = 8 << 20
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_RLE_BLOCK = 1
ZSTD_RESERVED_BLOCK = 3

_GZIP, _ZLIB = 31, 15


def decompress(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """The content of a body.

    Args:
        body: As received.
        encoding: A key of ``DECODERS``.
        limit_bytes: Largest content that is accepted.
    Raises:
        MalformedPayload: Not that encoding, damaged, cut off, or followed by something else.
        PayloadTooLarge: The content is larger than the limit, or larger than any telemetry of this size could be.
    """
    limit = min(limit_bytes, max(RATIO_FREE_BYTES, len(body) * MAX_RATIO))
    return DECODERS[encoding](body, limit)


def _gunzip(body: bytes, limit: int) -> bytes:
    """All members of a gzip file (RFC 1952 section 2.2), one after the other."""
    members = []
    left = limit
    for _ in range(MAX_STREAMS):
        content, body = _inflate(body, _GZIP, left)
        left -= len(content)
        members.append(content)
        if not body:
            return members[0] if len(members) == 1 else b"".join(members)
    raise PayloadTooLarge(f"the gzip body has more than {MAX_STREAMS} members")


def _inflate_zlib(body: bytes, limit: int) -> bytes:
    """What HTTP calls "deflate": the zlib format (RFC 9110 section 8.4.1.2)."""
    content, rest = _inflate(body, _ZLIB, limit)
    if rest:
        raise MalformedPayload("bytes follow the compressed data")
    return content


def _inflate(body: bytes, wbits: int, limit: int) -> tuple[bytes, bytes]:
    stream = _inflater.decompressobj(wbits)
    try:
        content: bytes = stream.decompress(body, limit + 1)
    except _inflater.error:
        raise MalformedPayload("the compressed body is damaged") from None
    if len(content) > limit:
        raise PayloadTooLarge("the decompressed body is larger than the limit")
    if not stream.eof:
        raise MalformedPayload("the compressed body is cut off")
    return content, stream.unused_data


def _unzstd(body: bytes, limit: int) -> bytes:
    _check_zstd_frames(body, limit)
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW_BYTES)
    # Not decompressor.decompress(max_output_size=…): that is ignored when the frame declares a size.
    try:
        with decompressor.stream_reader(body, read_across_frames=True) as reader:
            content = reader.read(limit + 1)
    except zstandard.ZstdError:
        raise MalformedPayload("the compressed body is damaged") from None
    if len(content) > limit:
        raise PayloadTooLarge("the decompressed body is larger than the limit")
    return content


def _check_zstd_frames(body: bytes, limit: int) -> None:
    """Walk the frames and their blocks (RFC 8878 section 3.1.1) without decompressing: the stream reader of the
    library takes a body that is cut off for a complete one.
    """
    position = frames = 0
    while position < len(body) or not frames:
        frames += 1
        if frames > MAX_STREAMS:
            raise PayloadTooLarge(f"the zstd body has more than {MAX_STREAMS} frames")
        position = _end_of_zstd_frame(body, position, limit)


def _end_of_zstd_frame(body: bytes, start: int, limit: int) -> int:
    head = body[start : start + 18]  # the longest frame header
    try:
        if head[:4] != ZSTD_MAGIC:
            raise MalformedPayload("the body is not zstd")
        parameters = zstandard.get_frame_parameters(head)
        position = start + zstandard.frame_header_size(head)
    except zstandard.ZstdError:
        raise MalformedPayload("the compressed body is damaged") from None
    declared = parameters.content_size
    if declared != zstandard.CONTENTSIZE_UNKNOWN and declared > limit:
        raise PayloadTooLarge("the decompressed body is larger than the limit")
    if parameters.window_size > MAX_ZSTD_WINDOW_BYTES and declared == zstandard.CONTENTSIZE_UNKNOWN:
        raise PayloadTooLarge("the zstd window is larger than 8 MiB")
    last = False
    while not last:
        header = int.from_bytes(body[position : position + 3], "little")
        last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
        position += 3 + (1 if kind == ZSTD_RLE_BLOCK else size)
        if kind == ZSTD_RESERVED_BLOCK or (size == 0 and not last):
            raise MalformedPayload("the compressed body is damaged")
        if position > len(body):
            raise MalformedPayload("the compressed body is cut off")
    position += 4 * parameters.has_checksum
    if position > len(body):
        raise MalformedPayload("the compressed body is cut off")
    return position


DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "deflate": _inflate_zlib,
    "zlib": _inflate_zlib,
    "zstd": _unzstd,
}
