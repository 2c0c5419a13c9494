"""Destination: what answers a request. This node and another node are alike."""

from collections.abc import AsyncGenerator
from typing import Protocol

from xapp.domain.answers import Event
from xapp.domain.requests import Request


class Destination(Protocol):
    """Answers requests."""

    def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        """Yields exactly one Started first and exactly one Finished last, or raises.

        Closing the generator, or cancelling its consumer, cancels the request where it is computed.
        """
        ...


class Upstream(Destination, Protocol):
    """A destination behind a network. `stream` raises UpstreamError."""

    name: str

    def lacks(self, request: Request) -> str:
        """What of the request it cannot be asked for; "" where it can be asked for all."""
        ...

    async def aclose(self) -> None:
        """Ends all requests. Safe to call twice."""
        ...


class UpstreamError(Exception):
    """The upstream did not answer as it should. The message says how, and never shows a key or an answer."""
