"""One step of load: planned, run, and told as samples, whole or as far as it came."""

import asyncio
import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from perf.load.client_meter import ClientMeter
from perf.load.load_samples import Loop, Request, Step
from perf.load.open_and_closed_loop import Ended, closed_loop, every_second, open_loop
from perf.load.request_supply import Supply
from perf.load.requests_in_flight import Bounds, Flights, TargetLost
from perf.targets.target import Target, TargetError

# Between planning and the first arrival: the client is at rest when the schedule starts.
_LEAD_S = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """`level` is a concurrency or a rate; a closed loop ends by `num_requests` or `duration_s`.

    `times` are an open loop's arrivals, `schedule_s` the length of that schedule.
    """

    name: str
    loop: Loop
    level: float | None
    num_requests: int | None = None
    duration_s: float | None = None
    times: Sequence[float] = ()
    schedule_s: float | None = None

    @property
    def size(self) -> int:
        """For a bar: requests where their number is known, else seconds."""
        if self.loop is Loop.OPEN:
            return len(self.times)
        return self.num_requests or round(self.duration_s or 0)

    @property
    def shown_in_seconds(self) -> bool:
        """What `size` counts."""
        return self.loop is Loop.CLOSED and self.num_requests is None


@dataclass(frozen=True, slots=True)
class Ran:
    """A step's samples. `lost` says why it was broken off, "" for a whole one."""

    step: Step
    requests: list[Request]
    lost: str = ""


async def run_step(
    target: Target,
    plan: Plan,
    supply: Supply,
    attempt: int,
    bounds: Bounds,
    *,
    advance: Ended,
    keep: Callable[[Ran], None],
    meter: ClientMeter | None = None,
) -> Ran:
    """Runs it. `keep` gets what there is when it ends, also when it is cancelled.

    Raises PromptError and TargetError before there is load; a target lost under load is told in what
    is returned.
    """
    await supply.prepare()
    requests = [await supply.next() for _ in plan.times]
    meter = meter or ClientMeter()
    # What is there stays: collections in the middle of a step are then short.
    gc.collect()
    gc.freeze()
    start = asyncio.get_running_loop().time() + _LEAD_S
    flights = Flights(target, plan.name, attempt, start, bounds)
    reason = "interrupted"
    try:
        async with meter:
            await asyncio.sleep(_LEAD_S)
            if plan.loop is Loop.OPEN:
                await open_loop(flights, requests, plan.times, start=start, ended=advance)
            else:
                await _closed(flights, supply, plan, start, advance)
        reason = ""
    except* (TargetLost, TargetError) as lost:
        reason = str(_first(lost))
    finally:
        gc.unfreeze()
        ran = _told(plan, attempt, flights, meter, reason)
        keep(ran)
    return ran


async def _closed(flights: Flights, supply: Supply, plan: Plan, start: float, advance: Ended) -> None:
    in_seconds = plan.shown_in_seconds
    async with every_second(advance if in_seconds else _nothing):
        await closed_loop(
            flights,
            supply,
            concurrency=int(plan.level or 1),
            start=start,
            num_requests=plan.num_requests,
            duration_s=plan.duration_s,
            ended=_nothing if in_seconds else advance,
        )


def _nothing() -> None:
    """Nobody counts this."""


def _first(group: BaseExceptionGroup[Exception]) -> BaseException:
    inner: BaseException = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _told(plan: Plan, attempt: int, flights: Flights, meter: ClientMeter, reason: str) -> Ran:
    requests = sorted(flights.requests, key=lambda request: request.index)
    begun = min((request.scheduled_s for request in requests), default=0.0)
    ended = max((request.end_s for request in requests), default=0.0)
    step = Step(
        step=plan.name,
        attempt=attempt,
        loop=plan.loop,
        level=plan.level,
        duration_s=ended - begun,
        num_requests=len(requests),
        whole=not reason,
        client_cpu_s=meter.cpu_s,
        loop_lags_s=meter.loop_lags_s,
        most_in_flight=flights.most_in_flight,
        schedule_s=plan.schedule_s,
        reason=reason,
    )
    return Ran(step, requests, reason)
