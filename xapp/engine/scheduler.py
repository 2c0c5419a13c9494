"""Scheduler: what the next step computes.

Decoding sequences go first, one token each. What is left of the step's time budget is filled with
chunks of prompts. Waiting sequences are admitted by class, and within a class by arrival plus the
time their prompt takes: short prompts pass long ones, but nobody is passed for ever.
"""

from bisect import insort
from collections.abc import Iterator

from xapp.engine.kv_cache import KVCache
from xapp.engine.plan import Plan
from xapp.engine.score import ScoreSequence
from xapp.engine.score_planner import ScorePlanner
from xapp.engine.sequence import Sequence, Status
from xapp.engine.step_time import StepTime

SCAN_LIMIT = 16
"""Waiting sequences that one step looks at: matching a prefix is not free."""
IDLE_FACTOR = 4.0
"""With nobody decoding a step may take this many budgets; more brings no more tokens a second."""


class Scheduler:
    """Owns the waiting and the running sequences."""

    def __init__(
        self,
        kv_cache: KVCache,
        step_time: StepTime,
        *,
        num_slots: int,
        max_batch: int,
        num_probes: int,
        budget_s: float,
    ) -> None:
        self._kv_cache = kv_cache
        self._step_time = step_time
        self._num_slots = num_slots
        self._max_batch = max_batch
        self._score_planner = ScorePlanner(kv_cache.branches, num_probes)
        self._budget_s = budget_s
        self.waiting: list[Sequence] = []
        self.running: list[Sequence] = []

    def add(self, sequence: Sequence) -> None:
        """Queues a sequence."""
        request = sequence.request
        pass_time = request.arrival + sequence.num_to_prefill * self._step_time.per_prompt_token
        sequence.order = (request.priority, pass_time, request.request_id)
        insort(self.waiting, sequence, key=lambda queued: queued.order)

    def remove(self, sequence: Sequence) -> None:
        """Forgets a sequence that ended, wherever it is; its slot is free at once."""
        queue = self.waiting if sequence.status is Status.WAITING else self.running
        queue.remove(sequence)
        self._kv_cache.release(sequence)

    @property
    def num_prefill_left(self) -> int:
        """Prompt tokens that running sequences have still to compute."""
        return sum(each.prompt_left for each in self.running if each.status is Status.PREFILL)

    def schedule(self) -> Plan:
        """The next step; its batch is empty when there is nothing to do."""
        plan = Plan()
        self._admit(plan)
        self._add_decodes(plan)
        self._add_prefills(plan)
        assert len(plan.batch) or not self.waiting, "somebody waits and nothing runs"
        return plan

    def _admit(self, plan: Plan) -> None:
        for sequence in self._candidates():
            match = self._kv_cache.match(sequence)
            if match.pending:
                continue
            if not self._kv_cache.admit(sequence, match):
                break
            self.waiting.remove(sequence)
            sequence.status = Status.PREFILL
            insort(self.running, sequence, key=lambda running: running.order)
            plan.admitted.append(sequence)

    def _candidates(self) -> Iterator[Sequence]:
        for sequence in self.waiting[:SCAN_LIMIT]:
            if len(self.running) >= self._num_slots:
                return
            yield sequence

    def _add_decodes(self, plan: Plan) -> None:
        batch = plan.batch
        for sequence in self.running:
            if sequence.status is Status.DECODE:
                assert sequence.seq_id is not None
                batch.add(sequence.tokens[-1], sequence.num_computed, sequence.seq_id)
                plan.add_output(sequence)
        plan.num_decode = len(batch)

    def _add_prefills(self, plan: Plan) -> None:
        room = self._prefill_room(plan.num_decode)
        for sequence in self.running:
            if room <= 0:
                return
            if isinstance(sequence, ScoreSequence):
                room -= self._score_planner.add(plan, sequence, room)
            elif sequence.status is Status.PREFILL:
                room -= self._add_chunk(plan, sequence, min(room, sequence.prompt_left))

    def _prefill_room(self, num_decode: int) -> int:
        budget = self._budget_s if num_decode else self._budget_s * IDLE_FACTOR
        return min(self._step_time.chunk(num_decode, budget), self._max_batch - num_decode)

    @staticmethod
    def _add_chunk(plan: Plan, sequence: Sequence, count: int) -> int:
        assert sequence.seq_id is not None
        start = sequence.num_computed
        plan.batch.extend(sequence.tokens[start : start + count], start, sequence.seq_id)
        plan.prefills.append((sequence, count))
        if count == sequence.prompt_left:
            plan.add_output(sequence)
        return count
