"""Which of two options a model puts into the blank of a sentence. Runs in a child process.

Partial scoring, as WinoGrande is scored: either option is filled in, and what is compared is how likely the
rest of the sentence is then.
"""

from collections.abc import Sequence

import numpy as np

from xapp.backend.base import Batch
from xapp.backend.log_softmax import LogSoftmax
from xapp.backend.native import llama
from xapp.backend.optimize.jobs import Blank, Choices, Choose
from xapp.backend.optimize.session import Session, session
from xapp.errors import ModelError

MAX_TOKENS = 128
"""Of a sentence. WinoGrande's have about 25."""


def choose(job: Choose) -> Choices:
    """Raises ModelError."""
    texts = [text for blank in job.blanks for text in _texts(blank)]
    with session(
        job.path,
        texts,
        cells=MAX_TOKENS,
        sequences=1,
        outputs=MAX_TOKENS,
        batch=MAX_TOKENS,
        threads=job.threads,
    ) as (made, tokens):
        judge = _Judge(made)
        pairs = zip(tokens[::2], tokens[1::2], strict=True)
        likelihoods = [judge.rest(whole, beginning) for whole, beginning in pairs]
    return Choices(
        [
            (second > first) == bool(blank.right)
            for blank, first, second in zip(job.blanks, likelihoods[::2], likelihoods[1::2], strict=True)
        ]
    )


def _texts(blank: Blank) -> list[str]:
    """The whole and its beginning, for either option."""
    return [text for begin in blank.beginnings for text in (begin + blank.rest, begin)]


class _Judge:
    """Scores one sentence after the other."""

    def __init__(self, made: Session) -> None:
        self._made = made
        self._log_softmax = LogSoftmax(made.vocab_size)

    def rest(self, whole: Sequence[int], beginning: Sequence[int]) -> float:
        """The log-likelihood of what follows the beginning. Raises ModelError for too long a sentence."""
        tokens = [*self._made.bos, *whole]
        if len(tokens) > MAX_TOKENS:
            raise ModelError(f"a sentence has {len(tokens)} tokens; at most {MAX_TOKENS} are taken")
        first = max(len(self._made.bos) + _shared(whole, beginning), 1)
        self._made.clear()
        batch = Batch()
        for position, token in enumerate(tokens):
            batch.add(token, position, 0)
            batch.want_output()
        self._made.decode(batch)
        shape = (len(tokens), self._made.vocab_size)
        logits = np.ctypeslib.as_array(llama.llama_get_logits(self._made.context), shape=shape)
        return sum(self._log_softmax(logits[at - 1], [tokens[at]])[0] for at in range(first, len(tokens)))


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many first tokens are the same."""
    same = (mine == theirs for mine, theirs in zip(one, other, strict=False))
    return next((index for index, equal in enumerate(same) if not equal), min(len(one), len(other)))
