"""Scheduler: what the next step computes.

Waiting sequences are admitted by class, then by turn, then by the sum of their arrival and the time of their
prompt, so that short prompts pass long prompts. The turn is the deadline, or comes earlier for a short
answer. `step_filler` has the rules for sequences that run.

A higher class preempts a lower class when slots or cells are short. A critical prompt is computed alone,
and the other sequences pause meanwhile. A prefix to be pinned is below all classes: it advances while
nothing else runs or waits, or when a request waits for that prefix.
"""

from xapp.engine.ageing import Ageing
from xapp.engine.kv_cache import KVCache
from xapp.engine.plan import Plan
from xapp.engine.preemption import Preemption
from xapp.engine.prefix_match import NO_MATCH, Match
from xapp.engine.queues import Queues
from xapp.engine.sequence import NEVER, Sequence
from xapp.engine.step_filler import StepFiller
from xapp.engine.step_time import StepTime
from xapp.steps.pace import Pace

SCAN_LIMIT = 16
"""Waiting sequences that one step considers: matching a prefix costs time."""


class Scheduler:
    """Owns the waiting and the running sequences."""

    def __init__(
        self,
        kv_cache: KVCache,
        step_time: StepTime,
        *,
        num_slots: int,
        num_drafts: int,
        pace: Pace,
        ageing_s: float = float("inf"),
    ) -> None:
        self._kv_cache = kv_cache
        self._step_time = step_time
        self._num_slots = num_slots
        self._ageing = Ageing(ageing_s)
        self.queues = Queues()
        self.preemption = Preemption(self.queues, kv_cache)
        self._filler = StepFiller(self.queues, kv_cache.isolated, step_time, pace, num_drafts)

    def add(self, sequence: Sequence, now: float) -> None:
        """Queues a sequence."""
        sequence.waiting_since = now
        sequence.order = self._order(sequence)
        self.queues.wait(sequence)

    def _order(self, sequence: Sequence) -> tuple[float, ...]:
        request = sequence.request
        turn = request.deadline if request.turn is None else request.turn
        pass_time = request.arrival + self._step_time.predict(0, sequence.num_to_prefill)
        return float(sequence.rank), NEVER if turn is None else turn, pass_time, request.request_id

    def remove(self, sequence: Sequence) -> None:
        """Removes an ended sequence, wherever it is. Its slot is free at once."""
        self.queues.remove(sequence)
        self._kv_cache.release(sequence)

    def schedule(self, now: float) -> Plan:
        """The next step. Its batch is empty when there is nothing to do."""
        plan = Plan()
        self._promote(now)
        self._admit_all(plan, now)
        self._filler.fill(plan, now)
        plan.batch.num_cells = self._kv_cache.used
        plan.compute_in_parts(self._step_time)
        assert len(plan.batch) or not self.queues.waiting, "a request waits and nothing runs"
        return plan

    # ---- admission

    def _promote(self, now: float) -> None:
        for sequence in self._ageing.due(self.queues.waiting, now):
            self.queues.waiting.remove(sequence)
            sequence.promoted_at = now
            sequence.order = (-1.0, *sequence.order[1:])
            self.queues.wait(sequence)
            self._ageing.served(sequence, now)

    def _admit_all(self, plan: Plan, now: float) -> None:
        passed = looked = 0
        waiting = self.queues.waiting
        while passed < len(waiting) and looked < SCAN_LIMIT:
            # Read again: a sequence that the last admission preempted may wait among those behind it.
            sequence = waiting[passed]
            if self._waits_for_isolated(sequence):
                passed += 1
                continue
            looked += 1
            if sequence.request.pin and not self.queues.is_quiet:
                return
            match = NO_MATCH if sequence.paused else self._kv_cache.match(sequence)
            if match.pending:
                plan.awaits_prefix = True
                passed += 1
            elif self._admit(sequence, match):
                self._run(sequence, plan, now)
            elif self._ageing.may_be_passed(sequence, now):
                passed += 1
            else:
                return

    def _waits_for_isolated(self, sequence: Sequence) -> bool:
        """Whether it needs the separate cache of a sequence that does not make way.

        Later sequences may pass then.
        """
        holder = self._kv_cache.isolated.sequence
        if not sequence.isolated or holder is None or holder is sequence:
            return False
        return not self.preemption.may_take(sequence, holder)

    def _admit(self, sequence: Sequence, match: Match) -> bool:
        """Makes room for the sequence where it may. False when the sequence has to wait."""
        victim = None
        if len(self.queues.running) >= self._num_slots:
            victim = self.preemption.victim(sequence)
            if victim is None:
                return False
        if not sequence.paused and not self._lend(sequence, match, victim):
            return False
        if len(self.queues.running) >= self._num_slots:
            assert victim is not None
            self.preemption.pause(victim)
        return True

    def _lend(self, sequence: Sequence, match: Match, victim: Sequence | None) -> bool:
        """Assigns cells and a sequence id."""
        if sequence.isolated:
            if (holder := self._kv_cache.isolated.sequence) is not None:
                self.preemption.evict(holder)
            self._kv_cache.isolated.admit(sequence)
            return True
        if not self._kv_cache.has_id:
            self.preemption.evict(self.preemption.last_paused() or victim)
            match = self.preemption.match_ready(sequence)
        return self._kv_cache.admit(sequence, match) or self.preemption.evict_for(sequence)

    def _run(self, sequence: Sequence, plan: Plan, now: float) -> None:
        self.queues.waiting.remove(sequence)
        sequence.order = (float(sequence.rank), *sequence.order[1:])
        sequence.status = sequence.resumes_as
        self.queues.run(sequence)
        self._ageing.served(sequence, now)
        if sequence.started_at is None:
            sequence.advanced_at = now
            plan.admitted.append(sequence)
