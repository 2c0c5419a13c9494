"""PromptContext: a second context, in which attention sees the cells of one prompt and no others.

In the unified cache attention looks at each cell up to the highest cell in use. Flash attention skips the
cells of other sequences one by one, and without it they are computed as well. Beside 8 answers of 1,500 cells
this takes a third of a prompt's step. So a large chunk of a prompt is computed here, and its cells are copied
into the main context, which always has all cells of all sequences. The cells of the last prompt stay here
for its next chunk.
"""

import ctypes
import mmap
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from xapp.backend.base import Batch, DecodeError
from xapp.backend.llama_batch import NativeBatch
from xapp.backend.llama_context import NativeContext
from xapp.backend.native import llama
from xapp.errors import ModelError

LEAST_TOKENS = 32
"""A smaller chunk is computed in the main context: the gain is less than the copies."""
LEAST_OTHERS = 1024
"""With fewer cells of other sequences the gain is below 3 %, and the context takes memory."""
MOST_MISSING = 1024
"""Cells of the prompt that may be copied from the main context first, for instance of a shared prefix."""
FULL = 1
"""The return value of llama_decode without room."""
PROMPT = 0
SPARE = 1
SEQUENCES = 2


def bytes_of(state: mmap.mmap) -> Any:
    """A pointer to the mapping. An array of its length would leave a ctypes type for each length for ever."""
    return ctypes.byref(ctypes.c_uint8.from_buffer(state))


def saved(context: Any, seq_id: int) -> mmap.mmap:
    """The content of a sequence's cells, in pages that return to the system when it is dropped."""
    size = llama.llama_state_seq_get_size(context, seq_id)
    state = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE)
    written = llama.llama_state_seq_get_data(context, bytes_of(state), size, seq_id)
    assert written == size, "llama.cpp stated this size itself"
    return state


class Side:
    """One of the two contexts: `spare` is a sequence id without cells."""

    def __init__(self, context: NativeContext, spare: int) -> None:
        self.context = context
        self._memory = llama.llama_get_memory(context.handle)
        self._spare = spare

    def take(self, seq_id: int, start: int, end: int) -> mmap.mmap:
        """A copy of a sequence's cells from position `start` up to `end`."""
        llama.llama_memory_seq_cp(self._memory, seq_id, self._spare, start, end)
        try:
            return saved(self.context.handle, self._spare)
        finally:
            self.remove(self._spare)

    def put(self, seq_id: int, state: mmap.mmap) -> None:
        """Adds such cells to a sequence. Raises DecodeError without room."""
        handle = self.context.handle
        if llama.llama_state_seq_set_data(handle, bytes_of(state), len(state), self._spare) == 0:
            self.remove(self._spare)
            raise DecodeError(FULL)
        llama.llama_memory_seq_cp(self._memory, self._spare, seq_id, -1, -1)
        self.remove(self._spare)

    def remove(self, seq_id: int, start: int = 0) -> None:
        """Removes a sequence's cells from position `start` on."""
        llama.llama_memory_seq_rm(self._memory, seq_id, start, -1)


class PromptContext:
    """Takes over `own`, a context of `num_cells` cells and SEQUENCES sequences. `spare` is a sequence id of
    `main` that nothing else uses.
    """

    def __init__(self, main: NativeContext, spare: int, own: NativeContext, num_cells: int) -> None:
        self._main = Side(main, spare)
        self._own = Side(own, SPARE)
        self._num_cells = num_cells
        self._seq_id: int | None = None
        self._length = 0

    @property
    def context(self) -> NativeContext:
        """It has the logits of the last chunk."""
        return self._own.context

    def takes(self, prompt: Batch) -> bool:
        """Whether there is room for the prompt, and few of its cells are missing."""
        known = self._length if self._seq_id == prompt.seq_ids[0] else 0
        return prompt.positions[0] - known <= MOST_MISSING and prompt.positions[-1] < self._num_cells

    def compute(self, batch: Batch, arrays: NativeBatch) -> None:
        """Computes a chunk of one prompt. Raises Interrupted, DecodeError: `main` is then as before."""
        seq_id, start, end = batch.seq_ids[0], batch.positions[0], batch.positions[-1] + 1
        self._copy_missing(seq_id, start)
        native = arrays.fill(replace(batch, seq_ids=[PROMPT] * len(batch)))
        self._own.context.compute(native, outputs=bool(batch.outputs))
        self._length = end
        self._main.put(seq_id, self._own.take(PROMPT, start, end))

    def _copy_missing(self, seq_id: int, start: int) -> None:
        if self._seq_id != seq_id:
            self._own.remove(PROMPT)
            self._seq_id, self._length = seq_id, 0
        self.forget(seq_id, start)
        if self._length < start:
            self._own.put(PROMPT, self._main.take(seq_id, self._length, start))
            self._length = start

    def forget(self, seq_id: int, start: int) -> None:
        """The main context no longer has the sequence's cells from position `start` on."""
        if self._seq_id == seq_id and self._length > start:
            self._own.remove(PROMPT, start)
            self._length = start

    def close(self) -> None:
        """Frees the context."""
        self._own.context.close()


NewPrompts = Callable[[NativeContext], PromptContext]
"""Makes the context for prompts beside the main context. Raises ModelError."""


class Prompts:
    """The context of prompts, which is made when it is first needed. Without memory it is never made."""

    def __init__(self, main: NativeContext, new: NewPrompts | None) -> None:
        self._main = main
        self._new = new
        self.own: PromptContext | None = None

    @property
    def handles(self) -> list[Any]:
        """The handle of the context, once there is one."""
        return [self.own.context.handle] if self.own is not None else []

    def for_part(self, prompt: Batch, num_cells: int) -> PromptContext | None:
        """The context where it computes a part of a prompt faster. `num_cells` are in use in `main`."""
        if len(prompt) < LEAST_TOKENS or num_cells - prompt.positions[0] < LEAST_OTHERS:
            return None
        if self._new is not None:
            new, self._new = self._new, None
            with suppress(ModelError):
                self.own = new(self._main)
        return self.own if self.own is not None and self.own.takes(prompt) else None

    def forget(self, seq_id: int, start: int) -> None:
        """See PromptContext."""
        if self.own is not None:
            self.own.forget(seq_id, start)

    def close(self) -> None:
        """Frees the context."""
        if self.own is not None:
            self.own.close()
