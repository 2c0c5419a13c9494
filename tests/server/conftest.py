import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from tests.flat_settings import flat_settings
from tests.server.fake_service import FakeHost, FakeService
from xapp.config import Settings
from xapp.inference.v1 import inference_pb2_grpc, models_pb2_grpc
from xapp.server.server import serve_grpc
from xapp.telemetry.metrics import Metrics


@dataclass
class Node:
    """A server in this process, and a channel to it."""

    service: FakeService
    metrics: Metrics
    port: int
    channel: grpc.aio.Channel
    inference: "inference_pb2_grpc.InferenceServiceAsyncStub" = field(init=False)
    models: "models_pb2_grpc.ModelServiceAsyncStub" = field(init=False)

    def __post_init__(self) -> None:
        self.inference = inference_pb2_grpc.InferenceServiceStub(self.channel)
        self.models = models_pb2_grpc.ModelServiceStub(self.channel)


def settings(**values: Any) -> Settings:
    return flat_settings(host="127.0.0.1", grpc_port=0, http_port=0, node_name="pi-1", **values)


@contextlib.asynccontextmanager
async def running(service: FakeService, configured: Settings) -> AsyncIterator[Node]:
    metrics = Metrics()
    async with (
        serve_grpc(service, configured, metrics, FakeHost()) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        yield Node(service, metrics, server.port, channel)


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with running(FakeService(), settings()) as node:
        yield node
