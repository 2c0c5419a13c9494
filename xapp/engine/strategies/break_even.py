"""BreakEven: the number of drafts that pays, from a sequence's past guesses and from the node's step times.

A step with drafts takes longer. It pays when it yields more tokens in its time than a step without drafts.
On a CPU a step of 4 tokens takes at least twice as long as a step of one, so most guesses must be right.
"""

from collections.abc import Callable

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
RETRY_SHARE = 0.02
"""Share of the time that may be spent on guesses that do not pay, to learn whether they do now."""

UNLIKELY = 0.1
"""A draft is not considered where all drafts up to it are right with a smaller probability: each takes
time to consider."""

CostOf = Callable[[int], float]
"""Seconds that making so many guesses takes."""


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
    """Belongs to one sequence and one source of guesses. It learns the acceptance rate of each kind of guess,
    and of all guesses together.
    """

    def __init__(self, cost: StepCost) -> None:
        self._cost = cost
        self._shares = [Share(share, PRIOR_WEIGHT) for share in PRIOR]
        self._all = Share(PRIOR[-2], PRIOR_WEIGHT)
        self._to_spend_s = 0.0
        """Seconds for the next try of guesses that do not pay."""
        assert len(PRIOR) == NUM_KINDS

    def choose(self, batch: Batch, position: int, kinds: list[int]) -> int:
        """Implements DraftLength: the number with the most tokens for the step's time; 0 where no number
        gains clearly.
        """
        return self._best(batch, position, [self._shares[kind].value for kind in kinds])

    def worth(self, batch: Batch, position: int, most: int, cost_of: CostOf) -> int:
        """Implements DraftLength. Where guesses do not pay but could, the next is made when it takes a small
        share of the time since the last.
        """
        if count := self._best(batch, position, [self._all.value] * most, cost_of):
            return count
        if not self._best(batch, position, [1.0] * most, cost_of):
            return 0
        step_s = self._step_s(batch, position, 0)
        self._to_spend_s += RETRY_SHARE * step_s
        if self._to_spend_s < cost_of(1) + self._step_s(batch, position, 1) - step_s:
            return 0
        self._to_spend_s = 0.0
        return 1

    def _best(self, batch: Batch, position: int, shares: list[float], cost_of: CostOf = lambda _: 0.0) -> int:
        """All other tokens of the step, `batch.num_decode` sequences and their drafts, count as one token of
        answer each. So a wider step gains less from drafts.
        """
        rows = batch.num_decode + len(batch.drafts)
        best, best_rate = 0, CLEARLY * rows / self._step_s(batch, position, 0)
        tokens, right = float(rows), 1.0
        for count, share in enumerate(shares, start=1):
            right *= share
            if right < UNLIKELY:
                break
            tokens += right
            rate = tokens / (self._step_s(batch, position, count) + cost_of(count))
            if rate > best_rate:
                best, best_rate = count, rate
        return best

    def _step_s(self, batch: Batch, position: int, count: int) -> float:
        """Seconds of the step with `count` drafts of this sequence."""
        rows = batch.num_decode + len(batch.drafts) + count
        return self._cost.predict(rows, 0, batch.num_read + (1 + count) * position)

    def price(self, batch: Batch, position: int, count: int, cost_s: float) -> float:
        """Implements DraftLength."""
        return (self._step_s(batch, position, count) + cost_s) / self._step_s(batch, position, 0)

    def learn(self, num_right: int, kinds: list[int]) -> None:
        """Implements DraftLength."""
        for place, kind in enumerate(kinds):
            self._shares[kind].learn(hit=place < num_right)
            self._all.learn(hit=place < num_right)
