"""Requests that do not arrive are ended, with a reason; those that do are not held up by them."""

import asyncio
import contextlib
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.server import raw_http2
from tests.server.conftest import Node, running, settings
from tests.server.fake_service import FakeService
from tests.server.rich import details_of
from xapp.errors import Exhausted
from xapp.inference.v1 import inference_pb2 as pb
from xapp.server import receipt, reflection
from xapp.server.boundary import Boundary
from xapp.server.grpc_service import GrpcService, methods_of
from xapp.server.receipt import MAX_BYTES, Crowd, Receipts
from xapp.server.reflection import ReflectionServicer
from xapp.server.services import REFLECTION
from xapp.telemetry.metrics import Metrics

PATIENCE_S = 20.0
METHODS = [
    "/xapp.inference.v1.InferenceService/Generate",
    "/xapp.inference.v1.InferenceService/Tokenize",
    "/xapp.inference.v1.ModelService/LoadModel",
    "/grpc.health.v1.Health/List",
    "/grpc.health.v1.Health/Watch",
    "/xapp.inference.v1.VerificationService/Verify",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
]


class Silent:
    """A context whose request comes when the test says so."""

    def __init__(self) -> None:
        self.body: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def read(self) -> object:
        return await self.body


async def reading(receipts: Receipts, count: int) -> tuple[list[Silent], list["asyncio.Task[bytes]"]]:
    contexts = [Silent() for _ in range(count)]
    tasks = [asyncio.create_task(receipts.read(context)) for context in contexts]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    return contexts, tasks


async def ended(tasks: list["asyncio.Task[bytes]"]) -> list[str]:
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    errors = [task.exception() for task in tasks if task.done()]
    assert all(isinstance(error, Exhausted) for error in errors)
    return [error.reason for error in errors if isinstance(error, Exhausted)]


async def finish(contexts: list[Silent], tasks: list["asyncio.Task[bytes]"]) -> int:
    """How many got their request."""
    for context in contexts:
        if not context.body.done():
            context.body.set_result(b"x")
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return results.count(b"x")


class Heap:
    """Grows when the test says so."""

    def __init__(self, used: int | None = 1000) -> None:
        self.used = used
        self.asked = asyncio.Event()

    def __call__(self) -> int | None:
        self.asked.set()
        return self.used

    def grow(self, size: int) -> None:
        self.used = (self.used or 0) + size


