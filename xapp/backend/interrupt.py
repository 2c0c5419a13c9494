"""Interrupt: ends a running decode from another thread.

llama.cpp calls a function between any two operations of its graph, which decides whether to go on. A Python
function would take the interpreter's lock a thousand times a step. The function is therefore the C library's
`strlen`: for the bytes 0 0 it returns 0, go on; for 1 0 it returns 1, end. Setting the flag writes one byte.
"""

import ctypes
from typing import Any


class Interrupt:
    """A flag that native code reads. It is initially clear. Any thread may set it."""

    def __init__(self) -> None:
        self._flag = ctypes.create_string_buffer(2)

    def set(self) -> None:
        """Ends the running decode, and every later decode, until `clear`."""
        self._flag[0] = b"\x01"

    def clear(self) -> None:
        """Lets decodes run to their end again."""
        self._flag[0] = b"\x00"

    @property
    def is_set(self) -> bool:
        """Whether a decode would be ended now."""
        return self._flag[0] != b"\x00"

    @property
    def address(self) -> int:
        """The address of the flag, which is the argument of the function."""
        return ctypes.addressof(self._flag)


def flag_function(prototype: Any) -> Any:
    """The C function that reads a flag, as a function pointer of that ctypes prototype."""
    strlen = ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p)
    assert strlen.value is not None
    return prototype(strlen.value)
