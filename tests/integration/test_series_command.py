"""``weir series`` against a running Weir."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.testing import export_request
from tests.integration.running_engine import RunningEngine

CONFIG = """
connectors: {span_metrics: {aggregation_cardinality_limit: 20}, service_graph: }
extensions: {admin: {endpoint: "127.0.0.1:0"}}
service: {extensions: [admin]}
"""


def test_it_names_the_label_that_has_reached_the_limit() -> None:
    with RunningEngine(CONFIG) as weir:
        spans = [{"service": "cart", "name": f"GET /orders/{number}"} for number in range(100)]
        weir.send(export_request(spans).SerializeToString())
        admin: Any = weir.engine.graph.extensions["admin"]
        arguments = ["series", "--endpoint", "http://{}:{}".format(*admin.address)]
        text = CliRunner().invoke(app, arguments).output.splitlines()
        table = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).output)[0]
    assert "series, at a limit" in text[0]
    assert text[2].split()[0] == table["labels"][0]["label"] == "span.name"
