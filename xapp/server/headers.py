"""Headers that are sent with the first message and not before.

A call that is refused before its first message then has no headers of its own, only trailers. Such a call is
safe to ask of another node, and gRPC's retry policy and Envoy ask no other.
"""

from typing import Any, cast

from xapp.server.call import Call, Context


class HeadersFirst:
    """A context of gRPC whose first `write` sends the headers of the call."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._context = call.context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def write(self, message: Any) -> None:
        """See gRPC. From the second message on it is gRPC's own."""
        await self.begin()
        self.write = self._context.write  # type: ignore[method-assign]
        await self._context.write(message)

    async def begin(self) -> None:
        """Sends the headers."""
        if self._call.headers:
            await self._context.send_initial_metadata(self._call.headers)

    @property
    def as_context(self) -> Context:
        """Itself, as methods know it."""
        return cast("Context", self)
