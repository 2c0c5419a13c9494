"""Ageing: no class starves, however many requests of higher classes come."""

from bisect import bisect_left
from operator import attrgetter

from xapp.domain.messages import Priority
from xapp.engine.sequence import Sequence


class Ageing:
    """Promotes the first request of a class when no request of that class was admitted for `limit_s`.

    A promoted sequence goes before all others and is not preempted. Sequences behind it may pass for another
    `limit_s` while it waits for cells. After that, all sequences wait.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._served_at = dict.fromkeys(Priority, float("-inf"))

    def served(self, sequence: Sequence, now: float) -> None:
        """A sequence got a slot, or was promoted.

        A prefix to be pinned belongs to no class and does not count.
        """
        if not sequence.request.pin:
            self._served_at[sequence.request.priority] = now

    def due(self, waiting: list[Sequence], now: float) -> list[Sequence]:
        """The sequences of `waiting`, which is in order, to promote now."""
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
        """Whether the sequences behind a promoted sequence may still pass it."""
        return sequence.promoted_at is not None and now - sequence.promoted_at < self._limit_s
