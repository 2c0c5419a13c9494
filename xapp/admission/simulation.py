"""Simulation of the node: when each open request starts, has its first token, and ends.

It models the engine's scheduler: order by class and deadline, limited slots and cells, chunks of prompts
beside decoding sequences, preemption of lower classes, and critical prompts computed alone. It advances from
event to event, not step by step, so that dozens of requests cost less than a millisecond. It uses no clock:
times are seconds from now.
"""

from bisect import insort
from heapq import heapify, heappop, heappush
from math import ceil, floor

from xapp.admission.decoding_group import CLOSE, DecodingGroup
from xapp.admission.simulated_job import NEVER, Job, by_order
from xapp.admission.speeds import Speeds
from xapp.domain.messages import Priority
from xapp.steps.pace import ISOLATED_CHUNK, Beside


class Simulation:
    """`running` jobs have a slot now, `waiting` jobs have none. `lead_s` passes before the first event."""

    def __init__(self, speeds: Speeds, running: list[Job], waiting: list[Job], lead_s: float = 0.0) -> None:
        self._speeds = speeds
        self._now = lead_s
        self._waiting = list(waiting)
        heapify(self._waiting)
        self._running: set[Job] = set()
        self._num_running = [0] * len(Priority)
        self._prefilling: list[Job] = []
        self._critical, self._others = DecodingGroup(), DecodingGroup()
        self._free_cells = speeds.num_cells
        for job in running:
            self._start(job)

    def run(self, until: Job | None = None) -> None:
        """Runs until `until` has ended, or all jobs have."""
        while self._waiting or self._running:
            self._admit()
            if self._prefilling:
                self._prefill(self._prefilling[0])
            else:
                self._decode()
            if until is not None and until.end_s != NEVER:
                return

    # ---- slots and cells

    def _admit(self) -> None:
        while self._waiting and self._make_room(self._waiting[0]):
            self._start(heappop(self._waiting))

    def _make_room(self, job: Job) -> bool:
        """A job alone always has room."""
        while self._running and not self._has_room(job):
            if not any(self._num_running[int(job.order[0]) + 1 :]):
                return False
            self._preempt(max(self._running))
        return True

    def _has_room(self, job: Job) -> bool:
        return len(self._running) < self._speeds.num_slots and self._free_cells >= job.cells

    def _start(self, job: Job) -> None:
        self._running.add(job)
        self._num_running[int(job.order[0])] += 1
        self._free_cells -= job.cells
        job.started_s = min(job.started_s, self._now)
        if job.prefill > 0:
            insort(self._prefilling, job, key=by_order)
        else:
            self._begin_decode(job)

    def _preempt(self, job: Job) -> None:
        self._leave(job)
        if job.prefill > 0:
            self._prefilling.remove(job)
        else:
            self._group(job).drop(job)
        heappush(self._waiting, job)

    def _leave(self, job: Job) -> None:
        self._running.discard(job)
        self._num_running[int(job.order[0])] -= 1
        self._free_cells += job.cells

    # ---- time

    def _group(self, job: Job) -> DecodingGroup:
        return self._critical if job.critical else self._others

    def _prefill(self, job: Job) -> None:
        """Runs steps with chunks of one prompt until the prompt is computed or a decoding job ends."""
        groups = (self._critical,) if job.critical else (self._critical, self._others)
        job.waited_s = min(job.waited_s, self._now)
        tokens, seconds, steps = self._advance(job, groups)
        self._now += seconds
        job.prefill -= tokens
        job.computed += tokens
        self._tick(groups, steps)
        if job.prefill <= CLOSE:
            job.computed += job.prefill
            job.prefill = 0
            job.first_s = min(job.first_s, self._now)
            self._prefilling.remove(job)
            self._begin_decode(job)

    def _advance(self, job: Job, groups: tuple[DecodingGroup, ...]) -> tuple[float, float, float]:
        """Prompt tokens, seconds and steps until the end of the prompt or of a decoding job."""
        count, cells = sum(group.count for group in groups), sum(group.cells for group in groups)
        num_waiting = len(self._prefilling) + len(self._waiting)
        gap_s = min((gap_s for group in groups for gap_s in group.gaps.values()), default=None)
        chunk = ISOLATED_CHUNK
        if not job.isolated:
            chunk = self._speeds.chunk(
                Beside(
                    count,
                    cells,
                    job.computed,
                    num_waiting,
                    gap_s,
                    left=job.prefill,
                    shares_step=True,
                    waited_s=job.waited_s,
                )
            )
        # Its steps begin on average half of the way to the begin of the last full step.
        rest = job.prefill % chunk
        step_s = self._step_s(job, groups, chunk, job.computed + max(0.0, job.prefill - rest - chunk) / 2)
        first = min(group.left() for group in groups)
        steps = job.prefill / chunk
        if steps > first:
            return min(job.prefill, first * chunk), first * step_s, first
        if rest and len(self._prefilling) == 1:  # no other prompt shares the last step
            last_s = self._step_s(job, groups, rest, job.computed + job.prefill - rest)
            return job.prefill, floor(steps) * step_s + last_s, float(ceil(steps))
        return job.prefill, steps * step_s, steps

    def _step_s(self, job: Job, groups: tuple[DecodingGroup, ...], tokens: float, position: float) -> float:
        """Seconds of a step with `tokens` of the job's prompt, and of the isolated steps in turn with it."""
        if job.isolated:
            return self._speeds.step_s(0, 0, tokens, position) + self._decode_s(groups)
        count, cells = sum(group.count for group in groups), sum(group.cells for group in groups)
        return self._speeds.step_s(count, cells, tokens, position) + self._isolated_s(groups)

    def _isolated_s(self, groups: tuple[DecodingGroup, ...]) -> float:
        """Seconds of the steps of isolated jobs."""
        return sum(self._speeds.decode_s(1, job.read) for group in groups for job in group.isolated)

    def _decode_s(self, groups: tuple[DecodingGroup, ...]) -> float:
        """Seconds of a step without prompts."""
        count = sum(group.count for group in groups)
        isolated_s = self._isolated_s(groups)
        if not count:
            return isolated_s
        return self._speeds.decode_s(count, sum(group.cells for group in groups)) + isolated_s

    def _decode(self) -> None:
        """Runs steps without prompts until a job ends."""
        groups = (self._critical, self._others)
        steps = min(group.left() for group in groups)
        if steps == NEVER:
            return
        self._now += steps * self._decode_s(groups)
        self._tick(groups, steps)

    def _begin_decode(self, job: Job) -> None:
        if job.decode <= 0:
            self._end(job)
        else:
            self._group(job).add(job)

    def _tick(self, groups: tuple[DecodingGroup, ...], steps: float) -> None:
        for group in groups:
            group.ticks += steps
            while (job := group.pop_ended()) is not None:
                self._end(job)

    def _end(self, job: Job) -> None:
        job.end_s = self._now
        job.decode = 0
        self._leave(job)
