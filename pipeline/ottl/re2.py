"""Regular expressions as Go writes them (RE2), for Python's ``re``.

The Collector's configuration holds RE2 patterns. Most mean the same in Python; what would mean something else is
rewritten (``$``, ``\\d``, ``(?i)`` in the middle, ``[[:alpha:]]``, ``\\z``, ``\\x{263a}``), and what RE2 refuses
(look-around, back-references, possessive repetition) is refused here. Python's engine tries alternatives one after the
other, so time can grow exponentially with the length of a value where RE2's does not: as patterns come from the
configuration and values from strangers, avoid nested repetition such as ``(a+)+``.

Source: https://github.com/google/re2/wiki/Syntax and Go's ``regexp/syntax``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_REPEAT = 1000
"""RE2's limit."""

_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": r"\t\n\f\r "}
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_CONTROLS = {"a": "\a", "f": "\f", "t": "\t", "n": "\n", "r": "\r", "v": "\v"}
_GROUP = re.compile(r"\(\?(?:P?<([A-Za-z0-9_]+)>|([imsU]*)(?:-([imsU]+))?([:)]))", re.ASCII)
_REPEAT = re.compile(r"\{([0-9]+)(?:(,)([0-9]*))?\}", re.ASCII)
_HEX = re.compile(r"x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))", re.ASCII)
_OCTAL = re.compile(r"0[0-7]{0,2}|[1-7][0-7]{1,2}", re.ASCII)
_POSIX_NAME = re.compile(r"\[:(\^?)([a-z]+):\]", re.ASCII)


class RegexError(ValueError):
    """A pattern that RE2 does not take, or that Python cannot run.

    Attributes:
        offset: Where in the pattern.
    """

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what)
        self.offset = offset


class _Flags(NamedTuple):
    ignore_case: bool = False
    multiline: bool = False
    dot_all: bool = False


def compile_re2(pattern: str) -> re.Pattern[str]:
    """The pattern for Python's engine; ``search`` says whether RE2 would match.

    >>> bool(compile_re2("(?i)^get$").search("GET")), bool(compile_re2("a$").search("a\\n"))
    (True, False)

    Raises:
        RegexError: With the place.
    """
    translated = _Translator(pattern).run()
    try:
        return re.compile(translated)
    except (re.error, OverflowError, RecursionError) as error:
        raise RegexError(f"not a regular expression: {getattr(error, 'msg', error)}", 0) from error


