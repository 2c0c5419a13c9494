"""NodeServer: grpc.aio's server, with a thread that answers health checks."""

import asyncio
from collections.abc import Iterable

import grpc

from xapp.server.health_thread import HealthThread, Status

_JOIN_S = 1.0


class NodeServer(grpc.aio.Server):
    """`server` has its methods, and no port yet. `status` is the status of health by name."""

    def __init__(self, server: grpc.aio.Server, status: Status) -> None:
        self._server = server
        self._health = HealthThread(server, status)

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """See grpc.aio.Server."""
        self._server.add_generic_rpc_handlers(generic_rpc_handlers)

    def add_insecure_port(self, address: str) -> int:
        """See grpc.aio.Server."""
        return self._server.add_insecure_port(address)

    def add_secure_port(self, address: str, server_credentials: grpc.ServerCredentials) -> int:
        """See grpc.aio.Server."""
        return self._server.add_secure_port(address, server_credentials)

    async def start(self) -> None:
        """See grpc.aio.Server."""
        await self._server.start()
        self._health.start()

    async def stop(self, grace: float | None) -> None:
        """See grpc.aio.Server."""
        self._health.stop()
        await self._server.stop(grace)
        await asyncio.to_thread(self._health.join, _JOIN_S)

    async def wait_for_termination(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109  gRPC's name
        """See grpc.aio.Server."""
        return await self._server.wait_for_termination(timeout)
