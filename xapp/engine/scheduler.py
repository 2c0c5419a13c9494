"""Scheduler: what the next step computes.

Decoding sequences go first, with one token each. Prompts follow one after the other at full speed, with as
many tokens as `pace` allows. Waiting sequences are admitted by class, then by turn, then by the sum of their
arrival and the time of their prompt, so that short prompts pass long prompts. The turn is the deadline, or
comes earlier for a short answer.

A higher class preempts a lower class when slots or cells are short. A critical prompt is computed alone,
and the other sequences pause meanwhile. A prefix to be pinned is below all classes: it advances while
nothing else runs or waits, or when a request waits for that prefix.
"""

from bisect import insort
from operator import attrgetter

from xapp.engine.ageing import Ageing
from xapp.engine.kv_cache import KVCache
from xapp.engine.plan import Plan
from xapp.engine.prefix_match import NO_MATCH, Match
from xapp.engine.sequence import NEVER, Sequence, Status
from xapp.engine.step_time import StepTime
from xapp.engine.turns import Turns, is_critical
from xapp.steps.pace import MIN_CHUNK, NO_END, Beside, Pace

SCAN_LIMIT = 16
"""Waiting sequences that one step considers: matching a prefix costs time."""
RELIEF_CHUNK = 16
"""Prompt tokens of the first lower-class sequence in such a step, before the critical prompts."""

