"""The memory's read bandwidth, as the CPU's cores get it: each thread reads a buffer of its own to the end.

The buffers together are several times the last-level cache. Two loops read: libc's `memchr` for a byte
that is not there, and BLAS's dot product of a vector with itself; both read every byte once, write
nothing, and release the GIL. The faster one counts, of several passes: a bound, not a mean.

`python -m perf.engine.memory_bandwidth` answers a Read with a list of Readings.
"""

import ctypes
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

# One thread of ours is one thread: must be set before BLAS is loaded.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

from perf import json_child

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_TIMES_CACHE = 4
_MIN_BYTES = 256 * 1024**2
MAX_BYTES = 2 * 1024**3
_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}
_PASSES = 5


class Read(msgspec.Struct, frozen=True):
    """On so many threads, from buffers of at most so many bytes in all."""

    threads: int
    most_bytes: int = MAX_BYTES


class Reading(msgspec.Struct, frozen=True):
    """One loop's best pass. `buffer_bytes` of all threads together."""

    loop: str
    threads: int
    buffer_bytes: int
    cache_bytes: int
    bytes_per_second: float


def last_level_cache_bytes(caches: Path = _CACHES) -> int:
    """Of CPU 0's largest cache; 0 where the kernel does not tell."""
    sizes = [path.read_text().strip() for path in caches.glob("index*/size")]
    return max((int(size[:-1]) * _UNITS.get(size[-1], 1) for size in sizes if size[:-1].isdigit()), default=0)


def buffer_bytes(cache_bytes: int) -> int:
    """Of all threads together."""
    return min(MAX_BYTES, max(_MIN_BYTES, _TIMES_CACHE * cache_bytes))


def read(threads: int, size: int, passes: int = _PASSES) -> list[Reading]:
    """Every loop over buffers of `size` bytes in all."""
    each = size // threads // 8 * 8
    buffers = [np.ones(each // 4, np.float32) for _ in range(threads)]
    cache = last_level_cache_bytes()
    return [
        Reading(name, threads, each * threads, cache, each * threads / _best(loop, buffers, passes))
        for name, loop in (("memchr", _memchr()), ("dot", _dot))
    ]


def _memchr() -> Callable[[Any], object]:
    search = ctypes.CDLL(None).memchr
    search.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    search.restype = ctypes.c_void_p
    # 0x55 is in no float32 of 1.0.
    return lambda buffer: search(buffer.ctypes.data, 0x55, buffer.nbytes)


def _dot(buffer: Any) -> object:
    return np.dot(buffer, buffer)


def _best(loop: Callable[[Any], object], buffers: list[Any], passes: int) -> float:
    """Seconds of the fastest pass, from the start of the first thread to the end of the last."""
    return min(_pass(loop, buffers) for _ in range(passes))


def _pass(loop: Callable[[Any], object], buffers: list[Any]) -> float:
    start = threading.Barrier(len(buffers) + 1)

    def work(buffer: Any) -> None:
        start.wait()
        loop(buffer)

    threads = [threading.Thread(target=work, args=(buffer,)) for buffer in buffers]
    for thread in threads:
        thread.start()
    start.wait()
    before = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - before


def main() -> None:
    """Serves Reads until standard input closes."""
    size = buffer_bytes(last_level_cache_bytes())

    def answer(line: bytes) -> list[Reading]:
        asked = msgspec.json.decode(line, type=Read)
        return read(asked.threads, min(size, asked.most_bytes))

    json_child.serve(answer)


if __name__ == "__main__":
    main()
