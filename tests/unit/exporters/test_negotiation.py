"""Which format a scraper gets."""

from __future__ import annotations

import pytest

from pipeline.codec.prometheus_labels import Format
from pipeline.codec.prometheus_names import Escaping
from pipeline.exporters.negotiation import accepts_gzip, choose

PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
NATIVE = f"{PROTOBUF};q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4"

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROTOBUF_TYPE = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"


@pytest.mark.parametrize(
    ("accept", "openmetrics", "content_type"),
    [
        ("", False, TEXT_TYPE),
        ("", True, TEXT_TYPE),
        ("*/*", True, TEXT_TYPE),
        (PROMETHEUS_2, False, TEXT_TYPE),
        (PROMETHEUS_2, True, OPENMETRICS_TYPE),
        (PROMETHEUS_3, False, "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"),
        (PROMETHEUS_3, True, OPENMETRICS_TYPE + "; escaping=allow-utf-8"),
        (NATIVE, False, PROTOBUF_TYPE),
        (NATIVE, True, PROTOBUF_TYPE),
        (PROTOBUF.replace("delimited", "text"), True, TEXT_TYPE),
        (PROTOBUF.replace("MetricFamily", "Other"), True, TEXT_TYPE),
        (PROTOBUF + ";escaping=dots", False, PROTOBUF_TYPE + "; escaping=dots"),
        ("application/openmetrics-text", True, OPENMETRICS_TYPE),
        ("application/openmetrics-text;version=0.0.1", True, OPENMETRICS_TYPE.replace("1.0.0", "0.0.1")),
        ("application/openmetrics-text;version=9.9.9", True, TEXT_TYPE),
        ('APPLICATION/OpenMetrics-Text; Version="1.0.0"', True, OPENMETRICS_TYPE),
        ("application/openmetrics-text;q=0,text/plain", True, TEXT_TYPE),
        ("application/openmetrics-text;q=0.1,text/plain;q=0.9", True, TEXT_TYPE),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", True, TEXT_TYPE),
    ],
)
def test_the_best_known_format_is_chosen(accept: str, openmetrics: bool, content_type: str) -> None:
    assert choose(accept, openmetrics=openmetrics).content_type == content_type


@pytest.mark.parametrize(
    "accept",
    [
        "garbage",
        ";;;===,,,",
        "text",
        "/",
        ",",
        "text/plain;q=high",
        "application/openmetrics-text;q=nan",
        "application/openmetrics-text;q=1e9",
        "application/openmetrics-text;q=-1",
        "\x00\x7f;q=\x01",
        "application/json",
        "a" * 100_000,
        ",".join(["x/y"] * 1000 + ["application/openmetrics-text"]),
    ],
)
def test_what_is_not_understood_gives_text(accept: str) -> None:
    assert choose(accept, openmetrics=True).content_type == TEXT_TYPE


def test_names_are_escaped_unless_the_scraper_says_that_it_need_not_be() -> None:
    assert choose(PROMETHEUS_2, openmetrics=False).escaping is Escaping.UNDERSCORES
    assert choose(PROMETHEUS_3, openmetrics=False).escaping is Escaping.ALLOW_UTF8
    assert choose("text/plain;escaping=values", openmetrics=False).escaping is Escaping.VALUES
    assert choose("text/plain;escaping=nonsense", openmetrics=False).escaping is Escaping.UNDERSCORES


def test_protobuf_is_offered_whether_or_not_openmetrics_is() -> None:
    assert {choose(PROTOBUF, openmetrics=on).form for on in (True, False)} == {Format.PROTOBUF}


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("deflate, GZIP;q=0.5", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("x-gzip-not", False),
        ("gzip;q=zero", False),
    ],
)
def test_gzip_is_used_only_where_it_is_accepted(accept_encoding: str, expected: bool) -> None:
    assert accepts_gzip(accept_encoding) is expected
