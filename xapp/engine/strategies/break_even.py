"""BreakEven: the number of drafts that pays, from a sequence's past guesses and from the node's step times.

A step with drafts takes longer. It pays when it yields more tokens in its time than a step without drafts.
On a CPU a step of 4 tokens takes about twice as long as a step of one, so that most guesses must be right.
"""

from xapp.backend.base import Batch
from xapp.engine.strategies.guess import NUM_KINDS
from xapp.steps.step_cost import StepCost

CLEARLY = 1.05
"""Drafts must gain at least this factor: their gain is an estimate, and the cost of a wrong draft is
certain."""
FORGET = 0.9
"""Decay of an outcome's weight: about the last 10 outcomes of its kind decide."""
PRIOR = (0.3, 0.45, 0.6, 0.75, 0.85, 0.9)
"""Assumed share of right guesses of each kind."""
PRIOR_WEIGHT = 2.0
"""It counts as so many observations."""


class Share:
    """How often an event happened lately. It starts at `share`, with the weight of `weight` observations."""

    def __init__(self, share: float, weight: float) -> None:
        self._hits, self._count = share * weight, weight

    @property
    def value(self) -> float:
        """0 to 1."""
        return self._hits / self._count

    def learn(self, *, hit: bool) -> None:
        """Records whether the event happened."""
        self._hits = FORGET * self._hits + hit
        self._count = FORGET * self._count + 1


class BreakEven:
    """Belongs to one sequence. It learns the acceptance rate of each kind of guess."""

    def __init__(self, cost: StepCost) -> None:
        self._cost = cost
        self._shares = [Share(share, PRIOR_WEIGHT) for share in PRIOR]
        assert len(PRIOR) == NUM_KINDS

    def choose(self, batch: Batch, position: int, kinds: list[int]) -> int:
        """The number of drafts with the most tokens for the step's time; 0 where no number gains clearly.

        All other tokens of the step, `batch.num_decode` sequences and their drafts, count as one token of
        answer each. So a wider step gains less from drafts.
        """
        rows, cells = batch.num_decode + len(batch.drafts), batch.num_read + position
        best, best_rate = 0, CLEARLY * rows / self._cost.predict(rows, 0, cells)
        tokens, right = float(rows), 1.0
        for count, kind in enumerate(kinds, start=1):
            right *= self._shares[kind].value
            tokens += right
            rate = tokens / self._cost.predict(rows + count, 0, cells + count * position)
            if rate > best_rate:
                best, best_rate = count, rate
        return best

    def price(self, batch: Batch, position: int, count: int) -> float:
        """Implements DraftLength."""
        rows, cells = batch.num_decode + len(batch.drafts), batch.num_read + position
        with_drafts_s = self._cost.predict(rows + count, 0, cells + count * position)
        return with_drafts_s / self._cost.predict(rows, 0, cells)

    def learn(self, num_right: int, kinds: list[int]) -> None:
        """Implements DraftLength."""
        for place, kind in enumerate(kinds):
            self._shares[kind].learn(hit=place < num_right)
