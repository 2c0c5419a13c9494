"""Memory of the server over cancelled streams: python -m tests.robustness.cancelled [--streams 100000]

Streams begin, bring their first message, and are cancelled by the caller. Prints the server's memory and its
growth a stream after a warm-up.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import Any

from tests.robustness.figures import taken
from tests.robustness.node import QUOTA, Node, running
from tests.robustness.recording import IDENTITIES, bearer
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc

WARM_UP = 0.25
"""Share of the streams that do not count."""
_ROUNDS = 16
_REST_S = 2.0


async def cancel_streams(node: Node, count: int) -> None:
    """So many streams, a few at once, on one connection."""
    async with node.channel() as channel:
        stub: Any = inference_pb2_grpc.InferenceServiceStub(channel)
        left = iter(range(count))
        await asyncio.gather(*(_cancel(stub, IDENTITIES[n % 3], left) for n in range(QUOTA)))


async def _cancel(stub: Any, identity: str, left: Any) -> None:
    for number in left:
        request = pb.GenerateRequest(prompt=f"go on {number % 50}", max_tokens=200, ignore_eos=True)
        call = stub.Generate(request, metadata=bearer(identity))
        await call.read()
        call.cancel()


async def measure(node: Node, count: int) -> float:
    """Bytes a stream, by a line through the later rounds."""
    seen: list[tuple[int, int]] = []
    for number in range(_ROUNDS):
        await cancel_streams(node, count // _ROUNDS)
        await asyncio.sleep(_REST_S)
        now = await asyncio.to_thread(taken, node)
        print(f"{(number + 1) * (count // _ROUNDS)} streams: {now}", flush=True)
        if number >= _ROUNDS * WARM_UP:
            seen.append(((number + 1) * (count // _ROUNDS), now.server_bytes))
    return slope(seen)


def slope(points: list[tuple[int, int]]) -> float:
    """Of the line with the least squares."""
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    across = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return float(across / sum((x - mean_x) ** 2 for x, _ in points))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness.cancelled", description=__doc__)
    parser.add_argument("--streams", type=int, default=100_000)
    options = parser.parse_args()
    quiet = {"XAPP_LOG_LEVEL": "error"}
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), quiet) as node:
        print(f"{asyncio.run(measure(node, options.streams)):.1f} bytes a stream")


if __name__ == "__main__":
    main()
