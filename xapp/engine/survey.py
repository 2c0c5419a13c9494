"""Survey: measures the speed of a model on this node in idle time.

The first load of a model on a node measures only a few points of the curve, because the whole curve takes
some 20 seconds with a large model. The worker measures the rest when it is idle, one step at a time: first
each number of threads, then steps of each size with the best number. An arriving request interrupts the
step, which is measured again later. The result is stored for the next load, unless other programs used the
CPU meanwhile: a compute thread that waits for a core makes small numbers of threads look better than they
are.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time

import msgspec

from xapp.backend.base import Backend, Batch
from xapp.domain.messages import SamplingParams, StepCurve, StepTrial, Tuning, TuningSource
from xapp.steps.pace import LONGEST_ALONE_S

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 256, 384, 512)
"""Prompt tokens of a measured step. Kernels work on tiles of tokens, so the price jumps between sizes."""
WIDTHS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16)
"""Decoding sequences of a measured step."""
THREADS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""Numbers of threads that are measured, up to the node's number."""
REPEATS = 2
"""Measurements of each step, alternating with all others. The fastest counts."""
DOUBTFUL = 1.15
"""A step is measured again where a token of it takes this many times as long as a token of a smaller step, or
where the step takes as long as a larger one. Some kernels are slow at one size. But a program that used the
CPU for a second has the same effect. A size that looks expensive never runs, so no step would correct it."""
MARGIN = 0.05
"""Another number of threads must be faster than the default by this factor."""
CALM = 0.8
"""Share of the time in which compute threads had a core. Below it, the node was not idle."""
FEW = 4
PROMPT = 32


@dataclass(frozen=True, slots=True)
class Job:
    """One step to measure: `size` sequences that decode, or tokens of a prompt."""

    decode: bool
    size: int
    threads: int

    @property
    def name(self) -> str:
        """The name of the step in StepTrial."""
        return f"{'decode' if self.decode else 'prompt'}-{self.size}"