def of_four(heap: Heap) -> tuple[Receipts, Crowd]:
    """Receipts that end those beyond four, in a crowd that has begun."""
    receipts = Receipts(MAX_BYTES // 4, heap=heap)
    assert receipts.num_free == 4
    return receipts, Crowd(heap(), receipts.num_free)


@pytest.mark.parametrize("heap", [Heap(), Heap(None)], ids=["heap grows", "heap unknown"])
async def test_the_oldest_of_too_many_slow_ones_are_ended(heap: Heap) -> None:
    receipts, crowd = of_four(heap)
    contexts, tasks = await reading(receipts, 10)
    if heap.used is not None:
        heap.grow(MAX_BYTES + 1)
    receipts.end_oldest(crowd)
    assert await ended(tasks) == [], "what came just now is not slow"
    receipts.end_oldest(crowd)
    assert await ended(tasks) == ["SLOW_SENDER"] * 6
    assert [task.done() for task in tasks] == [True] * 6 + [False] * 4
    assert crowd.was_large
    assert await finish(contexts, tasks) == 4


async def test_many_slow_ones_that_take_little_are_not_touched() -> None:
    heap = Heap()
    receipts, crowd = of_four(heap)
    contexts, tasks = await reading(receipts, 1000)
    heap.grow(MAX_BYTES)
    for _ in range(10):
        receipts.end_oldest(crowd)
    assert not crowd.was_large
    assert await finish(contexts, tasks) == 1000


async def test_many_at_once_are_not_touched_when_they_come() -> None:
    heap = Heap()
    receipts, crowd = of_four(heap)
    heap.grow(10 * MAX_BYTES)
    for _ in range(3):
        contexts, tasks = await reading(receipts, 1000)
        receipts.end_oldest(crowd)
        assert await finish(contexts, tasks) == 1000


class Held(Silent):
    """Its read does not end when it is cancelled: gRPC's core ends it behind the end of the call."""

    freed = False

    async def read(self) -> object:
        while not self.body.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(self.body)
        self.freed = True
        return self.body.result()


async def test_who_is_ended_in_a_crowd_does_not_wait_for_its_read() -> None:
    heap = Heap()
    receipts, crowd = of_four(heap)
    contexts = [Held() for _ in range(20)]
    tasks = [asyncio.create_task(receipts.read(context)) for context in contexts]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    heap.grow(MAX_BYTES + 1)
    receipts.end_oldest(crowd)
    receipts.end_oldest(crowd)
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.wait(tasks[4:16])
    assert not any(context.freed for context in contexts)
    assert await finish(list(contexts), tasks) == 8, "four that were ended had come before the crowd"
    assert all(context.freed for context in contexts), "each read goes on to its end"


async def test_a_crowd_is_watched_until_it_is_gone() -> None:
    heap = Heap()
    receipts = Receipts(MAX_BYTES // 4, heap=heap)
    watching = asyncio.create_task(receipts.run())
    for _ in range(2):
        contexts, tasks = await reading(receipts, 10)
        heap.asked.clear()
        await heap.asked.wait()
        heap.grow(MAX_BYTES + 1)
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait(tasks[:6])
        assert await ended(tasks) == ["SLOW_SENDER"] * 6
        assert await finish(contexts, tasks) == 4
    watching.cancel()
    await asyncio.wait([watching])
    assert watching.cancelled()


async def test_one_that_never_comes_has_its_time() -> None:
    receipts = Receipts(1024, timeout_s=5.0)
    contexts, tasks = await reading(receipts, 1)
    now = time.monotonic()
    receipts.end_late(now)
    assert await ended(tasks) == []
    receipts.end_late(now + 1e6)
    assert await ended(tasks) == ["SLOW_SENDER"]
    assert await finish(contexts, tasks) == 0


async def test_a_client_that_cancels_is_no_slow_sender() -> None:
    receipts = Receipts(1024)
    _, (task,) = await reading(receipts, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def send_half(port: int, path: str, size: int) -> bytes:
    """A call whose message says `size` bytes and lacks the last; what it is answered, when it is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw_http2.opening(path, b"x" * 10, claimed=size))
        return await _answer_of(reader)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def _answer_of(reader: asyncio.StreamReader) -> bytes:
    got = b""
    async with asyncio.timeout(PATIENCE_S):
        while b"grpc-status" not in got and (more := await reader.read(65536)):
            got += more
    return got


@pytest.mark.parametrize("path", METHODS)
async def test_half_sent_requests_are_refused_and_nobody_else_is(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipt, "MAX_BYTES", -(2**40))  # a heap of any size is too large, at once
    async with running(FakeService(), settings()) as node:
        halves = [asyncio.create_task(send_half(node.port, path, 1_000_000)) for _ in range(5)]
        done, left = await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
        assert all(b"the request did not arrive" in task.result() for task in done)
        assert len(left) >= 4
        events = [event async for event in node.inference.Generate(pb.GenerateRequest(prompt="hi"))]
        assert events[-1].HasField("finished")
        for task in left:
            task.cancel()
        await asyncio.wait(left)


async def test_a_call_without_a_request_is_refused(node: Node) -> None:
    stub = node.channel.stream_unary("/grpc.health.v1.Health/List")  # type: ignore[var-annotated]
    call = stub()
    await call.done_writing()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details_of(caught.value).info.reason == "MALFORMED_REQUEST"


async def test_reflection_streams_are_bounded(node: Node) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(node.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    calls = [stub.ServerReflectionInfo() for _ in range(reflection.MAX_STREAMS)]
    for call in calls:
        await call.write(request)
        assert (await call.read()).HasField("list_services_response")
    one_more = stub.ServerReflectionInfo()  # refused before it is read: a write may come too late
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await one_more.read()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details_of(caught.value).info.reason == "TOO_MANY_STREAMS"
    health = health_pb2_grpc.HealthStub(node.channel)
    assert (await health.Check(health_pb2.HealthCheckRequest())).status == 1
    for call in calls:
        call.cancel()


async def test_a_reflection_stream_ends_by_itself() -> None:
    servicer = ReflectionServicer(("a.B",), timeout_s=0.01)
    add = reflection_pb2_grpc.add_ServerReflectionServicer_to_server
    methods = methods_of([GrpcService(REFLECTION, add, servicer)], Boundary(Metrics(), ()))
    server = grpc.aio.server(handlers=[methods])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()
        assert details_of(caught.value).info.reason == "TOO_MANY_STREAMS"
    finally:
        await server.stop(0)
