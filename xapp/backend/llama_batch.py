"""NativeBatch: a llama_batch filled through ctypes arrays, in microseconds a step instead of milliseconds."""

import ctypes
from typing import Any

from xapp.backend.base import Batch
from xapp.backend.native import llama


class NativeBatch:
    """Room for `capacity` tokens."""

    def __init__(self, capacity: int) -> None:
        self.struct = llama.llama_batch_init(capacity, 0, 1)
        self._token = _view(self.struct.token, capacity)
        self._position = _view(self.struct.pos, capacity)
        self._output = _view(self.struct.logits, capacity)
        self._num_seq_ids = _view(self.struct.n_seq_id, capacity)
        self._num_seq_ids[:] = [1] * capacity
        self._shared: dict[int, Any] = {}
        self._seq_id: Any = (ctypes.c_int32 * capacity)()
        self._point_seq_ids(capacity)

    def _point_seq_ids(self, capacity: int) -> None:
        # llama.cpp needs a pointer for each token. They all point into one array, and are set once.
        self._pointers = ctypes.cast(self.struct.seq_id, ctypes.POINTER(ctypes.c_void_p))
        self._theirs = [self._pointers[index] for index in range(capacity)]
        for index in range(capacity):
            self._point(index)

    def _point(self, index: int) -> None:
        self._pointers[index] = ctypes.addressof(self._seq_id) + index * ctypes.sizeof(ctypes.c_int32)
        self._num_seq_ids[index] = 1

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
        if self._shared or batch.shared:
            self._share(batch)
        self.struct.n_tokens = count
        return self.struct

    def _share(self, batch: Batch) -> None:
        """Sets the tokens of several sequences, and clears those of the last batch."""
        for index in self._shared:
            self._point(index)
        self._shared = {
            index: (ctypes.c_int32 * (1 + len(others)))(batch.seq_ids[index], *others)
            for index, others in batch.shared.items()
        }
        for index, seq_ids in self._shared.items():
            self._pointers[index] = ctypes.addressof(seq_ids)
            self._num_seq_ids[index] = len(seq_ids)

    def close(self) -> None:
        """Frees it."""
        for index, pointer in enumerate(self._theirs):
            self._pointers[index] = pointer
        llama.llama_batch_free(self.struct)


def _view(pointer: Any, length: int) -> Any:
    """The memory behind a pointer as an array of `length`."""
    return (type(pointer.contents) * length).from_address(ctypes.addressof(pointer.contents))
