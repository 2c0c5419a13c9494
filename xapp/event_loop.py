"""The event loop of the server process: uvloop's, whose next future can be given."""

import asyncio
from typing import Any

import uvloop


class EventLoop(uvloop.Loop):
    """`next_future`, where it is set, is the result of the next `create_future`."""

    next_future: "asyncio.Future[Any] | None" = None

    def create_future(self) -> "asyncio.Future[Any]":
        """See asyncio."""
        future = self.next_future
        if future is None:
            return super().create_future()
        self.next_future = None
        return future
