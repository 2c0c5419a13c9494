"""What each token of a model writes: bytes, and tables over the whole vocabulary for those who search it."""

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from xapp.backend.native import llama

_BYTES = 256


class Pieces:
    """`table` is made when it is first asked for: about 1 µs a token, once."""

    def __init__(self, vocab: Any, size: int) -> None:
        self._vocab = vocab
        self._size = size
        self._known: dict[int, bytes] = {}
        self._table: Table | None = None

    def piece(self, token: int) -> bytes:
        """The token's bytes; b"" for control tokens."""
        piece = self._known.get(token)
        if piece is None:
            piece = self._known[token] = self._render(token)
        return piece

    @property
    def table(self) -> "Table":
        """First bytes and ends."""
        if self._table is None:
            self._table = Table(self._vocab, self._size)
        return self._table

    def _render(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(_BYTES)
        length = llama.llama_token_to_piece(self._vocab, token, buffer, _BYTES, 0, False)
        if length < 0:
            buffer = ctypes.create_string_buffer(-length)
            length = llama.llama_token_to_piece(self._vocab, token, buffer, -length, 0, False)
        return bytes(buffer.raw[: max(length, 0)])


class Table:
    """`first_byte` of each token, -1 where it writes nothing; `ends` are those that end an answer."""

    def __init__(self, vocab: Any, size: int) -> None:
        buffer = ctypes.create_string_buffer(_BYTES)
        byte = (ctypes.c_ubyte * 1).from_buffer(buffer)
        to_piece, is_end = llama.llama_token_to_piece, llama.llama_vocab_is_eog
        first: list[int] = []
        ends: list[int] = []
        for token in range(size):
            length = to_piece(vocab, token, buffer, _BYTES, 0, False)
            # A piece longer than the buffer is left out of searches; no vocabulary has one.
            first.append(byte[0] if length > 0 else -1)
            if is_end(vocab, token):
                ends.append(token)
                first[token] = -1
        self.first_byte: npt.NDArray[np.int16] = np.array(first, dtype=np.int16)
        self.ends: npt.NDArray[np.int64] = np.array(ends, dtype=np.int64)
        self.all: npt.NDArray[np.int64] = np.arange(size, dtype=np.int64)

    def beginning_with(self, allowed: frozenset[int]) -> npt.NDArray[np.int64]:
        """Tokens whose first byte is one of these, ascending."""
        mask = np.zeros(257, dtype=np.bool_)
        mask[list(allowed)] = True
        return np.flatnonzero(mask[self.first_byte])
