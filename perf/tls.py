"""What TLS costs: tokens a second over TLS ÷ over plain text, and handshakes a second.

    python -m perf.tls [--model NAME] [--rounds 9] [--tokens 96]

Two nodes serve the same model, one with TLS. Rounds take turns between them, so a machine that gets slower
meanwhile makes both slower. The node that is not asked computes nothing.
"""

import argparse
import asyncio
import json
import os
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from perf.process_under_test import HOST, Server, free_port
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc

WIDTHS = (1, 4, 8)
HANDSHAKES_S = 3.0
SETTLE_S = 5.0
BAR = 0.98
_CALL_S = 300.0
_OPENSSL = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")


@dataclass(frozen=True)
class Node:
    """A node that serves at `address`; `cert` is what it shows, None for plain text."""

    address: str
    cert: Path | None

    def channel(self) -> grpc.aio.Channel:
        """A connection of its own."""
        if self.cert is None:
            return grpc.aio.insecure_channel(self.address)
        return grpc.aio.secure_channel(self.address, grpc.ssl_channel_credentials(self.cert.read_bytes()))


@contextmanager
def serving(folder: Path, model: str, cert: Path | None, key: Path | None) -> Iterator[Node]:
    """A node, until it listens; its model may still be loading."""
    port, name = free_port(HOST), "tls" if cert else "plain"
    settings = {"XAPP_HOST": HOST, "XAPP_MODEL": model, "XAPP_JOIN_IDENTICAL": "false", "XAPP_SLOTS": "8"}
    settings |= {"XAPP_PIN_TASKS": "false", "XAPP_PREFIX_CACHE": "false", "XAPP_HTTP_PORT": "0"}
    if cert and key:
        settings |= {"XAPP_TLS_CERT": str(cert), "XAPP_TLS_KEY": str(key)}
    command = [sys.executable, "-m", "xapp.cli", "serve", "--grpc-port", str(port)]
    server = Server(command, {**os.environ, **settings}, folder / f"{name}.log")
    try:
        server.wait_for_port(f"{HOST}:{port}")
        yield Node(f"{HOST}:{port}", cert)
    finally:
        server.close()


async def tokens_per_s(node: Node, width: int, num_tokens: int) -> float:
    """Of `width` streams at once, all together, from the first token that came to the last."""
    async with node.channel() as channel:
        stub: Any = inference_pb2_grpc.InferenceServiceStub(channel)
        streams = await asyncio.gather(*(_stream(stub, index, num_tokens) for index in range(width)))
    times = [at for stream in streams for at in stream]
    return (len(times) - width) / max(1e-6, max(times) - min(times))


async def _stream(stub: Any, number: int, num_tokens: int) -> list[float]:
    prompt = f"Stream {number}: tell a long story about a radio cell."
    request = pb.GenerateRequest(prompt=prompt, max_tokens=num_tokens, ignore_eos=True)
    times: list[float] = []
    async for event in stub.Generate(request, timeout=_CALL_S, wait_for_ready=True):
        if event.HasField("chunk"):
            times += [time.monotonic()] * max(1, event.chunk.num_tokens)
    return times


def handshakes_per_s(node: Node, seconds: float) -> float:
    """Connections one after the other, each with a whole handshake; without TLS a connection alone."""
    host, _, port = node.address.rpartition(":")
    context = ssl.create_default_context(cafile=node.cert) if node.cert else None
    if context is not None:
        context.set_alpn_protocols(["h2"])
    count, begin = 0, time.monotonic()
    while time.monotonic() - begin < seconds:
        with socket.create_connection((host, int(port))) as plain:
            if context is not None:
                context.wrap_socket(plain, server_hostname=host).close()
        count += 1
    return count / (time.monotonic() - begin)


async def settle(node: Node) -> None:
    """Returns when the node serves and has measured its own steps, which it does while nobody asks."""
    async with node.channel() as channel:
        stub: Any = inference_pb2_grpc.InferenceServiceStub(channel)
        async with asyncio.timeout(_CALL_S):
            while not await _serves(stub):  # noqa: ASYNC110  nothing announces it
                await asyncio.sleep(0.2)
    await asyncio.sleep(SETTLE_S)


async def _serves(stub: Any) -> bool:
    try:
        await _stream(stub, 0, 8)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return False
    return True


async def measure(plain: Node, secure: Node, rounds: int, num_tokens: int) -> list[dict[str, Any]]:
    """For each number of streams the median of the ratios of pairs, and of the rates."""
    for node in (plain, secure):
        await settle(node)
    results = []
    for width in WIDTHS:
        pairs = []
        for number in range(rounds + 1):
            order = (plain, secure) if number % 2 else (secure, plain)
            rates = {node: await tokens_per_s(node, width, num_tokens) for node in order}
            if number:  # the first one warms up
                pairs.append((rates[plain], rates[secure]))
        ratios = sorted(after / before for before, after in pairs)
        results.append(
            {
                "streams": width,
                "plain_tokens_per_s": round(statistics.median(each for each, _ in pairs), 2),
                "tls_tokens_per_s": round(statistics.median(each for _, each in pairs), 2),
                "ratio": round(statistics.median(ratios), 4),
                "ratio_lowest": round(ratios[0], 4),
                "ratio_highest": round(ratios[-1], 4),
            }
        )
    return results


def certificate(folder: Path) -> tuple[Path, Path]:
    """One that signs itself, and its key."""
    cert, key = folder / "node.pem", folder / "node.key"
    names = ["-subj", "/CN=node", "-addext", f"subjectAltName=IP:{HOST}"]
    files = ["-keyout", str(key), "-out", str(cert)]
    subprocess.run(["openssl", *_OPENSSL, *names, *files], check=True, capture_output=True)
    return cert, key


def main() -> int:
    """Prints JSON; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m-q4_1")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tokens", type=int, default=96)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        cert, key = certificate(folder)
        plain = stack.enter_context(serving(folder, options.model, None, None))
        secure = stack.enter_context(serving(folder, options.model, cert, key))
        results = asyncio.run(measure(plain, secure, options.rounds, options.tokens))
        handshakes = {
            "tls_per_s": round(handshakes_per_s(secure, HANDSHAKES_S), 1),
            "plain_per_s": round(handshakes_per_s(plain, HANDSHAKES_S), 1),
        }
    print(
        json.dumps(
            {"model": options.model, "bar": BAR, "streams": results, "handshakes": handshakes}, indent=2
        )
    )
    return 0 if all(each["ratio"] >= BAR for each in results) else 1


if __name__ == "__main__":
    sys.exit(main())
