"""A server of our own for the time of a run: started on loopback, measured through gRPC, stopped."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from perf.process_under_test import StartError
from perf.server_processes import OurServer
from perf.targets.grpc_target import GrpcTarget
from perf.targets.target import TargetError
from xapp.config import load_settings


@dataclass(frozen=True, slots=True)
class Own:
    """A server that serves. `load_s` is from the start of its process to SERVING."""

    target: GrpcTarget
    server: OurServer
    load_s: float

    @property
    def server_pid(self) -> int:
        """The server process."""
        return self.server.pid


@asynccontextmanager
async def own_target(model: str, settings: Mapping[str, str] | None = None) -> AsyncIterator[Own]:
    """Starts `genai-xapp serve --model MODEL` (a catalogue name or a path) with XAPP_* `settings`.

    `model` "" is the default model.

    Raises TargetError (`unreachable`) with the end of the server's log when it does not come up.
    """
    model = model or load_settings(os.environ).node.model
    # To start and to end a server takes seconds of waiting: not in the loop's thread.
    server = await asyncio.to_thread(OurServer, model, dict(settings or {}))
    try:
        load_s = await _serving(server)
        target = GrpcTarget(server.target)
        try:
            yield Own(target, server, load_s)
        finally:
            await target.aclose()
    finally:
        await asyncio.to_thread(server.close)


async def _serving(server: OurServer) -> float:
    try:
        return await asyncio.to_thread(server.wait_until_serving)
    except StartError as error:
        raise TargetError("unreachable", f"a server for the run did not come up: {error}") from error
