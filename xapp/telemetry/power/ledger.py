"""Ledger: divides the node's energy between its models and their requests.

The rule has two steps:

1. The energy between two readings belongs to the models in proportion to the step time that they computed
   meanwhile. Energy of an interval without a step belongs to nobody. From such intervals the ledger learns
   the idle power.
2. A model's energy between the start and the end of a request belongs to the request in proportion to its
   part of the step time. In each step a sequence's part is its share of the computed tokens.

So the energy of requests that run together adds up to the energy of their model, as far as the power is
even. A request is too short for the meter unless two readings lie between its start and its end. Then, and
where a reading failed meanwhile, its energy is not known.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from xapp.domain.messages import SequenceFinished
from xapp.domain.power import Energy
from xapp.telemetry.power.integral import MAX_GAP_S
from xapp.telemetry.power.series import Series

IDLE_INTERVALS = 64
MIN_IDLE_INTERVALS = 4
MIN_READINGS = 2
MAX_HELD_S = 2.0
"""The energy of a request's last moments counts at the power of the last interval, which ended at most so
long ago.
"""
MAX_WATTS = 5000.0
"""A counter that grows faster was set to another value meanwhile."""
SMOOTH = 0.1
"""Weight of an interval in the mean power of intervals with steps."""


@dataclass(slots=True)
class _Account:
    """One model: joules and seconds that belong to it, over time, and its step time at the last reading."""

    joules: Series = field(default_factory=Series)
    seconds: Series = field(default_factory=Series)
    steps_s: float = 0.0
    total_j: float = 0.0
    total_s: float = 0.0


class Ledger:
    """Call `read` at each reading. Times are on CLOCK_MONOTONIC."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}
        self._idle_watts: deque[float] = deque(maxlen=IDLE_INTERVALS)
        self._was_idle = False
        self._last: tuple[float, float] | None = None
        self.node = Series()
        self.steps_s: dict[str, float] = {}
        self.watts: float | None = None
        self.busy_watts: float | None = None

    @property
    def idle_watts(self) -> float | None:
        """Watts of the node while it computes nothing; None until they were measured."""
        return median(self._idle_watts) if len(self._idle_watts) >= MIN_IDLE_INTERVALS else None

    def read(self, at: float, joules: float | None, steps_s: Mapping[str, float]) -> None:
        """A reading of the meter, or None where it failed. `steps_s`: seconds of steps by model, growing."""
        self._accounts = {
            name: self._accounts.get(name) or _Account(steps_s=steps_s[name]) for name in steps_s
        }
        self.steps_s = dict(steps_s)
        last, self._last = self._last, None if joules is None else (at, joules)
        shares = self._advance(steps_s)
        if joules is None or last is None or not self._is_sound(at - last[0], joules - last[1]):
            self._begin_anew(at)
            return
        self._learn(at - last[0], joules - last[1], is_idle=not shares)
        self.node.add(at, self.node.last + joules - last[1])
        for name, account in self._accounts.items():
            share = shares.get(name, 0.0)
            account.total_j += share * (joules - last[1])
            account.total_s += share * (at - last[0])
            account.joules.add(at, account.total_j)
            account.seconds.add(at, account.total_s)

    @staticmethod
    def _is_sound(seconds: float, joules: float) -> bool:
        return 0 < seconds <= MAX_GAP_S and 0 <= joules <= MAX_WATTS * seconds

    def _begin_anew(self, at: float) -> None:
        """What was taken since the last reading is not known."""
        self.watts, self._was_idle = None, False
        self.node.add(at, self.node.last)
        for account in self._accounts.values():
            account.joules.forget()
            account.seconds.forget()
            account.joules.add(at, account.total_j)
            account.seconds.add(at, account.total_s)

    def _advance(self, steps_s: Mapping[str, float]) -> dict[str, float]:
        """Each model's share of the step time since the last reading; empty where there was no step."""
        grown = {}
        for name, account in self._accounts.items():
            # A worker that was started again counts from 0.
            before = account.steps_s if steps_s[name] >= account.steps_s else 0.0
            grown[name], account.steps_s = steps_s[name] - before, steps_s[name]
        total = sum(grown.values())
        return {name: each / total for name, each in grown.items()} if total > 0 else {}

    def _learn(self, seconds: float, joules: float, *, is_idle: bool) -> None:
        self.watts = joules / seconds
        if is_idle and self._was_idle:
            self._idle_watts.append(self.watts)
        elif not is_idle:
            before = self.busy_watts if self.busy_watts is not None else self.watts
            self.busy_watts = before + SMOOTH * (self.watts - before)
        self._was_idle = is_idle

    def total_of(self, name: str) -> Energy | None:
        """The energy of a model since it is watched; None without a reading."""
        account = self._accounts.get(name)
        if account is None or self.watts is None:
            return None
        return self._energy(account.total_j, account.total_s)

    def energy_of(self, name: str, end: SequenceFinished) -> Energy | None:
        """The energy of a request to a model; None where it is not known."""
        account, start = self._accounts.get(name), end.started_at
        if account is None or start is None or end.all_steps_s <= 0:
            return None
        late = end.at - account.joules.last_at > MAX_HELD_S
        if late or account.joules.num_within(start, end.at) < MIN_READINGS:
            return None
        joules, seconds = account.joules.between(start, end.at), account.seconds.between(start, end.at)
        if joules is None or seconds is None:
            return None
        share = min(1.0, end.steps_s / end.all_steps_s)
        return self._energy(share * joules, share * seconds)

    def _energy(self, joules: float, seconds: float) -> Energy:
        idle = self.idle_watts
        return Energy(joules, None if idle is None else max(0.0, joules - idle * seconds))
