"""Interrupt: ends a decode that runs, from another thread.

llama.cpp asks a function between any two operations of its graph whether to go on. A Python function would
take the interpreter's lock a thousand times a step. So the C library's `strlen` is asked: of the bytes
0 0 it says 0, go on; of 1 0 it says 1, end. Setting the flag is writing a byte.
"""

import ctypes
from typing import Any


class Interrupt:
    """A flag that native code reads. Cleared at first; any thread may set it."""

    def __init__(self) -> None:
        self._flag = ctypes.create_string_buffer(2)

    def set(self) -> None:
        """Ends the decode that runs, and every later one, until `clear`."""
        self._flag[0] = b"\x01"

    def clear(self) -> None:
        """Decodes run to their end again."""
        self._flag[0] = b"\x00"

    @property
    def is_set(self) -> bool:
        """Whether a decode would be ended now."""
        return self._flag[0] != b"\x00"

    @property
    def address(self) -> int:
        """Of the flag: what the function is asked about."""
        return ctypes.addressof(self._flag)


def flag_function(prototype: Any) -> Any:
    """The C function that reads a flag, as a function pointer of that ctypes prototype."""
    strlen = ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p)
    assert strlen.value is not None
    return prototype(strlen.value)
