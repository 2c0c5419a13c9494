"""What the measurements of one format say, and which format is the best. Pure arithmetic."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xapp.backend.optimize.jobs import Guesses, Speeds

STREAMS = (1, 4, 8)
"""Numbers of answers that decode together."""
CALLERS, PROMPT_TOKENS, ANSWER_TOKENS = 4, 256, 64
"""What formats are compared by: so many callers at once, each with such a prompt and such an answer."""
MARGIN = 0.05
"""By how much of the source's time a format must be faster to be chosen: less may be noise."""
MAX_NATS = 300.0
"""Of what a perplexity is computed: it stays a number, and so does a product with it."""
Z = 1.96
"""Standard errors to either side of an interval of 95 %."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What a format costs against its source. `perplexity` is its own.

    `worse` is by how much of the source's perplexity it is higher, 0.01 for 1 %; `margin` is what to
    either side of that is noise of the text (95 %). `agreement` is the share of tokens where both have
    the same favourite.
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
    """Of guesses about the same tokens, at least two: compared token by token."""
    extra = [mine - theirs for mine, theirs in zip(own.nats, source.nats, strict=True)]
    ratio = _exp(statistics.fmean(extra))
    error = statistics.stdev(extra) / math.sqrt(len(extra))
    same = [mine == theirs for mine, theirs in zip(own.favourites, source.favourites, strict=True)]
    return Loss(_exp(statistics.fmean(own.nats)), ratio - 1, Z * error * ratio, statistics.fmean(same))


def _exp(nats: float) -> float:
    """A format that ruins a model may be surprised beyond all numbers."""
    return math.exp(min(nats, MAX_NATS))


@dataclass(slots=True)
class Measured:
    """A format, its file, and what was measured of it: one Speeds a round. `fault`: why there is no more.

    `right`: whether it filled in each sentence of WinoGrande rightly; empty where none was asked.
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
        """The same of so many answers together."""
        return statistics.median(each.decode[streams] for each in self.rounds)

    @property
    def peak_bytes(self) -> int:
        """The most memory of any round."""
        return max(each.peak_bytes for each in self.rounds)

    @property
    def unsteadiness(self) -> float:
        """How far the slowest round is below the fastest, as a share, where they differ most."""
        rates = [(each.prefill, *each.decode.values()) for each in self.rounds]
        return max((1 - min(same) / max(same) for same in zip(*rates, strict=True)), default=0.0)

    @property
    def complete(self) -> bool:
        """Whether there is something to compare."""
        return bool(self.rounds) and not self.fault and self.loss is not None

    @property
    def typical_s(self) -> float:
        """Seconds of the work that formats are compared by."""
        prompts = CALLERS * PROMPT_TOKENS / self.prefill
        return prompts + CALLERS * ANSWER_TOKENS / self.decode(CALLERS)


def best(source: Measured, others: Iterable[Measured], max_loss: float) -> Measured | None:
    """The fastest format that clearly beats the source and loses at most that, noise included; or none."""
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
    """Whether it fills in clearly fewer sentences rightly than the source (95 %, of those that differ)."""
    lost, won = changes(measured, source)
    return lost - won > Z * math.sqrt(lost + won)


def changes(measured: Measured, source: Measured) -> tuple[int, int]:
    """How many sentences the source alone filled in rightly, and how many this alone."""
    pairs = list(zip(measured.right, source.right, strict=True)) if measured.right else []
    return pairs.count((False, True)), pairs.count((True, False))


def rotated(items: Sequence[Measured], number: int) -> list[Measured]:
    """The same, another one first each round: a drift of the machine favours nobody."""
    shift = number % len(items)
    return [*items[shift:], *items[:shift]]
