"""Probes: admits a request that is predicted to be late, on a model with nothing else to do.

Refused requests teach nothing. Predictions that became too pessimistic, for instance in a stall, would stay
pessimistic on a node that has long been fast again. A probe shows the true time. There is one probe at a
time, with no other open request. Requests that arrive meanwhile are predicted as usual.

A probe that misses its deadline costs its caller a quick refusal. A probe is therefore admitted only in
doubt: when the simulation alone predicts an end in time and only past errors contradict it, or when nothing
was learned for a while. After a late probe the next probe has to wait, longer each time, until a probe is
in time.
"""

QUIET_S = 5.0
"""After so long without learning, the price of steps is in doubt."""
FIRST_WAIT_S = 1.0
MAX_WAIT_S = 30.0


class Probes:
    """The probes of one model. `now` is on CLOCK_MONOTONIC."""

    def __init__(self) -> None:
        self._quiet_at = 0.0
        self._next_at = 0.0
        self._wait_s = FIRST_WAIT_S

    def wait_s(self, now: float, *, doubtful: bool) -> float:
        """Seconds until the next probe may come in; 0: now. `doubtful`: the prediction is in doubt anyway."""
        at = self._next_at if doubtful else max(self._next_at, self._quiet_at)
        return max(0.0, at - now)

    def learned(self, now: float) -> None:
        """A request ended and its times were learned."""
        self._quiet_at = now + QUIET_S

    def succeeded(self) -> None:
        """A probe was in time, so that the next may follow at once."""
        self._quiet_at = self._next_at = 0.0
        self._wait_s = FIRST_WAIT_S

    def failed(self, now: float) -> None:
        """A probe missed its deadline."""
        self._next_at = now + self._wait_s
        self._wait_s = min(MAX_WAIT_S, 2 * self._wait_s)
