"""String literals: Go's escapes, which OTTL takes over."""

from __future__ import annotations

import re

_SIMPLE = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
}
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\\"])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))", re.ASCII
)


class BadEscapeError(ValueError):
    """An escape that Go does not know.

    Attributes:
        offset: Where in the literal it begins.
    """

    def __init__(self, offset: int, escape: str) -> None:
        super().__init__(
            f'"{escape}" is no escape of strings; a backslash itself is written twice: "\\\\{escape[1:]}"'
            if escape != "\n"
            else 'strings end on the line on which they begin; write "\\n" for a line break'
        )
        self.offset = offset


def unquote(literal: str) -> str:
    r"""The string that a literal means.

    >>> unquote('"a\\t\\x41\\u00e9"')
    'a\tAé'

    Bytes above 0x7F that are no UTF-8 together become surrogates (``surrogateescape``), which equal no telemetry.

    Raises:
        BadEscapeError: With the place.
    """
    end = len(literal) - 1
    parts = bytearray()
    at = 1
    while at < end:
        if literal[at] == "\n":
            raise BadEscapeError(at, "\n")
        if literal[at] != "\\":
            parts += literal[at].encode("utf-8", "surrogatepass")
            at += 1
            continue
        match = _ESCAPE.match(literal, at, end)
        if match is None:
            raise BadEscapeError(at, literal[at : at + 2])
        parts += _bytes_of(match, at)
        at = match.end()
    return parts.decode("utf-8", "surrogateescape")


def _bytes_of(match: re.Match[str], at: int) -> bytes:
    simple, hexadecimal, octal, short, long = match.groups()
    if simple:
        return _SIMPLE[simple].encode()
    if hexadecimal:
        return bytes((int(hexadecimal, 16),))
    if octal:
        value = int(octal, 8)
        if value > 0xFF:
            raise BadEscapeError(at, match[0])
        return bytes((value,))
    code = int(short or long, 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise BadEscapeError(at, match[0])
    return chr(code).encode()
