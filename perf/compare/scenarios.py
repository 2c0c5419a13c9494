"""What callers do at once, against any client. Returns what they saw; judges nothing."""

import asyncio
import time
from typing import Protocol

from perf.compare.commands import Arrivals, Command, Decode, Mixed, Prime, SharedPrefix, Solo
from perf.compare.sse import ProtocolError
from perf.serving.call import Call
from perf.streams import Stream

SETTLE_S = 1.0
_SETTLE_TOKENS = 4
_PATIENCE_S = 2.0
_PATIENCE = 4.0  # times what the first one took

Streams = list[Stream]


class Asker(Protocol):
    """Starts requests: greedy, on past the end of the answer where the server can."""

    async def generate(self, prompt: str, num_tokens: int) -> Call:
        """Sends one request."""
        ...

    async def aclose(self) -> None:
        """Closes what is open."""
        ...


async def play(client: Asker, command: Command) -> tuple[Streams, Streams]:
    """The streams at once, and those that went one at a time."""
    match command:
        case Decode(prompts, num_tokens):
            return await _at_once(client, prompts, num_tokens), []
        case Prime(prompts):
            return [], [await _whole(client, prompt, 1) for prompt in prompts]
        case Solo(prompt=prompt, num_tokens=num_tokens):
            return [await _whole(client, prompt, num_tokens)], []
        case Arrivals():
            return await _arriving(client, command), []
        case SharedPrefix(first, others, num_tokens):
            cold = await _whole(client, first, num_tokens)
            return await _at_once(client, others, num_tokens), [cold]
        case Mixed():
            return await _mixed(client, command)


async def _whole(client: Asker, prompt: str, num_tokens: int) -> Stream:
    return await _finished(await client.generate(prompt, num_tokens))


async def _finished(call: Call) -> Stream:
    stream = await call.finish()
    if not stream.arrivals:
        raise ProtocolError("an answer without any token")
    return stream


async def _at_once(client: Asker, prompts: list[str], num_tokens: int) -> Streams:
    return await _arriving(client, Arrivals(prompts, num_tokens, 0.0))


async def _arriving(client: Asker, command: Arrivals) -> Streams:
    began = time.monotonic()
    calls = []
    for number, prompt in enumerate(command.prompts):
        await asyncio.sleep(began + number * command.interval_s - time.monotonic())
        calls.append(await client.generate(prompt, command.num_tokens))
    return list(await asyncio.gather(*map(_finished, calls)))


async def _mixed(client: Asker, command: Mixed) -> tuple[Streams, Streams]:
    alone = await _whole(client, command.alone, 1)
    running = [await client.generate(prompt, command.running_tokens) for prompt in command.running]
    await _until_running(running)
    await asyncio.sleep(SETTLE_S)  # their pace before the newcomer is a figure of its own
    newcomer = await _whole(client, command.newcomer, _SETTLE_TOKENS)
    return [call.cancel() for call in running], [alone, newcomer]


async def _until_running(calls: list[Call]) -> None:
    """Every stream has its first token, or some have and a server that queues has had its time."""
    waits = [asyncio.create_task(call.first_token()) for call in calls]
    try:
        started = time.monotonic()
        done, waiting = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        patience = max(_PATIENCE_S, _PATIENCE * (time.monotonic() - started))
        if waiting:
            more, _ = await asyncio.wait(waiting, timeout=patience)
            done |= more
        for wait in done:
            wait.result()
    finally:
        for wait in waits:
            wait.cancel()