class _Translator:
    """One pass over a pattern."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._out: list[str] = []
        self._flags = _Flags()
        self._outer: list[_Flags] = []
        self._repeatable = False
        """Whether what was written last may be repeated."""

    def run(self) -> str:
        """The whole pattern."""
        while self._at < len(self._pattern):
            self._step(self._pattern[self._at])
        if self._outer:
            raise self._error('missing ")"')
        return "".join(self._out)

    def _step(self, one: str) -> None:
        match one:
            case "\\":
                self._escape()
            case "[":
                self._atom(self._class())
            case "(":
                self._open()
            case ")":
                self._close()
            case "|":
                self._write("|", 1, repeatable=False)
            case "*" | "+" | "?":
                self._repeat(one, 1)
            case "{":
                self._braces()
            case ".":
                self._write("(?s:.)" if self._flags.dot_all else ".", 1)
            case "^":
                self._write("(?m:^)" if self._flags.multiline else r"(?:\A)", 1)
            case "$":
                self._write("(?m:$)" if self._flags.multiline else r"(?:\Z)", 1)
            case _:
                self._at += 1
                self._atom(re.escape(one))

    def _write(self, text: str, length: int, *, repeatable: bool = True) -> None:
        self._out.append(text)
        self._at += length
        self._repeatable = repeatable

    def _atom(self, text: str) -> None:
        """A character or a class, in which the case may not matter."""
        self._write(f"(?i:{text})" if self._flags.ignore_case else text, 0)

    def _repeat(self, operator: str, length: int) -> None:
        if not self._repeatable:
            raise self._error(f'"{self._pattern[self._at : self._at + length]}" repeats nothing that can be repeated')
        lazy = self._pattern[self._at + length : self._at + length + 1] == "?"
        self._write(operator + "?" * lazy, length + lazy, repeatable=False)

    def _braces(self) -> None:
        match = _REPEAT.match(self._pattern, self._at)
        if match is None:
            self._at += 1
            self._atom(r"\{")
            return
        numbers = [int(number) for number in (match[1], match[3]) if number]
        if max(numbers) > MAX_REPEAT or sorted(numbers) != numbers:
            raise self._error(f'invalid repetition "{match[0]}": at most {MAX_REPEAT}, the lower number first')
        self._repeat(match[0], len(match[0]))

    def _open(self) -> None:
        if not self._pattern.startswith("(?", self._at):
            self._outer.append(self._flags)
            self._write("(", 1, repeatable=False)
            return
        match = _GROUP.match(self._pattern, self._at)
        if match is None:
            raise self._error("look-around, back-references and comments are not part of RE2")
        name, on, off, end = match.groups()
        if name is not None:
            self._outer.append(self._flags)
            self._write(f"(?P<{name}>" if not name[0].isdigit() else "(", len(match[0]), repeatable=False)
            return
        flags = self._flags
        for letters, value in ((on or "", True), (off or "", False)):
            flags = flags._replace(
                ignore_case=value if "i" in letters else flags.ignore_case,
                multiline=value if "m" in letters else flags.multiline,
                dot_all=value if "s" in letters else flags.dot_all,
            )
        if end == ":":
            self._outer.append(self._flags)
            self._write("(?:", len(match[0]), repeatable=False)
        else:
            self._at += len(match[0])  # a repetition behind it is of what stands before it
        self._flags = flags

    def _close(self) -> None:
        if not self._outer:
            raise self._error('")" without "("')
        self._flags = self._outer.pop()
        self._write(")", 1)

    def _escape(self) -> None:
        rest = self._pattern[self._at + 1 :]
        letter = rest[:1]
        lower = letter.lower()
        if lower in _CLASSES and letter:
            self._at += 2
            self._atom(f"[{'^' if letter.isupper() else ''}{_CLASSES[lower]}]")
        elif letter == "b":
            self._write(r"(?a:\b)", 2)
        elif letter == "B":  # Python's own matches nowhere in an empty text
            self._write(r"(?!(?a:\b))", 2)
        elif letter == "A":
            self._write(r"(?:\A)", 2)
        elif letter == "z":
            self._write(r"(?:\Z)", 2)
        elif letter == "Q":
            end = self._pattern.find(r"\E", self._at)
            stop = len(self._pattern) if end < 0 else end
            for one in self._pattern[self._at + 2 : stop]:
                self._atom(re.escape(one))
            self._at = stop if end < 0 else stop + 2
        else:
            self._atom(re.escape(self._character()))

    def _character(self) -> str:
        """The character that an escape means."""
        begin = self._at
        self._at += 1
        letter = self._pattern[self._at : self._at + 1]
        if match := _HEX.match(self._pattern, self._at):
            code = int(match[1] or match[2], 16)
            if code > 0x10FFFF:
                raise self._error("no such character", begin)
            self._at = match.end()
            return chr(code)
        if match := _OCTAL.match(self._pattern, self._at):
            self._at = match.end()
            return chr(int(match[0], 8))
        if letter in _CONTROLS and letter:
            self._at += 1
            return _CONTROLS[letter]
        if not letter:
            raise self._error("a backslash at the end", begin)
        if letter.isascii() and letter.isalnum():
            what = "Unicode classes are not supported" if letter in "pP" else f'"\\{letter}" is no escape of RE2'
            raise self._error(what, begin)
        self._at += 1
        return letter

    def _class(self) -> str:
        """``[…]``"""
        begin = self._at
        self._at += 1
        parts = ["["]
        if self._pattern.startswith("^", self._at):
            parts.append("^")
            self._at += 1
        first = True
        while first or not self._pattern.startswith("]", self._at):
            if self._at >= len(self._pattern):
                raise self._error('missing "]"', begin)
            parts.append(self._members())
            first = False
        self._at += 1
        return "".join([*parts, "]"])

    def _members(self) -> str:
        """A character, range or class inside brackets."""
        if match := _POSIX_NAME.match(self._pattern, self._at):
            if match[2] not in _POSIX:
                raise self._error(f'there is no class "{match[0]}"')
            self._at = match.end()
            return _complement(_POSIX[match[2]]) if match[1] else _POSIX[match[2]]
        letter = self._pattern[self._at + 1 : self._at + 2]
        if self._pattern.startswith("\\", self._at) and letter.lower() in _CLASSES and letter:
            self._at += 2
            members = _CLASSES[letter.lower()]
            return _complement(members) if letter.isupper() else members
        low = self._member()
        if not self._pattern.startswith("-", self._at) or self._pattern[self._at + 1 : self._at + 2] in ("]", ""):
            return _member_text(low)
        self._at += 1
        high = self._member()
        if high < low:
            raise self._error(f'invalid range "{low}-{high}"')
        return f"{_member_text(low)}-{_member_text(high)}"

    def _member(self) -> str:
        if self._pattern.startswith("\\", self._at):
            return self._character()
        if self._at >= len(self._pattern):
            raise self._error('missing "]"')
        self._at += 1
        return self._pattern[self._at - 1]

    def _error(self, what: str, offset: int = -1) -> RegexError:
        return RegexError(what, self._at if offset < 0 else offset)


def _member_text(character: str) -> str:
    return f"\\U{ord(character):08x}"


def _complement(members: str) -> str:
    """All other characters, as ranges of a class."""
    inside = re.compile(f"[{members}]")
    ranges = []
    begin = 0
    for code in range(129):
        if code < 128 and not inside.match(chr(code)):
            continue
        last = code - 1 if code < 128 else 0x10FFFF
        if last >= begin:
            ranges.append(f"{_member_text(chr(begin))}-{_member_text(chr(last))}")
        begin = code + 1
    return "".join(ranges)
