"""NativeContext: one llama.cpp context with its logits. A backend has one, and sometimes a second."""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from xapp.backend.base import DecodeError, Interrupted
from xapp.backend.native import llama
from xapp.backend.native_memory import give_back_pages

SIZE_OF_FLOAT = 4
ABORTED = 2
"""The return value of llama_decode after the abort callback ended it."""

# The binding's own function makes two Python objects of the pointer in each step.
_logits_address: Callable[[Any], int] = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(
    ("llama_get_logits", llama._lib)
)


class NativeContext:
    """Takes over `handle`, which keeps up to `num_rows` rows of logits, one for each token with an output."""

    def __init__(self, handle: Any, num_rows: int, vocab_size: int) -> None:
        self.handle = handle
        self._num_rows = num_rows
        self.vocab_size = vocab_size
        self._logits: npt.NDArray[np.float32] | None = None
        self._address = 0

    def compute(self, batch: Any, *, outputs: bool) -> None:
        """One llama_decode. Raises Interrupted, DecodeError."""
        code = llama.llama_decode(self.handle, batch)
        if code == ABORTED:
            raise Interrupted
        if code != 0:
            raise DecodeError(code)
        if not outputs:
            llama.llama_synchronize(self.handle)  # reading logits synchronizes as well

    def rows(self, count: int) -> npt.NDArray[np.float32]:
        """The logits of the last decode, shape (count, vocabulary), in the order of the outputs."""
        address = _logits_address(self.handle)
        if self._logits is None or address != self._address or len(self._logits) < count:
            shape = (max(count, self._num_rows), self.vocab_size)
            pointer = ctypes.cast(address, ctypes.POINTER(ctypes.c_float))
            self._logits = np.ctypeslib.as_array(pointer, shape=shape)
            self._address = address
        return self._logits[:count]

    def give_back_logits(self) -> None:
        """Frees the memory of rows of logits until they are written again. There is one row for each
        sequence id, and llama.cpp writes zeros to all of them. Their content is lost.
        """
        self.give_back_rows(self._num_rows)

    def give_back_rows(self, count: int) -> None:
        """The same for the first `count` rows. There must be as many: behind them is other memory."""
        give_back_pages(_logits_address(self.handle), count * self.vocab_size * SIZE_OF_FLOAT)

    def close(self) -> None:
        """Frees it."""
        self._logits = None
        llama.llama_free(self.handle)
