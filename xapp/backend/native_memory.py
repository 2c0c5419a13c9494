"""Returns unused memory of native code to the system."""

import ctypes
import mmap

_libc = ctypes.CDLL(None, use_errno=True)
_M_MMAP_THRESHOLD = -3
LARGE_BLOCK_BYTES = 128 * 1024
"""glibc's first limit, which it raises at each larger block that is freed, up to 32 MB."""


def keep_large_blocks_apart() -> None:
    """Lets glibc give each large block a mapping of its own, now and later.

    By itself glibc stops that after the first large block. Later blocks then lie among small ones, and
    messages of 4 MB that have come and gone leave a heap with holes that cannot be returned. musl has no
    such call and needs none.
    """
    option = getattr(_libc, "mallopt", None)
    if option is not None:
        option(_M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)


def give_back_heap() -> None:
    """Returns the free memory of glibc's heap. musl has no such call and needs none."""
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(0)


def give_back_pages(address: int, size: int) -> int:
    """Returns the whole pages of a private anonymous mapping. They read as zeros from now on, and take memory
    again when they are written. The result is the number of returned bytes.
    """
    page = mmap.PAGESIZE
    begin = -(-address // page) * page
    length = (address + size - begin) // page * page
    if length <= 0:
        return 0
    advise = _libc.madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return length if advise(begin, length, mmap.MADV_DONTNEED) == 0 else 0


class _HeapState(ctypes.Structure):
    """glibc's `struct mallinfo2`."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "from_system",
            "num_free_chunks",
            "num_fast_chunks",
            "num_mapped",
            "mapped",
            "unused",
            "fast_free",
            "used",
            "free",
            "trimmable",
        )
    )


def heap_in_use() -> int | None:
    """Bytes that native code and large Python objects hold; None where the C library does not state them."""
    ask = getattr(_libc, "mallinfo2", None)
    if ask is None:
        return None
    ask.restype = _HeapState
    state = ask()
    return int(state.used + state.mapped)
