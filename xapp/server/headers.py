"""Headers that are sent with the first message and not before.

A call that is refused before its first message then has no headers of its own, only trailers. Only such a
call can be retried at another node: gRPC's retry policy and Envoy do not retry other calls.
"""

from typing import Any, cast

from xapp.server.call import Call, Context


class HeadersFirst:
    """A gRPC context whose first `write` sends the headers of the call."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._context = call.context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def write(self, message: Any) -> None:
        """Writes the first message with the headers. Later messages use gRPC's own method."""
        await self.begin()
        self.write = self._context.write  # type: ignore[method-assign]
        await self._context.write(message)

    async def begin(self) -> None:
        """Sends the headers."""
        if self._call.headers:
            await self._context.send_initial_metadata(self._call.headers)

    def add_header(self, name: str, value: str) -> None:
        """Adds a header of the answer, before its first message."""
        self._call.headers = (*self._call.headers, (name, value))

    @property
    def as_context(self) -> Context:
        """Returns itself, with the type that methods expect."""
        return cast("Context", self)
