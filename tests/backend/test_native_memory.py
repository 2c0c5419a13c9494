import ctypes
import mmap

import pytest

from xapp.backend.native_memory import (
    give_back_pages,
    heap_in_use,
    keep_large_blocks_apart,
)

PAGE = mmap.PAGESIZE


def test_whole_pages_are_given_back_and_nothing_beside_them() -> None:
    memory = mmap.mmap(-1, 4 * PAGE, flags=mmap.MAP_PRIVATE)
    memory[:] = b"x" * (4 * PAGE)
    view = (ctypes.c_char * (4 * PAGE)).from_buffer(memory)
    assert give_back_pages(ctypes.addressof(view) + 1, 3 * PAGE) == 2 * PAGE
    assert memory[:] == b"x" * PAGE + bytes(2 * PAGE) + b"x" * PAGE
    memory[PAGE : PAGE + 1] = b"y"
    assert memory[PAGE : PAGE + 1] == b"y"


def test_less_than_a_page_stays() -> None:
    memory = mmap.mmap(-1, PAGE, flags=mmap.MAP_PRIVATE)
    memory[:] = b"x" * PAGE
    view = (ctypes.c_char * PAGE).from_buffer(memory)
    assert give_back_pages(ctypes.addressof(view), PAGE - 1) == 0
    assert memory[:] == b"x" * PAGE


def test_the_heap_in_use_follows_what_is_taken_and_given_back() -> None:
    before = heap_in_use()
    if before is None:
        pytest.skip("this C library does not say")
    taken = bytearray(50_000_000)
    during = heap_in_use()
    assert during is not None
    assert during - before > 40_000_000
    del taken
    after = heap_in_use()
    assert after is not None
    assert after - before < 10_000_000


def has_own_mapping(block: bytearray) -> bool:
    """Such a block begins behind the 16 bytes that glibc keeps at the beginning of its first page."""
    return ctypes.addressof(ctypes.c_char.from_buffer(block)) % PAGE == 16


def test_large_blocks_stay_apart_after_larger_ones_were_freed() -> None:
    if heap_in_use() is None:
        pytest.skip("this C library does not say")
    keep_large_blocks_apart()
    for size in (30_000_000, 4_000_000):
        freed = bytearray(size)  # by itself glibc would raise its limit now
        del freed
    blocks = [bytearray(4_000_000) for _ in range(20)]
    assert any(map(has_own_mapping, blocks))  # some may fill holes that other tests have left
