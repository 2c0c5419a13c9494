"""Several answers at once: their events as they come."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeAlias

from xapp.domain.answers import Event

MAX_EVENTS = 64
"""Events that wait for the client. A slow client delays its own answers only."""

_Item: TypeAlias = tuple[int, Event] | Exception | None
"""None is the end of a stream."""


async def merged(streams: Sequence[AsyncGenerator[Event, None]]) -> AsyncGenerator[tuple[int, Event], None]:
    """Each event with the index of its stream. The first error ends all streams."""
    if len(streams) == 1:
        async with aclosing(streams[0]) as events:
            async for event in events:
                yield 0, event
        return
    queue: asyncio.Queue[_Item] = asyncio.Queue(MAX_EVENTS)
    tasks = [asyncio.create_task(_follow(*numbered, queue)) for numbered in enumerate(streams)]
    try:
        num_open = len(tasks)
        while num_open:
            item = await queue.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                num_open -= 1
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow(index: int, stream: AsyncGenerator[Event, None], queue: "asyncio.Queue[_Item]") -> None:
    try:
        async with aclosing(stream) as events:
            async for event in events:
                await queue.put((index, event))
    except Exception as error:  # noqa: BLE001  the reader raises it
        await queue.put(error)
    else:
        await queue.put(None)
