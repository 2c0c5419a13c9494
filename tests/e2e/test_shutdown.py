"""How a server ends, and how it does not start."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import psutil
import pytest

from tests.e2e.caller import ENDLESS_FAKE, Caller, calling, endless, get, rest_of, until, worker_pid
from tests.live import LiveServer, serving
from tests.server.rich import details_of
from xapp.inference.v1 import inference_pb2 as pb

pytestmark = pytest.mark.slow

ASK = pb.GenerateRequest(prompt="hi", max_tokens=4)


@pytest.mark.parametrize("key", ["XAPP_GRPC_PORT", "XAPP_HTTP_PORT"])
def test_a_port_in_use_stops_the_start(key: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ports = {"XAPP_GRPC_PORT": "0", "XAPP_HTTP_PORT": "0", key: port}
        environ = {**os.environ, "XAPP_HOST": "127.0.0.1", "XAPP_BACKEND": "fake", **ports}
        command = [sys.executable, "-m", "xapp.cli", "serve"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"genai-xapp: {key}: ")
    assert port in last
    assert "Traceback" not in done.stderr


async def _drains(caller: Caller) -> None:
    """SIGTERM was sent: returns when the server has begun to drain."""
    await asyncio.to_thread(caller.server.wait_for, "draining")


def _says_draining(error: grpc.aio.AioRpcError) -> None:
    """With the details that tell a client to come again."""
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert details_of(error).info.reason == "DRAINING"
    assert details_of(error).retry is not None


async def _exit_code(server: LiveServer) -> int:
    return await asyncio.to_thread(server.process.wait, 30)


async def test_sigterm_lets_a_stream_finish(default_model_path: Path) -> None:
    environ = {"XAPP_MODEL": str(default_model_path), "XAPP_CONTEXT_LENGTH": "1024"}
    with serving(environ) as server:
        async with calling(server) as caller:
            request = pb.GenerateRequest(prompt="Once", max_tokens=200, ignore_eos=True)
            running = await caller.begin(request)
            server.process.send_signal(signal.SIGTERM)
            await _drains(caller)
            _says_draining(await caller.refused(ASK))
            assert (await get(server, "/ric/v1/health/ready"))[0] == 503
            assert (await get(server, "/ric/v1/health/alive"))[0] == 200
            events = await rest_of(running)
        assert events[-1].finished.usage.num_completion_tokens == 200
        assert await _exit_code(server) == 0
        assert server.wait_for("stopped")["orderly"] is True


async def test_sigterm_ends_a_stream_longer_than_the_grace_period() -> None:
    with serving(ENDLESS_FAKE | {"XAPP_GRACE_PERIOD_S": "1"}) as server:
        async with calling(server) as caller:
            running = await caller.begin(endless())
            server.process.send_signal(signal.SIGTERM)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await rest_of(running)
        _says_draining(caught.value)
        assert caught.value.details() == "the server is shutting down"
        assert await _exit_code(server) == 0
        assert server.wait_for("stopped")["orderly"] is False


async def test_a_second_sigterm_ends_at_once() -> None:
    with serving(ENDLESS_FAKE | {"XAPP_GRACE_PERIOD_S": "3600"}) as server:
        async with calling(server) as caller:
            running = await caller.begin(endless())
            server.process.send_signal(signal.SIGTERM)
            await _drains(caller)
            server.process.send_signal(signal.SIGTERM)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await rest_of(running)
        _says_draining(caught.value)
        assert await _exit_code(server) == 1


async def test_no_worker_is_left_when_the_server_is_killed() -> None:
    with serving(ENDLESS_FAKE) as server:
        worker = psutil.Process(worker_pid(server))

        async def is_gone() -> bool:
            # Whoever inherits it may be slow to reap it.
            return not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE

        async with calling(server) as caller:
            await caller.begin(endless())
            server.process.kill()
            await until(is_gone)
