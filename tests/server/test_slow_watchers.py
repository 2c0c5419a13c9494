"""Streams other than Generate and Metrics whose client does not read are ended, too."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from grpc_health.v1 import health_pb2

from tests.server.fake_service import FakeService
from xapp.domain.states import ModelStatus
from xapp.edge.watchdog import Watchdog
from xapp.errors import Exhausted
from xapp.inference.v1 import models_pb2 as pb
from xapp.served.changes import Changes
from xapp.server import health, models_servicer
from xapp.server.health import HealthServicer
from xapp.server.models_servicer import ModelServicer


class Stuck:
    """A call whose client reads nothing."""

    def __init__(self) -> None:
        self.writing = asyncio.Event()

    async def write(self, _: object) -> None:
        self.writing.set()
        await asyncio.Event().wait()


class Loading(FakeService):
    """Its loads go on for ever."""

    async def load_model(self, name: str) -> AsyncGenerator[ModelStatus, None]:
        while True:
            yield self.get_model(name)


async def ends_as_slow(call: Any, stuck: Stuck, watchdog: Watchdog) -> None:
    task = asyncio.create_task(call)
    await stuck.writing.wait()
    watchdog.check(now=1e12)
    with pytest.raises(Exhausted) as caught:
        await task
    assert caught.value.reason == "SLOW_READER"


async def test_health_watch() -> None:
    watchdog, stuck = Watchdog(timeout_s=30), Stuck()
    servicer = HealthServicer({}, watchdog, Changes().subscribe)
    call: Any = servicer.Watch(health_pb2.HealthCheckRequest(), stuck)  # type: ignore[arg-type]
    await ends_as_slow(call, stuck, watchdog)


async def test_load_model() -> None:
    watchdog, stuck = Watchdog(timeout_s=30), Stuck()
    servicer = ModelServicer(Loading(), watchdog)
    call: Any = servicer.LoadModel(pb.LoadModelRequest(name="tiny"), stuck)  # type: ignore[arg-type]
    await ends_as_slow(call, stuck, watchdog)


async def test_streams_of_load_model_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models_servicer, "MAX_LOAD_STREAMS", 1)
    servicer, stuck = ModelServicer(Loading(), Watchdog(timeout_s=30)), Stuck()
    first = asyncio.ensure_future(servicer.LoadModel(pb.LoadModelRequest(name="tiny"), stuck))  # type: ignore[arg-type]
    await stuck.writing.wait()
    with pytest.raises(Exhausted, match="1 LoadModel streams"):
        await servicer.LoadModel(pb.LoadModelRequest(name="tiny"), Stuck())  # type: ignore[arg-type]
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


def test_there_is_room_for_a_cluster_of_probes() -> None:
    assert health.MAX_WATCHERS >= 100
