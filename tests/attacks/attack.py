"""What an attack is, and the table of all of them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic


@dataclass(frozen=True, slots=True)
class Place:
    """Where the node is: host and port of its servers. `openai` is the port of OpenAI's dialect."""

    grpc: tuple[str, int]
    http: tuple[str, int]
    openai: tuple[str, int]

    @property
    def target(self) -> str:
        """For a gRPC channel."""
        return f"{self.grpc[0]}:{self.grpc[1]}"


@dataclass(frozen=True, slots=True)
class Attack:
    """`once` is done again and again, until its time is over."""

    name: str
    once: Callable[[Place], Awaitable[None]]

    async def run(self, place: Place, seconds: float) -> int:
        """How often it came to an end. A node that hangs up, or refuses, has not lost."""
        until, count = monotonic() + seconds, 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while monotonic() < until:
                    with contextlib.suppress(OSError):
                        await self.once(place)
                    count += 1
                    await asyncio.sleep(0.001)
        return count


ATTACKS: dict[str, Attack] = {}
"""By the name of their function; filled where they are defined."""


def attack(name: str) -> Callable[[Callable[[Place], Awaitable[None]]], Callable[[Place], Awaitable[None]]]:
    """Puts a function into the table; `name` is what it does."""

    def put(once: Callable[[Place], Awaitable[None]]) -> Callable[[Place], Awaitable[None]]:
        ATTACKS[once.__name__] = Attack(name, once)
        return once

    return put


async def crowd(count: int, one: Callable[[], Awaitable[None]]) -> None:
    """So many at once; whoever is hung up on is not missed."""
    await asyncio.gather(*(one() for _ in range(count)), return_exceptions=True)
