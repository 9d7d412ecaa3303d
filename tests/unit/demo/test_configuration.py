"""The demo finds ports and writes a configuration that the engine accepts."""

import socket

from pipeline.config.check import check
from pipeline.config.load import load_document
from pipeline.demo.configuration import choose_addresses
from pipeline.service.registry import Registry


def test_a_busy_port_is_replaced_and_named() -> None:
    with socket.socket() as other:
        try:
            other.bind(("127.0.0.1", 4317))
            other.listen()
        except OSError:
            pass  # somebody else has it, which is as good
        addresses = choose_addresses()
    assert 4317 in addresses.moved
    assert addresses.grpc != "127.0.0.1:4317"
    chosen = {addresses.grpc, addresses.http, addresses.metrics, addresses.own_metrics}
    assert len(chosen) == 4


def test_the_configuration_has_no_mistakes() -> None:
    checked = check(load_document([f"yaml:{choose_addresses().configuration()}"]), Registry())
    assert not checked.warnings
