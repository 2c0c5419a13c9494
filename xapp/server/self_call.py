"""SelfCall: checks that the gRPC server answers, by a health call on a connection of its own.

It calls Health.List, which waits in the event loop as callers do. Health.Check has a thread of its own.
"""

import asyncio
from time import monotonic

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from xapp.hosts import host_port, loopback_of

TIMEOUT_S = 0.8
"""Shorter than the second that a Kubernetes probe waits for its own answer."""
FRESH_S = 0.5
"""An answer counts for so long, so that many probes make few calls."""
SILENCE_S = 15.0
"""A busy node answers late. A node without an answer for so long counts as dead."""

_SILENCE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
"""Any other status is an answer."""
_OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1))


class SelfCall:
    """Calls the server of this process, at its port or at `target`. `refused`: the connection was refused."""

    def __init__(self, host: str, port: int, target: str = "") -> None:
        self.port = port
        self._target = target or host_port(loopback_of(host), port)
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = float("-inf")
        self._failing_since: float | None = None
        self.refused = False

    @property
    def answers(self) -> bool:
        """Whether the last call was answered."""
        return self._failing_since is None

    @property
    def is_dead(self) -> bool:
        """Whether the port is closed, or no call was answered for SILENCE_S."""
        silent = self._failing_since is not None and monotonic() - self._failing_since > SILENCE_S
        return self.refused or silent

    async def check(self) -> None:
        """Calls, unless the last answer is fresh. Concurrent callers share one call."""
        if monotonic() - self._asked_at < FRESH_S:
            return
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        await asyncio.shield(self._asking)

    async def _ask(self) -> None:
        begin = monotonic()
        error = await _call(self._target)
        self.refused = error is not None and "refused" in (error.details() or "")
        if error is None or error.code() not in _SILENCE:
            self._failing_since = None
        elif self._failing_since is None:
            self._failing_since = begin
        self._asked_at = monotonic()


async def _call(target: str) -> grpc.aio.AioRpcError | None:
    request = health_pb2.HealthListRequest()
    async with grpc.aio.insecure_channel(target, options=_OPTIONS) as channel:
        try:
            await health_pb2_grpc.HealthStub(channel).List(request, timeout=TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            return error
    return None
