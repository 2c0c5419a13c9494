"""Predicts the length of answers from earlier answers of the same kind of request.

`max_tokens` is only a bound. An answer that was cut shows a lower bound of its full length. The estimator of
Kaplan and Meier uses both complete and cut answers.
"""

from bisect import bisect_left, insort
from collections import OrderedDict, deque
from collections.abc import Callable
from math import log2
from time import monotonic
from typing import NamedTuple

MAX_KINDS = 256
"""Number of kinds that are remembered. The least recently used kind is forgotten first."""
MAX_ANSWERS = 64
MIN_ANSWERS = 4
"""Smallest number of answers to learn from."""
FORGET_S = 900.0
"""Age at which an answer is forgotten: a refused kind of request must get another chance."""
GUESS = 128
"""Prior for an unknown kind: half of the answers are longer, half of those are longer than twice as much, and
so on. In tokens."""


class _Length(NamedTuple):
    tokens: int
    cut: bool
    at: float


class _Kind:
    """The answers of one kind, in order of arrival and also sorted: each admission looks them up for every
    open request.
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
        """Answers longer than `than` tokens, sorted."""
        return self._sorted[bisect_left(self._sorted, (than + 1,)) :]

    def _drop_oldest(self) -> None:
        self._sorted.remove(self._as_they_came.popleft())


class AnswerLengths:
    """Lengths of answers in tokens, by `kind`, which is any text. `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._kinds: OrderedDict[str, _Kind] = OrderedDict()

    def record(self, kind: str, num_tokens: int, *, cut: bool) -> None:
        """Records the length of an ended answer. `cut`: the answer would have been longer."""
        if kind not in self._kinds and len(self._kinds) >= MAX_KINDS:
            self._kinds.popitem(last=False)
        self._kinds.setdefault(kind, _Kind()).add(_Length(num_tokens, cut, self._clock()))
        self._kinds.move_to_end(kind)

    def quantile(self, kind: str, share: float, cap: int, *, beyond: int = 0) -> int:
        """Tokens that an answer of at most `cap` does not exceed with probability `share`, above 0, below 1.

        The answer already has `beyond` tokens and gets at least one more, up to `cap`.
        """
        found = self.known_quantile(kind, share, cap, beyond=beyond)
        return _guess(share, cap, beyond) if found is None else found

    def known_quantile(self, kind: str, share: float, cap: int, *, beyond: int = 0) -> int | None:
        """As `quantile`; None where too few answers of the kind are longer than `beyond`."""
        known = self._kinds.get(kind)
        if known is None:
            return None
        known.forget(self._clock() - FORGET_S)
        longer = known.longer(beyond)
        if len(longer) < MIN_ANSWERS:
            return None
        surviving = 1.0
        for index, length in enumerate(longer):
            if length.tokens >= cap:
                return cap
            if not length.cut:
                surviving *= 1 - 1 / (len(longer) - index)
            if surviving <= 1 - share:
                return length.tokens
        # The longest answers were cut below this cap. Beyond, as little is known as of a new kind.
        return _guess(share, cap, longer[-1].tokens, surviving)


def _guess(share: float, cap: int, beyond: int, surviving: float = 1.0) -> int:
    """The prior, where a share `surviving` of the answers has more than `beyond` tokens."""
    return min(cap, beyond + max(1, round(GUESS * log2(surviving / (1 - share)))))
