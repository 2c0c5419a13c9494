"""The messages of a stream from a caller, in their order, with limits of the time between them."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from xapp.errors import Aborted

FIRST_S = 10.0
"""A stream has to say what it wants within so many seconds."""
IDLE_S = 60.0
"""The longest time between two messages."""

M = TypeVar("M")


async def next_message(requests: AsyncIterator[M], within_s: float) -> M | None:
    """The next message; None at the end of the stream. Raises Aborted, reason SESSION_EXPIRED."""
    try:
        async with asyncio.timeout(within_s):
            return await anext(requests, None)
    except TimeoutError:
        text = f"no message for {within_s:g} s: open the stream again"
        raise Aborted(text, reason="SESSION_EXPIRED") from None


async def messages(requests: AsyncIterator[M], within_s: float = IDLE_S) -> AsyncIterator[M]:
    """All further messages. Raises Aborted, reason SESSION_EXPIRED."""
    while (message := await next_message(requests, within_s)) is not None:
        yield message
