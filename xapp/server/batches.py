"""The memory of gRPC's batches that fail.

grpc.aio hands operations to gRPC's core in batches. It frees a batch's operations only where the awaiter sees
the batch succeed: https://github.com/grpc/grpc/issues/43360. A message that cannot be written, because its
client has left, costs hundreds of bytes for good. Here every batch ends with a result, and the error is
raised afterwards.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from grpc._cython import cygrpc  # type: ignore[attr-defined]  # its types are unknown

from xapp.event_loop import EventLoop

PATIENCE_S = 0.2
"""A cancelled task waits for its batch so long. The core ends the batches of a cancelled call at once, but
those of a client that does not read may never end."""


class _Batch(asyncio.Future[None]):
    """The end of one batch."""

    error: BaseException | None = None
    was_cancelled = False

    def set_exception(self, error: type | BaseException, /) -> None:
        """Keeps the error, and ends with a result."""
        self.error = error if isinstance(error, BaseException) else error()
        self.set_result(None)

    def cancel(self, msg: Any | None = None) -> bool:
        """Lets the batch end, if it does so soon, and its awaiter free it, if it has ended."""
        if not self.was_cancelled:
            self.was_cancelled = True
            self.get_loop().call_later(PATIENCE_S, super().cancel, msg)
        return True


_execute_batch: Callable[..., Awaitable[None]] | None = getattr(cygrpc, "execute_batch", None)


async def _freeing(call: Any, operations: tuple[Any, ...], loop: asyncio.AbstractEventLoop) -> None:
    assert _execute_batch is not None, "without that function nothing takes its place"
    if not isinstance(loop, EventLoop):
        await _execute_batch(call, operations, loop)
        return
    # The first thing that grpc.aio does is to ask the loop for a future.
    loop.next_future = batch = _Batch(loop=loop)
    try:
        await _execute_batch(call, operations, loop)
    finally:
        if loop.next_future is batch:  # it failed before it asked
            loop.next_future = None
    if batch.was_cancelled:
        raise asyncio.CancelledError
    if batch.error is not None:
        raise batch.error


def free_failed_batches() -> None:
    """Takes the place of grpc.aio's function in this process. Without that function it does nothing."""
    if _execute_batch is not None:
        cygrpc.execute_batch = _freeing
