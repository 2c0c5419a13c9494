"""Asks the same questions in every way at every round trip, and counts what each way took."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from perf.bar_table import Sample
from perf.big_little.line import Line, line_to
from perf.big_little.questions import Item, letter_of
from perf.big_little.ways import Way
from perf.server_processes import OurServer
from xapp.client import Client, user
from xapp.inference.v1 import inference_pb2 as pb
from xapp.rotation import rotated

TIMEOUT_S = 60.0


@dataclass(slots=True)
class Taken:
    """Sums over all answers of a way."""

    seconds: float = 0.0
    num_tokens: int = 0
    num_passes: int = 0
    num_bytes: int = 0
    num_right: int = 0
    worst_gap_s: float = 0.0
    texts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked, in which ways."""

    ways: Sequence[Way]
    items: Sequence[Item]
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Both nodes that serve. `target` is the little node, `far` the big node behind the line."""

    target: str
    far: str
    line: Line
    big: OurServer


@contextmanager
def serving(little: str, big: str, *, pipeline: bool) -> Iterator[Pair]:
    """Both nodes and the line between them."""
    far = OurServer(big, {"XAPP_PIN_TASKS": "false"})
    try:
        far.wait_until_serving()
        with line_to(int(far.target.rpartition(":")[2])) as (line, address):
            settings = {
                "XAPP_BIG_TARGET": address,
                "XAPP_BIG_TIMEOUT_S": f"{TIMEOUT_S:g}",
                "XAPP_BIG_PIPELINE": str(pipeline).lower(),
                "XAPP_PIN_TASKS": "false",
            }
            near = OurServer(little, settings)
            try:
                near.wait_until_serving()
                yield Pair(near.target, address, line, far)
            finally:
                near.close()
    finally:
        far.close()


def measure(pair: Pair, asked: Asked, rtt_ms: float, number: int) -> Iterator[Sample]:
    """Every way on every item, with that round trip."""
    pair.line.rtt_s, rtt, items = rtt_ms / 1000, f"{rtt_ms:g}", asked.items
    taken = asyncio.run(_all(pair, asked, number))
    big = taken.get("big")
    for name, each in taken.items():
        key, tokens = f"{name}.{rtt}", max(1, each.num_tokens)
        yield Sample(number, f"{key}.tokens_s", tokens / each.seconds)
        yield Sample(number, f"{key}.passes", each.num_passes / tokens)
        yield Sample(number, f"{key}.bytes", each.num_bytes / tokens)
        yield Sample(number, f"{key}.gap_ms", each.worst_gap_s * 1000)
        yield Sample(number, f"{key}.right", each.num_right / len(items))
        if big is not None:
            same = sum(one == other for one, other in zip(each.texts, big.texts, strict=True))
            yield Sample(number, f"{key}.same", same / len(items))


async def _all(pair: Pair, asked: Asked, number: int) -> dict[str, Taken]:
    taken = {way.name: Taken() for way in asked.ways}
    async with Client(pair.target) as little, Client(pair.far) as big:
        for index, item in enumerate(asked.items):
            for way in rotated(asked.ways, number + index):
                await _ask(big if way.by_big else little, way, item, asked.max_tokens, taken[way.name])
    return taken


async def _ask(client: Client, way: Way, item: Item, max_tokens: int, taken: Taken) -> None:
    text, begun = "", time.monotonic()
    last: float | None = None
    prompt = [user(item.prompt)]
    async for event in client.generate(prompt, max_tokens=max_tokens, strategy=way.strategy, deadline_s=300):
        now = time.monotonic()
        if event.HasField("chunk"):
            text += event.chunk.text
            if last is not None:
                taken.worst_gap_s = max(taken.worst_gap_s, now - last)
            last = now
        if event.HasField("finished"):
            _count(taken, event.finished)
    taken.seconds += time.monotonic() - begun
    taken.num_right += letter_of(text) == item.letter
    taken.texts.append(text)


def _count(taken: Taken, finished: pb.Finished) -> None:
    made = finished.speculation
    taken.num_tokens += finished.usage.num_completion_tokens
    taken.num_passes += made.num_big_passes
    taken.num_bytes += made.num_bytes_sent + made.num_bytes_received
