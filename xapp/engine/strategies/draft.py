"""DraftProposer: a smaller model with the same vocabulary guesses.

The draft model reads the tokens of the sequence, and continues them greedily. Its own probability of a guess
says how likely the guess is to be right.
"""

from bisect import bisect

from xapp.domain.prefix import common_prefix
from xapp.engine.drafts import Drafts
from xapp.engine.strategies.guess import NO_GUESS, NUM_KINDS, Guess

CATCH_UP = 64
"""Tokens of a prompt that are read in one step: other sequences wait for them."""
PAYS_BACK = 16
"""Steps in which the reading of a prompt has to pay."""
_BOUNDS = (0.4, 0.6, 0.8, 0.9, 0.97)
"""Kinds of guesses by their probability."""
assert len(_BOUNDS) + 1 == NUM_KINDS


class DraftProposer:
    """A Proposer."""

    def __init__(self, drafts: Drafts) -> None:
        self._drafts = drafts
        self._seq_id: int | None = None
        self._read: list[int] = []
        """The tokens in the draft model's cells. The last ones may be guesses that were wrong."""
        self._num_right = 0
        """How many of them are known to be those of the sequence."""

    def cost_s(self, num_tokens: int, count: int) -> float:
        """See Proposer. A long text to read counts in part, because it is read once."""
        behind = max(0, num_tokens - 1 - len(self._read))
        return count * self._drafts.token_s + behind * self._drafts.prompt_token_s / PAYS_BACK

    def propose(self, tokens: list[int], most: int) -> Guess:
        """NO_GUESS as well while the draft model still reads the prompt, and without a free id or
        cells. A text beyond the context of the draft model has no guesses either.
        """
        seq_id = self._seq_id if self._seq_id is not None else self._drafts.lend()
        if seq_id is None:
            return NO_GUESS
        self._seq_id = seq_id
        self._keep_right(seq_id, tokens)
        behind = tokens[len(self._read) : -1]
        if not self._drafts.has_room(seq_id, len(behind) + 1 + most):
            self.close()
            return NO_GUESS
        if behind:
            self._drafts.read(seq_id, behind[:CATCH_UP])
            self._read += behind[:CATCH_UP]
        if len(behind) > CATCH_UP:
            return NO_GUESS
        return self._guess(seq_id, tokens[-1], most)

    def _guess(self, seq_id: int, token: int, most: int) -> Guess:
        found = self._drafts.guess(seq_id, token, most)
        guesses = [guess for guess, _ in found]
        self._read += [token, *guesses[:-1]]
        return Guess(guesses, [bisect(_BOUNDS, probability) for _, probability in found])

    def _keep_right(self, seq_id: int, tokens: list[int]) -> None:
        """Cuts the wrong guesses. The last token is always left to compute."""
        since = self._num_right
        right = since + common_prefix(self._read[since:], tokens[since : len(tokens) - 1])
        self._drafts.cut(seq_id, right)
        del self._read[right:]
        self._num_right = right

    def close(self) -> None:
        """See Proposer."""
        if self._seq_id is not None:
            self._drafts.give_back(self._seq_id)
        self._seq_id = None
        self._read.clear()
        self._num_right = 0
