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


class Proposer(Protocol):
    """The source of drafts. A proposer belongs to one sequence, so that no text reaches another sequence."""

    def propose(self, tokens: list[int], most: int) -> list[int]:
        """At most `most` tokens that may follow `tokens`, which only grows. [] without a guess."""
        ...


class DraftLength(Protocol):
    """The number of drafts to compute."""

    def choose(self, batch: Batch, most: int) -> int:
        """The number of drafts to compute, of `most` guesses, for a sequence that puts its last token into
        the batch.
        """
        ...

    def learn(self, num_right: int, num_tested: int) -> None:
        """Called after each step: `num_right` of `num_tested` guesses were right."""
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
        self._guesses: list[int] = []
        self.num_drafted = self.num_accepted = 0

    def plan(self, sequence: Sequence, batch: Batch, room: int) -> int:
        """Adds the last token and the drafts behind it."""
        self._guesses = []
        if sequence.status is not Status.DECODE:
            return Decode.plan(self, sequence, batch, room)
        drafts = self._drafts(sequence, batch, min(room - 1, self._max_drafts, self._most(sequence)))
        Decode.plan(self, sequence, batch, 1)
        assert sequence.seq_id is not None
        for position, draft in enumerate(drafts, start=sequence.num_computed + 1):
            batch.add_draft(draft, position, sequence.seq_id)
        return 1 + len(drafts)

    def _drafts(self, sequence: Sequence, batch: Batch, most: int) -> list[int]:
        self._guesses = self._proposer.propose(sequence.tokens, max(1, most))
        if most < 1 or not self._guesses:
            return []
        return self._guesses[: self._length.choose(batch, min(most, len(self._guesses)))]

    def _most(self, sequence: Sequence) -> int:
        """Drafts that the answer has room for. A step yields one token more than accepted drafts."""
        return sequence.request.max_tokens - self.num_completion(sequence) - 1

    def update(self, sequence: Sequence, drawn: list[int], read: list[list[float]]) -> list[int]:
        """The drawn tokens up to and including the first that differs from its draft."""
        accepted = drawn[: drawn.index(NOT_DRAWN)] if NOT_DRAWN in drawn else drawn
        self._learn(accepted)
        if num_drafts := len(drawn) - 1:
            num_wrong = len(drawn) - len(accepted)
            self.num_drafted += num_drafts
            self.num_accepted += num_drafts - num_wrong
            self._kv_cache.trim(sequence, sequence.num_computed - num_wrong)
        return accepted

    def _learn(self, accepted: list[int]) -> None:
        num_tested = min(len(self._guesses), len(accepted))
        pairs = zip(self._guesses[:num_tested], accepted, strict=False)
        num_right = next((place for place, (guess, token) in enumerate(pairs) if guess != token), num_tested)
        self._length.learn(num_right, min(num_tested, num_right + 1))
