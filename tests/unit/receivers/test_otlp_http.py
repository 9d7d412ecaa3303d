"""What the event loop does itself, and what it leaves to workers so that others are not held up."""

import pytest

from pipeline.http_server import Request
from pipeline.receivers.otlp_http import INLINE_BYTES, INLINE_COMPRESSED_BYTES, is_quick

JSON, PROTOBUF = "application/json", "application/x-protobuf; charset=utf-8"


@pytest.mark.parametrize(
    ("content_type", "encoding", "size", "expected"),
    [
        (PROTOBUF, "", INLINE_BYTES, True),
        (PROTOBUF, "identity", INLINE_BYTES + 1, False),
        (PROTOBUF, "gzip", INLINE_COMPRESSED_BYTES, True),
        (PROTOBUF, "GZIP", INLINE_COMPRESSED_BYTES + 1, False),
        (JSON, "", 10, False),
        ("APPLICATION/JSON", "", 10, False),
    ],
)
def test_only_what_takes_milliseconds_runs_in_the_loop(
    content_type: str, encoding: str, size: int, expected: bool
) -> None:
    headers = {"content-type": content_type, "content-encoding": encoding}
    assert is_quick(Request("POST", "/v1/traces", "", headers, bytes(size), "peer")) == expected
