"""Link: what the latest answers say of the way to the upstream, and of the upstream's speed."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from xapp.telemetry.percentile import percentile

MIN_PAUSE_S = 1.0
MAX_PAUSE_S = 30.0
_MEMORY = 32
_HIGH = 95


@dataclass(frozen=True, slots=True)
class Wait:
    """How long to wait for the first token. `by_deadline`: a request's deadline makes the wait short."""

    seconds: float
    by_deadline: bool = False


class Link:
    """After a failure the upstream is not asked for a pause, which doubles with each failure in a row.

    `clock` is monotonic.
    """

    def __init__(self, max_in_flight: int, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._max_in_flight = max_in_flight
        self._num_failures = 0
        self._down_until = float("-inf")
        self._first_s: deque[float] = deque(maxlen=_MEMORY)
        self._each_s: deque[float] = deque(maxlen=_MEMORY)
        self._num_in_flight = 0
        self.idle = asyncio.Event()
        self.idle.set()

    @property
    def is_down(self) -> bool:
        """Whether the upstream is in its pause."""
        return self._clock() < self._down_until

    @property
    def is_full(self) -> bool:
        """Whether as many requests are at the upstream as may be. After a pause a single one tries."""
        return self._num_in_flight >= (1 if self._num_failures else self._max_in_flight)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Counts a request at the upstream for the length of the block. `idle` is set while there is none."""
        self._num_in_flight += 1
        self.idle.clear()
        try:
            yield
        finally:
            self._num_in_flight -= 1
            if not self._num_in_flight:
                self.idle.set()

    def failed(self) -> None:
        """The upstream did not begin to answer, or broke off."""
        self._num_failures += 1
        pause_s = min(MAX_PAUSE_S, MIN_PAUSE_S * 2.0 ** min(self._num_failures - 1, 16))
        self._down_until = self._clock() + pause_s

    def gave_up(self, wait: Wait) -> None:
        """No token came within the wait. A wait that a deadline made short is no failure."""
        if wait.by_deadline:
            self._first_s.append(wait.seconds)
        else:
            self.failed()

    def began(self, first_s: float) -> None:
        """The upstream's first token came after `first_s` seconds."""
        self._num_failures = 0
        self._first_s.append(first_s)

    def ended(self, num_tokens: int, rest_s: float) -> None:
        """The answer had `num_tokens` tokens, and took `rest_s` seconds after its first token."""
        if num_tokens > 1:
            self._each_s.append(rest_s / (num_tokens - 1))

    @property
    def first_s(self) -> float:
        """Seconds until the first token, the 95th percentile; 0 while nothing is known."""
        return percentile(self._first_s, _HIGH) if self._first_s else 0.0

    def completion_s(self, num_tokens: int) -> float:
        """Seconds until the end of an answer with so many tokens; 0 while nothing is known."""
        each_s = percentile(self._each_s, _HIGH) if self._each_s else 0.0
        return self.first_s + each_s * max(0, num_tokens - 1)
