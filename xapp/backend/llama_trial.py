"""Trial: a small context with a filled cache, for `tuning`. It measures decode steps of some streams.

Filling a cache by computing prompts takes seconds. Here a few tokens are computed once, and their cells
are copied until every stream is full. Attention then reads the same values many times, which costs as much as
reading different values.
"""

import ctypes
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from xapp.backend.base import Batch, DecodeError
from xapp.backend.llama_batch import NativeBatch
from xapp.backend.llama_model import ContextParams, new_context
from xapp.backend.native import llama

STREAMS = 4
FILL = 192
"""Cells of each stream."""
PIECE = 8
"""Tokens that are computed; the others are copies."""
CELLS = 1024
_SOURCE = STREAMS
"""The sequence id of a copy before it becomes part of a stream."""


class LlamaTrial:
    """One context of CELLS cells; implements `tuning.Trial`."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._memory = llama.llama_get_memory(context)
        self._batch = NativeBatch(PIECE)
        self._position = PIECE

    def fill(self) -> None:
        """Fills the cells of every stream. Raises DecodeError."""
        batch = Batch()
        batch.extend([0] * PIECE, 0, _SOURCE)
        batch.want_output()
        self._decode(batch)
        size = llama.llama_state_seq_get_size(self._context, _SOURCE)
        state = (ctypes.c_uint8 * size)()
        llama.llama_state_seq_get_data(self._context, state, size, _SOURCE)
        for number in range(STREAMS * FILL // PIECE - 1):
            self._give_away(number % STREAMS)
            llama.llama_state_seq_set_data(self._context, state, size, _SOURCE)
        self._give_away(STREAMS - 1)

    def _give_away(self, stream: int) -> None:
        """Adds the source's cells to the stream.

        Positions repeat, but only the number of cells matters here.
        """
        llama.llama_memory_seq_cp(self._memory, _SOURCE, stream, -1, -1)
        llama.llama_memory_seq_rm(self._memory, _SOURCE, -1, -1)

    def step(self) -> float:
        """Implements `tuning.Trial`."""
        batch = Batch()
        for stream in range(STREAMS):
            batch.add(0, self._position, stream)
            batch.want_output()
        self._position += 1
        began = time.perf_counter()
        self._decode(batch)
        return time.perf_counter() - began

    def _decode(self, batch: Batch) -> None:
        code = llama.llama_decode(self._context, self._batch.fill(batch))
        if code != 0:
            raise DecodeError(code)
        llama.llama_synchronize(self._context)

    def close(self) -> None:
        """Frees the context."""
        self._batch.close()
        llama.llama_free(self._context)


@contextmanager
def trial(model: Any, params: ContextParams, path: str) -> Iterator[LlamaTrial]:
    """A filled trial for the block. Raises ModelError, DecodeError."""
    made = LlamaTrial(new_context(model, params, path))
    try:
        made.fill()
        yield made
    finally:
        made.close()
