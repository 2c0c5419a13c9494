"""What admission remembers of the last requests: free places, times to deadlines, and the wait for a slot."""

from collections import deque
from collections.abc import Callable

RATE_WINDOW_S = 60.0
MAX_REMEMBERED = 256
MIN_RETRY_S = 0.1
MAX_RETRY_S = 60.0
FIRST_GUESS_S = 1.0
BUDGET_MEMORY = 16
MIN_BUDGET_S = 0.001
WAIT_FRESH_S = 0.1
"""A prediction with 72 open requests takes 1.6 ms. So predictions for reports take at most 2 % of a core."""


class FinishRate:
    """How often a place becomes free, within the last minute."""

    def __init__(self) -> None:
        self._finished: deque[float] = deque(maxlen=MAX_REMEMBERED)

    def record(self, now: float) -> None:
        """A place became free."""
        self._finished.append(now)

    def seconds_each(self, now: float) -> float:
        """Mean time between two free places, 0.1 to 60 s; 1 s with too few of them."""
        recent = [at for at in self._finished if now - at <= RATE_WINDOW_S]
        if len(recent) < 2:
            return FIRST_GUESS_S
        # The time since the last one counts as well: a stalled model frees no places.
        return sensible_s((now - recent[0]) / len(recent))


class MeanBudget:
    """Mean time from arrival to deadline, seconds, over about the last BUDGET_MEMORY requests."""

    def __init__(self) -> None:
        self._mean_s: float | None = None

    @property
    def mean_s(self) -> float:
        """Infinite before the first request."""
        return float("inf") if self._mean_s is None else self._mean_s

    def record(self, budget_s: float) -> None:
        """Adds a request."""
        budget_s = max(MIN_BUDGET_S, budget_s)
        before_s = budget_s if self._mean_s is None else self._mean_s
        self._mean_s = before_s + (budget_s - before_s) / BUDGET_MEMORY


class RecentWait:
    """A predicted wait, predicted again after WAIT_FRESH_S at the earliest. `clock` is monotonic."""

    def __init__(self, predict: Callable[[], float], clock: Callable[[], float]) -> None:
        self._predict = predict
        self._clock = clock
        self._wait_s = 0.0
        self._fresh_until = float("-inf")

    def __call__(self) -> float:
        """Seconds, as predicted at most WAIT_FRESH_S ago."""
        now = self._clock()
        if now >= self._fresh_until:
            self._wait_s = self._predict()
            self._fresh_until = now + WAIT_FRESH_S
        return self._wait_s


def sensible_s(seconds: float) -> float:
    """A time for a caller to wait before the next attempt."""
    return min(MAX_RETRY_S, max(MIN_RETRY_S, seconds))
