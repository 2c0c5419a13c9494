"""Ageing: no class starves, however many requests of higher classes come."""

from bisect import bisect_left
from operator import attrgetter

from xapp.domain.messages import Priority
from xapp.engine.sequence import Sequence


class Ageing:
    """When no request of a class was admitted for `limit_s` although one waits, its first one is promoted.

    It then goes before all others and is not preempted. Those behind it may pass for another
    `limit_s` while it waits for cells; after that everybody waits.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._served_at = dict.fromkeys(Priority, float("-inf"))

    def served(self, sequence: Sequence, now: float) -> None:
        """One of its class got a slot, or was promoted; a prefix to be pinned is of no class."""
        if not sequence.request.pin:
            self._served_at[sequence.request.priority] = now

    def due(self, waiting: list[Sequence], now: float) -> list[Sequence]:
        """Those to promote, of `waiting`, which is in order."""
        heads = (self._head(waiting, priority) for priority in (Priority.INTERACTIVE, Priority.BATCH))
        return [head for head in heads if head is not None and self._starves(head, now)]

    @staticmethod
    def _head(waiting: list[Sequence], priority: Priority) -> Sequence | None:
        first: tuple[float, ...] = (float(priority),)
        index = bisect_left(waiting, first, key=attrgetter("order"))
        head = waiting[index] if index < len(waiting) else None
        return head if head is not None and head.rank == priority else None

    def _starves(self, head: Sequence, now: float) -> bool:
        since = max(head.waiting_since, self._served_at[head.request.priority])
        return now - since >= self._limit_s

    def may_be_passed(self, sequence: Sequence, now: float) -> bool:
        """Whether those behind a promoted one need not wait for it yet."""
        return sequence.promoted_at is not None and now - sequence.promoted_at < self._limit_s
