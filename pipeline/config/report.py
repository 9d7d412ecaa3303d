"""How a mistake in the configuration is told: ``path (file:line): what; did you mean "x"?``"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pipeline.config.node import Mark, Path, format_path


class Report:
    """Collects mistakes and warnings; a problem told twice is kept once."""

    def __init__(self, problems: Iterable[str] = (), warnings: Iterable[str] = ()) -> None:
        self.problems: list[str] = list(problems)
        self.warnings: list[str] = list(warnings)

    def problem(self, path: Path, mark: Mark, what: str, wrong: str = "", candidates: Iterable[str] = ()) -> None:
        """Add a mistake.

        Args:
            path: Where in the document.
            mark: Where in the files.
            what: What is wrong, and where possible what to do.
            wrong: The name that was written, when it is the mistake.
            candidates: Names that would be right here; the nearest one is suggested.
        """
        line = f"{format_path(path)} ({mark}): {what}{suggestion(wrong, candidates)}"
        if line not in self.problems:
            self.problems.append(line)

    def warning(self, path: Path, mark: Mark, what: str) -> None:
        """Add something odd that does not stop the start."""
        line = f"{format_path(path)} ({mark}): {what}"
        if line not in self.warnings:
            self.warnings.append(line)


def suggestion(wrong: str, candidates: Iterable[str]) -> str:
    """``; did you mean "x"?`` when a candidate is near, a list when there are few, else nothing.

    >>> suggestion("dimension", ["dimensions", "histogram"])
    '; did you mean "dimensions"?'
    """
    names = sorted(set(candidates))
    near = difflib.get_close_matches(wrong.lower(), names, n=1, cutoff=0.6)
    if near:
        return f'; did you mean "{near[0]}"?'
    if 0 < len(names) <= 12:
        return f"; possible here: {', '.join(names)}"
    return ""
