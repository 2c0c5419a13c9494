"""Speculate: guess the next tokens cheaply, and have the model check all of them in one step.

Drafts are computed behind the answer's last token, each with an output. The sampler draws from the outputs
in order until it draws another token than the draft. So the answer equals that of plain decoding, draw for
draw, with any sampling parameters and any grammar. The cells of rejected drafts are freed at once.
"""

from typing import Protocol

from xapp.backend.base import NOT_DRAWN, Batch
from xapp.engine.kv_cache import KVCache
from xapp.engine.sequence import Sequence, Status
from xapp.engine.strategies.decode import Decode
from xapp.engine.strategies.guess import NO_GUESS, Guess


class Proposer(Protocol):
    """The source of drafts. A proposer belongs to one sequence, so that no text reaches another sequence."""

    def propose(self, tokens: list[int], most: int) -> Guess:
        """At most `most` tokens that may follow `tokens`, which only grows. NO_GUESS without a guess."""
        ...


class DraftLength(Protocol):
    """The number of drafts to compute."""

    def choose(self, batch: Batch, position: int, kinds: list[int]) -> int:
        """The number of drafts to compute, of guesses of these kinds, for a sequence that puts its last token
        into the batch, at `position`.
        """
        ...

    def price(self, batch: Batch, position: int, count: int) -> float:
        """The time of the step with `count` drafts, divided by its time without them."""
        ...

    def learn(self, num_right: int, kinds: list[int]) -> None:
        """Called after each step with the kinds of the tested guesses: the first `num_right` were right."""
        ...


class Speculate(Decode):
    """Belongs to one sequence. Guesses that do not pay are not computed. The sequence still learns whether
    the first guess was right, so that drafts start again when they pay.
    """

    def __init__(self, kv_cache: KVCache, proposer: Proposer, length: DraftLength, most: int) -> None:
        self._kv_cache = kv_cache
        self._proposer = proposer
        self._length = length
        self._max_drafts = most
        self._guess = NO_GUESS
        self._price = 1.0
        self.num_drafted = self.num_accepted = self.num_draft_steps = 0
        self._num_tokens = self._num_prices = 0.0

    @property
    def gain(self) -> float:
        """See Strategy."""
        return self._num_tokens / self._num_prices if self._num_prices else 1.0

    def plan(self, sequence: Sequence, batch: Batch, room: int) -> int:
        """Adds the last token and the drafts behind it."""
        self._guess, self._price = NO_GUESS, 1.0
        if sequence.status is not Status.DECODE:
            return Decode.plan(self, sequence, batch, room)
        drafts = self._drafts(sequence, batch, min(room - 1, self._max_drafts, self._most(sequence)))
        self._price = self._length.price(batch, sequence.num_computed, len(drafts)) if drafts else 1.0
        Decode.plan(self, sequence, batch, 1)
        assert sequence.seq_id is not None
        for position, draft in enumerate(drafts, start=sequence.num_computed + 1):
            batch.add_draft(draft, position, sequence.seq_id)
        return 1 + len(drafts)

    def _drafts(self, sequence: Sequence, batch: Batch, most: int) -> list[int]:
        guess = self._guess = self._proposer.propose(sequence.tokens, max(1, most))
        if most < 1 or not guess.tokens:
            return []
        return guess.tokens[: self._length.choose(batch, sequence.num_computed, guess.kinds[:most])]

    def _most(self, sequence: Sequence) -> int:
        """Drafts that the answer has room for. A step yields one token more than accepted drafts."""
        return sequence.request.max_tokens - self.num_completion(sequence) - 1

    def update(self, sequence: Sequence, drawn: list[int], read: list[list[float]]) -> list[int]:
        """The drawn tokens up to and including the first that differs from its draft."""
        accepted = drawn[: drawn.index(NOT_DRAWN)] if NOT_DRAWN in drawn else drawn
        self._learn(accepted)
        self._num_tokens += len(accepted)
        self._num_prices += self._price
        if num_drafts := len(drawn) - 1:
            num_wrong = len(drawn) - len(accepted)
            self.num_draft_steps += 1
            self.num_drafted += num_drafts
            self.num_accepted += num_drafts - num_wrong
            self._kv_cache.trim(sequence, sequence.num_computed - num_wrong)
        return accepted

    def _learn(self, accepted: list[int]) -> None:
        """A guess that was not computed is tested by the drawn token as well, up to the first wrong guess."""
        guesses, kinds = self._guess
        num_tested = min(len(guesses), len(accepted))
        pairs = zip(guesses[:num_tested], accepted, strict=False)
        num_right = next((place for place, (guess, token) in enumerate(pairs) if guess != token), num_tested)
        self._length.learn(num_right, kinds[: min(num_tested, num_right + 1)])