class Survey:
    """Computes in the backend's branch ids and in free cells. Call `advance` until `done`.

    `cpu_clock` returns the CPU seconds of all threads of the process.
    """

    def __init__(
        self,
        backend: Backend,
        clock: Callable[[], float] = perf_counter,
        cpu_clock: Callable[[], float] = process_time,
    ) -> None:
        self._backend = backend
        self._clock = clock
        self._cpu_clock = cpu_clock
        tuning = backend.info.tuning
        self.done = tuning is None or self._is_whole(tuning.curve) or not self._is_possible
        self._fastest: dict[Job, float] = {}
        self._cpu_shares: dict[Job, float] = {}
        self._jobs: deque[Job] = deque()
        self._has_threads = self._has_curve = False
        if not self.done:
            assert tuning is not None
            self._threads = (tuning.threads, tuning.threads_batch)
            self._add(self._thread_jobs())
            if not self._jobs:  # threads are set
                self._next_phase()

    def _is_whole(self, curve: StepCurve | None) -> bool:
        """Whether every width is known. An earlier release measured as many as there are slots."""
        if curve is None:
            return False
        widths = (size for size in WIDTHS if size <= self._most_width)
        return max(curve.widths) >= max(widths, default=0) or max(curve.width_s) > LONGEST_ALONE_S

    @property
    def _is_possible(self) -> bool:
        return bool(self._backend.thread_choices and self._backend.num_branches)

    def advance(self, num_free: int) -> Tuning | None:
        """Measures one step if `num_free` cells are enough. Returns the result after the last step.

        Raises Interrupted. The step is measured again then.
        """
        job = self._jobs[0]
        if job.size <= num_free and not self._is_long(job):
            self._measure(job)
        self._jobs.popleft()
        if self._jobs:
            return None
        return self._next_phase()

    def _is_long(self, job: Job) -> bool:
        """Whether a smaller step already reached the longest allowed time: such a step is never planned."""
        return any(
            seconds > LONGEST_ALONE_S and each.decode == job.decode and each.size < job.size
            for each, seconds in self._fastest.items()
        )

    def _measure(self, job: Job) -> None:
        self._backend.set_threads(job.threads, job.threads)
        try:
            began, began_cpu = self._clock(), self._cpu_clock()
            self._compute(job)
            seconds, cpu_seconds = self._clock() - began, self._cpu_clock() - began_cpu
        finally:
            self._backend.set_threads(*self._threads)
        if job not in self._fastest or seconds < self._fastest[job]:
            self._fastest[job] = seconds
            self._cpu_shares[job] = cpu_seconds / (seconds * job.threads) if seconds else 1.0

    @property
    def _is_calm(self) -> bool:
        """Whether other programs left the CPU to the compute threads.

        Only steps with the most threads tell: on a busy node a single thread finds its core all the same.
        """
        most = max(job.threads for job in self._cpu_shares)
        return median(share for job, share in self._cpu_shares.items() if job.threads == most) >= CALM

    def _compute(self, job: Job) -> None:
        backend, batch = self._backend, Batch()
        first = backend.num_sequences
        used = range(first, first + job.size) if job.decode else range(first, first + 1)
        for seq_id in used if job.decode else ():
            batch.add(0, 0, seq_id)
            batch.want_output()
        if not job.decode:
            batch.extend([0] * job.size, 0, first)
        samplers = [backend.new_sampler(SamplingParams(), [0]) for _ in batch.outputs]
        try:
            backend.decode(batch, samplers)
            for seq_id in used:
                backend.remove(seq_id)
        finally:
            for sampler in samplers:
                sampler.close()

    # ---- selection of steps

    def _add(self, jobs: Iterable[Job]) -> None:
        self._jobs += [job for _ in range(REPEATS) for job in jobs]

    def _thread_jobs(self) -> list[Job]:
        rule, *others = self._backend.thread_choices
        tried = [rule, *(each for each in others if each in THREADS)] if others else []
        few = min(FEW, self._most_decode)
        return [
            job
            for threads in tried
            for job in (Job(True, 1, threads), Job(True, few, threads), Job(False, self._prompt, threads))
        ]

    def _curve_jobs(self) -> list[Job]:
        single, batch = self._threads
        info = self._backend.info
        most = min(info.batch_tokens, info.context_length - 1)
        widths = [
            Job(True, size, batch if size > 1 else single) for size in WIDTHS if size <= self._most_width
        ]
        sizes = [Job(False, size, batch if size > 1 else single) for size in SIZES if size <= most]
        return [*widths, *sizes]

    def _doubtful_jobs(self) -> list[Job]:
        """The steps of the curve that look slower than their neighbours of the same kind."""
        jobs = [job for job in self._curve_jobs() if job in self._fastest]
        kinds = ([job for job in jobs if job.decode], [job for job in jobs if not job.decode])
        return [job for kind in kinds for job in kind if self._is_doubtful(job, kind)]

    def _is_doubtful(self, job: Job, kind: list[Job]) -> bool:
        seconds = self._fastest[job]
        smaller = [self._fastest[each] / each.size for each in kind if each.size < job.size]
        larger = [self._fastest[each] for each in kind if each.size > job.size]
        dearest = DOUBTFUL * min(smaller, default=seconds) * job.size
        return seconds > dearest or seconds >= min(larger, default=2 * seconds)

    @property
    def _most_width(self) -> int:
        """Drafts make a step wider than the number of slots."""
        return self._backend.num_branches

    @property
    def _most_decode(self) -> int:
        return min(self._backend.num_branches, self._backend.info.num_slots)

    @property
    def _prompt(self) -> int:
        return min(PROMPT, self._backend.info.batch_tokens)

    # ---- results

    def _next_phase(self) -> Tuning | None:
        if not self._has_threads:
            self._has_threads = True
            self._threads = self._best_threads()
            self._backend.set_threads(*self._threads)
            self._add(self._curve_jobs())
            return None
        if not self._has_curve:
            self._has_curve = True
            self._add(self._doubtful_jobs())
            if self._jobs:
                return None
        self.done = True
        tuning = self._tuning()
        if self._is_calm:
            self._backend.remember(tuning)
        return tuning

    def _best_threads(self) -> tuple[int, int]:
        single, batch = self._threads
        few = min(FEW, self._most_decode)
        return (
            self._best(single, ["decode-1"]),
            self._best(batch, [f"decode-{few}", f"prompt-{self._prompt}"]),
        )

    def _best(self, rule: int, names: list[str]) -> int:
        """The number of threads with the shortest total time of these steps, each at its best so far."""
        sums: dict[int, float] = {}
        for job, seconds in self._fastest.items():
            if job.name in names:
                sums[job.threads] = sums.get(job.threads, 0.0) + min(seconds, self._known(job))
        if rule not in sums or not self._is_calm:
            return rule
        best = min(sums, key=lambda threads: sums[threads])
        return best if sums[best] < sums[rule] * (1 - MARGIN) else rule

    def _known(self, job: Job) -> float:
        """The step's shortest time in an earlier survey. Other programs only ever make a step longer."""
        tuning = self._backend.info.tuning
        assert tuning is not None
        earlier = (
            each.step_s
            for each in tuning.trials
            if (each.what, each.threads, each.flash_attention)
            == (job.name, job.threads, tuning.flash_attention)
        )
        return min(earlier, default=float("inf"))

    def _tuning(self) -> Tuning:
        tuning = self._backend.info.tuning
        assert tuning is not None
        single, batch = self._threads
        source = TuningSource.MEASURED if len(self._backend.thread_choices) > 1 else tuning.source
        trials = [
            StepTrial(job.threads, tuning.flash_attention, seconds, job.name)
            for job, seconds in self._fastest.items()
            if job in self._thread_jobs()
        ]
        return msgspec.structs.replace(
            tuning,
            source=source,
            threads=single,
            threads_batch=batch,
            trials=(*tuning.trials, *trials),
            curve=self._curve(),
        )

    def _curve(self) -> StepCurve:
        single, batch = self._threads
        found = {
            (job.decode, job.size): seconds
            for job, seconds in self._fastest.items()
            if job.threads == (single if job.size == 1 else batch)
        }
        rows = {size: seconds for (decode, size), seconds in sorted(found.items()) if not decode}
        widths = {size: seconds for (decode, size), seconds in sorted(found.items()) if decode}
        return StepCurve(tuple(rows), tuple(rows.values()), tuple(widths), tuple(widths.values()))
