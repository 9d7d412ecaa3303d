"""The keys of the Collector's otlp receiver; what Weir cannot do is an error."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.receivers.otlp_config import OtlpConfig


def config(**protocols: Any) -> OtlpConfig:
    return OtlpConfig.model_validate({"protocols": protocols})


def test_naming_a_protocol_switches_it_on_with_defaults() -> None:
    both = config(grpc=None, http={}).protocols
    assert both.grpc is not None
    assert both.http is not None
    assert (both.grpc.endpoint, both.http.endpoint) == ("127.0.0.1:4317", "127.0.0.1:4318")
    assert both.grpc.max_message_bytes == both.http.max_body_bytes == 16 << 20
    assert both.http.max_json_bytes == 4 << 20
    assert [both.http.path_of(signal) for signal in ("traces", "metrics", "logs")] == [
        "/v1/traces",
        "/v1/metrics",
        "/v1/logs",
    ]
    assert config(grpc=None).protocols.http is None


def test_the_keys_of_the_collector_are_read() -> None:
    protocols = config(
        grpc={
            "endpoint": "0.0.0.0:4317",
            "transport": "tcp",
            "max_recv_msg_size_mib": 64,
            "max_concurrent_streams": 16,
            "auth": {"authenticator": "bearertokenauth"},
            "keepalive": {
                "server_parameters": {"max_connection_idle": "11s", "max_connection_age": "12s", "time": "30s"},
                "enforcement_policy": {"min_time": "10s", "permit_without_stream": True},
            },
            "tls": {"cert_file": "/c.pem", "key_file": "/k.pem", "client_ca_file": "/ca.pem", "reload_interval": "1h"},
        },
        http={
            "endpoint": "[::1]:4318",
            "traces_url_path": "in/traces",
            "max_request_body_size": 1000,
            "compression_algorithms": ["", "gzip"],
            "cors": {"allowed_origins": ["https://*.example.com"], "max_age": 7200},
            "response_headers": {"x-a": "b"},
            "read_header_timeout": "1s",
            "read_timeout": "2s",
            "write_timeout": "3s",
            "idle_timeout": "1m",
            "keep_alives_enabled": False,
        },
    ).protocols
    assert protocols.grpc is not None
    assert protocols.http is not None
    assert protocols.grpc.keepalive.server_parameters.time == 30.0
    assert protocols.grpc.max_message_bytes == 64 << 20
    assert protocols.http.path_of("traces") == "/in/traces"
    assert protocols.http.max_json_bytes == 1000, "never above the limit for all bodies"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no protocol": ({}, "name at least one protocol: grpc, http"),
    "unknown protocol": ({"thrift": None}, "thrift"),
    "unsupported key": ({"http": {"middlewares": []}}, "middlewares"),
    "authentication by nobody": ({"grpc": {"auth": {}}}, "authenticator"),
    "endpoint without a port": ({"grpc": {"endpoint": "localhost"}}, "is not an endpoint"),
    "port out of range": ({"grpc": {"endpoint": "localhost:70000"}}, "is not a port"),
    "unknown compression": ({"http": {"compression_algorithms": ["snappy"]}}, "'snappy' is not supported; choose from"),
    "duration without a unit": ({"http": {"read_timeout": 5}}, "has no unit"),
    "two signals on one path": ({"http": {"traces_url_path": "/v1/logs"}}, "must differ"),
    "TLS without a key": ({"http": {"tls": {"cert_file": "/c.pem"}}}, "key_file"),
    "gRPC with TLS 1.3 only": (
        {"grpc": {"tls": {"cert_file": "/c", "key_file": "/k", "min_version": "1.3"}}},
        "leave min_version out",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_done_is_an_error(name: str) -> None:
    protocols, message = WRONG[name]
    with pytest.raises(ValidationError, match=message):
        config(**protocols)


def test_zero_is_the_default_size_and_no_time_limit() -> None:
    protocols = config(
        grpc={"max_recv_msg_size_mib": 0}, http={"max_request_body_size": 0, "read_timeout": "0"}
    ).protocols
    assert protocols.grpc is not None
    assert protocols.http is not None
    assert protocols.grpc.max_message_bytes == protocols.http.max_body_bytes == 16 << 20
    assert (protocols.http.read_timeout or math.inf) == math.inf
