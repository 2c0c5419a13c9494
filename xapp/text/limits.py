"""Limits of a text process: native code has no limits of its own on strangers' data."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOAD_ROOM_BYTES = 1 << 30
"""Memory to load a vocabulary. The largest known, 262,144 tokens, needs about 250 MB meanwhile."""
WORK_ROOM_BYTES = 64 << 20
"""Memory for texts, in addition to the loaded vocabulary."""
ROOM_PER_BYTE = 128
"""Additional memory for each byte of a long text. SentencePiece takes about 80, in symbols and pairs."""
MOST_ROOM_BYTES = 1 << 30
STACK_BYTES = 64 << 20
"""std::regex recurses once for each character: 27,000 letters in a row overflow the usual 8 MB."""
_PROCESS_BYTES, _TABLES_PER_BYTE = 24 << 20, 6
"""Measured: 33 MB for SmolLM2 (metadata 1.8 MB), 57 MB for Qwen2.5 (5.9 MB), 60 MB for Gemma 3 (6.5 MB)."""


def resident_bytes(metadata_bytes: int) -> int:
    """Memory of the text process of a model whose file has so many bytes of metadata: its vocabulary."""
    return _PROCESS_BYTES + _TABLES_PER_BYTE * metadata_bytes


def limit_memory(room: int) -> None:
    """Limits this process's address space to its present size and `room` bytes more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = pages * resource.getpagesize() + room
    resource.setrlimit(
        resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
    )


def room_for(num_bytes: int) -> int:
    """Memory that a text of this length may take."""
    return min(WORK_ROOM_BYTES + ROOM_PER_BYTE * num_bytes, MOST_ROOM_BYTES)


@contextmanager
def limited_time(cpu_s: float) -> Iterator[None]:
    """Ends the process with SIGPROF if the block takes more CPU time. Waiting for a CPU does not count."""
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def widen_stack() -> None:
    """Enlarges the stack of the main thread, as far as the system allows it."""
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = STACK_BYTES if hard == resource.RLIM_INFINITY else min(STACK_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))


def leave_no_core() -> None:
    """Disables core files: a process that is meant to die writes none."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
