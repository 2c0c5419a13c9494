"""Runs a helper: keeps its process running, bounds its cache, until a signal."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from xapp import logs
from xapp.errors import FailedPrecondition
from xapp.helper.settings import KEYS, MB, HelperSettings, check
from xapp.helper.tensor_cache import TensorCache
from xapp.hosts import is_loopback
from xapp.ports import check_free
from xapp.workers.process import WorkerProcess, spawn
from xapp.workers.supervisor import Backoff, RestartPolicy

COMMAND = (sys.executable, "-m", "xapp.helper.process")
LISTEN_S = 30.0
LOOK_S = 1.0
EXIT_PATIENCE_S = 2.0

_log = logging.getLogger("xapp.helper")


async def run(settings: HelperSettings, *, stop: asyncio.Event, command: Sequence[str] = COMMAND) -> None:
    """Serves until `stop`. Raises ConfigError naming the key, FailedPrecondition where it cannot listen."""
    check(settings)
    check_free(settings.host, {KEYS["port"]: settings.port}, host_key=KEYS["host"])
    _warn(settings)
    helper = _Helper(settings, command)
    stopped = asyncio.create_task(stop.wait())
    running = asyncio.create_task(helper.run())
    try:
        await asyncio.wait((stopped, running), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        for task in (stopped, running):
            task.cancel()
        await asyncio.gather(stopped, running, return_exceptions=True)


async def run_until_signal(settings: HelperSettings) -> None:
    """Until SIGTERM, SIGINT or SIGHUP."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop=stop)


def _warn(settings: HelperSettings) -> None:
    if not is_loopback(settings.host):
        text = f"other machines can reach {settings.host}, and llama.cpp's RPC has no authentication"
        logs.event(_log, text, {"event": "insecure", "host": settings.host}, level=logging.WARNING)


class _Helper:
    """The process, its restarts and its cache."""

    def __init__(self, settings: HelperSettings, command: Sequence[str]) -> None:
        self._settings = settings
        self._command = command
        self._backoff = Backoff(RestartPolicy())
        self._cache: TensorCache | None = None
        if settings.cache_dir:
            self._cache = TensorCache(Path(settings.cache_dir), settings.cache_mb * MB)

    async def run(self) -> None:
        """Raises FailedPrecondition where the first process does not listen."""
        port = self._settings.port
        first = True
        while True:
            if self._cache is not None:
                await asyncio.to_thread(self._cache.clean)
            began = monotonic()
            process, ours = await spawn(self._command, *self._arguments(port))
            try:
                # A port that the system chose stays the port of later processes: nodes know it.
                port = await self._listening(process, ours) or port
                if first and process.returncode is not None:
                    raise FailedPrecondition(f"the helper cannot start: {process.last_line}")
                first = False
                await self._watch(process)
            finally:
                ours.close()
                process.kill()
                story = await process.reap(EXIT_PATIENCE_S)
            _log.error("the process of the helper was lost: %s", story)
            await asyncio.sleep(self._backoff.delay_s(monotonic() - began))

    def _arguments(self, port: int) -> tuple[str, ...]:
        own = self._settings
        sizes = (str(own.memory_bytes), str(own.num_threads))
        return (own.host, str(port), *sizes, own.cache_dir)

    async def _listening(self, process: WorkerProcess, ours: socket.socket) -> int:
        """The port; 0 where the process ended first."""
        ours.setblocking(False)
        try:
            async with asyncio.timeout(LISTEN_S):
                text = await asyncio.get_running_loop().sock_recv(ours, 16)
        except TimeoutError:
            return 0
        if not text:
            await process.reap(EXIT_PATIENCE_S)
            return 0
        port = int(text)
        fields: dict[str, object] = {"event": "listening", "host": self._settings.host, "port": port}
        fields |= {"memory_mb": self._settings.memory_bytes // MB, "threads": self._settings.num_threads}
        logs.event(_log, "listening", fields)
        return port

    async def _watch(self, process: WorkerProcess) -> None:
        """Returns when the process has ended."""
        while process.returncode is None:
            if self._cache is not None:
                await asyncio.to_thread(self._cache.look)
            await process.wait(LOOK_S)