_by_order = attrgetter("order")


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
        self._num_drafts = num_drafts
        self._pace = pace
        self._ageing = Ageing(ageing_s)
        self._turns = Turns()
        self.waiting: list[Sequence] = []
        self.running: list[Sequence] = []
        self.num_preemptions = self.num_evictions = 0

    def add(self, sequence: Sequence, now: float) -> None:
        """Queues a sequence."""
        sequence.waiting_since = now
        sequence.order = self._order(sequence)
        insort(self.waiting, sequence, key=_by_order)

    def _order(self, sequence: Sequence) -> tuple[float, ...]:
        request = sequence.request
        turn = request.deadline if request.turn is None else request.turn
        pass_time = request.arrival + self._step_time.predict(0, sequence.num_to_prefill)
        return float(sequence.rank), NEVER if turn is None else turn, pass_time, request.request_id

    def remove(self, sequence: Sequence) -> None:
        """Removes an ended sequence, wherever it is. Its slot is free at once."""
        queue = self.waiting if sequence.status is Status.WAITING else self.running
        queue.remove(sequence)
        self._kv_cache.release(sequence)

    @property
    def num_prefill_left(self) -> int:
        """Prompt tokens that running sequences have still to compute."""
        return sum(each.prompt_left for each in self.running if each.status is not Status.DECODE)

    @property
    def num_paused(self) -> int:
        """Paused sequences, which wait and keep their cells."""
        return sum(each.paused for each in self.waiting)

    def schedule(self, now: float) -> Plan:
        """The next step. Its batch is empty when there is nothing to do."""
        plan = Plan()
        self._promote(now)
        self._admit_all(plan, now)
        self._fill(plan, now)
        plan.batch.num_cells = self._kv_cache.used
        plan.compute_in_parts(self._step_time)
        assert len(plan.batch) or not self.waiting, "a request waits and nothing runs"
        return plan

    def _fill(self, plan: Plan, now: float) -> None:
        advancing = self._turns.advancing(self.running, now)
        shared, isolated = self._turns.split(advancing, self._kv_cache.isolated.sequence)
        self._add_decodes(plan, shared, now)
        self._add_prefills(plan, shared, now)
        if isolated is not None and not len(plan.batch):
            self._kv_cache.isolated.add_to(plan)
            isolated.advanced_at = now
        self._turns.record(isolated=plan.batch.isolated)

    # ---- admission

    def _promote(self, now: float) -> None:
        for sequence in self._ageing.due(self.waiting, now):
            self.waiting.remove(sequence)
            sequence.promoted_at = now
            sequence.order = (-1.0, *sequence.order[1:])
            insort(self.waiting, sequence, key=_by_order)
            self._ageing.served(sequence, now)

    def _admit_all(self, plan: Plan, now: float) -> None:
        passed = looked = 0
        while passed < len(self.waiting) and looked < SCAN_LIMIT:
            # Read again: a sequence that the last admission preempted may wait among those behind it.
            sequence = self.waiting[passed]
            if self._waits_for_isolated(sequence):
                passed += 1
                continue
            looked += 1
            if sequence.request.pin and not self._is_quiet:
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
        return not self._may_take(sequence, holder)

    @property
    def _is_quiet(self) -> bool:
        """Whether only prefixes to be pinned run or wait. They are last in both lists."""
        return all(each.request.pin for each in (*self.running, *self.waiting))

    def _admit(self, sequence: Sequence, match: Match) -> bool:
        """Makes room for the sequence where it may. False when the sequence has to wait."""
        victim = None
        if len(self.running) >= self._num_slots:
            victim = self._victim(sequence)
            if victim is None:
                return False
        if not sequence.paused and not self._lend(sequence, match, victim):
            return False
        if len(self.running) >= self._num_slots:
            assert victim is not None
            self._pause(victim)
        return True

    def _lend(self, sequence: Sequence, match: Match, victim: Sequence | None) -> bool:
        """Assigns cells and a sequence id."""
        if sequence.isolated:
            if (holder := self._kv_cache.isolated.sequence) is not None:
                self._evict(holder)
            self._kv_cache.isolated.admit(sequence)
            return True
        if not self._kv_cache.has_id:
            self._evict(self._last_paused() or victim)
            match = self._match_ready(sequence)
        return self._kv_cache.admit(sequence, match) or self._evict_for(sequence)

    def _run(self, sequence: Sequence, plan: Plan, now: float) -> None:
        self.waiting.remove(sequence)
        sequence.order = (float(sequence.rank), *sequence.order[1:])
        sequence.status = sequence.resumes_as
        insort(self.running, sequence, key=_by_order)
        self._ageing.served(sequence, now)
        if sequence.started_at is None:
            sequence.advanced_at = now
            plan.admitted.append(sequence)

    # ---- preemption

    def _may_take(self, sequence: Sequence, victim: Sequence) -> bool:
        """Whether `sequence` may preempt the running `victim`."""
        return victim.promoted_at is None and victim.rank > sequence.rank

    def _victim(self, sequence: Sequence, *, with_cells: bool = False) -> Sequence | None:
        """The last running sequence in order that `sequence` may preempt."""
        last_first = (each for each in reversed(self.running) if not (with_cells and each.isolated))
        return next((each for each in last_first if self._may_take(sequence, each)), None)

    def _last_paused(self) -> Sequence | None:
        """The last paused sequence that holds cells."""
        return next((each for each in reversed(self.waiting) if each.paused and not each.isolated), None)

    def _pause(self, victim: Sequence) -> None:
        """Preempts a sequence, which waits and keeps its cells."""
        self.running.remove(victim)
        victim.resumes_as, victim.status = victim.status, Status.WAITING
        victim.waiting_since = victim.advanced_at
        insort(self.waiting, victim, key=_by_order)
        self.num_preemptions += 1

    def _evict(self, victim: Sequence | None) -> None:
        """Preempts a sequence, which waits and loses its cells."""
        assert victim is not None, "a sequence id is free, cached, paused or running"
        if not victim.paused:
            self._pause(victim)
        self._kv_cache.release(victim)
        victim.restart()
        self.num_evictions += 1

    def _evict_for(self, sequence: Sequence) -> bool:
        """Takes the cells of paused sequences, then those of running sequences of lower classes, the last
        first.

        Evicts no sequence where all of these cells would not be enough.
        """
        sharing = [each for each in self.running if not each.isolated]
        lasting = [each for each in sharing if not self._may_take(sequence, each)]
        if sum(each.cells_needed for each in [*lasting, sequence]) > self._kv_cache.total:
            return False
        while (victim := self._last_paused() or self._victim(sequence, with_cells=True)) is not None:
            self._evict(victim)
            if self._kv_cache.admit(sequence, self._match_ready(sequence)):
                return True
        return False

    def _match_ready(self, sequence: Sequence) -> Match:
        match = self._kv_cache.match(sequence)
        return NO_MATCH if match.pending else match

    # ---- what goes into the step

    def _add_decodes(self, plan: Plan, advancing: list[Sequence], now: float) -> None:
        decoding = []
        for sequence in advancing:
            if sequence.status is Status.DECODE:
                sequence.advanced_at = now
                decoding.append(sequence)
        plan.add_decoding(decoding, self._room_for_drafts(len(advancing), len(decoding)))

    def _room_for_drafts(self, num_advancing: int, num_decoding: int) -> int:
        """Drafts that a step may have. Beside prompts there are none: requests that wait for their first
        token need the room more.
        """
        if num_decoding < num_advancing:
            return 0
        return min(self._num_drafts, self._pace.max_batch - num_decoding)

    def _add_prefills(self, plan: Plan, advancing: list[Sequence], now: float) -> None:
        prompts = self._due(plan, [each for each in advancing if each.status is not Status.DECODE])
        if not prompts:
            return
        chunk = self._pace.chunk(self._step_time, self._beside(plan, prompts, now))
        room = self._room_for_prompts(prompts, min(chunk, self._pace.max_batch - plan.num_decode), plan)
        # A lower class stands before a critical prompt only in the step that ends its pause.
        before_critical = not is_critical(prompts[0]) and any(map(is_critical, prompts))
        relieved = prompts[0] if before_critical else None
        for sequence in prompts:
            if room <= 0:
                return
            share = min(room, RELIEF_CHUNK) if sequence is relieved else room
            if added := plan.add(sequence, share):
                sequence.advanced_at = now
            room -= added

    @staticmethod
    def _room_for_prompts(prompts: list[Sequence], room: int, plan: Plan) -> int:
        """The room for prompt tokens, within the limits of the strategies in the step."""
        bounds = [each.strategy.most_tokens for each in prompts if each.strategy.most_tokens]
        return min([room, *(max(MIN_CHUNK, bound - plan.num_decode) for bound in bounds)])

    def _due(self, plan: Plan, prompts: list[Sequence]) -> list[Sequence]:
        """The prompts that take part in this step."""
        if plan.awaits_prefix or self._is_quiet:
            return prompts
        return [each for each in prompts if not each.request.pin]

    def _beside(self, plan: Plan, prompts: list[Sequence], now: float) -> Beside:
        bounds = [each.request.max_gap_s for each in plan.outputs if each.request.max_gap_s is not None]
        first = prompts[0]
        return Beside(
            plan.num_decode,
            cells=plan.batch.num_read,
            position=first.num_computed,
            num_waiting=len(prompts) + len(self.waiting),
            max_gap_s=min(bounds, default=None),
            # Small requests with choices share a step: the step continues with the next prompt.
            left=NO_END if first.strategy.shares_step else first.prompt_left,
            time_left_s=first.ends_by - now,
            interrupted=first.interrupted,
        )
