"""A caller of a node, in a process of its own: it embeds texts, or reads streams and keeps their gaps.

`python -m perf.embedding.vector_caller TARGET` answers an Embed or a Stream with a Result a line.
"""

import asyncio
import sys
import time
from typing import TypeAlias

import msgspec

from perf import json_child
from xapp.client import Client
from xapp.inference.v1 import embedding_pb2 as pb
from xapp.inference.v1.inference_pb2 import PRIORITY_BATCH, PRIORITY_INTERACTIVE, SamplingParams


class Embed(msgspec.Struct, frozen=True, tag="embed"):
    """Each of the calls with its texts, `at_once` of them in flight."""

    model: str
    calls: list[list[str]]
    at_once: int = 1
    batch: bool = False


class Stream(msgspec.Struct, frozen=True, tag="stream"):
    """So many answers at once for so many seconds, new ones where some end."""

    prompt: str
    count: int
    seconds: float


Command: TypeAlias = Embed | Stream


class Result(msgspec.Struct, frozen=True):
    """Of Embed: texts, their tokens, and seconds from the first call to the last answer. Of Stream: the gaps
    between the tokens of an answer, each with its end on CLOCK_MONOTONIC, seconds.
    """

    num_texts: int = 0
    num_tokens: int = 0
    began: float = 0.0
    ended: float = 0.0
    gaps: list[tuple[float, float]] = []


async def carry_out(client: Client, command: Command) -> Result:
    """The result of one command. Raises ClientError."""
    return await _embed(client, command) if isinstance(command, Embed) else await _stream(client, command)


async def _embed(client: Client, command: Embed) -> Result:
    places, priority = asyncio.Semaphore(command.at_once), PRIORITY_INTERACTIVE
    if command.batch:
        priority = PRIORITY_BATCH

    async def call(texts: list[str]) -> int:
        request = pb.EmbedRequest(
            model=command.model, texts=texts, encoding=pb.VECTOR_ENCODING_PACKED, priority=priority
        )
        async with places:
            response = await client.embed_request(request, deadline_s=600)
        return int(response.num_tokens)

    began = time.monotonic()
    tokens = await asyncio.gather(*map(call, command.calls))
    return Result(sum(map(len, command.calls)), sum(tokens), began, time.monotonic())


async def _stream(client: Client, command: Stream) -> Result:
    until = time.monotonic() + command.seconds
    each = await asyncio.gather(
        *(_read(client, f"{command.prompt} {number}", until) for number in range(command.count))
    )
    return Result(gaps=[gap for gaps in each for gap in gaps])


async def _read(client: Client, prompt: str, until: float) -> list[tuple[float, float]]:
    gaps: list[tuple[float, float]] = []
    while time.monotonic() < until:
        before: float | None = None
        sampling = SamplingParams(temperature=0)
        async for _ in client.stream_text(
            prompt, max_tokens=400, sampling=sampling, ignore_eos=True, deadline_s=600
        ):
            now = time.monotonic()
            if before is not None:
                gaps.append((now - before, now))
            before = now
            if gaps and now >= until:
                break
    return gaps


def main(args: list[str]) -> None:
    """Carries out commands until standard input closes."""
    runner = asyncio.Runner()
    client = runner.run(_opened(args[0]))
    try:
        json_child.serve(lambda line: runner.run(carry_out(client, msgspec.json.decode(line, type=Command))))
    finally:
        runner.run(client.close())
        runner.close()


async def _opened(target: str) -> Client:
    return Client(target)


if __name__ == "__main__":
    main(sys.argv[1:])
