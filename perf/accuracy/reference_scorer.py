"""Log-probabilities from llama.cpp directly: one sequence, a whole text in one call, all logits.

No scheduler, no shared prefix, no batch with others: what a node's scores are checked against. It
tokenizes with llama.cpp itself and knows nothing of the service but the size of a context.
"""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from perf.accuracy.scorer import Scored, Scores, Token
from perf.closing import Ending
from perf.targets.target import TargetError
from xapp.backend.native import llama

_KV_TYPES = {"f16": 1, "q8_0": 8}
_PIECE_BYTES = 512


class Reference(Ending):
    """A model in this process. It scores as a Scorer does, without asyncio. Raises RuntimeError.

    `step_tokens` is how many rows llama.cpp computes at once.
    """

    def __init__(
        self,
        path: Path,
        *,
        kv_type: str,
        flash_attention: bool,
        threads: int,
        step_tokens: int,
        max_tokens: int = 2048,
    ) -> None:
        params = llama.llama_model_default_params()
        params.n_gpu_layers = 0
        self._model = llama.llama_model_load_from_file(os.fsencode(path), params)
        if not self._model:
            raise RuntimeError(f"{path}: llama.cpp cannot load it")
        self._vocab = llama.llama_model_get_vocab(self._model)
        self._num_vocab = llama.llama_vocab_n_tokens(self._vocab)
        self._max_tokens = max_tokens
        native = llama.llama_context_default_params()
        native.n_ctx = native.n_batch = max_tokens
        native.n_ubatch = step_tokens
        native.n_seq_max = 1
        native.n_threads = native.n_threads_batch = threads
        native.type_k = native.type_v = _KV_TYPES[kv_type]
        native.flash_attn_type = int(flash_attention)
        self._context = llama.llama_init_from_model(self._model, native)
        if not self._context:
            raise RuntimeError(f"{path}: llama.cpp makes no context")

    def __enter__(self) -> Self:
        return self

    def close(self) -> None:
        """Frees context and model."""
        llama.llama_free(self._context)
        llama.llama_model_free(self._model)

    def score(self, prompt: str, texts: Sequence[str]) -> Scores:
        """Each text after the prompt, as one decode of its own. Raises TargetError (`invalid`): too long."""
        return Scores(len(self._tokenize(prompt)), tuple(self._text(prompt, text) for text in texts))

    def _text(self, prompt: str, text: str) -> Scored:
        tokens = self._tokenize(prompt + text)
        if len(tokens) > self._max_tokens:
            raise TargetError("invalid", f"{len(tokens)} tokens; the reference takes {self._max_tokens}")
        rows = self._log_probabilities(tokens)
        left, found = len(text.encode()), list[Token]()
        for index in range(len(tokens) - 1, 0, -1):
            piece = self._piece(tokens[index])
            found.insert(0, Token(piece, float(rows[index - 1])))
            left -= len(piece)
            if left <= 0:
                break
        return Scored(text, sum(token.log_probability for token in found), tuple(found))

    def _tokenize(self, text: str) -> list[int]:
        data = text.encode()
        buffer = (ctypes.c_int32 * (len(data) + 16))()
        count = llama.llama_tokenize(self._vocab, data, len(data), buffer, len(buffer), True, False)
        return list(buffer[:count])

    def _piece(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(_PIECE_BYTES)
        length = llama.llama_token_to_piece(self._vocab, token, buffer, _PIECE_BYTES, 0, False)
        return buffer.raw[:length]

    def _log_probabilities(self, tokens: list[int]) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """Of each token after the first, given all before it."""
        logits = self._decode(tokens)[:-1].astype(np.float64)
        highest = logits.max(axis=1, keepdims=True)
        total = highest[:, 0] + np.log(np.exp(logits - highest).sum(axis=1))
        return np.asarray(logits[np.arange(len(tokens) - 1), tokens[1:]] - total)

    def _decode(self, tokens: list[int]) -> "np.ndarray[Any, np.dtype[np.float32]]":
        llama.llama_memory_clear(llama.llama_get_memory(self._context), True)
        batch = llama.llama_batch_init(len(tokens), 0, 1)
        try:
            _fill(batch, tokens)
            if code := llama.llama_decode(self._context, batch):
                raise RuntimeError(f"llama_decode returned {code}")
            rows = llama.llama_get_logits(self._context)
            return np.ctypeslib.as_array(rows, shape=(len(tokens), self._num_vocab)).copy()
        finally:
            llama.llama_batch_free(batch)


def _fill(batch: Any, tokens: list[int]) -> None:
    batch.n_tokens = len(tokens)
    for index, token in enumerate(tokens):
        batch.token[index] = token
        batch.pos[index] = index
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = 0
        batch.logits[index] = 1
