"""What callers do at once, against any Client. Returns what they saw; judges nothing."""

import asyncio

import msgspec

from perf.serving.call import Client
from perf.serving.workload import SHARING_CALLERS, SYSTEM_PROMPT_TOKENS, Texts, Work
from perf.streams import Stream


class Shared(msgspec.Struct, frozen=True):
    """Times to first token, seconds: of the first caller of a system prompt, then of several at once."""

    cold: float
    at_once: list[float]


async def decode(client: Client, texts: Texts, work: Work) -> list[Stream]:
    """All streams of a Work, started at once."""
    prompts = await texts.of(work)
    calls = [await client.generate(prompt, work.num_tokens) for prompt in prompts]
    return list(await asyncio.gather(*(call.finish() for call in calls)))


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
