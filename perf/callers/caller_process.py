"""The process of callers: lean, alone in its process, told what to do in JSON lines.

`python -m perf.callers.caller_process SERVER` (a ServerAddress as JSON) answers each Command with a Reply.
Parsing happens after the streams have ended; what it costs is told too.
"""

import asyncio
import gc
import sys
import time

import msgspec

from perf import json_child
from perf.callers import play_commands
from perf.callers.load_commands import Command, Failed, Reply, Seen, ServerAddress
from perf.targets.grpc_target import GrpcTarget
from perf.targets.openai_target import OpenAITarget
from perf.targets.target import StreamingTarget, TargetError

COMMAND_TIMEOUT_S = 600.0


def connect(server: ServerAddress) -> StreamingTarget:
    """Nobody is asked yet. A request has a connection of its own where the protocol is HTTP/1.1."""
    if server.grpc:
        return GrpcTarget(server.grpc)
    return OpenAITarget(server.openai, model=server.model, extra=server.extra, keep_connections=False)


async def answer(target: StreamingTarget, command: Command) -> Reply:
    """Plays one command; whatever the server does wrong comes back as Failed."""
    before = time.process_time()
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            streams, single = await play_commands.play(target, command)
    except TargetError as error:
        return Failed(error.code, str(error))
    except TimeoutError:
        return Failed("deadline", f"no answer within {COMMAND_TIMEOUT_S:g} s")
    return Seen(streams, single, time.process_time() - before)


def main(args: list[str]) -> None:
    """Serves commands until standard input closes."""
    server = msgspec.json.decode(args[0], type=ServerAddress)
    gc.disable()
    with asyncio.Runner() as runner:
        target = connect(server)
        json_child.serve(lambda line: runner.run(answer(target, msgspec.json.decode(line, type=Command))))
        runner.run(_close(target))


async def _close(target: StreamingTarget) -> None:
    await target.aclose()


if __name__ == "__main__":
    main(sys.argv[1:])
