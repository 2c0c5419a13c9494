"""LlamaDraft: a second llama.cpp model as a draft model."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xapp.backend.base import Batch
from xapp.backend.llama_batch import NativeBatch
from xapp.backend.llama_context import NativeContext
from xapp.backend.llama_model import (
    ContextParams,
    can_share_prefixes,
    kv_bytes_per_token,
    load_model,
    new_context,
)
from xapp.backend.llama_pieces import Pieces, vocabulary
from xapp.backend.native import llama
from xapp.errors import ModelError
from xapp.models.parts import total_bytes

UNLIKELY = 0.3
"""A guess of a smaller probability ends the draft."""
TRIAL_TOKENS = 16
"""Tokens of a measured prompt."""


class DraftFile:
    """A loaded draft model without a context. Raises ModelError naming both files where the vocabularies
    differ.
    """

    def __init__(self, path: str, target: str, tokenizer: str, gpu_layers: int) -> None:
        self.path = path
        with vocabulary(path) as (vocab, facts):
            if Pieces(vocab).digest != tokenizer:
                text = f"{path} cannot guess for {target}: their vocabularies differ (XAPP_DRAFT_MODEL)"
                raise ModelError(text, reason="DIFFERENT_VOCABULARY")
            self._model = load_model(path, gpu_layers, lambda _: None, without=facts)
        if not can_share_prefixes(self._model):
            llama.llama_model_free(self._model)
            text = f"{path} cannot guess for {target}: its state cannot be cut at a token (XAPP_DRAFT_MODEL)"
            raise ModelError(text, reason="UNSUPPORTED_MODEL")
        self.weight_bytes = total_bytes(Path(path))
        self.kv_bytes_per_token = kv_bytes_per_token(self._model)

    def open(self, params: ContextParams) -> "LlamaDraft":
        """Makes the context. Raises ModelError."""
        return LlamaDraft(self._model, new_context(self._model, params, self.path), params)


class LlamaDraft:
    """Takes over `model` and `context`. Implements DraftModel."""

    def __init__(self, model: Any, context: Any, params: ContextParams) -> None:
        self._model = model
        self._vocab_size: int = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
        self._memory = llama.llama_get_memory(context)
        self._context = NativeContext(context, params.outputs, self._vocab_size)
        self._batch = NativeBatch(params.batch)
        self._most = params.batch
        self.num_sequences, self.num_cells = params.sequences, params.cells
        self.context_length = min(params.cells, llama.llama_model_n_ctx_train(model))
        self.token_s = self.prompt_token_s = 0.0
        self._measure()

    def _measure(self) -> None:
        """Two rounds: the first reads the weights from the disk."""
        for _ in range(2):
            self.token_s = _seconds(lambda: self.guess(0, 0, 0, 1))
            self.remove(0)
            self.prompt_token_s = _seconds(lambda: self.read(0, [0] * TRIAL_TOKENS, 0)) / TRIAL_TOKENS
            self.remove(0)

    def read(self, seq_id: int, tokens: list[int], start: int) -> None:
        """See DraftModel."""
        for place in range(0, len(tokens), self._most):
            batch = Batch()
            batch.extend(tokens[place : place + self._most], start + place, seq_id)
            self._context.compute(self._batch.fill(batch), outputs=False)

    def guess(self, seq_id: int, token: int, position: int, most: int) -> list[tuple[int, float]]:
        """See DraftModel."""
        found: list[tuple[int, float]] = []
        while len(found) < most and (not found or found[-1][1] >= UNLIKELY):
            batch = Batch()
            batch.add(token, position + len(found), seq_id)
            batch.want_output()
            self._context.compute(self._batch.fill(batch), outputs=True)
            token, probability = _likeliest(self._context.rows(1)[0])
            found.append((token, probability))
        return found

    def remove(self, seq_id: int, start: int = 0) -> None:
        """See DraftModel."""
        llama.llama_memory_seq_rm(self._memory, seq_id, start, -1)

    def close(self) -> None:
        """Frees model and context."""
        self._batch.close()
        self._context.close()
        llama.llama_model_free(self._model)


def _likeliest(logits: npt.NDArray[np.float32]) -> tuple[int, float]:
    token = int(logits.argmax())
    return token, float(1 / np.exp(logits - logits[token]).sum())


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
