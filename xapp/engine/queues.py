"""Queues: the waiting and the running sequences."""

from bisect import insort
from operator import attrgetter

from xapp.engine.sequence import Sequence, Status

_by_order = attrgetter("order")


class Queues:
    """Both lists are in order. A prefix to be pinned is last in both."""

    def __init__(self) -> None:
        self.waiting: list[Sequence] = []
        self.running: list[Sequence] = []

    def wait(self, sequence: Sequence) -> None:
        """Puts a sequence into its place among the waiting sequences."""
        insort(self.waiting, sequence, key=_by_order)

    def run(self, sequence: Sequence) -> None:
        """Puts a sequence, which is no longer waiting, into its place among the running sequences."""
        insort(self.running, sequence, key=_by_order)

    def remove(self, sequence: Sequence) -> None:
        """Removes an ended sequence, wherever it is."""
        queue = self.waiting if sequence.status is Status.WAITING else self.running
        queue.remove(sequence)

    @property
    def is_quiet(self) -> bool:
        """Whether only prefixes to be pinned run or wait."""
        return all(each.request.pin for each in (*self.running, *self.waiting))

    @property
    def num_prefill_left(self) -> int:
        """Prompt tokens that running sequences have still to compute."""
        return sum(each.prompt_left for each in self.running if each.status is not Status.DECODE)

    @property
    def num_paused(self) -> int:
        """Paused sequences, which wait and keep their cells."""
        return sum(each.paused for each in self.waiting)
