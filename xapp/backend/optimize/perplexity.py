"""Measures the probability of each token of a text, for the perplexity. Runs in a child process."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from xapp.backend.base import Batch
from xapp.backend.log_softmax import LogSoftmax
from xapp.backend.native import llama
from xapp.backend.optimize.jobs import Guess, Guesses
from xapp.backend.optimize.session import Session, session
from xapp.errors import ModelError

CHUNK_TOKENS = 512
"""Tokens of one context. The next chunk of the text begins anew."""
STEP_TOKENS = 64
"""Rows of logits that are kept at once: 39 MB with a vocabulary of 152,000."""


def guess(job: Guess) -> Guesses:
    """Raises ModelError."""
    with session(
        job.path,
        [job.text],
        cells=CHUNK_TOKENS,
        sequences=1,
        outputs=STEP_TOKENS,
        batch=STEP_TOKENS,
        threads=job.threads,
    ) as (made, [tokens]):
        reader = _Reader(made)
        for chunk in _chunks(made.bos, tokens):
            reader.read(chunk)
    if not np.isfinite(reader.guesses.nats).all():
        raise ModelError(f"{job.path}: it computes NaN instead of numbers", reason="NOT_A_NUMBER")
    return reader.guesses


def _chunks(bos: list[int], tokens: Sequence[int]) -> Iterator[list[int]]:
    step = CHUNK_TOKENS - len(bos)
    return (bos + list(tokens[begin : begin + step]) for begin in range(0, len(tokens), step))


class _Reader:
    """The guesses so far."""

    def __init__(self, made: Session) -> None:
        self._made = made
        self._log_softmax = LogSoftmax(made.vocab_size)
        self.guesses = Guesses([], [])

    def read(self, chunk: list[int]) -> None:
        """Computes the given tokens, and looks up each next token in the prediction."""
        self._made.clear()
        for begin in range(0, len(chunk), STEP_TOKENS):
            step = chunk[begin : begin + STEP_TOKENS]
            logits = self._logits(step, begin)
            for row, following in zip(logits, chunk[begin + 1 : begin + 1 + STEP_TOKENS], strict=False):
                self.guesses.nats.append(-self._log_softmax(row, [following])[0])
                self.guesses.favourites.append(int(row.argmax()))

    def _logits(self, tokens: list[int], begin: int) -> npt.NDArray[np.float32]:
        batch = Batch()
        for offset, token in enumerate(tokens):
            batch.add(token, begin + offset, 0)
            batch.want_output()
        self._made.decode(batch)
        pointer = llama.llama_get_logits(self._made.context)
        return np.ctypeslib.as_array(pointer, shape=(len(tokens), self._made.vocab_size))
