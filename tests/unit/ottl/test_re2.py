"""RE2 patterns in Python's engine: the same matches where the two differ, and no pattern that RE2 would refuse."""

import pytest

from pipeline.ottl import RegexError, compile_re2


@pytest.mark.parametrize(
    ("pattern", "matches", "misses"),
    [
        (r"^a.b$", ["axb"], ["a\nb", "axb\n", "xaxb"]),
        (r"\d\w\s", ["1a ", "0_\t"], ["٣a ", "1é ", "1a\v"]),
        (r"[\d\s]{2}", ["1 "], ["a "]),
        (r"[^\W]", ["a"], ["é", "-"]),
        (r"\bx\b", ["x", "éx"], ["ax"]),
        (r"^\B", ["", "-"], ["a"]),
        (r"^a(?i)+b$", ["aab", "aB"], ["AB"]),
        (r"(?i)straße", ["STRAßE"], ["STRASE"]),
        (r"a(?i)b|c", ["aB", "C"], ["AB"]),
        (r"(?i:a)b", ["Ab"], ["AB"]),
        (r"(?s)a.b", ["a\nb"], []),
        (r"(?m)^b$", ["a\nb\nc"], ["abc"]),
        (r"(?-i)a", ["a"], ["A"]),
        (r"\Aa\z", ["a"], ["a\n", "ba"]),
        (r"[[:alpha:]]+[[:^digit:]]", ["ab", "a-"], ["a1", "é1"]),
        (r"\Qa.b\E+", ["a.bb"], ["axb"]),
        (r"\x{1F600}|\x41|\101", ["😀", "A"], ["B"]),
        (r"a{2}", ["aa"], ["a"]),
        (r"a{,2}b{", ["a{,2}b{"], ["aab"]),
        (r"[]a]", ["]"], ["b"]),
        (r"[a&&b]", ["&"], ["c"]),
        (r"[[a]", ["["], ["b"]),
        (r"(?P<x>a)(?<y>b)(c)", ["abc"], ["ab"]),
        (r"a*?b+?c??", ["b"], ["a"]),
        (r"a|", ["", "b"], []),
        (r"(?U)a+", ["a"], [""]),
        ("", ["", "x"], []),
        (r"\.\-\_\/", [".-_/"], ["x-_/"]),
    ],
)
def test_a_pattern_matches_what_re2_matches(pattern: str, matches: list[str], misses: list[str]) -> None:
    search = compile_re2(pattern).search
    assert [text for text in matches if not search(text)] == []
    assert [text for text in misses if search(text)] == []


@pytest.mark.parametrize(
    ("pattern", "offset"),
    [
        ("(?=a)", 0),
        ("a(?!b)", 1),
        ("(?<=a)b", 0),
        (r"(a)\1", 3),
        ("a**", 2),
        ("a*+", 2),
        ("a{2}{3}", 4),
        ("*a", 0),
        ("(", 1),
        (")", 0),
        ("[a", 0),
        ("[b-a]", 4),
        (r"a\y", 1),
        ("\\", 0),
        ("a{1001}", 1),
        ("a{3,2}", 1),
        (r"\pL", 0),
        ("[[:foo:]]", 1),
        ("(?>a)", 0),
        ("(?P=a)", 0),
        (r"\Z", 0),
        (r"\x{110000}", 0),
    ],
)
def test_what_re2_refuses_is_refused_at_its_place(pattern: str, offset: int) -> None:
    with pytest.raises(RegexError) as caught:
        compile_re2(pattern)
    assert caught.value.offset == offset
