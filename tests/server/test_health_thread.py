"""Health checks are answered whatever the event loop does, and whatever other senders of checks do."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.server import raw_http2
from tests.server.conftest import Node, running, settings
from tests.server.fake_service import FakeService
from xapp.server import health_thread
from xapp.server.health_thread import MAX_OPEN, PATH, HealthThread, core_of, reply, to_end
from xapp.server.pulse import STUCK_S, Pulse

KINDS = health_pb2.HealthCheckResponse
CALL_S = 20.0


@pytest.fixture
async def channel(node: Node) -> AsyncIterator[grpc.Channel]:
    """A channel without an event loop: its calls block the loop of the test, which is the server's."""
    with grpc.insecure_channel(f"127.0.0.1:{node.port}") as channel:
        yield channel


def check(channel: grpc.Channel, name: str = "") -> int:
    request = health_pb2.HealthCheckRequest(service=name)
    return int(health_pb2_grpc.HealthStub(channel).Check(request, timeout=CALL_S).status)


def test_grpc_still_has_what_the_thread_needs() -> None:
    async def found() -> bool:
        server = grpc.aio.server()
        return core_of(server) is not None and HealthThread(server, lambda _: 1).is_possible

    assert asyncio.run(found())


async def test_a_check_is_answered_while_the_event_loop_is_blocked(node: Node, channel: grpc.Channel) -> None:
    assert check(channel) == KINDS.SERVING
    assert check(channel, "xapp.inference.v1.InferenceService") == KINDS.SERVING
    node.service.ready = False
    assert check(channel) == KINDS.NOT_SERVING


async def test_an_unknown_service_is_not_found(node: Node, channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        check(channel, "no.such.Service")
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert "no.such.Service" in error.details()


@pytest.mark.parametrize(
    "body", [b"\xff\xff", b"\x0a\x7f", b"\x0a\x02\xff\xfe", b"\x0a\x88\x27" + b"x" * 5000, None]
)
def test_a_bad_request_is_the_callers_error(body: bytes | None) -> None:
    code, details, message = reply(body, lambda _: int(KINDS.SERVING))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details.startswith("request")
    assert message is None


async def test_half_sent_checks_hold_up_no_other_check(node: Node) -> None:
    writers = []
    for _ in range(3 * MAX_OPEN):
        _, writer = await asyncio.open_connection("127.0.0.1", node.port)
        writer.write(raw_http2.opening(PATH, b"x", claimed=1_000_000))
        writers.append(writer)
        stub = health_pb2_grpc.HealthStub(node.channel)
        assert (await stub.Check(health_pb2.HealthCheckRequest(), timeout=CALL_S)).status == KINDS.SERVING
    for writer in writers:
        writer.close()


async def test_a_flood_of_one_connection_ends_its_own_checks_only(node: Node) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(raw_http2.opening(PATH, b"x", claimed=1_000_000))
    stub = health_pb2_grpc.HealthStub(node.channel)
    assert (await stub.Check(health_pb2.HealthCheckRequest(), timeout=CALL_S)).status == KINDS.SERVING
    _, flooding = await asyncio.open_connection("127.0.0.1", node.port)
    flooding.write(raw_http2.opening(PATH, b"x", claimed=1_000_000))
    for stream in range(3, 2 * MAX_OPEN + 41, 2):
        flooding.write(raw_http2.request(stream, PATH, b"x", claimed=1_000_000))
    await flooding.drain()
    assert (await stub.Check(health_pb2.HealthCheckRequest(), timeout=CALL_S)).status == KINDS.SERVING
    writer.write_eof()
    async with asyncio.timeout(CALL_S):
        assert b"half-sent" not in await reader.read()
    writer.close()
    flooding.close()


def test_the_check_that_ends_is_one_of_the_connection_with_the_most() -> None:
    assert to_end([("honest", "a"), ("first", "b"), ("second", "b"), ("other", "c")]) == "first"
    assert to_end([("oldest", "a"), ("newer", "b")]) == "oldest"


async def test_a_half_sent_check_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_thread, "TIMEOUT_S", 0.0)
    async with running(FakeService(), settings()) as node:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
        writer.write(raw_http2.opening(PATH, b"x", claimed=1_000_000))
        async with asyncio.timeout(CALL_S):
            got = b""
            while b"half-sent" not in got and (more := await reader.read(65_536)):
                got += more
        writer.close()
    assert b"half-sent" in got


async def test_clients_that_do_not_read_hold_up_no_other_check(node: Node) -> None:
    writers = []
    for _ in range(3 * MAX_OPEN):
        _, writer = await asyncio.open_connection("127.0.0.1", node.port)
        writer.write(raw_http2.opening(PATH, b"", window=0))
        writers.append(writer)
    stub = health_pb2_grpc.HealthStub(node.channel)
    assert (await stub.Check(health_pb2.HealthCheckRequest(), timeout=CALL_S)).status == KINDS.SERVING
    for writer in writers:
        writer.close()


async def test_the_thread_ends_with_its_server() -> None:
    async with running(FakeService(), settings()):
        (thread,) = [each for each in threading.enumerate() if each.name == "health"]
    assert not thread.is_alive()


async def test_a_server_that_never_started_ends() -> None:
    server = grpc.aio.server()
    health = HealthThread(server, lambda _: int(KINDS.SERVING))
    health.stop()
    await server.stop(None)
    health.join(CALL_S)


def test_a_loop_that_is_stuck_does_not_serve() -> None:
    now = 0.0
    pulse = Pulse(lambda: now)
    status = pulse.watched(lambda name: int(KINDS.SERVING if name == "a" else KINDS.SERVICE_UNKNOWN))
    assert status("a") == KINDS.SERVING
    now = STUCK_S + 1
    assert status("a") == KINDS.NOT_SERVING
    assert status("b") == KINDS.SERVICE_UNKNOWN
    pulse.beat()
    assert status("a") == KINDS.SERVING
