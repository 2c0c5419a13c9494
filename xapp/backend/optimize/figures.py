"""The figures of each format from its measurements, and the choice of the best format. Pure arithmetic."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from xapp.backend.optimize.jobs import Guesses, Speeds

STREAMS = (1, 4, 8)
"""Numbers of answers that decode together."""
CALLERS, PROMPT_TOKENS, ANSWER_TOKENS = 4, 256, 64
"""The workload for the comparison: so many callers at once, each with this prompt and this answer."""
MARGIN = 0.05
"""A format must be faster by this share of the source's time: a smaller gain may be noise."""
MAX_NATS = 300.0
"""Bound of a surprise, so that a perplexity, and a product with it, stays finite."""
Z = 1.96
"""Standard errors to either side of an interval of 95 %."""


@dataclass(frozen=True, slots=True)
class Loss:
    """The loss of a format against its source. `perplexity` is the format's own.

    `worse` is the increase over the source's perplexity, 0.01 for 1 %. `margin` is the noise of the text to
    either side (95 %). `agreement` is the share of tokens where both have the same most likely token.
    """

    perplexity: float
    worse: float
    margin: float
    agreement: float

    @property
    def at_most(self) -> float:
        """The upper end of the interval."""
        return self.worse + self.margin


def loss(own: Guesses, source: Guesses) -> Loss:
    """Compares guesses about the same tokens, at least two, token by token."""
    extra = [mine - theirs for mine, theirs in zip(own.nats, source.nats, strict=True)]
    ratio = _exp(statistics.fmean(extra))
    error = statistics.stdev(extra) / math.sqrt(len(extra))
    same = [mine == theirs for mine, theirs in zip(own.favourites, source.favourites, strict=True)]
    return Loss(_exp(statistics.fmean(own.nats)), ratio - 1, Z * error * ratio, statistics.fmean(same))


def _exp(nats: float) -> float:
    """Bounded: a ruined format may have infinite surprise."""
    return math.exp(min(nats, MAX_NATS))


@dataclass(slots=True)
class Measured:
    """A format, its file, and its measurements: one Speeds a round. `fault`: the reason for missing ones.

    `right`: whether each sentence of WinoGrande was filled in correctly; empty without sentences.
    """

    format: str
    path: Path
    size_bytes: int
    rounds: list[Speeds] = field(default_factory=list)
    loss: Loss | None = None
    right: list[bool] = field(default_factory=list)
    fault: str = ""

    @property
    def prefill(self) -> float:
        """Tokens a second of a prompt: the median over the rounds."""
        return statistics.median(each.prefill for each in self.rounds)

    def decode(self, streams: int) -> float:
        """Tokens a second of so many answers together: the median over the rounds."""
        return statistics.median(each.decode[streams] for each in self.rounds)

    @property
    def peak_bytes(self) -> int:
        """The most memory of any round."""
        return max(each.peak_bytes for each in self.rounds)

    @property
    def unsteadiness(self) -> float:
        """The largest relative difference between the slowest and the fastest round."""
        rates = [(each.prefill, *each.decode.values()) for each in self.rounds]
        return max((1 - min(same) / max(same) for same in zip(*rates, strict=True)), default=0.0)

    @property
    def complete(self) -> bool:
        """Whether there are measurements to compare."""
        return bool(self.rounds) and not self.fault and self.loss is not None

    @property
    def typical_s(self) -> float:
        """Seconds of the workload for the comparison."""
        prompts = CALLERS * PROMPT_TOKENS / self.prefill
        return prompts + CALLERS * ANSWER_TOKENS / self.decode(CALLERS)


def best(source: Measured, others: Iterable[Measured], max_loss: float) -> Measured | None:
    """The fastest format that clearly beats the source, with at most this loss, noise included; or None."""
    good = [
        each
        for each in others
        if each.complete and _allowed(each, max_loss) and not fewer_right(each, source)
    ]
    faster = [each for each in good if each.typical_s < source.typical_s * (1 - MARGIN)]
    return min(faster, key=lambda each: each.typical_s, default=None)


def _allowed(measured: Measured, max_loss: float) -> bool:
    return measured.loss is not None and measured.loss.at_most <= max_loss


def fewer_right(measured: Measured, source: Measured) -> bool:
    """Whether it fills in clearly fewer sentences correctly than the source (95 %, of those that differ)."""
    lost, won = changes(measured, source)
    return lost - won > Z * math.sqrt(lost + won)


def changes(measured: Measured, source: Measured) -> tuple[int, int]:
    """Sentences that only the source filled in correctly, and sentences that only this format did."""
    pairs = list(zip(measured.right, source.right, strict=True)) if measured.right else []
    return pairs.count((False, True)), pairs.count((True, False))
