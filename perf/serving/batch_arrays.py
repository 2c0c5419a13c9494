"""BatchArrays: a llama_batch whose memory is numpy arrays, for loops without an engine."""

from typing import Any

import numpy as np

from xapp.backend.native import llama


class BatchArrays:
    """Room for `capacity` tokens. Fill it by `prompt` or `one_each`, then `decode`."""

    def __init__(self, capacity: int) -> None:
        self._batch = batch = llama.llama_batch_init(capacity, 0, 1)
        self._tokens = np.ctypeslib.as_array(batch.token, (capacity,))
        self._positions = np.ctypeslib.as_array(batch.pos, (capacity,))
        self._outputs = np.ctypeslib.as_array(batch.logits, (capacity,))
        self._seq_ids = [np.ctypeslib.as_array(batch.seq_id[index], (1,)) for index in range(capacity)]
        np.ctypeslib.as_array(batch.n_seq_id, (capacity,))[:] = 1

    def prompt(self, tokens: list[int], sequence: int, start: int = 0) -> None:
        """Consecutive tokens of a prompt, from position `start` on. The last token asks for logits."""
        length = self._batch.n_tokens = len(tokens)
        self._tokens[:length] = tokens
        self._positions[:length] = np.arange(start, start + length)
        self._outputs[:length] = 0
        self._outputs[length - 1] = 1
        for index in range(length):
            self._seq_ids[index][0] = sequence

    def one_each(self, num_streams: int, length: int) -> None:
        """One token for each sequence of `length` cells. Call `advance` before each decode."""
        self._batch.n_tokens = num_streams
        self._positions[:num_streams] = length - 1
        self._outputs[:num_streams] = 1
        for index in range(num_streams):
            self._seq_ids[index][0] = index

    def advance(self, token: int) -> None:
        """The next position of every sequence."""
        count = self._batch.n_tokens
        self._tokens[:count] = token
        self._positions[:count] += 1

    def decode(self, context: Any) -> None:
        """Computes the batch to its end. Raises RuntimeError."""
        code = llama.llama_decode(context, self._batch)
        if code != 0:
            raise RuntimeError(f"llama_decode returned {code}")
        llama.llama_synchronize(context)
