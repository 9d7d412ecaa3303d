"""Buffers of pages: lent while anybody holds them, used again afterwards, kept only as far as pages need them."""

from __future__ import annotations

from pipeline.codec.page_buffers import PIECE_BYTES, PageBuffers


def test_a_buffer_is_used_again_when_the_last_view_of_it_is_gone() -> None:
    buffers = PageBuffers()
    buffers.keep(1)
    lent = buffers.lend()
    address = lent.ctypes.data
    view = lent.data[10:20]
    del lent
    other = buffers.lend()
    assert buffers.free == 0
    assert other.ctypes.data != address, "a view still shows the first one"
    del view
    assert buffers.free == 1
    assert buffers.lend().ctypes.data == address


def test_no_more_is_kept_than_the_last_page_needed() -> None:
    buffers = PageBuffers()
    buffers.keep(3)
    lent = [buffers.lend() for _ in range(5)]
    lent.clear()
    assert buffers.free == 3
    buffers.keep(2)
    assert buffers.free == 2


def test_a_series_longer_than_a_buffer_gets_memory_of_its_own() -> None:
    buffers = PageBuffers()
    buffers.keep(4)
    lent = buffers.lend(PIECE_BYTES + 1)
    assert len(lent) == PIECE_BYTES + 1
    del lent
    assert buffers.free == 0
    assert len(buffers.lend(1)) == PIECE_BYTES
