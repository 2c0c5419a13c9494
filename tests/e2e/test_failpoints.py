"""A real node that fails on purpose, and a node whose machine fails: it tells so, and serves again."""

import asyncio
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest

from tests.disk import small_disk_of
from tests.e2e.caller import (
    ENDLESS_FAKE,
    NOT_SERVING,
    SERVING,
    Caller,
    calling,
    endless,
    rest_of,
    until,
    worker_pid,
)
from tests.live import LiveServer, serving
from tests.robustness.expected import answer_of
from xapp.inference.v1 import inference_pb2 as pb

pytestmark = pytest.mark.slow

ASK = pb.GenerateRequest(prompt="The sea is", max_tokens=20)
ANSWER = answer_of(ASK.prompt, ASK.max_tokens)[0]
NOWHERE = "http://appmgr.invalid:8080"


@pytest.fixture(scope="module")
def node() -> Iterator[LiveServer]:
    """Its clock jumps, its messages come in pieces, and the names of its RIC's components are not found."""
    environ = {
        "XAPP_FAILPOINTS": "clock=shift(0.25); inbox=short; event_socket=20%short; registration=1*error",
        "XAPP_RIC_APPMGR_URL": NOWHERE,
        "XAPP_RIC_HTTP_ENDPOINT": "127.0.0.1:8080",
        "XAPP_RIC_RMR_ENDPOINT": "127.0.0.1:4560",
    }
    with serving(ENDLESS_FAKE | environ) as server:
        yield server


async def until_health_is(caller: Caller, status: int) -> None:
    async def is_so() -> bool:
        return await caller.check() == status

    await until(is_so)


async def test_it_warns_and_answers_as_without(node: LiveServer) -> None:
    assert node.wait_for("this node fails on purpose")["level"] == "warning"
    async with calling(node) as caller:
        assert await caller.text(ASK) == ANSWER


async def test_a_stopped_worker_is_not_ready_and_is_replaced(node: LiveServer) -> None:
    async with calling(node) as caller:
        running = await caller.begin(endless())
        pid = worker_pid(node)
        os.kill(pid, signal.SIGSTOP)
        await until_health_is(caller, NOT_SERVING)
        with pytest.raises(grpc.aio.AioRpcError, match="a signal stopped the worker"):
            await rest_of(running)
        await until_health_is(caller, SERVING)
        assert worker_pid(node) != pid
        assert await caller.text(ASK) == ANSWER


async def test_a_stopped_server_continues(node: LiveServer) -> None:
    async with calling(node) as caller:
        running = await caller.begin(endless())
        os.kill(node.pid, signal.SIGSTOP)
        await asyncio.sleep(2.0)  # the fault itself
        os.kill(node.pid, signal.SIGCONT)
        assert (await running.read()).HasField("chunk")
        running.cancel()
        assert await caller.text(ASK) == ANSWER


async def test_without_descriptors_open_callers_are_served_and_a_worker_comes_back_with_them(
    node: LiveServer,
) -> None:
    async with calling(node) as caller:
        await until_health_is(caller, SERVING)
        limits = resource.prlimit(node.pid, resource.RLIMIT_NOFILE)
        in_use = psutil.Process(node.pid).num_fds()
        resource.prlimit(node.pid, resource.RLIMIT_NOFILE, (in_use, limits[1]))
        try:
            assert await caller.text(ASK) == ANSWER
            os.kill(worker_pid(node), signal.SIGKILL)
            await until_health_is(caller, NOT_SERVING)
        finally:
            resource.prlimit(node.pid, resource.RLIMIT_NOFILE, limits)
        await until_health_is(caller, SERVING)
        assert await caller.text(ASK) == ANSWER


async def test_a_worker_that_hangs_within_a_step_is_replaced() -> None:
    environ = {"XAPP_HANG_TIMEOUT_S": "1", "XAPP_FAILPOINTS": "decode=2%1*delay(60); seed=2"}
    with serving(ENDLESS_FAKE | environ) as server:
        async with calling(server) as caller:
            running = await caller.begin(endless())
            with pytest.raises(grpc.aio.AioRpcError, match="the worker hung"):
                await rest_of(running)
            await until_health_is(caller, SERVING)
            assert await caller.text(ASK) == ANSWER


@pytest.mark.parametrize("action", ["kill", "error"])
async def test_a_step_that_fails_ends_streams_with_a_reason(action: str) -> None:
    with serving(ENDLESS_FAKE | {"XAPP_FAILPOINTS": f"decode=2%1*{action}; seed=2"}) as server:
        async with calling(server) as caller:
            running = await caller.begin(endless())
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await rest_of(running)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            await until_health_is(caller, SERVING)
            assert await caller.text(ASK) == ANSWER


def test_a_wrong_value_stops_the_start_and_names_the_key() -> None:
    server = LiveServer({"XAPP_BACKEND": "fake", "XAPP_FAILPOINTS": "decode=explode"})
    try:
        assert server.process.wait(30) == 2
    finally:
        server.close()
    assert any("XAPP_FAILPOINTS" in line and "decode=explode" in line for line in server.lines)


async def test_a_full_disk_keeps_no_measurement_and_stops_nothing(
    shallow_model_path: Path, tmp_path: Path
) -> None:
    with small_disk_of("16k", tmp_path / "cache") as cache:
        (cache / "full").write_bytes(bytes(16 * 1024 - 4096 * 2))
        environ = {"XAPP_MODEL": str(shallow_model_path), "XDG_CACHE_HOME": str(cache), "XAPP_SURVEY": "true"}
        with serving(environ) as server:
            async with calling(server) as caller:
                assert await caller.text(ASK)
