"""Callers of a pool, and what became of each of their calls."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from xapp.client import Client, ClientError

PROMPT = "x" * 16
NUM_TOKENS = 24


@dataclass(slots=True)
class Call:
    """Times are those of the loop. `node` is "" where no answer began; `code` "" where it went well."""

    at: float
    begun_at: float | None = None
    ended_at: float | None = None
    node: str = ""
    code: str = ""

    @property
    def good(self) -> bool:
        """Whole, and within its deadline."""
        return self.ended_at is not None and not self.code


@dataclass(slots=True)
class Load:
    """All calls of one client. `deadline_s` is that of each."""

    client: Client
    deadline_s: float
    calls: list[Call] = field(default_factory=list)

    async def ask(self) -> None:
        """One call to its end, whatever that is."""
        loop = asyncio.get_running_loop()
        call = Call(loop.time())
        self.calls.append(call)
        try:
            async for event in self.client.generate(
                PROMPT, max_tokens=NUM_TOKENS, ignore_eos=True, deadline_s=self.deadline_s
            ):
                if event.HasField("started"):
                    call.node, call.begun_at = event.started.model, loop.time()
            call.ended_at = loop.time()
        except ClientError as error:
            call.code = error.reason or error.code

    async def closed(self, num_callers: int, seconds: float) -> None:
        """Each caller asks again as soon as it has its answer."""
        until = asyncio.get_running_loop().time() + seconds
        async with asyncio.TaskGroup() as group:
            for _ in range(num_callers):
                group.create_task(self._caller(until))

    async def _caller(self, until: float) -> None:
        while asyncio.get_running_loop().time() < until:
            await self.ask()

    async def open(self, rate: float, seconds: float, *, seed: int = 1) -> None:
        """Calls come at random times, `rate` a second on average."""
        times = random.Random(seed)
        async with asyncio.TaskGroup() as group:
            async for _ in arrivals(lambda: times.expovariate(rate), seconds):
                group.create_task(self.ask())

    def between(self, begin: float, end: float) -> list[Call]:
        """Calls that came in that time."""
        return [call for call in self.calls if begin <= call.at < end]

    def ended_between(self, begin: float, end: float) -> list[Call]:
        """Calls whose answer ended in that time."""
        return [call for call in self.calls if call.ended_at is not None and begin <= call.ended_at < end]


async def arrivals(gap_s: Callable[[], float], seconds: float) -> AsyncIterator[None]:
    """Yields when a call comes, until the time is over."""
    loop = asyncio.get_running_loop()
    due = begin = loop.time()
    while (due := due + gap_s()) < begin + seconds:
        await asyncio.sleep(due - loop.time())
        yield


def goodput(calls: list[Call], seconds: float) -> float:
    """Good answers a second."""
    return sum(call.good for call in calls) / seconds
