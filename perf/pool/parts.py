"""The parts of the measurement. Each starts its nodes anew and yields figures by name."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

from perf.pool.load import Load, goodput
from perf.pool.nodes import SLOTS, Node, running, target
from xapp.client import Client, Retry

Figures = Iterator[tuple[str, float]]

POOL = 4
WARM_S = 8.0
MEASURED_S = 30.0
SETTLE_S = 10.0
DEADLINE_S = 18.0
FULL_S = DEADLINE_S + 2.0
"""For so long a queue grows under overload: it holds what can still be in time."""
LONG_S = 30.0
ONE_RETRY = Retry(attempts=1)
"""Of UNAVAILABLE; that another node is asked once is apart from it."""
SPEED = 3.0
"""Of a node in most parts."""
CAPACITY = 0.8
"""Calls a second that a node of speed 1 ends with all slots in use: `scale` measures it."""


@asynccontextmanager
async def loading(nodes: Sequence[Node], deadline_s: float) -> AsyncIterator[Load]:
    """A client of these nodes that are all serving and connected."""
    for node in nodes:
        async with Client(node.address) as client:
            await client.wait_until_serving(60)
    async with Client(target(nodes) if len(nodes) > 1 else nodes[0].address, retry=ONE_RETRY) as client:
        yield Load(client, deadline_s)


async def saturated(nodes: Sequence[Node], seconds: float) -> float:
    """Good answers a second where each slot has two callers."""
    async with loading(nodes, LONG_S) as load:
        callers = sum(node.slots for node in nodes) * 2
        work = asyncio.create_task(load.closed(callers, WARM_S + seconds))
        begin = asyncio.get_running_loop().time() + WARM_S
        await work
        ended = [c for c in load.calls if c.good and begin <= (c.ended_at or 0) < begin + seconds]
    return len(ended) / seconds


def scale(seconds: float, seed: int) -> Figures:
    """What a pool does, by what one node does."""
    for name, number in (("one", 1), ("pool", POOL)):
        with running([SPEED] * number) as nodes:
            yield f"scale.{name}", asyncio.run(saturated(nodes, seconds))


def half(seconds: float, seed: int) -> Figures:
    """One node has half the speed of the others."""
    speeds = [SPEED] * (POOL - 1) + [SPEED / 2]
    with running(speeds) as nodes:
        yield from asyncio.run(_shares(nodes, seconds, seed)).items()


async def _shares(nodes: Sequence[Node], seconds: float, seed: int) -> dict[str, float]:
    speed = sum(node.speed for node in nodes)
    async with loading(nodes, LONG_S) as load:
        begin = asyncio.get_running_loop().time() + SETTLE_S
        await load.open(0.8 * CAPACITY * speed, SETTLE_S + seconds, seed=seed)
        calls = load.between(begin, begin + seconds)
    slow = sum(call.node == nodes[-1].name for call in calls) / len(calls)
    return {"half.share": slow / (nodes[-1].speed / speed), "half.good": goodput(calls, len(calls))}


def dead(seconds: float, seed: int) -> Figures:
    """A node dies and comes back; another one is cut off without a word."""
    for name, number in (("dead", signal.SIGKILL), ("silent", signal.SIGSTOP)):
        with running([SPEED] * POOL) as nodes:
            yield from (
                (f"{name}.{key}", value) for key, value in asyncio.run(_dies(nodes, number, seed)).items()
            )


async def _dies(nodes: list[Node], number: signal.Signals, seed: int) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    async with loading(nodes, LONG_S) as load:
        work = asyncio.create_task(load.open(0.5 * CAPACITY * SPEED * POOL, 24.0, seed=seed))
        await asyncio.sleep(6.0)
        nodes[0].signal(number)
        died = loop.time()
        await asyncio.sleep(8.0)
        back = await _back(nodes, number)
        await work
    lost = [call for call in load.calls if call.code or not call.ended_at]
    after = [
        call.begun_at for call in load.calls if call.node == nodes[0].name and (call.begun_at or 0) > back
    ]
    return {
        "failed": float(sum(call.at > died for call in lost)),
        "cut": float(sum(call.at <= died for call in lost)),
        "last_lost_s": max((call.at - died for call in lost), default=0.0),
        "again_s": min(after, default=float("inf")) - back,  # type: ignore[type-var, operator]
    }


async def _back(nodes: list[Node], number: signal.Signals) -> float:
    """When the node serves again."""
    if number is signal.SIGSTOP:
        nodes[0].signal(signal.SIGCONT)
    else:
        nodes[0] = await asyncio.to_thread(nodes[0].again)
    async with Client(nodes[0].address) as client:
        await client.wait_until_serving(60)
    return asyncio.get_running_loop().time()


def overload(seconds: float, seed: int) -> Figures:
    """At 1.5 × capacity: a pool with one retry, and one node of the speed of all.

    Steps are long here: what Python adds to each would slow the fast node more than the others. Answers count
    that end in the measured time. Of the calls that begin in it, more end well than the nodes can do in that
    time, because nobody comes after the last of them.
    """
    for name, speeds, slots in (("pool", [1.0] * POOL, SLOTS), ("ideal", [float(POOL)], SLOTS)):
        with running(speeds, slots) as nodes:
            for key, value in asyncio.run(_overloaded(nodes, seconds, seed)).items():
                yield f"overload.{name}.{key}", value


async def _overloaded(nodes: Sequence[Node], seconds: float, seed: int) -> dict[str, float]:
    async with loading(nodes, DEADLINE_S) as load:
        begin = asyncio.get_running_loop().time() + FULL_S
        await load.open(1.5 * CAPACITY * POOL, FULL_S + seconds, seed=seed)
        codes = Counter(call.code for call in load.between(begin, begin + seconds) if call.code)
        good = sum(call.good for call in load.ended_between(begin, begin + seconds))
    return {"goodput": good / seconds} | {code: num / seconds for code, num in codes.items()}


PARTS: dict[str, Callable[[float, int], Figures]] = {
    "scale": scale,
    "half": half,
    "dead": dead,
    "overload": overload,
}
