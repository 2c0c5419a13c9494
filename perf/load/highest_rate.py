"""The highest rate that keeps the limits: doubling or halving to bracket it, then bisecting."""

import enum
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

MAX_STEPS_OUT = 10
_DIGITS = 4


class Verdict(enum.Enum):
    """What a probe showed. HOPELESS: missed though requests never met: a lower rate is no help."""

    KEPT = enum.auto()
    MISSED = enum.auto()
    HOPELESS = enum.auto()


Probe: TypeAlias = Callable[[float], Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class Found:
    """The highest rate that kept the limits and the lowest that did not; None: there was none."""

    kept: float | None
    missed: float | None
    num_probes: int


async def highest_rate(probe: Probe, *, start: float, precision: float = 0.1) -> Found:
    """Bisects until the two rates differ by `precision` or less, as a share of the lower.

    Asks for the same rates in the same order as long as the answers are the same, so that a search
    that was interrupted can be gone on with. `start` is the first rate, a second, above 0.
    """
    search = _Search(probe)
    await search.bracket(_rounded(start))
    while (middle := search.middle(precision)) is not None:
        await search.probe(middle)
    return Found(search.kept, search.missed, search.num_probes)


class _Search:
    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self.kept: float | None = None
        self.missed: float | None = None
        self.num_probes = 0

    async def probe(self, rate: float) -> Verdict:
        """What it showed; moves the bracket."""
        self.num_probes += 1
        verdict = await self._probe(rate)
        if verdict is Verdict.KEPT:
            self.kept = rate
        else:
            self.missed = rate
        return verdict

    async def bracket(self, rate: float) -> None:
        """Away from the first rate in doubles or halves until the answer changes."""
        first = await self.probe(rate)
        verdict = first
        for _ in range(MAX_STEPS_OUT):
            if verdict is not first or verdict is Verdict.HOPELESS:
                return
            rate = _rounded(rate * 2 if first is Verdict.KEPT else rate / 2)
            verdict = await self.probe(rate)

    def middle(self, precision: float) -> float | None:
        """The next rate; None when the bracket is narrow enough, or is none."""
        if self.kept is None or self.missed is None or self.missed <= self.kept * (1 + precision):
            return None
        middle = _rounded(math.sqrt(self.kept * self.missed))
        return middle if self.kept < middle < self.missed else None


def _rounded(rate: float) -> float:
    """Four digits: a rate is a step's name."""
    return float(f"{rate:.{_DIGITS}g}")
