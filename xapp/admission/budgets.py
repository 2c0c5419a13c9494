"""Budgets of power and energy: refuses requests whose work would take more than the node may take.

A budget is a mean power over a window: a minute for watts, an hour for joules. The whole node counts, with
its idle power. A request is refused where the mean would exceed the share of its class while the request
runs: lower classes leave the rest of the budget to higher classes. Requests that run go on.

A meter that fails leaves nothing to go by. Then requests come in, and the node's log says why.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from xapp.domain.messages import Priority
from xapp.errors import Exhausted

SHARES = {Priority.CRITICAL: 1.0, Priority.INTERACTIVE: 0.95, Priority.BATCH: 0.8}
"""The part of a budget that requests of a class may use, with everything else on the node."""
MINUTE_S, HOUR_S = 60.0, 3600.0
_STEPS = 12
_WAITS = 16


class PowerUse(Protocol):
    """What the node took. None: not known."""

    @property
    def busy_watts(self) -> float | None:
        """While it computes."""
        ...

    @property
    def idle_watts(self) -> float | None:
        """While it computes nothing."""
        ...

    def joules_since(self, seconds: float) -> float | None:
        """In the last seconds; 0 before the start of the server."""
        ...


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `joules` in each `window_s` seconds. `reason` is that of a refusal."""

    joules: float
    window_s: float
    reason: str
    key: str

    @property
    def watts(self) -> float:
        """The mean power that it allows."""
        return self.joules / self.window_s


class Budgets:
    """The budgets of a node, for all of its models."""

    def __init__(self, budgets: Sequence[Budget], use: PowerUse) -> None:
        self._budgets = budgets
        self._use = use

    def check(self, priority: Priority, busy_s: float) -> None:
        """Raises Exhausted where `busy_s` more seconds of work exceed the share of the class.

        It has a time to retry where waiting helps.
        """
        for budget in self._budgets:
            most_j = budget.joules * SHARES[priority]
            peak_j = self._peak(budget, busy_s)
            if peak_j is not None and peak_j > most_j:
                raise self._refusal(budget, priority, busy_s, peak_j)

    def _peak(self, budget: Budget, busy_s: float, wait_s: float = 0.0) -> float | None:
        """The most joules in any window until the work has ended, which begins after `wait_s` of idling."""
        busy, idle = self._use.busy_watts, self._use.idle_watts
        if busy is None or self._use.joules_since(0.0) is None:
            return None
        moments = (wait_s + busy_s * step / _STEPS for step in range(_STEPS + 1))
        return max(self._joules_at(moment, wait_s, budget, busy, idle or 0.0) for moment in moments)

    def _joules_at(self, moment: float, wait_s: float, budget: Budget, busy: float, idle: float) -> float:
        """In the window that ends in `moment` seconds."""
        window_s = budget.window_s
        worked_s = min(max(0.0, moment - wait_s), window_s)
        idle_s = min(moment, wait_s, window_s - worked_s)
        past_j = self._use.joules_since(window_s - moment) if moment < window_s else 0.0
        return (past_j or 0.0) + idle * idle_s + busy * worked_s

    def _refusal(self, budget: Budget, priority: Priority, busy_s: float, peak_j: float) -> Exhausted:
        share = SHARES[priority]
        text = (
            f"the node may take {budget.watts:.3g} W over {budget.window_s:g} s ({budget.key}),"
            f" {share:.0%} of it for {priority.name.lower()} requests; with this request it would take"
            f" {peak_j / budget.window_s:.3g} W"
        )
        return Exhausted(
            text,
            reason=budget.reason,
            metadata={"budget": budget.key, "class": priority.name.lower()},
            retry_after_s=self._wait_s(budget, share * budget.joules, busy_s),
        )

    def _wait_s(self, budget: Budget, most_j: float, busy_s: float) -> float | None:
        """Seconds of idling after which the request would come in; None where it never would."""
        waits = (budget.window_s * (number + 1) / _WAITS for number in range(_WAITS))
        fits = (wait_s for wait_s in waits if (self._peak(budget, busy_s, wait_s) or 0.0) <= most_j)
        return next(fits, None)


def budgets_of(watts: float | None, joules_per_hour: float | None, use: PowerUse) -> Budgets:
    """The budgets in the settings; None is no budget."""
    found = []
    if watts is not None:
        found.append(Budget(watts * MINUTE_S, MINUTE_S, key="XAPP_POWER_BUDGET_W", reason="POWER_BUDGET"))
    if joules_per_hour is not None:
        key = "XAPP_POWER_BUDGET_J_PER_HOUR"
        found.append(Budget(joules_per_hour, HOUR_S, key=key, reason="ENERGY_BUDGET"))
    return Budgets(found, use)


Check = Callable[[Priority, float], None]


def unlimited(priority: Priority, busy_s: float) -> None:
    """The check of a node without budgets."""
