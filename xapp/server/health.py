"""grpc.health.v1 that asks each service at every Check, so that it is always up to date."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import grpc
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc

from xapp.edge.limit import Limit
from xapp.edge.watchdog import Watchdog

MAX_WATCHERS = 1024

Subscribe: TypeAlias = Callable[[Callable[[], None]], Callable[[], None]]
"""Calls a listener when a status may have changed. Returns a function that ends this."""


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # untyped base
    """`serving` returns for each name whether it is SERVING; "" is the node as a whole."""

    def __init__(
        self, serving: Mapping[str, Callable[[], bool]], watchdog: Watchdog, subscribe: Subscribe
    ) -> None:
        self._serving = dict(serving)
        self._subscribe = subscribe
        self._watchdog = watchdog
        self._watchers = Limit("health watchers", MAX_WATCHERS)

    async def Check(  # noqa: N802
        self, request: pb.HealthCheckRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> pb.HealthCheckResponse:
        """The present status; NOT_FOUND for an unknown service."""
        if request.service not in self._serving:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no service {request.service[:128]!r}")
        return pb.HealthCheckResponse(status=self.status(request.service))

    async def Watch(  # noqa: N802
        self, request: pb.HealthCheckRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> None:
        """The present status, then each change, until the client cancels."""
        with self._watchers.hold(), self._watchdog.watch() as stream, self._changes() as changed:
            sent: int | None = None
            while True:
                changed.clear()
                status = self.status(request.service)
                if status != sent:
                    await stream.send(context.write(pb.HealthCheckResponse(status=status)))
                    sent = status
                await changed.wait()

    @contextmanager
    def _changes(self) -> Iterator[asyncio.Event]:
        """An event that is set at every change."""
        changed = asyncio.Event()
        unsubscribe = self._subscribe(changed.set)
        try:
            yield changed
        finally:
            unsubscribe()

    async def List(  # noqa: N802
        self, request: pb.HealthListRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> pb.HealthListResponse:
        """The status of every name."""
        statuses = {name: pb.HealthCheckResponse(status=self.status(name)) for name in self._serving}
        return pb.HealthListResponse(statuses=statuses)

    def status(self, name: str) -> int:
        """The present status of a name. Any thread may call this."""
        kinds = pb.HealthCheckResponse
        serving = self._serving.get(name)
        if serving is None:
            return int(kinds.SERVICE_UNKNOWN)
        return int(kinds.SERVING if serving() else kinds.NOT_SERVING)
