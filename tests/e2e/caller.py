"""What a client of a live server does: calls, and what it reads of the server's state."""

import asyncio
import contextlib
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from tests.live import LiveServer
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc, models_pb2, models_pb2_grpc

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
GENERATE = "/xapp.inference.v1.InferenceService/Generate"
CALL_S = 60.0
"""No call of a test takes so long unless something is broken."""

ENDLESS_FAKE = {
    "XAPP_BACKEND": "fake",
    "XAPP_CONTEXT_LENGTH": "100000",
    "XAPP_KV_CELLS": "400000",
    "XAPP_MAX_OUTPUT_TOKENS": "90000",
    "XAPP_DEADLINE_ADMISSION": "false",
}
"""A node whose streams last longer than any test. The fake's steps get slower as a stream grows."""


def endless(
    prompt: str = "go on",
    model: str = "",
    policy: pb.DeadlinePolicy.ValueType = pb.DEADLINE_POLICY_BEST_EFFORT,
) -> pb.GenerateRequest:
    """A request that does not end by itself within a test; taken, although it may not make its deadline."""
    return pb.GenerateRequest(model=model, prompt=prompt, ignore_eos=True, deadline_policy=policy)


class Caller:
    """Stubs on a channel of their own."""

    def __init__(self, server: LiveServer, channel: grpc.aio.Channel) -> None:
        self.server = server
        self.channel: Any = channel
        self.inference: Any = inference_pb2_grpc.InferenceServiceStub(channel)
        self.models: Any = models_pb2_grpc.ModelServiceStub(channel)
        self.health: Any = health_pb2_grpc.HealthStub(channel)

    async def generate(self, request: pb.GenerateRequest) -> list[pb.GenerateResponse]:
        """All events."""
        return [event async for event in self.inference.Generate(request, timeout=CALL_S)]

    async def text(self, request: pb.GenerateRequest) -> str:
        """The answer."""
        return text_of(await self.generate(request))

    async def refused(self, request: pb.GenerateRequest) -> grpc.aio.AioRpcError:
        """The error that the request ends with."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.generate(request)
        return caught.value

    async def begin(self, request: pb.GenerateRequest) -> Any:
        """A stream whose Started and first Chunk were read."""
        call = self.inference.Generate(request, timeout=CALL_S)
        assert (await call.read()).HasField("started")
        assert (await call.read()).HasField("chunk")
        return call

    async def check(self) -> int:
        """What health says."""
        answer = await self.health.Check(health_pb2.HealthCheckRequest(), timeout=CALL_S)
        return int(answer.status)

    async def sample(self) -> pb.ModelMetrics:
        """The default model's load now, seen by the worker's last word."""
        call = self.inference.Metrics(pb.MetricsRequest(count=1), timeout=CALL_S)
        (sample,) = [sample async for sample in call]
        model: pb.ModelMetrics = sample.models[0]
        return model

    async def model(self, name: str = "") -> models_pb2.Model:
        """One model."""
        answer = await self.models.GetModel(models_pb2.GetModelRequest(name=name), timeout=CALL_S)
        model: models_pb2.Model = answer.model
        return model

    async def load(self, name: str) -> list[models_pb2.LoadModelResponse]:
        """Loads a model; the progress."""
        call = self.models.LoadModel(models_pb2.LoadModelRequest(name=name), timeout=CALL_S)
        return [progress async for progress in call]

    async def is_idle(self) -> bool:
        """Whether no request runs or waits in the worker."""
        sample = await self.sample()
        return sample.num_running == 0 and sample.num_waiting == 0


@contextlib.asynccontextmanager
async def calling(server: LiveServer) -> AsyncIterator[Caller]:
    """A caller, whose calls end with the block."""
    # A pool of its own: otherwise gRPC gives channels to the same target the same connection.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 100)]
    async with grpc.aio.insecure_channel(server.target, options=options) as channel:
        yield Caller(server, channel)


async def rest_of(call: Any) -> list[pb.GenerateResponse]:
    """What is left of a stream that `read` was used on."""
    events = []
    while (event := await call.read()) is not grpc.aio.EOF:
        events.append(event)
    return events


def text_of(events: list[pb.GenerateResponse]) -> str:
    """The chunks' text."""
    return "".join(event.chunk.text for event in events)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Waits for something that nothing announces."""
    async with asyncio.timeout(CALL_S):
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def workers(server: LiveServer, module: str = "xapp.engine.worker") -> dict[str, int]:
    """Process ids of the workers, or of another module's processes, by the file name of their model."""
    found = {}
    for child in psutil.Process(server.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            command = child.cmdline()
            if module in command:
                found[Path(command[command.index(module) + 2]).name] = child.pid
    return found


def worker_pid(server: LiveServer) -> int:
    """The only worker of a server."""
    (pid,) = workers(server).values()
    return pid


def text_pid(server: LiveServer) -> int:
    """The only text process of a server."""
    (pid,) = workers(server, "xapp.text.process").values()
    return pid


async def get(server: LiveServer, path: str) -> tuple[int, str]:
    """Status and body."""
    return await asyncio.to_thread(_get, server.http + path)


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=CALL_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def counted(server: LiveServer, name: str, **labels: str) -> float:
    """The sum of a metric's values that have these labels."""
    _, page = await get(server, "/metrics")
    families = text_string_to_metric_families(page)
    values = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == f"ricxapp_genai_{name}" and labels.items() <= sample.labels.items()
    ]
    return float(sum(values))


async def until_counted(server: LiveServer, value: float, name: str, **labels: str) -> None:
    """Waits until a metric has this value, however slowly: only one that stands still is given up."""
    before = seen = await counted(server, name, **labels)
    while seen != value:
        async with asyncio.timeout(CALL_S):
            while seen == before:
                # Each look takes the server some milliseconds, of which a crowd has none to spare.
                await asyncio.sleep(0.1)
                seen = await counted(server, name, **labels)
        before = seen
