"""The allocator's setting is taken where there is one."""

from __future__ import annotations

import ctypes

from pipeline.service.allocator import limit_arenas


def test_arenas_are_limited_where_the_c_library_knows_arenas() -> None:
    is_glibc = hasattr(ctypes.CDLL(None), "gnu_get_libc_version")
    assert limit_arenas() or not is_glibc
