"""The measured times of a survey: which number of threads is best, and which steps are doubtful."""

from statistics import median

from xapp.domain.messages import StepCurve, Tuning
from xapp.engine.survey_jobs import Job
from xapp.steps.pace import LONGEST_ALONE_S

DOUBTFUL = 1.15
"""A step is measured again where a token of it takes this many times as long as a token of a smaller step, or
where the step takes as long as a larger one. Some kernels are slow at one size. But a program that used the
CPU for a second has the same effect. A size that looks expensive never runs, so no step would correct it."""
MARGIN = 0.05
"""Another number of threads must be faster than the default by this factor."""
CALM = 0.8
"""Share of the time in which compute threads had a core. Below it, the node was not idle."""


class SurveyTimes:
    """The shortest time of each step, in seconds."""

    def __init__(self) -> None:
        self.fastest: dict[Job, float] = {}
        self._cpu_shares: dict[Job, float] = {}

    def record(self, job: Job, seconds: float, cpu_seconds: float) -> None:
        """Adds a measurement. The fastest counts."""
        if job not in self.fastest or seconds < self.fastest[job]:
            self.fastest[job] = seconds
            self._cpu_shares[job] = cpu_seconds / (seconds * job.threads) if seconds else 1.0

    @property
    def is_calm(self) -> bool:
        """Whether other programs left the CPU to the compute threads.

        Only steps with the most threads tell: on a busy node a single thread finds its core all the same.
        """
        most = max(job.threads for job in self._cpu_shares)
        return median(share for job, share in self._cpu_shares.items() if job.threads == most) >= CALM

    def is_long(self, job: Job) -> bool:
        """Whether a smaller step already reached the longest allowed time: such a step is never planned."""
        return any(
            seconds > LONGEST_ALONE_S and each.decode == job.decode and each.size < job.size
            for each, seconds in self.fastest.items()
        )

    def doubtful(self, jobs: list[Job]) -> list[Job]:
        """The measured steps among `jobs` that look slower than their neighbours of the same kind."""
        jobs = [job for job in jobs if job in self.fastest]
        kinds = ([job for job in jobs if job.decode], [job for job in jobs if not job.decode])
        return [job for kind in kinds for job in kind if self._is_doubtful(job, kind)]

    def _is_doubtful(self, job: Job, kind: list[Job]) -> bool:
        seconds = self.fastest[job]
        smaller = [self.fastest[each] / each.size for each in kind if each.size < job.size]
        larger = [self.fastest[each] for each in kind if each.size > job.size]
        dearest = DOUBTFUL * min(smaller, default=seconds) * job.size
        return seconds > dearest or seconds >= min(larger, default=2 * seconds)

    def best_threads(self, rule: int, names: list[str], tuning: Tuning) -> int:
        """The number of threads with the shortest total time of these steps, each at its best so far.

        `rule` is the default, which stays where no other number is clearly better. `tuning` has the times of
        earlier surveys.
        """
        sums: dict[int, float] = {}
        for job, seconds in self.fastest.items():
            if job.name in names:
                sums[job.threads] = sums.get(job.threads, 0.0) + min(seconds, _known(job, tuning))
        if rule not in sums or not self.is_calm:
            return rule
        best = min(sums, key=lambda threads: sums[threads])
        return best if sums[best] < sums[rule] * (1 - MARGIN) else rule

    def curve(self, threads: tuple[int, int]) -> StepCurve:
        """The times of steps with these numbers of threads, for a single token and for a batch."""
        single, batch = threads
        found = {
            (job.decode, job.size): seconds
            for job, seconds in self.fastest.items()
            if job.threads == (single if job.size == 1 else batch)
        }
        rows = {size: seconds for (decode, size), seconds in sorted(found.items()) if not decode}
        widths = {size: seconds for (decode, size), seconds in sorted(found.items()) if decode}
        return StepCurve(tuple(rows), tuple(rows.values()), tuple(widths), tuple(widths.values()))


def _known(job: Job, tuning: Tuning) -> float:
    """The step's shortest time in an earlier survey. Other programs only ever make a step longer."""
    earlier = (
        each.step_s
        for each in tuning.trials
        if (each.what, each.threads, each.flash_attention) == (job.name, job.threads, tuning.flash_attention)
    )
    return min(earlier, default=float("inf"))
