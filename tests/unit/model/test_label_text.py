"""What a label value becomes in the key of a series."""

from __future__ import annotations

import pytest

from pipeline.model import key_text
from tests.kernels import uncompiled

KERNELS = [key_text, uncompiled("pipeline.model.key_text")]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", b""),
        (b"GET /cart", b"GET /cart"),
        ("Größe\n".encode(), "Größe_".encode()),
        (b"a\tb\x00c\x1f", b"a_b_c_"),
        (b"\x7f\x80", b"_\x80"),
        (b"x" * 64, b"x" * 64),
    ],
)
def test_control_characters_become_underscores(kernel: object, text: bytes, expected: bytes) -> None:
    assert kernel.label_bytes(text, 64) == expected  # type: ignore[attr-defined]


@pytest.mark.parametrize("kernel", KERNELS)
def test_long_values_are_cut_on_a_character_and_end_in_a_hash_of_the_whole(kernel: object) -> None:
    long = ("ä" * 40).encode()
    short = kernel.label_bytes(long, 64)  # type: ignore[attr-defined]
    assert len(short) <= 64
    head, _, digest = short.partition(b"~")
    assert long.startswith(head)
    assert head.decode()
    assert len(digest) == 16
    other = kernel.label_bytes(long + b"x", 64)  # type: ignore[attr-defined]
    assert other.partition(b"~")[0] == head
    assert other != short


@pytest.mark.parametrize("length", range(60, 90))
def test_compiled_and_uncompiled_shorten_alike(length: int) -> None:
    text = (b"\n" + "é€𐍈".encode() * 20)[:length]
    assert len({kernel.label_bytes(text, 64) for kernel in KERNELS}) == 1
