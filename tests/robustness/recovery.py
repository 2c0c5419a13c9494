"""How fast a node serves again: python -m tests.robustness.recovery [--times 100] [--model default]

In the middle of a stream the worker is killed, or stopped for good, in turns. Prints the time until health
says NOT_SERVING, and until it says SERVING again.
"""

import argparse
import asyncio
import os
import signal
import tempfile
from pathlib import Path
from time import monotonic
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.robustness.node import WORKER, Node, model_file, running
from tests.robustness.recording import IDENTITIES, bearer
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc

_LOOK_S = 0.01
_BETWEEN_S = 0.3
FAULTS = (signal.SIGKILL, signal.SIGSTOP)


async def lose_worker(node: Node, channel: grpc.aio.Channel, number: signal.Signals) -> tuple[float, float]:
    """Seconds until not serving, and until serving again."""
    stub: Any = inference_pb2_grpc.InferenceServiceStub(channel)
    request = pb.GenerateRequest(prompt="go on", max_tokens=900, ignore_eos=True)
    call = stub.Generate(request, metadata=bearer(IDENTITIES[0]))
    for _ in range(3):
        await call.read()
    (pid,) = node.pids(WORKER)
    began = monotonic()
    os.kill(pid, number)
    gone = await _until(channel, is_serving=False)
    again = await _until(channel, is_serving=True)
    call.cancel()
    return gone - began, again - began


async def _until(channel: grpc.aio.Channel, *, is_serving: bool) -> float:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    async with asyncio.timeout(60):
        while True:
            answer = await stub.Check(health_pb2.HealthCheckRequest())
            if (answer.status == health_pb2.HealthCheckResponse.SERVING) is is_serving:
                return monotonic()
            await asyncio.sleep(_LOOK_S)


async def measure(node: Node, times: int) -> None:
    """Prints a line for each kind of fault."""
    seen: dict[signal.Signals, list[tuple[float, float]]] = {each: [] for each in FAULTS}
    async with node.channel() as channel:
        await node.until_serving(channel)
        for turn in range(times):
            number = FAULTS[turn % len(FAULTS)]
            seen[number].append(await lose_worker(node, channel, number))
            await asyncio.sleep(_BETWEEN_S)
    for number, times_s in seen.items():
        for name, values in zip(("not serving", "serving again"), zip(*times_s, strict=True), strict=True):
            median = sorted(values)[len(values) // 2]
            print(
                f"{number.name}, {len(values)} times: {name} after {median:.3f} s, most {max(values):.3f} s"
            )


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness.recovery", description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--model", default="fake", choices=["fake", "default"])
    options = parser.parse_args()
    folder = tempfile.TemporaryDirectory()
    with folder, running(Path(folder.name), {}, model_file(options.model)) as node:
        asyncio.run(measure(node, options.times))


if __name__ == "__main__":
    main()
