"""The highest rate that keeps the limits: doubling or halving to bracket it, then bisecting."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

MAX_STEPS_OUT = 12
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Found:
    """The highest rate that kept the limits and the lowest that did not; None: there was none."""

    kept: float | None
    missed: float | None
    num_probes: int


async def highest_rate(
    keeps: Callable[[float], Awaitable[bool]], *, start: float, precision: float = 0.1
) -> Found:
    """Bisects until the two rates differ by `precision` or less, as a share of the lower.

    Asks for the same rates in the same order as long as the answers are the same, so that a search
    that was interrupted can be gone on with. `start` is the first rate, a second, above 0.
    """
    search = _Search(keeps)
    await search.bracket(_rounded(start))
    while (middle := search.middle(precision)) is not None:
        await search.probe(middle)
    return Found(search.kept, search.missed, search.num_probes)


class _Search:
    def __init__(self, keeps: Callable[[float], Awaitable[bool]]) -> None:
        self._keeps = keeps
        self.kept: float | None = None
        self.missed: float | None = None
        self.num_probes = 0

    async def probe(self, rate: float) -> bool:
        """Whether it keeps them; moves the bracket."""
        self.num_probes += 1
        kept = await self._keeps(rate)
        if kept:
            self.kept = rate
        else:
            self.missed = rate
        return kept

    async def bracket(self, rate: float) -> None:
        """Away from the first rate in doubles or halves until the answer changes."""
        first = await self.probe(rate)
        for _ in range(MAX_STEPS_OUT):
            rate = _rounded(rate * 2 if first else rate / 2)
            if await self.probe(rate) != first:
                return

    def middle(self, precision: float) -> float | None:
        """The next rate; None when the bracket is narrow enough, or is none."""
        if self.kept is None or self.missed is None or self.missed <= self.kept * (1 + precision):
            return None
        middle = _rounded(math.sqrt(self.kept * self.missed))
        return middle if self.kept < middle < self.missed else None


def _rounded(rate: float) -> float:
    """Four digits: a rate is a step's name."""
    return float(f"{rate:.{_DIGITS}g}")
