"""The parent of a helper's process, with a scripted process in its place."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from xapp.errors import ConfigError, FailedPrecondition
from xapp.helper.run import run
from xapp.helper.settings import HelperSettings

SCRIPT = """
import os, socket, sys, time
fd, host, port, memory, threads, cache = sys.argv[2:]
with open(sys.argv[1], "a") as log:
    log.write(f"{os.getpid()} {port}\\n")
socket.socket(fileno=int(fd)).sendall(b"4711\\n")
time.sleep(600)
"""


@contextlib.asynccontextmanager
async def running(log: Path, settings: HelperSettings) -> AsyncIterator["asyncio.Task[None]"]:
    stop = asyncio.Event()
    task = asyncio.create_task(run(settings, stop=stop, command=(sys.executable, "-c", SCRIPT, str(log))))
    try:
        yield task
    finally:
        stop.set()
        await task


def _starts(log: Path) -> list[tuple[int, str]]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [(int(line.split()[0]), line.split()[1]) for line in lines]


async def starts(log: Path, count: int) -> list[tuple[int, str]]:
    """The process id and the port of each start, once there were so many."""
    async with asyncio.timeout(20):
        while True:
            if len(found := _starts(log)) >= count:
                return found
            await asyncio.sleep(0.01)


async def test_a_process_that_dies_is_started_again_at_the_same_port(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with running(log, HelperSettings(port=0, memory_mb=1)):
        ((pid, asked),) = await starts(log, 1)
        assert asked == "0"
        os.kill(pid, signal.SIGKILL)
        (_, (second, again)) = await starts(log, 2)
        assert again == "4711"
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


async def test_a_process_that_never_listens_is_an_error_with_its_last_words() -> None:
    command = (sys.executable, "-c", "import sys; print('no such address'); sys.exit(4)")
    with pytest.raises(FailedPrecondition, match="the helper cannot start: no such address"):
        await run(HelperSettings(port=0, memory_mb=1), stop=asyncio.Event(), command=command)


async def test_a_port_in_use_is_named() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(ConfigError, match=f"XAPP_RPC_PORT: cannot listen on 127.0.0.1:{port}"):
            await run(HelperSettings(port=port), stop=asyncio.Event())
