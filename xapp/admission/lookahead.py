"""Lookahead: the open requests of a model as jobs of the simulation, with progress and expected length."""

from collections.abc import Callable, Iterable

from xapp.admission.gains import Gains
from xapp.admission.heat import Heat
from xapp.admission.open_request import OpenRequest
from xapp.admission.prompt_lengths import PromptLengths
from xapp.admission.simulated_job import Job
from xapp.admission.simulation import Simulation
from xapp.admission.speeds import Speeds, speeds
from xapp.domain.messages import ModelInfo, Stats

Jobs = dict[OpenRequest, Job]
PRICED_TOKENS = 15


class Lookahead:
    """Reads the predictor's `open_requests`, the worker's `stats`, the `lengths` and the `gains` of earlier
    answers.

    With `hopeful` answers are decoded as fast as earlier answers of their kind. Otherwise drafts gain
    nothing. `heat` tells when the node gets slower.
    """

    def __init__(
        self,
        info: Callable[[], ModelInfo],
        stats: Callable[[], Stats],
        lengths: PromptLengths,
        gains: Gains,
        open_requests: set[OpenRequest],
        *,
        heat: Heat,
    ) -> None:
        self._info = info
        self._stats = stats
        self._lengths = lengths
        self._gains = gains
        self._open_requests = open_requests
        self._heat = heat
        self._last: tuple[ModelInfo, Stats, Speeds] | None = None

    def num_tokens(self, opened: OpenRequest, share: float) -> int:
        """Expected tokens of the whole answer at that quantile."""
        if opened.request.exact:
            return opened.max_tokens
        done = opened.num_done
        found = self._lengths.quantile(opened.request, opened.hint, share, opened.max_tokens, beyond=done)
        return max(done, found)

    def run(self, job: Job | None, others: Jobs, *, to_the_end: bool = False) -> None:
        """Simulates `job` among `others` until it ends, or until all end."""
        speed = self._speeds()
        started = sorted((each for each in others if each.running), key=lambda each: each.order)
        running = [others[each] for each in started[: speed.num_slots]]
        waiting = [each for each in others.values() if each not in running]
        if job is not None:
            waiting.append(job)
        # On average half of the current step is still to come.
        cells = sum(job.read for job in running)
        lead_s = speed.decode_s(len(running), cells) / 2 if running else 0.0
        Simulation(speed, running, waiting, lead_s).run(None if to_the_end else job)
        if stretch := self._heat.stretch():
            for each in (*running, *waiting):
                each.stretch(stretch)

    def least_s(self, opened: OpenRequest, share: float) -> float:
        """Seconds of the answer alone, at that quantile of its length, at the node's best speed so far,
        with the whole prompt cached.
        """
        speed = self._speeds()
        return self.num_tokens(opened, share) * speed.decode_s(1, 0) / max(1.0, speed.cost.scale)

    def answer_s(self, num_tokens: int) -> float:
        """Seconds of so many decode steps with one sequence."""
        return num_tokens * self._speeds().decode_s(1, 0)

    @property
    def price_s(self) -> float:
        """Seconds of a step of middle size now: a measure of the node's speed."""
        return self._speeds().step_s(1, 0, PRICED_TOKENS, 0)

    def _speeds(self) -> Speeds:
        """Renewed after each message of the worker.

        Between two messages, admissions simulate several times.
        """
        info, stats = self._info(), self._stats()
        if self._last is None or self._last[0] is not info or self._last[1] is not stats:
            self._last = (info, stats, speeds(info, stats))
            self._heat.see(self._last[2].cost.scale, stats.total_steps)
        return self._last[2]

    def jobs(self, excluding: OpenRequest | None = None, *, hopeful: bool = False) -> Jobs:
        """The remaining work of all open requests except `excluding`."""
        prefill = self._prefill_left(opened for opened in self._open_requests if opened.running)
        included = (opened for opened in self._open_requests if opened is not excluding)
        return {opened: self._job(opened, prefill, hopeful=hopeful) for opened in included}

    def new_job(self, opened: OpenRequest, share: float, *, hopeful: bool = False) -> Job:
        """A request that has not begun, with an answer of the length at that quantile."""
        prefill = opened.num_prompt - opened.num_cached
        decode = (self.num_tokens(opened, share) - 1) / self._gain(opened, hopeful=hopeful)
        return _new(opened, prefill, decode, opened.num_cached)

    def _gain(self, opened: OpenRequest, *, hopeful: bool) -> float:
        return self._gains.expected(opened.request.kind) if hopeful and opened.request.drafts else 1.0

    def _job(self, opened: OpenRequest, prefill: dict[OpenRequest, int], *, hopeful: bool) -> Job:
        if not opened.running:
            return self.new_job(opened, opened.share, hopeful=hopeful)
        to_prefill = prefill.get(opened, 0)
        computed = opened.num_prompt - to_prefill + opened.num_done
        left = self.num_tokens(opened, opened.share) - max(1, opened.num_done)
        return _new(opened, to_prefill, left / self._gain(opened, hopeful=hopeful), computed)

    def _prefill_left(self, running: Iterable[OpenRequest]) -> dict[OpenRequest, int]:
        """Prompt tokens that the worker has still to compute.

        The first requests in order are the most advanced.
        """
        left = self._stats().num_prefill_left
        shares = {}
        for opened in sorted(running, key=lambda opened: opened.order, reverse=True):
            if opened.stream is not None and opened.stream.first_at is None:
                shares[opened] = max(1, min(left, opened.num_prompt - opened.num_cached))
                left -= shares[opened]
        return shares


def _new(opened: OpenRequest, prefill: int, decode: float, computed: int) -> Job:
    request = opened.request
    job = Job(opened.order, prefill, decode, opened.num_cells, computed)
    job.max_gap_s, job.isolated = request.max_gap_s, request.deterministic
    return job
