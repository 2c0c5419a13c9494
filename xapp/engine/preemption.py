"""Preemption: a sequence of a higher class takes the slot or the cells of a sequence of a lower class."""

from xapp.engine.kv_cache import KVCache
from xapp.engine.prefix_match import NO_MATCH, Match
from xapp.engine.queues import Queues
from xapp.engine.sequence import Sequence, Status


class Preemption:
    """Pauses and evicts sequences. A paused sequence keeps its cells, an evicted sequence loses them."""

    def __init__(self, queues: Queues, kv_cache: KVCache) -> None:
        self._queues = queues
        self._kv_cache = kv_cache
        self.num_preemptions = self.num_evictions = 0

    def may_take(self, sequence: Sequence, victim: Sequence) -> bool:
        """Whether `sequence` may preempt the running `victim`."""
        return victim.promoted_at is None and victim.rank > sequence.rank

    def victim(self, sequence: Sequence, *, with_cells: bool = False) -> Sequence | None:
        """The last running sequence in order that `sequence` may preempt."""
        last_first = (each for each in reversed(self._queues.running) if not (with_cells and each.isolated))
        return next((each for each in last_first if self.may_take(sequence, each)), None)

    def last_paused(self) -> Sequence | None:
        """The last paused sequence that holds cells."""
        waiting = reversed(self._queues.waiting)
        return next((each for each in waiting if each.paused and not each.isolated), None)

    def pause(self, victim: Sequence) -> None:
        """Preempts a sequence, which waits and keeps its cells."""
        self._queues.running.remove(victim)
        victim.resumes_as, victim.status = victim.status, Status.WAITING
        victim.waiting_since = victim.advanced_at
        self._queues.wait(victim)
        self.num_preemptions += 1

    def evict(self, victim: Sequence | None) -> None:
        """Preempts a sequence, which waits and loses its cells."""
        assert victim is not None, "a sequence id is free, cached, paused or running"
        if not victim.paused:
            self.pause(victim)
        self._kv_cache.release(victim)
        victim.restart()
        self.num_evictions += 1

    def evict_for(self, sequence: Sequence) -> bool:
        """Takes the cells of paused sequences, then those of running sequences of lower classes, the last
        first.

        Evicts no sequence where all of these cells would not be enough.
        """
        sharing = [each for each in self._queues.running if not each.isolated]
        lasting = [each for each in sharing if not self.may_take(sequence, each)]
        if sum(each.cells_needed for each in [*lasting, sequence]) > self._kv_cache.total:
            return False
        while (victim := self.last_paused() or self.victim(sequence, with_cells=True)) is not None:
            self.evict(victim)
            if self._kv_cache.admit(sequence, self.match_ready(sequence)):
                return True
        return False

    def match_ready(self, sequence: Sequence) -> Match:
        """The longest prefix that needs no waiting. Call it after an eviction, which may park prefixes."""
        match = self._kv_cache.match(sequence)
        return NO_MATCH if match.pending else match
