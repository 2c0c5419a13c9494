"""What callers do at once, against any StreamingTarget. Returns what they saw; judges nothing."""

import asyncio
import time

from perf.callers.load_commands import Arrivals, Command, Decode, Mixed, Prime, SharedPrefix, Solo
from perf.stream_figures import Stream
from perf.targets.target import Call, CompletionRequest, StreamingTarget, TargetError

SETTLE_S = 1.0
_SETTLE_TOKENS = 4
_PATIENCE_S = 2.0
_PATIENCE = 4.0  # times what the first one took

Streams = list[Stream]


async def play(target: StreamingTarget, command: Command) -> tuple[Streams, Streams]:
    """The streams at once, and those that went one at a time."""
    match command:
        case Decode(prompts, num_tokens):
            return await _at_once(target, prompts, num_tokens), []
        case Prime(prompts):
            return [], [await _whole(target, prompt, 1) for prompt in prompts]
        case Solo(prompt=prompt, num_tokens=num_tokens):
            return [await _whole(target, prompt, num_tokens)], []
        case Arrivals():
            return await _arriving(target, command), []
        case SharedPrefix(first, others, num_tokens):
            cold = await _whole(target, first, num_tokens)
            return await _at_once(target, others, num_tokens), [cold]
        case Mixed():
            return await _mixed(target, command)


async def _start(target: StreamingTarget, prompt: str, num_tokens: int) -> Call:
    """Greedy, on past the end of the answer where the server can."""
    return await target.start(CompletionRequest(prompt, num_tokens, ignore_eos=True))


async def _whole(target: StreamingTarget, prompt: str, num_tokens: int) -> Stream:
    return await _finished(await _start(target, prompt, num_tokens))


async def _finished(call: Call) -> Stream:
    stream = (await call.finish()).stream
    if not stream.arrivals:
        raise TargetError("protocol", "an answer without any token")
    return stream


async def _at_once(target: StreamingTarget, prompts: list[str], num_tokens: int) -> Streams:
    return await _arriving(target, Arrivals(prompts, num_tokens, 0.0))


async def _arriving(target: StreamingTarget, command: Arrivals) -> Streams:
    began = time.monotonic()
    calls = []
    for number, prompt in enumerate(command.prompts):
        await asyncio.sleep(began + number * command.interval_s - time.monotonic())
        calls.append(await _start(target, prompt, command.num_tokens))
    return list(await asyncio.gather(*map(_finished, calls)))


async def _mixed(target: StreamingTarget, command: Mixed) -> tuple[Streams, Streams]:
    alone = await _whole(target, command.alone, 1)
    running = [await _start(target, prompt, command.running_tokens) for prompt in command.running]
    await _until_running(running)
    await asyncio.sleep(SETTLE_S)  # their pace before the newcomer is a figure of its own
    newcomer = await _whole(target, command.newcomer, _SETTLE_TOKENS)
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
