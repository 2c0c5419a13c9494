"""How long answers become: learned from those that ended, for each kind of request.

`max_tokens` only bounds an answer. What ended there, or was cut otherwise, says that the answer would
have been at least so long: the estimator of Kaplan and Meier takes both kinds of answers into account.
"""

from bisect import bisect_left, insort
from collections import OrderedDict, deque
from collections.abc import Callable
from math import log2
from time import monotonic
from typing import NamedTuple

MAX_KINDS = 256
"""The kinds used least recently are forgotten first."""
MAX_ANSWERS = 64
MIN_ANSWERS = 4
"""From fewer nothing is learned."""
FORGET_S = 900.0
"""Answers say nothing after so long: whoever was refused for them must get another chance."""
GUESS = 128
"""Tokens that half of the answers are taken to exceed, and half of those twice as many, and so on, where
nothing is known of their kind."""


class _Length(NamedTuple):
    tokens: int
    cut: bool
    at: float


class _Kind:
    """The answers of one kind: as they came, and sorted, for they are looked up for every open request each
    time that somebody comes.
    """

    def __init__(self) -> None:
        self._as_they_came: deque[_Length] = deque()
        self._sorted: list[_Length] = []

    def add(self, length: _Length) -> None:
        if len(self._as_they_came) == MAX_ANSWERS:
            self._drop_oldest()
        self._as_they_came.append(length)
        insort(self._sorted, length)

    def forget(self, before: float) -> None:
        while self._as_they_came and self._as_they_came[0].at < before:
            self._drop_oldest()

    def longer(self, than: int) -> list[_Length]:
        """Sorted."""
        return self._sorted[bisect_left(self._sorted, (than + 1,)) :]

    def _drop_oldest(self) -> None:
        self._sorted.remove(self._as_they_came.popleft())


class AnswerLengths:
    """Tokens of answers by `kind`, any text; `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._kinds: OrderedDict[str, _Kind] = OrderedDict()

    def record(self, kind: str, num_tokens: int, *, cut: bool) -> None:
        """An answer ended: by itself, or `cut` at `num_tokens`."""
        if kind not in self._kinds and len(self._kinds) >= MAX_KINDS:
            self._kinds.popitem(last=False)
        self._kinds.setdefault(kind, _Kind()).add(_Length(num_tokens, cut, self._clock()))
        self._kinds.move_to_end(kind)

    def quantile(self, kind: str, share: float, cap: int, *, beyond: int = 0) -> int:
        """Tokens that an answer of at most `cap` does not exceed with probability `share`, above 0, below 1.

        It has `beyond` tokens already, of which there will be at least one more unless `cap` says no.
        """
        known = self._kinds.get(kind)
        if known is None:
            return _guess(share, cap, beyond)
        known.forget(self._clock() - FORGET_S)
        longer = known.longer(beyond)
        if len(longer) < MIN_ANSWERS:
            return _guess(share, cap, beyond)
        surviving = 1.0
        for index, length in enumerate(longer):
            if length.tokens >= cap:
                return cap
            if not length.cut:
                surviving *= 1 - 1 / (len(longer) - index)
            if surviving <= 1 - share:
                return length.tokens
        # The longest were cut below this cap: of what comes after them as much is known as of a new kind.
        return _guess(share, cap, longer[-1].tokens, surviving)


def _guess(share: float, cap: int, beyond: int, surviving: float = 1.0) -> int:
    """As many answers as `surviving` tells have more than `beyond` tokens."""
    return min(cap, beyond + max(1, round(GUESS * log2(surviving / (1 - share)))))
