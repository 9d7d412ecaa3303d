"""``grafana_annotations``: incidents as regions on Grafana's dashboards (``/api/annotations``).

    opened ──POST──▶ annotation ──PATCH, text──▶ … ──PATCH, timeEnd──▶ region

The annotation's number is remembered. After a restart, or when more incidents are open than are remembered, it is
looked for by its tag; where there is none, the end brings the whole region.
"""

from __future__ import annotations

import html
import json
import urllib.parse
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from pipeline.api import ComponentConfig, Settings
from pipeline.exporters.http_client import Answer
from pipeline.exporters.incident_push import MAX_OPEN, IncidentEvent, IncidentPush, IncidentPushConfig, settled
from pipeline.exporters.verdict import Verdict, drop

PATH = "/api/annotations"
MAX_TAG = 100
"""Characters that Grafana keeps of a tag (``tag.key`` and ``tag.value`` in its database)."""


class GrafanaAnnotationsConfig(IncidentPushConfig):
    """Where to, and on which dashboards."""

    dashboard_uid: str = Field(default="", description="only on this dashboard; else on all that show the tags")
    panel_id: int | None = Field(default=None, ge=1, description="only on this panel of the dashboard")
    tags: tuple[str, ...] = Field(default=("weir", "incident"), description="tags of every annotation")


class GrafanaAnnotationsExporter(IncidentPush):
    """Writes annotations."""

    Config: ClassVar[type[ComponentConfig]] = GrafanaAnnotationsConfig

    def __init__(self, config: GrafanaAnnotationsConfig, settings: Settings) -> None:
        super().__init__(config, settings)
        self._config = config
        self._numbers: OrderedDict[str, int] = OrderedDict()

    def payloads(self, event: IncidentEvent) -> Sequence[bytes]:
        """The annotation, with what has happened to it."""
        annotation = {
            "time": round(event.opened_s * 1000),
            "text": "\n".join(html.escape(line) for line in (event.body, *event.evidence[1:])),
            "tags": [tag[:MAX_TAG] for tag in (*self._config.tags, f"service:{event.root}", _tag(event.id))],
        }
        if event.is_over:
            annotation["timeEnd"] = round(event.time_s * 1000)
        return [json.dumps({"id": event.id, "what": event.what, "annotation": annotation}).encode()]

    def deliver(self, payload: bytes, timeout_s: float) -> Verdict:
        """See ``IncidentPush``."""
        given = json.loads(payload)
        incident_id, annotation = given["id"], given["annotation"]
        number = None if given["what"] == "opened" else self._numbers.get(incident_id)
        if number is None and given["what"] != "opened":
            found = self._find(incident_id, timeout_s)
            if isinstance(found, Verdict):
                return found
            number = found
        if number is None:
            return self._create(incident_id, annotation, timeout_s)
        changed = {key: value for key, value in annotation.items() if key != "time"}
        verdict = settled(self.call("PATCH", f"{PATH}/{number}", changed, timeout_s))
        if "timeEnd" in annotation:
            self._numbers.pop(incident_id, None)
        return verdict

    def _create(self, incident_id: str, annotation: dict[str, Any], timeout_s: float) -> Verdict:
        config = self._config
        place: dict[str, Any] = {"dashboardUID": config.dashboard_uid} if config.dashboard_uid else {}
        if config.panel_id is not None:
            place["panelId"] = config.panel_id
        answer = self.call("POST", PATH, place | annotation, timeout_s)
        if isinstance(answer, Answer) and "timeEnd" not in annotation:
            number = _json(answer).get("id") if isinstance(_json(answer), dict) else None
            if isinstance(number, int):
                self._numbers[incident_id] = number
                while len(self._numbers) > MAX_OPEN:
                    self._numbers.popitem(last=False)
        return settled(answer)

    def _find(self, incident_id: str, timeout_s: float) -> int | Verdict | None:
        """The number of an annotation by its tag; None where there is none."""
        query = urllib.parse.urlencode({"tags": _tag(incident_id)[:MAX_TAG], "type": "annotation", "limit": 1})
        answer = self.call("GET", f"{PATH}?{query}", None, timeout_s)
        if isinstance(answer, Verdict):
            return answer
        found = _json(answer)
        if not isinstance(found, list):
            return drop("unreadable_response", "the list of annotations cannot be read")
        numbers = [one.get("id") for one in found if isinstance(one, dict)]
        return next((number for number in numbers if isinstance(number, int)), None)


def _tag(incident_id: str) -> str:
    return f"incident:{incident_id}"


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
