"""How long to wait before another try: twice as long after each failure, up to a most, and never in step."""

import random
from collections.abc import Callable


class Backoff:
    """Seconds. `jitter` draws between two numbers: nodes that failed together come again apart."""

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
        """Before the next try; half of it at the least."""
        wait_s, self._wait_s = self._wait_s, min(self._most_s, 2 * self._wait_s)
        return self._jitter(wait_s / 2, wait_s)

    def reset(self) -> None:
        """It worked."""
        self._wait_s = self._first_s
