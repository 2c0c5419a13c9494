"""The flag that native code reads without Python."""

import ctypes
from collections.abc import Callable

from xapp.backend.interrupt import Interrupt, flag_function


def test_the_function_says_what_the_flag_is() -> None:
    prototype = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p)
    interrupt, asked = Interrupt(), flag_function(prototype)
    answers = []
    changes: list[Callable[[], None]] = [interrupt.clear, interrupt.set, interrupt.set, interrupt.clear]
    for change in changes:
        change()
        answers.append((asked(interrupt.address), interrupt.is_set))
    assert answers == [(False, False), (True, True), (True, True), (False, False)]
