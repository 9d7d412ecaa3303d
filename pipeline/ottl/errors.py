"""What is wrong with a condition, shown at its place in the text."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pipeline.errors import ConfigError

MAX_SHOWN = 120
"""Characters of a line that are shown around the mistake."""


class OttlError(ConfigError, ValueError):
    """A condition that cannot be used.

    A ``ValueError`` too, so that pydantic reports it at its key in the configuration.

    Args:
        what: The mistake, and where possible the remedy.
        text: The condition.
        start, end: The part of the text that is wrong.

    >>> print(OttlError("there is no path \\"nam\\"", 'nam == "x"', 0, 3))
    there is no path "nam"
        nam == "x"
        ^~~
    """

    def __init__(self, what: str, text: str, start: int, end: int) -> None:
        super().__init__([f"{what}\n{_pointer(text, start, end)}"])
        self.what = what
        self.start = start


def _pointer(text: str, start: int, end: int) -> str:
    """The line of the mistake with a caret below it."""
    begin = text.rfind("\n", 0, start) + 1
    stop = text.find("\n", start)
    line = text[begin:] if stop < 0 else text[begin:stop]
    column = start - begin
    cut = max(0, column - MAX_SHOWN // 2)
    shown = "".join(one if one.isprintable() else " " for one in line[cut : cut + MAX_SHOWN])
    column -= cut
    width = max(1, min(end - start, len(shown) - column))
    return f"    {shown}\n    {' ' * column}^{'~' * (width - 1)}"


def nearest(wrong: str, names: Iterable[str]) -> str:
    """``; did you mean "x"?`` where a name is near, else all of them.

    >>> nearest("IsMach", ["IsMatch", "Len"])
    '; did you mean "IsMatch"?'
    """
    known = sorted(names)
    lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(wrong.lower(), lower, n=1, cutoff=0.7)
    return f'; did you mean "{lower[near[0]]}"?' if near else f"; supported: {', '.join(known)}"
