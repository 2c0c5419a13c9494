import ctypes
import mmap

from xapp.backend.native_memory import give_back_pages

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
