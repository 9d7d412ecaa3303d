"""Every codec: exact content, a bound on the output, and no half of a damaged body."""

from __future__ import annotations

import functools
import gzip
import resource
import zlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import zstandard

from pipeline.codec import compression
from pipeline.codec.compression import decompress
from pipeline.errors import MalformedPayload, PayloadTooLarge

CONTENT = bytes(range(256)) * 100
LIMIT = 1 << 20
BOMB_BYTES = 128 << 20


def _zstd(content: bytes, **options: Any) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(content)


def _zstd_stream(content: bytes, window_log: int = 20) -> bytes:
    """Without the size in front, as senders that stream do."""
    parameters = zstandard.ZstdCompressionParameters(window_log=window_log, write_checksum=True)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return stream.compress(content) + stream.flush()


COMPRESS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "zlib": ("zlib", zlib.compress),
    "zstd": ("zstd", _zstd),
    "zstd without a size": ("zstd", _zstd_stream),
}
CODECS = pytest.mark.parametrize("name", COMPRESS)


@pytest.fixture(params=["fast", "plain"], autouse=True)
def inflater(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both gunzips: the fast one, where it is installed, and zlib."""
    if request.param == "plain":
        monkeypatch.setattr(compression, "_inflater", zlib)
    else:
        fast: ModuleType = pytest.importorskip("isal.isal_zlib")
        monkeypatch.setattr(compression, "_inflater", fast)
    return iter(())


@CODECS
@pytest.mark.parametrize("content", [b"", b"a", CONTENT])
def test_content_comes_back(name: str, content: bytes) -> None:
    encoding, compress = COMPRESS[name]
    assert decompress(compress(content), encoding, LIMIT) == content


@CODECS
def test_a_body_cut_off_anywhere_is_refused(name: str) -> None:
    encoding, compress = COMPRESS[name]
    body = compress(CONTENT)
    for length in range(len(body)):
        with pytest.raises(MalformedPayload):
            decompress(body[:length], encoding, LIMIT)


@CODECS
@pytest.mark.parametrize("junk", [b"\0", b"junk", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"])
def test_bytes_after_the_end_are_refused(name: str, junk: bytes) -> None:
    encoding, compress = COMPRESS[name]
    with pytest.raises(MalformedPayload):
        decompress(compress(CONTENT) + junk, encoding, LIMIT)


@CODECS
def test_a_plain_body_is_refused(name: str) -> None:
    with pytest.raises(MalformedPayload):
        decompress(CONTENT, COMPRESS[name][0], LIMIT)


@pytest.mark.parametrize("name", ["gzip", "deflate", "zstd without a size"])
def test_a_flipped_bit_is_never_accepted_as_other_content(name: str) -> None:
    encoding, compress = COMPRESS[name]
    body = compress(CONTENT)
    for position in range(len(body)):
        damaged = bytearray(body)
        damaged[position] ^= 0x10
        try:
            content = decompress(bytes(damaged), encoding, LIMIT)
        except (MalformedPayload, PayloadTooLarge):
            continue
        assert content == CONTENT, f"byte {position}"


@pytest.mark.parametrize("name", ["gzip", "zstd", "zstd without a size"])
def test_several_streams_in_a_row_are_one_body(name: str) -> None:
    encoding, compress = COMPRESS[name]
    body = compress(b"one ") + compress(b"") + compress(b"two")
    assert decompress(body, encoding, LIMIT) == b"one two"
    assert decompress(compress(b"a") * compression.MAX_STREAMS, encoding, LIMIT) == b"a" * compression.MAX_STREAMS
    with pytest.raises(PayloadTooLarge):
        decompress(compress(b"a") * (compression.MAX_STREAMS + 1), encoding, LIMIT)


@CODECS
def test_the_limit_is_exact(name: str) -> None:
    encoding, compress = COMPRESS[name]
    body = compress(CONTENT)
    assert decompress(body, encoding, len(CONTENT)) == CONTENT
    with pytest.raises(PayloadTooLarge):
        decompress(body, encoding, len(CONTENT) - 1)


@CODECS
def test_a_ratio_that_no_telemetry_has_is_refused_above_a_mebibyte(name: str) -> None:
    encoding, compress = COMPRESS[name]
    assert len(decompress(compress(bytes(1 << 20)), encoding, 1 << 24)) == 1 << 20
    with pytest.raises(PayloadTooLarge):
        decompress(compress(bytes(1 << 22)), encoding, 1 << 24)


@functools.cache
def bomb(encoding: str) -> bytes:
    """Much out of little, made in pieces so that making it takes no memory."""
    if encoding == "zstd":
        stream: Any = zstandard.ZstdCompressor().compressobj()
    else:
        stream = zlib.compressobj(1, wbits=31 if encoding == "gzip" else 15)
    piece = bytes(1 << 20)
    return b"".join([*(stream.compress(piece) for _ in range(BOMB_BYTES >> 20)), stream.flush()])


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_bomb_is_stopped_at_the_limit(encoding: str) -> None:
    body = bomb(encoding)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PayloadTooLarge):
        decompress(body, encoding, 16 << 20)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 48 << 10, "KiB"


FORGED_ZSTD = {
    "a size of 2**63": b"\x28\xb5\x2f\xfd\xe0" + (1 << 63).to_bytes(8, "little") + b"\x01\0\0",
    "a window of 128 MiB": _zstd_stream(CONTENT, window_log=27),
}


@pytest.mark.parametrize("name", FORGED_ZSTD)
def test_what_a_zstd_header_claims_is_not_believed(name: str) -> None:
    with pytest.raises(PayloadTooLarge):
        decompress(FORGED_ZSTD[name], "zstd", 16 << 20)


def test_empty_zstd_blocks_are_not_walked_for_ever() -> None:
    body = b"\x28\xb5\x2f\xfd\x00\x58" + bytes(3) * 1_000_000 + b"\x01\0\0"
    with pytest.raises(MalformedPayload):
        decompress(body, "zstd", 16 << 20)
