"""The worker of the default model dies in mid-stream."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest

from tests.e2e.caller import (
    NOT_SERVING,
    SERVING,
    calling,
    counted,
    endless,
    get,
    rest_of,
    until,
    worker_pid,
)
from tests.live import LiveServer, serving
from tests.server.rich import details_of
from xapp.client import Client
from xapp.inference.v1 import inference_pb2 as pb

pytestmark = pytest.mark.slow

ASK = pb.GenerateRequest(prompt="The sea is", max_tokens=8)


@pytest.fixture(scope="module")
def server(shallow_model_path: Path) -> Iterator[LiveServer]:
    """Its worker is killed again and again."""
    with serving({"XAPP_MODEL": str(shallow_model_path)}) as server:
        yield server


class HealthPoll:
    """Asks for the health again and again, on a connection of its own; every call must answer."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    async def run(self, server: LiveServer) -> None:
        async with calling(server) as caller:
            while True:
                self.seen.append(await caller.check())
                await asyncio.sleep(0.01)

    async def sees(self, status: int, since: int) -> None:
        """Returns when an answer after the first `since` says so."""

        async def seen() -> bool:
            return status in self.seen[since:]

        await until(seen)


@contextlib.asynccontextmanager
async def polling(server: LiveServer) -> AsyncIterator[HealthPoll]:
    poll = HealthPoll()
    task = asyncio.create_task(poll.run(server))
    try:
        yield poll
        assert not task.done(), task.result()
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_streams_end_health_answers_and_it_serves_again(
    server: LiveServer, number: signal.Signals
) -> None:
    async with calling(server) as caller, polling(server) as health:
        before, num_restarts = await caller.text(ASK), (await caller.model()).num_restarts
        await health.sees(SERVING, 0)
        calls = [await caller.begin(endless(f"{n} times")) for n in range(3)]
        checks = len(health.seen)
        pid = worker_pid(server)
        os.kill(pid, number)
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await rest_of(call)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert number.name in (caught.value.details() or "")
            assert details_of(caught.value).retry is not None
            assert details_of(caught.value).info.reason == "WORKER_LOST"
        await health.sees(NOT_SERVING, checks)
        await health.sees(SERVING, health.seen.index(NOT_SERVING, checks))
        assert await caller.text(ASK) == before
        assert (await caller.model()).num_restarts == num_restarts + 1
        assert worker_pid(server) != pid
    restarts = await counted(server, "worker_restarts_total")
    assert restarts == num_restarts + 1


async def test_our_client_gets_its_answer_over_a_lost_worker(server: LiveServer) -> None:
    """A request that comes while the worker is started again is tried again, as RetryInfo says."""
    async with calling(server) as caller:
        running = await caller.begin(endless())
        os.kill(worker_pid(server), signal.SIGKILL)
        with pytest.raises(grpc.aio.AioRpcError):
            await rest_of(running)
        assert (await get(server, "/ric/v1/health/alive"))[0] == 200
        async with Client(server.target) as client:
            text = [text async for text in client.stream_text("The sea is", max_tokens=8, deadline_s=60)]
        assert "".join(text) == await caller.text(ASK)
