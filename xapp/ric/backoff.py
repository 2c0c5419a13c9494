"""Time before another try: doubled after each failure up to a limit, with jitter."""

import random
from collections.abc import Callable


class Backoff:
    """Times in seconds. `jitter` draws between two numbers, so that nodes that failed together do not come
    again together.
    """

    def __init__(
        self,
        first_s: float = 1.0,
        most_s: float = 60.0,
        jitter: Callable[[float, float], float] | None = None,
    ) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._jitter = jitter or random.uniform
        self._wait_s = first_s

    def next_s(self) -> float:
        """Seconds before the next try, at least half of the present delay."""
        wait_s, self._wait_s = self._wait_s, min(self._most_s, 2 * self._wait_s)
        return self._jitter(wait_s / 2, wait_s)

    def reset(self) -> None:
        """Begins anew after a success."""
        self._wait_s = self._first_s
