"""What a text process may take of the machine: native code on strangers' data knows no bounds itself."""

import resource
from pathlib import Path

LOAD_ROOM_BYTES = 1 << 30
"""To load a vocabulary. The largest known, 262,144 tokens, takes about 250 MB meanwhile."""
WORK_ROOM_BYTES = 1 << 29
"""For texts, beyond what the loaded vocabulary takes."""
STACK_BYTES = 64 << 20
"""std::regex goes one call deeper for each character: 27,000 letters in a row overflow the usual 8 MB."""


def limit_memory(room: int) -> None:
    """From now on this process may take so many bytes of address space more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _lower(resource.RLIMIT_AS, pages * resource.getpagesize() + room)


def widen_stack() -> None:
    """Of the main thread, as far as the system lets it."""
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = STACK_BYTES if hard == resource.RLIM_INFINITY else min(STACK_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))


def leave_no_core() -> None:
    """A process that is meant to die writes no file of its memory when it does."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _lower(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    resource.setrlimit(which, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
