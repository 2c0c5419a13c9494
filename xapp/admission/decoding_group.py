"""DecodingGroup: jobs of the simulation that decode together."""

from heapq import heappop, heappush

from xapp.admission.simulated_job import NEVER, Job, Order

CLOSE = 1e-9
"""Steps and tokens below this are rounding errors."""


class DecodingGroup:
    """Decoding jobs that advance together. `ticks` counts their steps, and a job ends at a tick.

    A step of `count` jobs reads `cells` and takes no longer than the least of `gaps`. Each `isolated` job
    has an additional step of its own.
    """

    def __init__(self) -> None:
        self.ticks = 0.0
        self.count = 0
        self.cells = 0.0
        self.isolated: set[Job] = set()
        self.gaps: dict[Order, float] = {}
        self.heap: list[tuple[float, Order, Job]] = []

    def add(self, job: Job) -> None:
        """Adds a job, which decodes from now on."""
        job.ends_at = self.ticks + job.decode
        if job.isolated:
            self.isolated.add(job)
        else:
            self.count += 1
            self.cells += job.read
        if job.max_gap_s is not None:
            self.gaps[job.order] = job.max_gap_s
        heappush(self.heap, (job.ends_at, job.order, job))

    def drop(self, job: Job) -> None:
        """Removes a job before its end. Its heap entry is skipped later."""
        self._leave(job)
        done = job.decode - (job.ends_at - self.ticks)
        job.decode -= done
        job.computed += done
        job.ends_at = NEVER

    def _leave(self, job: Job) -> None:
        if job.isolated:
            self.isolated.discard(job)
        else:
            self.count -= 1
            self.cells -= job.read
        self.gaps.pop(job.order, None)

    def left(self) -> float:
        """Steps until the next end."""
        heap = self.heap
        while heap and heap[0][0] != heap[0][2].ends_at:
            heappop(heap)
        return heap[0][0] - self.ticks if heap else NEVER

    def pop_ended(self) -> Job | None:
        """Removes a job that has ended. None where no job has."""
        if self.left() > CLOSE:
            return None
        job = heappop(self.heap)[2]
        self._leave(job)
        job.ends_at = NEVER
        return job
