"""Pieces: the bytes of each token of a model, and the tokens that end an answer, for a worker.

llama.cpp's own vocabulary includes the tables of its tokenizer: 15 MB for 49,152 tokens, and proportionally
more. Pieces take 11 bytes a token, and only the text process keeps the whole vocabulary.
"""

import hashlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xapp.backend.llama_model import VocabFacts, metadata
from xapp.backend.native import llama
from xapp.backend.native_memory import give_back_heap
from xapp.backend.vocab import all_pieces, load_vocab


class Pieces:
    """Reads a loaded vocabulary, about 1 µs a token, and keeps no reference to it. `ends` end an answer."""

    def __init__(self, vocab: Any) -> None:
        self.size: int = llama.llama_vocab_n_tokens(vocab)
        self.ends = frozenset(_ends(vocab, self.size))
        self._text, self._starts = all_pieces(vocab, self.size)
        self._table: Table | None = None

    def piece(self, token: int) -> bytes:
        """The token's bytes; b"" for control tokens."""
        return self._text[self._starts[token] : self._starts[token + 1]]

    @property
    def digest(self) -> str:
        """Equal for vocabularies with the same tokens in the same order and the same ends."""
        ends = array("I", sorted(self.ends)).tobytes()
        return hashlib.sha256(b"\0".join((self._starts.tobytes(), self._text, ends))).hexdigest()

    @property
    def table(self) -> "Table":
        """First bytes and ends, made at the first use."""
        if self._table is None:
            self._table = Table(self._text, self._starts, self.ends)
        return self._table


def _ends(vocab: Any, size: int) -> Iterator[int]:
    is_end = llama.llama_vocab_is_eog
    return (token for token in range(size) if is_end(vocab, token))


@contextmanager
def vocabulary(path: str) -> Iterator[tuple[Any, VocabFacts]]:
    """The file's vocabulary, loaded for the block, and the facts for a model without it.

    Raises ModelError.
    """
    model = load_vocab(Path(path))
    try:
        vocab = llama.llama_model_get_vocab(model)
        architecture = metadata(model, "general.architecture")
        yield vocab, VocabFacts(architecture, llama.llama_vocab_n_tokens(vocab))
    finally:
        llama.llama_model_free(model)
        give_back_heap()


class Table:
    """`first_byte` of each token, -1 for a token without bytes. `ends` are the tokens that end an answer."""

    def __init__(self, text: bytes, starts: "array[int]", ends: frozenset[int]) -> None:
        begins = np.frombuffer(starts, dtype=np.uint32).astype(np.int64)
        writes = np.diff(begins) > 0
        self.ends: npt.NDArray[np.int64] = np.array(sorted(ends), dtype=np.int64)
        writes[self.ends] = False
        self.first_byte: npt.NDArray[np.int16] = np.full(len(writes), -1, dtype=np.int16)
        self.first_byte[writes] = np.frombuffer(text, dtype=np.uint8)[begins[:-1][writes]]
        self.all: npt.NDArray[np.int64] = np.arange(len(writes), dtype=np.int64)

    def beginning_with(self, allowed: frozenset[int]) -> npt.NDArray[np.int64]:
        """Tokens whose first byte is in `allowed`, ascending."""
        mask = np.zeros(257, dtype=np.bool_)
        mask[list(allowed)] = True
        return np.flatnonzero(mask[self.first_byte])
