"""Measures which of two options a model prefers for the blank of a sentence. Runs in a child process.

Partial scoring, as for WinoGrande: each option is filled in, and the probabilities of the rest of the
sentence are compared. Both are computed in one step, with their common beginning once.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from xapp.backend.base import Batch
from xapp.backend.log_softmax import LogSoftmax
from xapp.backend.native import llama
from xapp.backend.optimize.jobs import Blank, Choices, Choose
from xapp.backend.optimize.session import Session, session
from xapp.errors import ModelError

MAX_TOKENS = 128
"""Tokens of a sentence with both of its options. WinoGrande's have about 35."""


class Option(NamedTuple):
    """A sentence with one option. Its probability counts from the token at index `first`."""

    tokens: list[int]
    first: int


def choose(job: Choose) -> Choices:
    """Raises ModelError."""
    texts = [text for blank in job.blanks for text in _texts(blank)]
    with session(
        job.path,
        texts,
        cells=MAX_TOKENS,
        sequences=2,
        outputs=MAX_TOKENS,
        batch=MAX_TOKENS,
        threads=job.threads,
    ) as (made, tokens):
        judge = _Judge(made)
        return Choices(
            [
                judge.second_is_likelier(tokens[at : at + 4], blank) == bool(blank.right)
                for at, blank in zip(range(0, len(tokens), 4), job.blanks, strict=True)
            ]
        )


def _texts(blank: Blank) -> list[str]:
    """The whole sentence and its beginning, for either option."""
    return [text for begin in blank.beginnings for text in (begin + blank.rest, begin)]


class _Judge:
    """Scores one sentence after the other."""

    def __init__(self, made: Session) -> None:
        self._made = made
        self._log_softmax = LogSoftmax(made.vocab_size)

    def second_is_likelier(self, texts: Sequence[Sequence[int]], blank: Blank) -> bool:
        """`texts` are the tokens of `_texts`. Raises ModelError for a sentence that is too long."""
        step = Step(self._option(texts[0], texts[1]), self._option(texts[2], texts[3]))
        if len(step.batch) > MAX_TOKENS:
            raise ModelError(
                f"a sentence has {len(step.batch)} tokens with both options, the limit is {MAX_TOKENS}:"
                f" {blank.beginnings[0]}{blank.rest:.40}"
            )
        self._made.clear()
        self._made.decode(step.batch)
        first, second = (self._likelihood(rows, tokens) for rows, tokens in step.rests())
        return second > first

    def _option(self, whole: Sequence[int], beginning: Sequence[int]) -> Option:
        bos = self._made.bos
        return Option([*bos, *whole], max(len(bos) + shared(whole, beginning), 1))

    def _likelihood(self, rows: Sequence[int], tokens: Sequence[int]) -> float:
        """The logarithm of the option's probability."""
        pairs = zip(rows, tokens, strict=True)
        return sum(self._log_softmax(self._logits(row), [token])[0] for row, token in pairs)

    def _logits(self, row: int) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
        pointer = llama.llama_get_logits_ith(self._made.context, row)
        return np.ctypeslib.as_array(pointer, shape=(self._made.vocab_size,))


class Step:
    """Two options in one batch: sequences 0 and 1, whose common beginning is computed once."""

    def __init__(self, *options: Option) -> None:
        self._options = options
        self._common = shared(options[0].tokens, options[1].tokens)
        self.batch = Batch()
        self.batch.extend(options[0].tokens[: self._common], 0, 0)
        self.batch.shared.update({index: [1] for index in range(self._common)})
        self._starts = [self._add(option, number) for number, option in enumerate(options)]
        self.batch.outputs.extend(sorted({row for rows, _ in self.rests() for row in rows}))

    def _add(self, option: Option, seq_id: int) -> int:
        """The index in the batch from which the option has tokens of its own."""
        start = len(self.batch)
        self.batch.extend(option.tokens[self._common :], self._common, seq_id)
        return start

    def rests(self) -> list[tuple[list[int], list[int]]]:
        """For each option: the tokens that count, and the indices of the batch after which they come."""
        return [
            (
                [self._index(number, at - 1) for at in range(option.first, len(option.tokens))],
                option.tokens[option.first :],
            )
            for number, option in enumerate(self._options)
        ]

    def _index(self, number: int, position: int) -> int:
        own = position - self._common
        return position if own < 0 else self._starts[number] + own


def shared(one: Sequence[int], other: Sequence[int]) -> int:
    """Length of the common beginning."""
    same = (mine == theirs for mine, theirs in zip(one, other, strict=False))
    return next((index for index, equal in enumerate(same) if not equal), min(len(one), len(other)))
