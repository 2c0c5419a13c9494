"""The echo server: Generate without a model, as fast as it is told. What it costs is gRPC's own.

`python -m perf.compare.echo_server HOST:PORT` serves until SIGTERM. A prompt is the seconds between two
tokens, as a number; every stream writes at multiples of them, as streams do that one engine steps together.
"""

import asyncio
import signal
import sys
import time
from typing import Any

import grpc
import uvloop

from perf.process_under_test import HOST, Server, free_port
from perf.server_processes import LOGS
from xapp.inference.v1 import inference_pb2 as pb

_WORD = " word"
_SERVICE = pb.DESCRIPTOR.services_by_name["InferenceService"].full_name


async def generate(request: pb.GenerateRequest, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
    """`max_tokens` chunks of a token each: as little as can be between a clock and the wire."""
    clock, write = asyncio.get_running_loop().time, context.write
    step_s = pace(request.prompt)
    first = clock() // step_s + 1 if step_s else 0.0
    await write(pb.GenerateResponse(started=pb.Started()))
    for number in range(request.max_tokens):
        await asyncio.sleep((first + number) * step_s - clock())
        await write(pb.GenerateResponse(chunk=pb.Chunk(text=_WORD, num_tokens=1)))
    await write(pb.GenerateResponse(finished=pb.Finished()))


def pace(prompt: str) -> float:
    """Seconds between tokens; 0, without a pause, for a prompt that is no number, such as a warm-up's."""
    try:
        return max(0.0, float(prompt))
    except ValueError:
        return 0.0


async def serve(target: str) -> None:
    """Until SIGTERM."""
    server = grpc.aio.server()
    method = grpc.unary_stream_rpc_method_handler(
        generate, pb.GenerateRequest.FromString, pb.GenerateResponse.SerializeToString
    )
    service = grpc.method_handlers_generic_handler(_SERVICE, {"Generate": method})
    server.add_generic_rpc_handlers((service,))
    server.add_insecure_port(target)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await server.start()
    await stopped.wait()
    await server.stop(None)


class EchoServer(Server):
    """It as a process; `target` is its gRPC address."""

    def __init__(self, host: str = HOST) -> None:
        port = free_port(host)
        self.target = f"{host}:{port}"
        super().__init__(
            [sys.executable, "-m", "perf.compare.echo_server", self.target], {}, LOGS / f"echo-{port}.log"
        )

    def wait_until_serving(self) -> float:
        """Seconds from the start of the process until it listens. Raises StartError."""
        self.wait_for_port(self.target)
        return time.monotonic() - self.started_at


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1]))
