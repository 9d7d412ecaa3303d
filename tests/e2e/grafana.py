"""Grafana over its HTTP interface: what a person does with dashboards, done by a program."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any


class Grafana:
    """A Grafana that runs somewhere.

    Args:
        url: Without a slash at the end.
        user: Who may import dashboards, with a password; the account that every new Grafana has.
    """

    def __init__(self, url: str, user: str = "admin:admin") -> None:
        self._url = url
        self._authorization = f"Basic {base64.b64encode(user.encode()).decode()}"

    def is_healthy(self) -> None:
        """It and its database answer."""
        assert self._call("/api/health")["database"] == "ok"

    def reaches(self, datasource: str) -> None:
        """The data source, given by uid, answers Grafana."""
        answer = self._call(f"/api/datasources/uid/{datasource}/health")
        assert answer["status"] == "OK", answer

    def uids(self) -> set[str]:
        """Of all dashboards."""
        return {found["uid"] for found in self._call("/api/search?type=dash-db&limit=5000")}

    def dashboard(self, uid: str) -> dict[str, Any]:
        """As Grafana has stored it."""
        found: dict[str, Any] = self._call(f"/api/dashboards/uid/{uid}")["dashboard"]
        return found

    def import_dashboard(self, dashboard: Mapping[str, Any], datasource: str) -> str:
        """What the page *Import dashboard* does, with each data source that is asked for chosen. Returns the uid."""
        inputs = [{**wanted, "value": datasource} for wanted in dashboard["__inputs"]]
        body = {"dashboard": {**dashboard, "id": None}, "inputs": inputs, "overwrite": True, "folderUid": ""}
        answer = self._call("/api/dashboards/import", body)
        assert answer["imported"], answer
        uid: str = answer["uid"]
        return uid

    def values(self, target: Mapping[str, Any], datasource: str, *, minutes: int = 5) -> int:
        """How many numbers a query of a panel gives; Grafana fills in ``$__rate_interval`` and its like."""
        kind = "instant" if target.get("instant") else "range"
        query = {
            "refId": "A",
            "datasource": {"type": "prometheus", "uid": datasource},
            "expr": target["expr"],
            kind: True,
            "intervalMs": 15_000,
            "maxDataPoints": 300,
        }
        body = {"queries": [query], "from": f"now-{minutes}m", "to": "now"}
        result = self._call("/api/ds/query", body)["results"]["A"]
        assert "error" not in result, f"{target['expr']}: {result['error']}"
        return sum(
            sum(value is not None for value in values)
            for frame in result.get("frames", ())
            for field, values in zip(frame["schema"]["fields"], frame["data"]["values"], strict=True)
            if field["type"] == "number"
        )

    def through(self, datasource: str, path: str) -> Any:
        """What a data source answers to a GET that Grafana passes on."""
        return self._call(f"/api/datasources/proxy/uid/{datasource}{path}")

    def _call(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        headers = {"authorization": self._authorization, "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                # A query that fails answers 400 with the reason where the result would be.
                text = error.read().decode()
            raise AssertionError(f"{path}: HTTP {error.code}: {text}") from None
        except (urllib.error.URLError, ConnectionError) as error:
            raise AssertionError(f"{path}: {error}") from None
