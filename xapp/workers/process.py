"""A worker as an operating-system process: start, output, end. Knows nothing of what is said to it."""

import asyncio
import ctypes
import logging
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Sequence

from xapp.workers.worker_exit import explain_exit, gave_up_at

WORKER_COMMAND = (sys.executable, "-m", "xapp.engine.worker")
MAX_KEPT_LINES = 200
MAX_LINE_CHARS = 1000

_PR_SET_PDEATHSIG = 1
_PRCTL = ctypes.CDLL(None).prctl
"""Looked up here: a process that has just been forked does as little as it can."""

_log = logging.getLogger(__name__)


class WorkerProcess:
    """One child process. Its output, both streams, is logged at debug and its tail is kept."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: deque[str] = deque(maxlen=MAX_KEPT_LINES)
        self.gave_up_at = ""
        """After `reap`: the assertion of native code that ended it, if one did."""
        self._reader = asyncio.create_task(self._read_output())

    @property
    def pid(self) -> int:
        """The process id, also after the end."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """As `subprocess` states it; None before the end."""
        return self._process.returncode

    def kill(self) -> None:
        """SIGKILL, unless it has ended."""
        if self._process.returncode is None:
            self._process.kill()

    async def reap(self, patience_s: float) -> str:
        """Waits for the end, forced after `patience_s`; returns why it ended, in a sentence."""
        try:
            async with asyncio.timeout(patience_s):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
        await self._finish_output()
        assert self._process.returncode is not None
        self.gave_up_at = gave_up_at(self._process.returncode, self.lines)
        last_line = self.gave_up_at or (self.lines[-1] if self.lines else "")
        return explain_exit(self._process.returncode, last_line)

    async def _finish_output(self) -> None:
        # A grandchild may hold the pipe open: do not wait for it.
        await asyncio.wait([self._reader], timeout=1.0)
        if not self._reader.done():
            self._reader.cancel()
            await asyncio.wait([self._reader])

    async def _read_output(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        rest = ""
        while data := await stream.read(65536):
            *whole, rest = (rest + data.decode(errors="replace")).split("\n")
            self._keep(whole)
            rest = rest[-MAX_LINE_CHARS:]
        self._keep([rest])

    def _keep(self, lines: Sequence[str]) -> None:
        for line in filter(None, map(str.rstrip, lines)):
            self.lines.append(line[:MAX_LINE_CHARS])
            _log.debug("worker %d: %s", self.pid, self.lines[-1])


async def spawn(command: Sequence[str], *arguments: str) -> tuple[WorkerProcess, socket.socket]:
    """Starts `command FD arguments`; returns it with this side's end of the socket pair. Raises OSError."""
    ours, theirs = socket.socketpair()
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            str(theirs.fileno()),
            *arguments,
            pass_fds=(theirs.fileno(),),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # A Ctrl-C in the terminal is the server's to handle: it drains, then ends the worker.
            start_new_session=True,
            # Else ggml starts a debugger on itself: slow, and noise in place of the cause.
            env={**os.environ, "GGML_NO_BACKTRACE": "1"},
            preexec_fn=_die_with_parent,
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return WorkerProcess(process), ours


def _die_with_parent() -> None:
    """A worker ends when its socket does, but one that is stopped does not see that."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)
