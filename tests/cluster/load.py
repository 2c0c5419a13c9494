"""Callers that ask a release without a pause while the cluster changes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from xapp.client import Client, ClientError, user

_CALLERS = 4
_DEADLINE_S = 120


@dataclass(slots=True)
class Answered:
    """What the callers met: the number of whole answers, and each error after the client's own retries."""

    num_answers: int = 0
    errors: list[str] = field(default_factory=list)


async def asking_during(target: str, num_requests: int, change: Callable[[], object]) -> Answered:
    """Asks until the change is done, and at least `num_requests` times. Raises what the change raises."""
    changed = asyncio.create_task(asyncio.to_thread(change))
    answered = Answered()

    def goes_on() -> bool:
        return not changed.done() or answered.num_answers + len(answered.errors) < num_requests

    async with Client(target) as client, asyncio.TaskGroup() as callers:
        for _ in range(_CALLERS):
            callers.create_task(_ask(client, answered, goes_on))
    await changed
    return answered


async def _ask(client: Client, answered: Answered, goes_on: Callable[[], bool]) -> None:
    while goes_on():
        await _one(client, answered)


async def _one(client: Client, answered: Answered) -> None:
    try:
        pieces = [
            text
            async for text in client.stream_text(
                [user("What is O-RAN?")], max_tokens=4, deadline_s=_DEADLINE_S, ignore_eos=True
            )
        ]
    except ClientError as error:
        answered.errors.append(str(error))
    else:
        answered.num_answers += bool(pieces)
