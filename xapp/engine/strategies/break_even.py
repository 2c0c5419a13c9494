"""BreakEven: the number of drafts that pays, from a sequence's past guesses and from the node's step times.

A step with drafts takes longer. It pays when it yields more tokens in its time than a step without drafts.
On a CPU a step of 4 tokens takes about twice as long as a step of one, so that most guesses must be right.
"""

from xapp.backend.base import Batch
from xapp.steps.step_cost import StepCost

CLEARLY = 1.1
"""Drafts must gain at least this factor: their gain is an estimate, and the cost of a wrong draft is
certain."""
FORGET = 0.9
"""Decay of an outcome's weight: about the last 10 outcomes of its kind decide."""


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
    """Belongs to one sequence. Right guesses come in runs, where an answer copies a passage. Two shares are
    learned: how often a guess is right after a right guess, and how often it is right otherwise.
    """

    def __init__(self, cost: StepCost) -> None:
        self._cost = cost
        self._starts = Share(0.4, 2)
        self._goes_on = Share(0.8, 2)
        self._in_run = False

    def choose(self, batch: Batch, most: int) -> int:
        """The number of drafts with the most tokens for the step's time; 0 where no number gains clearly.

        All other tokens of the step, `batch.num_decode` sequences and their drafts, count as one token of
        answer each. So a wider step gains less from drafts.
        """
        rows = batch.num_decode + len(batch.drafts)
        best, best_rate = 0, CLEARLY * rows / self._cost.predict(rows, 0)
        right = (self._goes_on if self._in_run else self._starts).value
        tokens = float(rows)
        for count in range(1, most + 1):
            tokens += right
            right *= self._goes_on.value
            rate = tokens / self._cost.predict(rows + count, 0)
            if rate > best_rate:
                best, best_rate = count, rate
        return best

    def learn(self, num_right: int, num_tested: int) -> None:
        """Implements DraftLength. A step without a guess ends a run."""
        if num_tested == 0:
            self._in_run = False
        for place in range(num_tested):
            hit = place < num_right
            (self._goes_on if self._in_run else self._starts).learn(hit=hit)
            self._in_run = hit
