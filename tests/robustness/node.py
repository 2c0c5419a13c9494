"""The node under test: a real server process, its processes and what it says of itself."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.conftest import DEFAULT_MODEL_FILE
from tests.live import LiveServer, serving
from tests.robustness.history import Fault, History, Idle, Record
from tests.robustness.recording import IDENTITIES, bearer
from tests.robustness.verifying import open_all
from xapp.folders import default_models_dir
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc
from xapp.security.tokens import hash_of

WORKER, TEXT = "xapp.engine.worker", "xapp.text.process"
QUOTA = 16
SETTLE_S = 30.0
_CONTEXT = 1024
_CALL_S = 30.0
_TRIES = 6
_TOLD = re.compile(r"(failpoint \w+: \w+) at (\d+\.\d+)$")
_FAKE = {
    "XAPP_BACKEND": "fake",
    "XAPP_SLOTS": "4",
    "XAPP_CONTEXT_LENGTH": str(_CONTEXT),
    "XAPP_KV_CELLS": "2048",
}


class Node:
    """A running server."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self.server.pid

    def pids(self, module: str) -> list[int]:
        """Process ids of its workers or text processes, those of forked texts left out."""
        found = []
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.pid).children():
                with contextlib.suppress(psutil.Error):
                    if module in child.cmdline():
                        found.append(child.pid)
        return found

    @contextlib.asynccontextmanager
    async def channel(self) -> AsyncIterator[grpc.aio.Channel]:
        """A connection of its own."""
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 200)]
        async with grpc.aio.insecure_channel(self.server.target, options=options) as channel:
            yield channel

    async def is_serving(self, channel: grpc.aio.Channel) -> bool:
        """What health says."""
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_CALL_S)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def until_serving(self, channel: grpc.aio.Channel) -> None:
        """Returns when the node serves. Raises TimeoutError."""
        async with asyncio.timeout(SETTLE_S):
            while not await self.is_serving(channel):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    def records(self, since: int) -> list[Record]:
        """The log's ends of requests, from a line on."""
        return [
            Record(
                str(each.get("correlation_id", "")),
                str(each.get("code", "")),
                each.get("num_completion_tokens"),
                str(each.get("finish_reason", "")),
            )
            for each in self.server.records(since)
            if each.get("msg") == "request"
        ]


@contextlib.contextmanager
def running(folder: Path, environ: dict[str, str], model: Path | None = None) -> Iterator[Node]:
    """A node with three identities and quotas. Without a model it has the fake backend."""
    tokens = folder / "tokens.toml"
    tokens.write_text("".join(f'{name} = ["{hash_of(name)}"]\n' for name in IDENTITIES))
    own = _FAKE if model is None else {"XAPP_MODEL": str(model), "XAPP_SLOTS": "4", "XAPP_KV_CELLS": "2048"}
    common = {
        "XAPP_TOKENS_FILE": str(tokens),
        "XAPP_QUOTAS": f'{{"default": {{"concurrent": {QUOTA}}}}}',
        "XAPP_JOIN_IDENTICAL": "true",
        "XAPP_LOG_LEVEL": "debug",
        "XAPP_LOG_FORMAT": "json",
    }
    with serving({**common, **own, **environ}) as server:
        yield Node(server)


def model_file(name: str) -> Path | None:
    """The file of `default` or of a path; None for `fake`."""
    if name == "fake":
        return None
    return Path(default_models_dir()) / DEFAULT_MODEL_FILE if name == "default" else Path(name)


async def idle_of(node: Node, history: History) -> Idle | None:
    """The node without requests; None where it does not become idle."""
    async with node.channel() as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        probes = await _probes(node, channel, is_fake=history.answers_are_exact)
        try:
            sample = await _without_requests(stub)
        except TimeoutError:
            sample = await _sample(stub)
        process = psutil.Process(node.pid)
        return Idle(
            sample.num_running,
            sample.num_waiting,
            sample.kv_cells_used,
            sample.kv_cells_total,
            process.num_fds(),
            process.num_threads(),
            tuple(probes),
        )


async def _probes(node: Node, channel: grpc.aio.Channel, *, is_fake: bool) -> list[str]:
    """How the probes ended. A failpoint may hit them too: lost places stay lost, so they are tried again."""
    stub = inference_pb2_grpc.InferenceServiceStub(channel)
    for _ in range(_TRIES):
        await node.until_serving(channel)
        found = await _probe(stub, is_fake)
        if is_fake:
            found.append(await open_all(channel, timeout=_CALL_S, metadata=bearer("stranger")))
        if not any(each.startswith("UNAVAILABLE") for each in found):
            break
    return found


async def _without_requests(stub: "inference_pb2_grpc.InferenceServiceAsyncStub") -> pb.ModelMetrics:
    async with asyncio.timeout(SETTLE_S):
        while (sample := await _sample(stub)).num_running or sample.num_waiting:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return sample


async def _sample(stub: "inference_pb2_grpc.InferenceServiceAsyncStub") -> pb.ModelMetrics:
    call = stub.Metrics(pb.MetricsRequest(count=1), timeout=_CALL_S, metadata=bearer(IDENTITIES[0]))
    (sample,) = [each async for each in call]
    return sample.models[0]


async def _probe(stub: "inference_pb2_grpc.InferenceServiceAsyncStub", is_fake: bool) -> list[str]:
    """As many requests of each identity as its quota allows, and a request that needs nearly all cells."""
    found = []
    for identity in IDENTITIES:
        asks = [
            _ends(stub, identity, pb.GenerateRequest(prompt=f"probe {n}", max_tokens=2)) for n in range(QUOTA)
        ]
        found += await asyncio.gather(*asks)
    if is_fake:
        long = pb.GenerateRequest(prompt="x" * (_CONTEXT - 16), max_tokens=8, ignore_eos=True)
        found += await asyncio.gather(_ends(stub, "planner", long), _ends(stub, "watcher", long))
    return found


async def _ends(
    stub: "inference_pb2_grpc.InferenceServiceAsyncStub", identity: str, request: pb.GenerateRequest
) -> str:
    try:
        async for _ in stub.Generate(request, timeout=_CALL_S, metadata=bearer(identity)):
            pass
    except grpc.aio.AioRpcError as error:
        return f"{error.code().name}: {error.details()}"
    return "OK"


def told_faults(node: Node, since: int) -> list[Fault]:
    """The failpoints that were reached, from a line of the log on."""
    return [fault for each in node.server.records(since) if (fault := told_fault(str(each.get("msg", ""))))]


def told_fault(line: str) -> Fault | None:
    """What a line of the log tells. The name of a failpoint in another text, as a traceback, is no fault.

    The time of the record says less: it is of the wall clock of the process that wrote it.
    """
    if (told := _TOLD.search(line)) is None:
        return None
    at = float(told[2])
    return Fault(at, at, told[1])
