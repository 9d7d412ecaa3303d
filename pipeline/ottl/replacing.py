"""What editors do to one text: replace by expression or glob, and truncate, as Go's libraries do.

Source: ``regexp.ReplaceAllString`` and ``Expand`` of Go; gobwas/glob, which the Collector uses; pkg/ottl/ottlfuncs.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pipeline.ottl.re2 import compile_re2
from pipeline.ottl.values import ValueFault

_REFERENCE = re.compile(r"\$(?:\$|([A-Za-z0-9_]+)|\{([A-Za-z0-9_]+)\})", re.ASCII)


def replacer(pattern: str) -> Callable[[str, str], str]:
    """A function of a text and a replacement, in which ``$1`` and ``${name}`` stand for groups.

    >>> replacer("a(b*)")("xabbay", "<${1}>")
    'x<bb><>y'

    Raises:
        RegexError: It is no expression.
    """
    compiled = compile_re2(pattern)

    def replace(text: str, replacement: str) -> str:
        pieces: list[str] = []
        copied = position = 0
        while position <= len(text) and (match := compiled.search(text, position)) is not None:
            start, end = match.span()
            pieces.append(text[copied:start])
            # an empty match right behind another one is none
            if end > copied or start == 0:
                pieces.append(_expanded(replacement, match))
            copied = end
            position = max(end, position + 1)
        return "".join((*pieces, text[copied:]))

    return replace


def _expanded(replacement: str, match: re.Match[str]) -> str:
    """A replacement with the groups of a match; what names no group is empty."""

    def group(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        if name is None:
            return "$"
        if name.isdigit():
            number = int(name)
            return (match[number] or "") if number <= match.re.groups else ""
        return (match[name] or "") if name in match.re.groupindex else ""

    return _REFERENCE.sub(group, replacement) if "$" in replacement else replacement


def glob(pattern: str) -> Callable[[str], bool]:
    """Whether a whole text matches: ``*`` any characters, ``?`` one, ``[a-z]`` and ``[!a-z]``, ``{one,other}``.

    >>> glob("/user/*/[0-9]")("/user/a/b/7"), glob("{a,b?}")("bc"), glob("a")("ab")
    (True, True, False)

    Raises:
        ValueFault: It is no pattern.
    """
    matches = re.compile(_regex(pattern), re.DOTALL).fullmatch
    return lambda text: matches(text) is not None


def _regex(pattern: str) -> str:
    out: list[str] = []
    depth = at = 0
    while at < len(pattern):
        one = pattern[at]
        at += 1
        if one == "\\" and at < len(pattern):
            out.append(re.escape(pattern[at]))
            at += 1
        elif one == "*":
            out.append(".*")
        elif one == "?":
            out.append(".")
        elif one == "[":
            end = pattern.find("]", at + 1)
            if end < 0:
                raise ValueFault("a [ of the pattern is not closed")
            inner, is_not = pattern[at:end].removeprefix("!"), pattern[at] == "!"
            range_ = re.fullmatch(r"(.)-(.)", inner, re.DOTALL)
            if range_ is not None and range_[1] > range_[2]:
                raise ValueFault(f"the range {inner} of the pattern is empty")
            known = f"{re.escape(range_[1])}-{re.escape(range_[2])}" if range_ is not None else re.escape(inner)
            out.append(f"[{'^' if is_not else ''}{known}]")
            at = end + 1
        elif one == "{":
            depth += 1
            out.append("(?:")
        elif one == "}" and depth:
            depth -= 1
            out.append(")")
        elif one == "," and depth:
            out.append("|")
        else:
            out.append(re.escape(one))
    if depth:
        raise ValueFault("a { of the pattern is not closed")
    return "".join(out)


def truncated(text: str, limit: int) -> str:
    """The first bytes of a text, without the character that would be cut in two.

    >>> truncated("aä", 2)
    'a'
    """
    data = text.encode("utf-8", "surrogateescape")
    return text if len(data) <= limit else data[:limit].decode("utf-8", "ignore")
