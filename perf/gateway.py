"""What OpenAI's dialect costs: tokens a second over HTTP ÷ over gRPC, and the server's CPU time a token.

    python -m perf.gateway [--model NAME] [--rounds 5] [--tokens 96]

One node serves both ports. Rounds take turns between them, so a machine that gets slower meanwhile makes both
slower. CPU time is that of the server process alone, without the worker and the callers.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil

from perf.process_under_test import HOST, Server, free_port
from perf.tls import Node, settle
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc

WIDTHS = (1, 4, 8)
RATE_BAR, CPU_BAR = 0.97, 1.0
_CALL_S = 300.0


@dataclass(frozen=True)
class Ports:
    """A node's two ports, and the id of its server process."""

    grpc: int
    http: int
    pid: int


@dataclass(frozen=True)
class Figures:
    """Of some streams at once."""

    tokens_per_s: float
    cpu_us_per_token: float


Ask = Callable[[Ports, int, int], Awaitable[list[float]]]
"""Asks the ports for stream `number` of so many tokens. Returns when each token came, seconds."""


@contextmanager
def serving(folder: Path, model: str) -> Iterator[Ports]:
    """A node, until it listens; its model may still be loading."""
    ports = free_port(HOST), free_port(HOST)
    settings = {"XAPP_HOST": HOST, "XAPP_MODEL": model, "XAPP_JOIN_IDENTICAL": "false", "XAPP_SLOTS": "8"}
    settings |= {"XAPP_PIN_TASKS": "false", "XAPP_HTTP_PORT": "0", "XAPP_OPENAI_PORT": str(ports[1])}
    command = [sys.executable, "-m", "xapp.cli", "serve", "--grpc-port", str(ports[0])]
    server = Server(command, {**os.environ, **settings}, folder / "node.log")
    try:
        server.wait_for_port(f"{HOST}:{ports[1]}")
        yield Ports(*ports, server.pid)
    finally:
        server.close()


def _prompt(number: int) -> str:
    return f"Stream {number}: tell a long story about a radio cell."


async def ask_grpc(ports: Ports, number: int, num_tokens: int) -> list[float]:
    """See Ask."""
    times: list[float] = []
    async with grpc.aio.insecure_channel(f"{HOST}:{ports.grpc}") as channel:
        stub: Any = inference_pb2_grpc.InferenceServiceStub(channel)
        request = pb.GenerateRequest(prompt=_prompt(number), max_tokens=num_tokens, ignore_eos=True)
        async for event in stub.Generate(request, timeout=_CALL_S, wait_for_ready=True):
            if event.HasField("chunk"):
                times += [time.monotonic()] * event.chunk.num_tokens
    return times


async def ask_http(ports: Ports, number: int, num_tokens: int) -> list[float]:
    """See Ask. Reads bytes and counts events, so that the caller costs as little as may be."""
    fields = {"prompt": _prompt(number), "max_tokens": num_tokens, "ignore_eos": True}
    body = json.dumps(fields | {"temperature": 0, "stream": True}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
    reader, writer = await asyncio.open_connection(HOST, ports.http)
    times: list[float] = []
    try:
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        async with asyncio.timeout(_CALL_S):
            while b"data: [DONE]" not in (data := await reader.read(65_536)):
                if not data:
                    raise ConnectionError("the answer ended early")
                times += [time.monotonic()] * data.count(b"data: {")
    finally:
        writer.close()
    return times


async def figures(ask: Ask, ports: Ports, width: int, num_tokens: int) -> Figures:
    """Of `width` streams at once, from the first token that came to the last."""
    process = psutil.Process(ports.pid)
    before = process.cpu_times()
    streams = await asyncio.gather(*(ask(ports, index, num_tokens) for index in range(width)))
    after = process.cpu_times()
    times = [at for stream in streams for at in stream]
    cpu_s = after.user + after.system - before.user - before.system
    rate = (len(times) - width) / max(1e-6, max(times) - min(times))
    return Figures(rate, cpu_s / (width * num_tokens) * 1e6)


async def measure(ports: Ports, rounds: int, num_tokens: int) -> list[dict[str, Any]]:
    """For each number of streams the medians, and the medians of the ratios of pairs."""
    await settle(Node(f"{HOST}:{ports.grpc}", None))
    return [await _measured(ports, width, rounds, num_tokens) for width in WIDTHS]


async def _measured(ports: Ports, width: int, rounds: int, num_tokens: int) -> dict[str, Any]:
    pairs = []
    for number in range(rounds + 1):
        order = (ask_grpc, ask_http) if number % 2 else (ask_http, ask_grpc)
        found = {ask: await figures(ask, ports, width, num_tokens) for ask in order}
        if number:  # the first one warms up
            pairs.append((found[ask_grpc], found[ask_http]))
    median = statistics.median
    return {
        "streams": width,
        "grpc_tokens_per_s": round(median(ours.tokens_per_s for ours, _ in pairs), 1),
        "http_tokens_per_s": round(median(theirs.tokens_per_s for _, theirs in pairs), 1),
        "tokens_per_s_ratio": round(median(h.tokens_per_s / g.tokens_per_s for g, h in pairs), 3),
        "grpc_cpu_us_per_token": round(median(ours.cpu_us_per_token for ours, _ in pairs)),
        "http_cpu_us_per_token": round(median(theirs.cpu_us_per_token for _, theirs in pairs)),
        "cpu_ratio": round(median(h.cpu_us_per_token / max(1.0, g.cpu_us_per_token) for g, h in pairs), 3),
    }


def main() -> int:
    """Prints JSON; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m-q4_1")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=96)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, serving(Path(name), options.model) as ports:
        results = asyncio.run(measure(ports, options.rounds, options.tokens))
    bars = {"tokens_per_s_ratio": RATE_BAR, "cpu_ratio": CPU_BAR}
    print(json.dumps({"model": options.model, "bars": bars, "streams": results}, indent=2))
    met = all(each["tokens_per_s_ratio"] >= RATE_BAR and each["cpu_ratio"] <= CPU_BAR for each in results)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
