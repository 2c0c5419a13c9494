"""A llama_batch filled through ctypes arrays: a step's input costs microseconds, not milliseconds."""

import ctypes
from typing import Any

from xapp.backend.base import Batch
from xapp.backend.native import llama


class NativeBatch:
    """Room for `capacity` tokens, each of one sequence."""

    def __init__(self, capacity: int) -> None:
        self.struct = llama.llama_batch_init(capacity, 0, 1)
        self._token = _view(self.struct.token, capacity)
        self._position = _view(self.struct.pos, capacity)
        self._output = _view(self.struct.logits, capacity)
        _view(self.struct.n_seq_id, capacity)[:] = [1] * capacity
        self._seq_id: Any = (ctypes.c_int32 * capacity)()
        self._point_seq_ids(capacity)

    def _point_seq_ids(self, capacity: int) -> None:
        # llama.cpp wants a pointer for each token; let them all point into one array, once.
        pointers = ctypes.cast(self.struct.seq_id, ctypes.POINTER(ctypes.c_void_p))
        self._theirs = [pointers[index] for index in range(capacity)]
        for index in range(capacity):
            pointers[index] = ctypes.addressof(self._seq_id) + index * ctypes.sizeof(ctypes.c_int32)

    def fill(self, batch: Batch) -> Any:
        """The struct to decode, valid until the next call."""
        count = len(batch)
        self._token[:count] = batch.tokens
        self._position[:count] = batch.positions
        self._seq_id[:count] = batch.seq_ids
        wanted = bytearray(count)
        for index in batch.outputs:
            wanted[index] = 1
        for probe in batch.probes:
            wanted[probe.index] = 1
        self._output[:count] = wanted
        self.struct.n_tokens = count
        return self.struct

    def close(self) -> None:
        """Frees it."""
        pointers = ctypes.cast(self.struct.seq_id, ctypes.POINTER(ctypes.c_void_p))
        for index, pointer in enumerate(self._theirs):
            pointers[index] = pointer
        llama.llama_batch_free(self.struct)


def _view(pointer: Any, length: int) -> Any:
    """The memory behind a pointer as an array of `length`."""
    return (type(pointer.contents) * length).from_address(ctypes.addressof(pointer.contents))
