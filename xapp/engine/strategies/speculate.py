"""Speculate: guess the next tokens cheaply, and have the model check all of them in one step.

Drafts are computed behind the answer's last token, each with an output. The sampler draws from the outputs
in order until it draws another token than the draft. So the answer equals that of plain decoding, draw for
draw, with any sampling parameters and any grammar. The cells of rejected drafts are freed at once.

This is rejection sampling with a proposal that is certain of its token: a draft is accepted with the
probability that the model gives it, and the token in place of a rejected draft has the distribution of the
model without the draft.
"""

from xapp.backend.base import NOT_DRAWN, Batch
from xapp.engine.kv_cache import KVCache
from xapp.engine.sequence import Sequence, Status
from xapp.engine.strategies.decode import Decode
from xapp.engine.strategies.source import Source


class Speculate(Decode):
    """Belongs to one sequence. The first of the sources whose guesses pay makes the drafts of a step."""

    def __init__(self, kv_cache: KVCache, *sources: Source) -> None:
        self._kv_cache = kv_cache
        self._sources = sources
        self._price = 1.0
        self._num_tokens = self._num_prices = 0.0
        self.num_drafted = self.num_accepted = self.num_draft_steps = 0

    @property
    def gain(self) -> float:
        """See Strategy."""
        return self._num_tokens / self._num_prices if self._num_prices else 1.0

    def plan(self, sequence: Sequence, batch: Batch, room: int) -> int:
        """Adds the last token and the drafts behind it."""
        self._price = 1.0
        for source in self._sources:
            source.forget()
        if sequence.status is not Status.DECODE:
            return Decode.plan(self, sequence, batch, room)
        drafts = self._drafts(sequence, batch, min(room - 1, self._most(sequence)))
        Decode.plan(self, sequence, batch, 1)
        assert sequence.seq_id is not None
        for position, draft in enumerate(drafts, start=sequence.num_computed + 1):
            batch.add_draft(draft, position, sequence.seq_id)
        return 1 + len(drafts)

    def _drafts(self, sequence: Sequence, batch: Batch, most: int) -> list[int]:
        tokens, position = sequence.tokens, sequence.num_computed
        for source in self._sources:
            drafts = source.drafts(tokens, batch, position, most)
            self._price *= source.price(batch, position, len(drafts))
            if drafts:
                return drafts
        return []

    def _most(self, sequence: Sequence) -> int:
        """Drafts that the answer has room for. A step yields one token more than accepted drafts."""
        return sequence.request.max_tokens - self.num_completion(sequence) - 1

    def update(self, sequence: Sequence, drawn: list[int], read: list[list[float]]) -> list[int]:
        """The drawn tokens up to and including the first that differs from its draft."""
        accepted = drawn[: drawn.index(NOT_DRAWN)] if NOT_DRAWN in drawn else drawn
        for source in self._sources:
            source.learn(accepted)
        self._num_tokens += len(accepted)
        self._num_prices += self._price
        if num_drafts := len(drawn) - 1:
            num_wrong = len(drawn) - len(accepted)
            self.num_draft_steps += 1
            self.num_drafted += num_drafts
            self.num_accepted += num_drafts - num_wrong
            self._kv_cache.trim(sequence, sequence.num_computed - num_wrong)
        return accepted

    def restart(self, sequence: Sequence) -> None:
        """The guesses of a sequence that waits cost no memory."""
        self.give_back(sequence)

    def give_back(self, sequence: Sequence) -> None:
        """Closes the sources."""
        for source in self._sources:
            source.proposer.close()
