"""A listener that ends by itself is noticed, told and served again; its streams go on."""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.server import raw_http2
from tests.server.conftest import Node, running, settings
from tests.server.fake_service import FakeService, endless
from xapp.inference.v1 import inference_pb2 as pb
from xapp.server import listener as listeners
from xapp.server.listener import Listener
from xapp.server.self_call import SelfCall

PATIENCE_S = 20.0
# Paths that no gRPC library sends: these end the accept loop of grpc.aio.
DEADLY_PATHS = [b"/grpc.health.v1.Health/\xff", b"/\xff\xfe", b"/a/" + b"\xc0" * 100]
STRANGE_PATHS = [b"no slash", b"/\x7f/\x01", b"/" + b"a" * 100]


class Served(logging.Handler):
    """Counts how often the listener was served again."""

    def __init__(self) -> None:
        super().__init__()
        self.times = asyncio.Semaphore(0)

    def emit(self, record: logging.LogRecord) -> None:
        if "served again" in record.getMessage():
            self.times.release()

    async def once(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.times.acquire()


@pytest.fixture
def served() -> Iterator[Served]:
    logger, handler = logging.getLogger("xapp.server.listener"), Served()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


async def until_answered(port: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            call = SelfCall("127.0.0.1", port)
            await call.check()
            if call.answers:
                return


async def check(node: Node) -> int:
    stub = health_pb2_grpc.HealthStub(node.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=PATIENCE_S)
    return int(answer.status)


@pytest.mark.parametrize("path", DEADLY_PATHS)
async def test_the_port_answers_again_after_a_deadly_path(node: Node, served: Served, path: bytes) -> None:
    await raw_http2.send(node.port, path)
    await served.once()
    assert await check(node) == health_pb2.HealthCheckResponse.SERVING


async def test_one_call_at_a_time_is_asked_for(node: Node) -> None:
    """gRPC writes a call to where it was asked for, even after the accept loop failed and freed the place."""
    assert await check(node) == health_pb2.HealthCheckResponse.SERVING
    coroutines: list[Any] = [task.get_coro() for task in asyncio.all_tasks()]
    asked = [each.__qualname__ for each in coroutines if "_request_" in each.__qualname__]
    assert asked == ["AioServer._request_call"]


async def test_a_dead_accept_loop_is_noticed_without_a_tick(
    monkeypatch: pytest.MonkeyPatch, served: Served
) -> None:
    monkeypatch.setattr(listeners, "TICK_S", 100 * PATIENCE_S)
    async with running(FakeService(), settings()) as node:
        await raw_http2.send(node.port, DEADLY_PATHS[0])
        await served.once()
        assert await check(node) == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("path", STRANGE_PATHS)
async def test_a_strange_path_ends_nothing(node: Node, path: bytes) -> None:
    await raw_http2.send(node.port, path)
    assert await check(node) == health_pb2.HealthCheckResponse.SERVING


async def test_a_running_stream_goes_on(served: Served) -> None:
    service = FakeService(script=endless("a", pause := asyncio.Event()))
    async with running(service, settings()) as node:
        call: Any = node.inference.Generate(pb.GenerateRequest(prompt="hi"))
        assert (await call.read()).HasField("started")
        for _ in range(2):
            await raw_http2.send(node.port, DEADLY_PATHS[0])
            await served.once()
        pause.set()
        for _ in range(100):
            assert (await call.read()).HasField("chunk")
        call.cancel()
        await service.closed.wait()


def _empty_server() -> grpc.aio.Server:
    return grpc.aio.server(options=[("grpc.so_reuseport", 0)])


def _recorded() -> tuple[list[grpc.aio.Server], Callable[[], grpc.aio.Server]]:
    """The servers that were made, and what makes them."""
    made: list[grpc.aio.Server] = []

    def make() -> grpc.aio.Server:
        made.append(_empty_server())
        return made[-1]

    return made, make


async def test_a_listener_that_was_stopped_is_served_again() -> None:
    made, make = _recorded()
    listener = Listener(make, settings().server, 60.0, lambda: None)
    await listener.start()
    watching = asyncio.create_task(listener.watch())
    try:
        await made[0].stop(None)
        await until_answered(listener.port)
        assert len(made) > 1
    finally:
        watching.cancel()
        await listener.stop(0)


async def test_a_port_that_somebody_took_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "PATIENCE_S", 0.05)
    lost = asyncio.Event()
    made, make = _recorded()
    listener = Listener(make, settings().server, 60.0, lost.set)
    await listener.start()
    await made[0].stop(None)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", listener.port))
        taken.listen()
        async with asyncio.timeout(PATIENCE_S):
            await listener.watch()
    assert lost.is_set()
    await listener.stop(0)


async def test_the_streams_of_many_dead_listeners_are_bounded(
    monkeypatch: pytest.MonkeyPatch, served: Served
) -> None:
    monkeypatch.setattr(listeners, "MAX_RETIRED", 1)
    service = FakeService(script=endless("a", asyncio.Event()))
    async with running(service, settings()) as node:
        call: Any = node.inference.Generate(pb.GenerateRequest(prompt="hi"))
        assert (await call.read()).HasField("started")
        for _ in range(2):
            await raw_http2.send(node.port, DEADLY_PATHS[0])
            await served.once()
            second: Any = node.inference.Generate(pb.GenerateRequest(prompt="hi"), wait_for_ready=True)
            assert (await second.read()).HasField("started")
        await service.closed.wait()


async def test_nobody_listening_is_dead_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        call = SelfCall("127.0.0.1", free.getsockname()[1])
        await call.check()
    assert not call.answers
    assert call.is_dead


async def test_a_port_that_is_silent_is_not_dead_at_once() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        call = SelfCall("127.0.0.1", deaf.getsockname()[1])
        await call.check()
    assert not call.answers
    assert not call.is_dead


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
async def test_the_self_call_finds_the_port(node: Node, host: str) -> None:
    call = SelfCall(host, node.port)
    await call.check()
    assert call.answers
