"""What both clients offer the scenarios: a call under way, whoever answers it."""

from typing import Protocol

from perf.streams import Stream


class Call(Protocol):
    """One answer under way."""

    async def first_token(self) -> None:
        """Returns when the first token is there."""
        ...

    async def finish(self) -> Stream:
        """Waits for the end."""
        ...

    def cancel(self) -> Stream:
        """Ends it; what came so far."""
        ...


class Client(Protocol):
    """A server under load."""

    async def generate(self, prompt: str, num_tokens: int) -> Call:
        """Sends one greedy request that goes on past the end of the answer."""
        ...

    async def num_tokens(self, text: str) -> int:
        """Length of a prompt in tokens."""
        ...

    async def aclose(self) -> None:
        """Closes what is open."""
        ...
