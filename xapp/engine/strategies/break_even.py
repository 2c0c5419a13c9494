"""BreakEven: how many drafts pay, by what was learned of a sequence's guesses and of the node's steps.

A step with drafts takes longer. It pays when it brings more tokens for its time than a step without: on a CPU
4 tokens take about twice as long as one, so that one guess in three must not be wrong.
"""

from xapp.backend.base import Batch
from xapp.steps.step_cost import StepCost

CLEARLY = 1.1
"""Drafts must bring so much more: prices and shares are estimates, and a wrong draft costs for certain."""
FORGET = 0.9
"""What an outcome weighs after the next of its kind: the last 10 or so decide."""


class Share:
    """How often something happens, lately. It starts at `share`, as if seen `weight` times."""

    def __init__(self, share: float, weight: float) -> None:
        self._hits, self._count = share * weight, weight

    @property
    def value(self) -> float:
        """0 to 1."""
        return self._hits / self._count

    def learn(self, *, hit: bool) -> None:
        """It happened, or did not."""
        self._hits = FORGET * self._hits + hit
        self._count = FORGET * self._count + 1


class BreakEven:
    """Of one sequence. Right guesses come in runs, where an answer copies a passage. It learns two shares:
    how often a guess is right after a right guess, and how often after anything else.
    """

    def __init__(self, cost: StepCost) -> None:
        self._cost = cost
        self._starts = Share(0.4, 2)
        self._goes_on = Share(0.8, 2)
        self._in_run = False

    def choose(self, batch: Batch, most: int) -> int:
        """The number that brings most tokens for the step's time; 0 where none brings clearly more.

        What is in the step besides, `batch.num_decode` sequences and drafts of others, is taken to bring a
        token each: so the wider the step, the less there is to gain.
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
        """See DraftLength. A step without a guess ends a run."""
        if num_tested == 0:
            self._in_run = False
        for place in range(num_tested):
            hit = place < num_right
            (self._goes_on if self._in_run else self._starts).learn(hit=hit)
            self._in_run = hit
