"""Clients that vanish, that never read, and many at once. The model is a fake, the server is not."""

import asyncio
import contextlib
import random
import resource
import signal
import socket
import struct
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import psutil
import pytest

from tests.e2e.caller import (
    ENDLESS_FAKE,
    GENERATE,
    SERVING,
    Caller,
    calling,
    counted,
    endless,
    get,
    until,
    until_counted,
)
from tests.live import LiveServer, serving
from tests.server import raw_http2
from xapp.inference.v1 import inference_pb2 as pb

pytestmark = pytest.mark.slow

ASK = pb.GenerateRequest(prompt="hi", max_tokens=32, ignore_eos=True)
NUM_SILENT = 1000
NUM_STORM = 200
# However slowly a busy machine gets on, whoever is silent is not ended for it: that has tests of its own.
PATIENT = {"XAPP_KEEPALIVE_S": "3600", "XAPP_WRITE_TIMEOUT_S": "3600"}


@pytest.fixture(scope="module")
def many_files() -> Iterator[None]:
    """Room for a thousand sockets, here and in the server, which inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * NUM_SILENT
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"needs {wanted} open files, {hard} are allowed")
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        yield
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def crowd_server(many_files: None) -> Iterator[LiveServer]:
    """Takes everyone in."""
    with serving(ENDLESS_FAKE | PATIENT | {"XAPP_SLOTS": "4", "XAPP_MAX_QUEUE": "2000"}) as server:
        yield server


@pytest.fixture
async def caller(crowd_server: LiveServer) -> AsyncIterator[Caller]:
    async with calling(crowd_server) as caller:
        yield caller


def _port(server: LiveServer) -> int:
    return int(server.target.rsplit(":", 1)[1])


@contextlib.contextmanager
def _silent(server: LiveServer, count: int, request: pb.GenerateRequest) -> Iterator[list[socket.socket]]:
    """Connections that call Generate, take no byte of the answer, and read nothing at all."""
    opening = raw_http2.opening(GENERATE, request.SerializeToString(), window=0)
    with contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(count):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", _port(server))))
            sock.sendall(opening)
            sockets.append(sock)
        yield sockets


def _reset(sock: socket.socket) -> None:
    """Closes with RST, as a host that lost power and came back does."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def test_a_reset_connection_frees_its_slot(caller: Caller) -> None:
    expected = await caller.text(ASK)
    with _silent(caller.server, 4, endless()) as sockets:

        async def all_run() -> bool:
            return (await caller.sample()).num_running == len(sockets)

        await until(all_run)
        for sock in sockets:
            _reset(sock)
    await until(caller.is_idle)
    assert await caller.text(ASK) == expected


async def test_a_killed_client_frees_its_slot_and_disturbs_nobody(caller: Caller) -> None:
    other = await caller.begin(endless("other"))
    command = ("-m", "xapp.cli", "generate", "--target", caller.server.target, "--ignore-eos", "go on")
    client = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert client.stdout is not None
        assert await client.stdout.read(1)
        assert (await caller.sample()).num_running == 2
    finally:
        client.send_signal(signal.SIGKILL)
        await client.communicate()

    async def is_alone() -> bool:
        return (await caller.sample()).num_running == 1

    await until(is_alone)
    assert (await other.read()).HasField("chunk")
    other.cancel()
    await until(caller.is_idle)


async def test_a_thousand_that_never_read(caller: Caller) -> None:
    server = caller.server
    expected = await caller.text(ASK)
    process = psutil.Process(server.pid)
    before, ended = process.memory_info().rss, await counted(server, "requests_total")
    begun = await counted(server, "time_to_first_token_seconds_count")
    with _silent(server, NUM_SILENT, ASK):
        # Nobody takes what they say, and they run all the same: none holds a slot.
        await until_counted(server, begun + NUM_SILENT, "time_to_first_token_seconds_count")
        assert await counted(server, "requests_total") == ended
        assert await caller.text(ASK) == expected
        assert await caller.check() == SERVING
        grown = process.memory_info().rss - before
    assert grown < 200 * 1024 * 1024

    await until_counted(server, ended + NUM_SILENT + 1, "requests_total")
    # Who is gone was no defect of the server.
    assert await counted(server, "requests_total", code="INTERNAL") == 0
    await until(caller.is_idle)
    assert await caller.text(ASK) == expected


@pytest.mark.parametrize("surface", ["target", "http"])
async def test_a_thousand_that_say_nothing(caller: Caller, surface: str) -> None:
    port = int(getattr(caller.server, surface).rsplit(":", 1)[1])
    with contextlib.ExitStack() as stack:
        for _ in range(NUM_SILENT):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        async with calling(caller.server) as newcomer:
            assert await newcomer.check() == SERVING
            assert (await newcomer.generate(ASK))[-1].HasField("finished")
        assert (await get(caller.server, "/ric/v1/health/ready"))[0] == 200


async def test_those_who_do_not_read_are_ended_after_a_while() -> None:
    environ = {"XAPP_BACKEND": "fake", "XAPP_SLOTS": "2", "XAPP_MAX_QUEUE": "0"}
    with serving(environ | {"XAPP_WRITE_TIMEOUT_S": "0.5"}) as server:
        async with calling(server) as caller:
            with _silent(server, 2, ASK):
                await until_counted(server, 2, "requests_total", code="RESOURCE_EXHAUSTED")
                assert (await caller.generate(ASK))[-1].HasField("finished")


async def _ask_and_perhaps_leave(caller: Caller, order: random.Random) -> str:
    """Reads some events, or all; how it ended, seen from here."""
    request = pb.GenerateRequest(prompt=f"{order.random()}", max_tokens=order.randint(1, 40), ignore_eos=True)
    call = caller.inference.Generate(request)
    patience = order.randint(1, 40)
    events = 0
    async for event in call:
        if event.HasField("finished"):
            assert event.finished.usage.num_completion_tokens == request.max_tokens
            return "finished"
        events += 1
        if events == patience:
            call.cancel()
            return "cancelled"
    raise AssertionError("a stream ended with OK and without Finished")


async def test_a_storm_loses_nobody(caller: Caller) -> None:
    order = random.Random(7)
    server = caller.server
    ended = await counted(server, "requests_total")
    outcomes = await counted(server, "outcomes_total")
    went_well = await counted(server, "requests_total", code="OK")
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(_ask_and_perhaps_leave(caller, order)) for _ in range(NUM_STORM)]
    seen = Counter(task.result() for task in asked)
    assert min(seen["finished"], seen["cancelled"]) > NUM_STORM // 10
    await until(caller.is_idle)
    await until_counted(server, ended + NUM_STORM, "requests_total")
    assert await counted(server, "outcomes_total") == outcomes + NUM_STORM
    assert await counted(server, "requests_total", code="INTERNAL") == 0
    # Who left with the last event on its way was answered well, seen from the server.
    assert await counted(server, "requests_total", code="OK") >= went_well + seen["finished"]
