"""Session: a loaded model, a small context, and the tokens of a text, for measurements in a child process."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from xapp.backend.base import Batch, DecodeError
from xapp.backend.llama_batch import NativeBatch
from xapp.backend.llama_model import ContextParams, VocabFacts, load_model, new_context
from xapp.backend.native import llama
from xapp.backend.vocab import Vocab
from xapp.errors import ModelError


class Session:
    """Decodes batches. `bos` are the tokens at the beginning of a text: one or none."""

    def __init__(self, path: str, context: Any, batch: int, vocab_size: int, bos: list[int]) -> None:
        self.path = path
        self.context = context
        self.memory = llama.llama_get_memory(context)
        self.vocab_size = vocab_size
        self.bos = bos
        self._batch = NativeBatch(batch)

    def decode(self, batch: Batch) -> None:
        """Computes a batch before it returns. Raises ModelError."""
        code = llama.llama_decode(self.context, self._batch.fill(batch))
        if code != 0:
            raise ModelError(f"{self.path}: {DecodeError(code)}")
        llama.llama_synchronize(self.context)

    def clear(self) -> None:
        """Removes all tokens from the cache."""
        llama.llama_memory_clear(self.memory, False)

    def close(self) -> None:
        """Frees the context."""
        self._batch.close()
        llama.llama_free(self.context)


@contextmanager
def session(
    path: str, texts: Sequence[str], *, cells: int, sequences: int, outputs: int, batch: int, threads: int
) -> Iterator[tuple[Session, list[list[int]]]]:
    """A session for the block, and the tokens of each text. The model is loaded as in a worker."""
    tokens, facts, bos = _read(path, texts)
    model = load_model(path, 0, lambda _: None, without=facts)
    try:
        params = ContextParams(
            cells, sequences, outputs, batch, threads, threads, "f16", flash_attention=True
        )
        made = Session(path, new_context(model, params, path), batch, facts.num_tokens, bos)
        try:
            yield made, tokens
        finally:
            made.close()
    finally:
        llama.llama_model_free(model)


def _read(path: str, texts: Sequence[str]) -> tuple[list[list[int]], VocabFacts, list[int]]:
    vocab = Vocab(path)
    try:
        architecture = vocab.meta("general.architecture") or ""
        bos = [vocab.bos] if vocab.add_bos and vocab.bos is not None else []
        return [vocab.tokenize(text) for text in texts], VocabFacts(architecture, vocab.size), bos
    finally:
        vocab.close()
