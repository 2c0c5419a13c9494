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
from time import perf_counter, process_time

import msgspec

from xapp.backend.base import Backend, Batch
from xapp.domain.messages import SamplingParams, StepCurve, StepTrial, Tuning, TuningSource
from xapp.engine.survey_jobs import WIDTHS, Job, SurveyJobs
from xapp.engine.survey_times import SurveyTimes
from xapp.steps.pace import LONGEST_ALONE_S

REPEATS = 2
"""Measurements of each step, alternating with all others. The fastest counts."""


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
        self._steps = SurveyJobs(backend)
        self._times = SurveyTimes()
        tuning = backend.info.tuning
        self.done = tuning is None or self._is_whole(tuning.curve) or not self._is_possible
        self._jobs: deque[Job] = deque()
        self._has_threads = self._has_curve = False
        if not self.done:
            assert tuning is not None
            self._threads = (tuning.threads, tuning.threads_batch)
            self._add(self._steps.of_threads())
            if not self._jobs:  # threads are set
                self._next_phase()

    def _is_whole(self, curve: StepCurve | None) -> bool:
        """Whether every width is known. An earlier release measured as many as there are slots."""
        if curve is None:
            return False
        widths = (size for size in WIDTHS if size <= self._steps.most_width)
        return max(curve.widths) >= max(widths, default=0) or max(curve.width_s) > LONGEST_ALONE_S

    @property
    def _is_possible(self) -> bool:
        return bool(self._backend.thread_choices and self._backend.num_branches)

    def advance(self, num_free: int) -> Tuning | None:
        """Measures one step if `num_free` cells are enough. Returns the result after the last step.

        Raises Interrupted. The step is measured again then.
        """
        job = self._jobs[0]
        if job.size <= num_free and not self._times.is_long(job):
            self._measure(job)
        self._jobs.popleft()
        if self._jobs:
            return None
        return self._next_phase()

    def _measure(self, job: Job) -> None:
        self._backend.set_threads(job.threads, job.threads)
        try:
            began, began_cpu = self._clock(), self._cpu_clock()
            self._compute(job)
            seconds, cpu_seconds = self._clock() - began, self._cpu_clock() - began_cpu
        finally:
            self._backend.set_threads(*self._threads)
        self._times.record(job, seconds, cpu_seconds)

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

    def _add(self, jobs: Iterable[Job]) -> None:
        self._jobs += [job for _ in range(REPEATS) for job in jobs]

    # ---- results

    def _next_phase(self) -> Tuning | None:
        if not self._has_threads:
            self._has_threads = True
            self._threads = self._best_threads()
            self._backend.set_threads(*self._threads)
            self._add(self._steps.of_curve(self._threads))
            return None
        if not self._has_curve:
            self._has_curve = True
            self._add(self._times.doubtful(self._steps.of_curve(self._threads)))
            if self._jobs:
                return None
        self.done = True
        tuning = self._tuning()
        if self._times.is_calm:
            self._backend.remember(tuning)
        return tuning

    @property
    def _before(self) -> Tuning:
        tuning = self._backend.info.tuning
        assert tuning is not None
        return tuning

    def _best_threads(self) -> tuple[int, int]:
        single, batch = self._threads
        names = [f"decode-{self._steps.few}", f"prompt-{self._steps.prompt}"]
        return (
            self._times.best_threads(single, ["decode-1"], self._before),
            self._times.best_threads(batch, names, self._before),
        )

    def _tuning(self) -> Tuning:
        tuning, tried = self._before, self._steps.of_threads()
        single, batch = self._threads
        source = TuningSource.MEASURED if len(self._backend.thread_choices) > 1 else tuning.source
        trials = [
            StepTrial(job.threads, tuning.flash_attention, seconds, job.name)
            for job, seconds in self._times.fastest.items()
            if job in tried
        ]
        return msgspec.structs.replace(
            tuning,
            source=source,
            threads=single,
            threads_batch=batch,
            trials=(*tuning.trials, *trials),
            curve=self._times.curve(self._threads),
        )
