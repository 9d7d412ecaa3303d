"""``weir incidents show`` says in words what a state means that explains nothing by itself."""

from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline import incidents_command

INCIDENT: dict[str, Any] = {
    "id": "20260101T000940Z-payment",
    "severity": "warning",
    "opened_unix_seconds": 1767226180.0,
    "closed_unix_seconds": 1767226300.0,
    "time_to_detect_seconds": 2.0,
    "causes": [{"service": "payment", "score": 39.1}],
    "services": ["payment"],
    "evidence": [],
    "exemplars": [],
    "muted_by": None,
}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("resolved", "resolved, warning"),
        ("unseen", "unseen (no telemetry came any more: whether it is over is not known), warning"),
        ("lasting", "lasting (it went on for so long that it is taken for usual), warning"),
    ],
)
def test_a_story_says_how_an_incident_ended(monkeypatch: pytest.MonkeyPatch, state: str, said: str) -> None:
    def ask(*_arguments: object) -> Any:
        return {**INCIDENT, "state": state}

    monkeypatch.setattr(incidents_command, "ask_admin", ask)
    result = CliRunner().invoke(incidents_command.app, ["show", INCIDENT["id"]])
    assert result.output.splitlines()[0] == f"{INCIDENT['id']}: {said}"
