"""A whole run: the steps in order, each kept in the journal; then the search for the highest rate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from perf.data.traces import TraceRequest
from perf.load import load_figures, step_plans
from perf.load.highest_rate import Found, Verdict, highest_rate
from perf.load.load_samples import Request, Step, decode
from perf.load.load_step import Plan, Ran, run_step
from perf.load.prompt_maker import Prompts
from perf.load.request_supply import Supply, first_number
from perf.load.requests_in_flight import Bounds
from perf.load.run_options import Options
from perf.record.journal import Journal
from perf.record.sample_rows import encode
from perf.targets.target import Target

Advance = Callable[[str], None]
_FIRST_RATE = 1.0


class _Lost(Exception):
    """The target is gone: no step after this one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`missing` says what was not measured and why; empty for a whole run."""

    samples: list[Step | Request]
    missing: list[str]
    found: Found | None = None


class Run:
    """One run on one target. Steps that the journal has whole are not run again."""

    def __init__(
        self,
        target: Target,
        options: Options,
        journal: Journal,
        *,
        trace: Sequence[TraceRequest] = (),
        advance: Advance = lambda what: None,
    ) -> None:
        self._target = target
        self._options = options
        self._journal = journal
        self._advance = advance
        self._trace = trace
        self._source = step_plans.source(options, trace)
        self._prompts = Prompts(target.count_tokens, shared_prefix=options.shared_prefix)
        self._bounds = Bounds(options.timeout_s, options.max_in_flight)
        self._samples = [decode(row) for row in journal.samples]

    async def run(self) -> Outcome:
        """All of it. Raises TargetError and PromptError before the first step, RecordError any time."""
        steps = step_plans.steps(self._options, self._trace)
        found: Found | None = None
        await self._warm_up()
        left = [plan.name for plan in steps]
        if self._options.find_rate:
            left.append("highest_rate")
        try:
            for plan in steps:
                await self._step(plan)
                left.remove(plan.name)
            if self._options.find_rate:
                found = await self._find()
        except _Lost as lost:
            return Outcome(self._samples, [f"{', '.join(left)}: {lost}"])
        return Outcome(self._samples, [], found)

    async def _warm_up(self) -> None:
        supply = self._supply("warm-up", 1, self._options.warmup or 1)
        await supply.prepare()
        for _ in range(self._options.warmup):
            await self._target.complete(await supply.next())

    async def _find(self) -> Found:
        start = self._options.rates[0] if self._options.rates else _FIRST_RATE
        return await highest_rate(self._probe, start=start, precision=self._options.precision)

    async def _probe(self, rate: float) -> Verdict:
        ran = await self._step(step_plans.probe_step(self._options, rate))
        if load_figures.attainment(ran.requests, self._options.limits) >= self._options.attainment:
            return Verdict.KEPT
        return Verdict.MISSED if ran.step.most_in_flight > 1 else Verdict.HOPELESS

    async def _step(self, plan: Plan) -> Ran:
        if (known := self._known(plan.name)) is not None:
            for _ in range(plan.size):
                self._advance(plan.name)
            return known
        attempt = 1 + max((each.attempt for each in self._samples if each.step == plan.name), default=0)
        ran = await run_step(
            self._target,
            plan,
            self._supply(plan.name, attempt, len(plan.times) or plan.num_requests),
            attempt,
            self._bounds,
            advance=lambda: self._advance(plan.name),
            keep=self._keep,
        )
        if ran.lost:
            raise _Lost(f"the target was lost: {ran.lost}")
        return ran

    def _supply(self, step: str, attempt: int, num_requests: int | None) -> Supply:
        return Supply(
            self._source.shapes(num_requests),
            self._prompts,
            first_number(self._options.seed, step, attempt),
            ignore_eos=self._options.ignore_eos,
        )

    def _known(self, name: str) -> Ran | None:
        for sample in self._samples:
            if isinstance(sample, Step) and sample.step == name and sample.whole:
                return Ran(sample, requests_of(sample, self._samples))
        return None

    def _keep(self, ran: Ran) -> None:
        kept: list[Step | Request] = [*ran.requests, ran.step]
        for sample in kept:
            self._journal.add(encode(sample))
            self._samples.append(sample)


def requests_of(step: Step, samples: Sequence[Step | Request]) -> list[Request]:
    """The requests of that attempt at that step."""
    return [
        sample
        for sample in samples
        if isinstance(sample, Request) and (sample.step, sample.attempt) == (step.step, step.attempt)
    ]
