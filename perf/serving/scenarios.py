"""What callers do at once, against any Client. Returns what they saw; judges nothing."""

import asyncio

import msgspec

from perf.serving.call import Call, Client
from perf.serving.workload import (
    LONG_PROMPT_TOKENS,
    PROMPT_TOKENS,
    RUNNING_STREAMS,
    SHARING_CALLERS,
    SYSTEM_PROMPT_TOKENS,
    Texts,
    Work,
)
from perf.streams import Stream, worst_gap

_ENOUGH_TOKENS = 1024
_SETTLE_TOKENS = 4


class Arrived(msgspec.Struct, frozen=True):
    """A long prompt among running streams: their worst gap, and its own time to first token, seconds."""

    worst_gap: float
    time_to_first_token: float
    alone: float


class Shared(msgspec.Struct, frozen=True):
    """Times to first token, seconds: of the first caller of a system prompt, then of several at once."""

    cold: float
    at_once: list[float]


async def decode(client: Client, texts: Texts, work: Work) -> list[Stream]:
    """All streams of a Work, started at once."""
    prompts = await texts.of(work)
    calls = [await client.generate(prompt, work.num_tokens) for prompt in prompts]
    return list(await asyncio.gather(*(call.finish() for call in calls)))


async def long_prompt(client: Client, texts: Texts, seed: int) -> Arrived:
    """Alone first, then, as a new text of the same length, among running streams."""
    alone_text = await texts.get(LONG_PROMPT_TOKENS, seed * 100 + 50)
    text = await texts.get(LONG_PROMPT_TOKENS, seed * 100 + 51)
    short = [await texts.get(PROMPT_TOKENS, seed * 100 + 60 + index) for index in range(RUNNING_STREAMS)]
    alone = await (await client.generate(alone_text, 1)).finish()
    running = [await _running(client, each) for each in short]
    arrived = await (await client.generate(text, _SETTLE_TOKENS)).finish()
    streams = [call.cancel() for call in running]
    gap = worst_gap(streams, arrived.sent, arrived.last_at)
    return Arrived(gap, arrived.time_to_first_token, alone.time_to_first_token)


async def _running(client: Client, text: str) -> Call:
    call = await client.generate(text, _ENOUGH_TOKENS)
    await call.first_token()
    return call


async def shared_prompt(client: Client, texts: Texts, seed: int) -> Shared:
    """One caller makes the system prompt known; then several ask different things of it at once."""
    system = await texts.get(SYSTEM_PROMPT_TOKENS, seed * 100 + 70)
    cold = await (await client.generate(_asked(system, seed, 0), 8)).finish()
    callers = range(1, SHARING_CALLERS + 1)
    calls = [await client.generate(_asked(system, seed, caller), 8) for caller in callers]
    streams = await asyncio.gather(*(call.finish() for call in calls))
    return Shared(cold.time_to_first_token, [stream.time_to_first_token for stream in streams])


def _asked(system: str, seed: int, caller: int) -> str:
    cell = seed * 31 + caller
    return f"{system}\nCaller {caller} asks what changed in cell {cell} since the last report."
