"""LoadMeter: ended, failed and open calls over the last seconds, for the load report."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

TICK_S = 0.25
ENOUGH_ENDS = 32
SHORTEST_S = 2.0
LONGEST_S = 60.0


@dataclass(frozen=True, slots=True)
class Rates:
    """Ended calls and failed calls a second, and the mean number of open calls."""

    ended: float = 0.0
    failed: float = 0.0
    mean_open: float = 0.0


@dataclass(frozen=True, slots=True)
class _Totals:
    at: float
    num_ended: int
    num_failed: int
    open_s: float


class LoadMeter:
    """Call `begin` once for each call, and then `end` or `forget` once. `clock` is monotonic, in seconds.

    The window reaches back to ENOUGH_ENDS ends, so that a slow and a fast node are judged by the same
    number of calls. Its length is SHORTEST_S to LONGEST_S.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._num_open = self._num_ended = self._num_failed = 0
        self._open_s = 0.0
        self._at = clock()
        self._past = deque([self._totals()], maxlen=round(LONGEST_S / TICK_S) + 1)

    def begin(self) -> None:
        """A call arrived."""
        self._advance()
        self._num_open += 1

    def end(self, *, failed: bool) -> None:
        """A call ended. `failed`: the node is to blame."""
        self._advance()
        self._num_open -= 1
        self._num_ended += 1
        self._num_failed += failed

    def forget(self) -> None:
        """It was no work after all: it is open no more, and has not ended either."""
        self._advance()
        self._num_open -= 1

    def rates(self) -> Rates:
        """The load until now."""
        self._advance()
        since = self._since()
        if since is None:
            return Rates(mean_open=float(self._num_open))
        span_s = self._at - since.at
        return Rates(
            (self._num_ended - since.num_ended) / span_s,
            (self._num_failed - since.num_failed) / span_s,
            (self._open_s - since.open_s) / span_s,
        )

    def _advance(self) -> None:
        now = self._clock()
        self._open_s += self._num_open * (now - self._at)
        self._at = now
        if now - self._past[-1].at >= TICK_S:
            self._past.append(self._totals())

    def _totals(self) -> _Totals:
        return _Totals(self._at, self._num_ended, self._num_failed, self._open_s)

    def _since(self) -> _Totals | None:
        """The begin of the window; None without a call for the whole window."""
        since = None
        for past in reversed(self._past):
            age_s = self._at - past.at
            if age_s > LONGEST_S:
                break
            if age_s > 0:
                since = past
            if age_s >= SHORTEST_S and self._num_ended - past.num_ended >= ENOUGH_ENDS:
                break
        return since
