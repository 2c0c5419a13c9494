"""When a request is let in although it is predicted to be late: as a probe, on a model with nothing to do.

What is refused teaches nothing. So predictions that became too dark, in a stall for instance, would stay so
on a node that has long been fast again. A probe shows what a request takes now: there is one at a time, with
nothing else open, and those that come meanwhile are predicted with it.

A probe that misses its deadline has cost its caller a quick refusal. So there is one only where there is
doubt: where the simulation says that it is in time and only what was seen before speaks against it, or where
nothing was learned for a moment. After one that was late the next has to wait, longer each time, until one
is in time.
"""

QUIET_S = 5.0
"""What steps cost is in doubt once nothing was learned for so long."""
FIRST_WAIT_S = 1.0
MAX_WAIT_S = 30.0


class Probes:
    """Of one model. `now` is on CLOCK_MONOTONIC."""

    def __init__(self) -> None:
        self._quiet_at = 0.0
        self._next_at = 0.0
        self._wait_s = FIRST_WAIT_S

    def wait_s(self, now: float, *, doubtful: bool) -> float:
        """Seconds until there may be one; 0 when there may be now. `doubtful`: whatever was learned last."""
        at = self._next_at if doubtful else max(self._next_at, self._quiet_at)
        return max(0.0, at - now)

    def learned(self, now: float) -> None:
        """A request ended and told what it took."""
        self._quiet_at = now + QUIET_S

    def succeeded(self) -> None:
        """A probe was in time: so may the next be."""
        self._quiet_at = self._next_at = 0.0
        self._wait_s = FIRST_WAIT_S

    def failed(self, now: float) -> None:
        """A probe missed its deadline."""
        self._next_at = now + self._wait_s
        self._wait_s = min(MAX_WAIT_S, 2 * self._wait_s)
