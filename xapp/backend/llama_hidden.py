"""HiddenStates: what the last layer of a model makes of single tokens, before it becomes logits.

A context that returns hidden states makes logits of every token of a batch as well. So each token is computed
in a batch of its own, and the context returns none otherwise.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from xapp.backend.base import Batch
from xapp.backend.llama_batch import NativeBatch
from xapp.backend.llama_context import NativeContext
from xapp.backend.native import llama

_address: Callable[[Any, int], int | None] = ctypes.CFUNCTYPE(
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32
)(("llama_get_embeddings_ith", llama._lib))


class HiddenStates:
    """The states of the last batch that asked for some, of `size` numbers each.

    `rest` is what is left of that batch to compute. `may_give_back`: no device uses the rows of logits, so
    that their memory may be given back when llama.cpp makes room for states beside them.
    """

    def __init__(self, context: NativeContext, batch: NativeBatch, size: int, *, may_give_back: bool) -> None:
        self._context = context
        self._batch = batch
        self._size = size
        self._may_give_back = may_give_back
        self._states: list[list[float]] = []
        self.rest = Batch()

    def compute(self, batch: Batch, tokens: list[int]) -> None:
        """Computes these tokens of the batch. Raises DecodeError, Interrupted."""
        self.rest = batch.without(tokens)
        with self._returned():
            self._states = [self._state(batch.only(token)) for token in tokens]
        if self._may_give_back:
            self._may_give_back = False
            self._context.give_back_logits()

    @contextmanager
    def _returned(self) -> Iterator[None]:
        llama.llama_set_embeddings(self._context.handle, True)
        try:
            yield
        finally:
            llama.llama_set_embeddings(self._context.handle, False)

    def _state(self, single: Batch) -> list[float]:
        self._context.compute(self._batch.fill(single), outputs=False)
        address = _address(self._context.handle, 0)
        assert address is not None, "the context returns hidden states"
        pointer = ctypes.cast(address, ctypes.POINTER(ctypes.c_float))
        found: list[float] = np.ctypeslib.as_array(pointer, shape=(self._size,)).tolist()
        return found

    def put_in(self, batch: Batch, read: list[list[float]]) -> list[list[float]]:
        """`read`, of the other probes of the batch, with the states in their places."""
        states, others = iter(self._states), iter(read)
        return [next(states if probe.hidden else others) for probe in batch.probes]
