"""How long prompts and answers are: a distribution, written as on the command line.

64                     every one has 64 tokens
uniform:32-256         each length of 32 to 256 is as likely as another
lognormal:120,0.8      median 120, sigma 0.8 of the logarithm; cut at 8 times the median
lognormal:120,0.8,512  the same, cut at 512
"""

import math
import random
import re
from dataclasses import dataclass
from typing import Protocol, TypeAlias

MAX_LENGTH = 1_000_000
_DEFAULT_CUT = 8
_MAX_SIGMA = 4
_NUMBER = r"\d+(?:\.\d+)?"


class Lengths(Protocol):
    """A distribution of lengths in tokens, each at least 1."""

    def draw(self, random: random.Random) -> int:
        """One length."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same."""

    length: int

    def draw(self, random: random.Random) -> int:
        """See Lengths."""
        return self.length


@dataclass(frozen=True, slots=True)
class Uniform:
    """`low` and `high` included."""

    low: int
    high: int

    def draw(self, random: random.Random) -> int:
        """See Lengths."""
        return random.randint(self.low, self.high)


@dataclass(frozen=True, slots=True)
class Lognormal:
    """What is drawn outside of `shortest` to `cut` counts as the nearer of them."""

    median: float
    sigma: float
    cut: int
    shortest: int = 1

    def draw(self, random: random.Random) -> int:
        """See Lengths."""
        drawn = random.lognormvariate(math.log(self.median), self.sigma)
        return max(self.shortest, min(self.cut, round(drawn)))


AnyLengths: TypeAlias = Fixed | Uniform | Lognormal


def parse(text: str, shortest: int = 1) -> AnyLengths:
    """Raises ValueError that says what is expected."""
    if re.fullmatch(r"\d+", text):
        return Fixed(_length(text, shortest))
    if match := re.fullmatch(r"uniform:(\d+)-(\d+)", text):
        return _uniform(_length(match[1], shortest), _length(match[2], shortest))
    if match := re.fullmatch(rf"lognormal:({_NUMBER}),({_NUMBER})(?:,(\d+))?", text):
        cut = match[3] or str(min(MAX_LENGTH, round(float(match[1]) * _DEFAULT_CUT)))
        return _lognormal(float(match[1]), float(match[2]), _length(cut, shortest), shortest)
    raise ValueError(f"{text!r} is no length: write 64, uniform:32-256 or lognormal:120,0.8[,512]")


def _uniform(low: int, high: int) -> Uniform:
    if low > high:
        raise ValueError(f"uniform:{low}-{high} is empty: the smaller comes first")
    return Uniform(low, high)


def _lognormal(median: float, sigma: float, cut: int, shortest: int) -> Lognormal:
    if not 1 <= median <= MAX_LENGTH or sigma > _MAX_SIGMA:
        raise ValueError(f"lognormal:MEDIAN,SIGMA takes a median from 1 token and a sigma up to {_MAX_SIGMA}")
    return Lognormal(median, sigma, cut, shortest)


def _length(text: str, shortest: int) -> int:
    value = int(text)
    if not shortest <= value <= MAX_LENGTH:
        raise ValueError(f"{value} tokens is not in {shortest} to {MAX_LENGTH}")
    return value
