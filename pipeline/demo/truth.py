"""What the load really sent, counted by the load itself and independently of the pipeline."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

SpanKey = tuple[str, str, str, str]
"""Service, span name, kind (``SPAN_KIND_…``), status (``STATUS_CODE_…``)."""
EdgeKey = tuple[str, str, str]
"""Client, server, connection type."""
Key = TypeVar("Key", bound=tuple[str, ...])


@dataclass
class Truth:
    """Counts by key.

    Attributes:
        spans: Spans whose export was confirmed.
        edges, failed_edges: Calls between services, and those of them in which either side failed.
        traces: Traces begun.
        unsent: Spans that were made and whose export was not confirmed; 0 unless something went wrong.
        fault_began_unix_s: When the fault began; None: it did not.
    """

    spans: Counter[SpanKey] = field(default_factory=Counter)
    edges: Counter[EdgeKey] = field(default_factory=Counter)
    failed_edges: Counter[EdgeKey] = field(default_factory=Counter)
    traces: int = 0
    unsent: int = 0
    fault_began_unix_s: float | None = None

    def write(self, path: Path) -> None:
        """Write as JSON, completely or not at all."""
        document = {
            "spans": [[*key, count] for key, count in sorted(self.spans.items())],
            "edges": [[*key, count] for key, count in sorted(self.edges.items())],
            "failed_edges": [[*key, count] for key, count in sorted(self.failed_edges.items())],
            "traces": self.traces,
            "unsent": self.unsent,
            "fault_began_unix_s": self.fault_began_unix_s,
        }
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(document, indent=1))
        unfinished.replace(path)

    @classmethod
    def read(cls, path: Path) -> Truth:
        """Read what ``write`` wrote."""
        document = json.loads(path.read_text())
        return cls(
            spans=Counter({(row[0], row[1], row[2], row[3]): row[4] for row in document["spans"]}),
            edges=Counter({(row[0], row[1], row[2]): row[3] for row in document["edges"]}),
            failed_edges=Counter({(row[0], row[1], row[2]): row[3] for row in document["failed_edges"]}),
            traces=document["traces"],
            unsent=document["unsent"],
            fault_began_unix_s=document["fault_began_unix_s"],
        )


def differences(what: str, sent: Mapping[Key, int], shown: Mapping[Key, float]) -> list[str]:
    """Return one sentence per key whose count on ``/metrics`` is not what was sent. Absent and 0 are the same."""
    return [
        f"{what} {' | '.join(key)}: sent {sent.get(key, 0)}, /metrics shows {shown.get(key, 0):g}"
        for key in sorted({*sent, *shown})
        if sent.get(key, 0) != shown.get(key, 0)
    ]
