"""The client process: lean, alone in its process, told what to do in JSON lines.

`python -m perf.compare.client grpc HOST:PORT` or `… openai ENDPOINT DIALECT` (JSON) answers each Command
with a Reply. Parsing happens after the streams have ended; what it costs is told too.
"""

import asyncio
import gc
import sys
import time

import grpc
import msgspec

from perf import child
from perf.compare import scenarios, sse
from perf.compare.commands import Command, Failed, Reply, Seen
from perf.compare.openai_client import Dialect, OpenAiClient
from perf.compare.place import Endpoint
from perf.serving.grpc_client import GrpcClient

COMMAND_TIMEOUT_S = 600.0
_LOST = {grpc.StatusCode.UNAVAILABLE: "lost", grpc.StatusCode.UNIMPLEMENTED: "protocol"}


async def connect(kind: str, *args: str) -> scenarios.Asker:
    """Raises SystemExit for an unknown kind."""
    if kind == "grpc":
        return GrpcClient(args[0])
    if kind == "openai":
        endpoint = msgspec.json.decode(args[0], type=Endpoint)
        return OpenAiClient(endpoint, msgspec.json.decode(args[1], type=Dialect))
    raise SystemExit(f"unknown client {kind!r}: grpc or openai")


async def answer(client: scenarios.Asker, command: Command) -> Reply:
    """Plays one command; whatever the server does wrong comes back as Failed."""
    before = time.process_time()
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            streams, single = await scenarios.play(client, command)
    except (OSError, TimeoutError, grpc.aio.AioRpcError, sse.ProtocolError, sse.RefusedError) as error:
        return failed(error)
    return Seen(streams, single, time.process_time() - before)


def failed(error: Exception) -> Failed:
    """What went wrong, as a code and a line."""
    match error:
        case grpc.aio.AioRpcError():
            return Failed(_LOST.get(error.code(), "refused"), f"{error.code().name}: {error.details()}")
        case TimeoutError():
            return Failed("deadline", f"no answer within {COMMAND_TIMEOUT_S:g} s")
        case sse.RefusedError():
            return Failed("refused", str(error))
        case sse.ProtocolError():
            return Failed("protocol", str(error))
        case _:
            return Failed("lost", str(error) or type(error).__name__)


def main(args: list[str]) -> None:
    """Serves commands until standard input closes."""
    gc.disable()
    with asyncio.Runner() as runner:
        client = runner.run(connect(*args))
        child.serve(lambda line: runner.run(answer(client, msgspec.json.decode(line, type=Command))))
        runner.run(client.aclose())


if __name__ == "__main__":
    main(sys.argv[1:])
