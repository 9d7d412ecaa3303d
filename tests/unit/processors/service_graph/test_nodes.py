"""Names of the two ends of an edge."""

from __future__ import annotations

from typing import Any

import pytest

from processors.service_graph.config import Config
from processors.service_graph.nodes import Nodes


def ends(edge: str, client: dict[str, str], server: dict[str, str], **config: Any) -> tuple[Any, ...] | None:
    values = Nodes(Config.model_validate(config)).series(edge, client, server, failed=False)
    return values and values[:3]


SHOP, CART = {"service": "shop"}, {"service": "cart"}


@pytest.mark.parametrize(
    ("edge", "client", "server", "otelcol", "tempo"),
    [
        ("plain", SHOP, CART, ("shop", "cart", ""), ("shop", "cart", None)),
        ("messaging", SHOP, CART, ("shop", "cart", "messaging_system"), ("shop", "cart", "messaging_system")),
        ("virtual_server", SHOP, {}, ("shop", "unknown", "virtual_node"), None),
        ("virtual_server", SHOP | {"peer": "x"}, {}, ("shop", "x", "virtual_node"), ("shop", "x", "virtual_node")),
        ("virtual_client", {}, CART, ("user", "cart", "virtual_node"), ("user", "cart", "virtual_node")),
        ("virtual_client", {}, CART | {"peer": "x"}, ("user", "cart", "virtual_node"), ("x", "cart", "virtual_node")),
        ("orphan", {}, CART, None, None),
        ("plain", {"service": ""}, CART, ("unknown_service", "cart", ""), ("unknown_service", "cart", None)),
    ],
)
def test_ends_of_an_edge(edge: str, client: Any, server: Any, otelcol: Any, tempo: Any) -> None:
    assert ends(edge, client, server) == otelcol
    assert ends(edge, client, server, naming="tempo") == tempo


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({}, "orders"),
        ({"network.peer.port": "5432"}, "orders"),
        ({"network.peer.address": "10.0.0.1"}, "10.0.0.1"),
        ({"network.peer.address": "10.0.0.1", "network.peer.port": "5432"}, "10.0.0.1:5432"),
        ({"server.address": "pg", "network.peer.address": "10.0.0.1"}, "pg"),
        ({"peer.service": "billing", "server.address": "pg"}, "billing"),
    ],
)
def test_tempo_calls_a_database_by_its_address(attributes: dict[str, str], name: str) -> None:
    client = SHOP | {"database": "orders"} | attributes
    assert ends("database", client, {}, naming="tempo") == ("shop", name, "database")
    assert ends("database", client, {}) == ("shop", "orders", "database")
