"""WorkerProcess: a worker as an operating-system process, with start, output and end. It knows no
messages.
"""

import asyncio
import ctypes
import logging
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from xapp.failpoints import environ_of_child
from xapp.telemetry.cgroup import memory_kills
from xapp.workers.worker_exit import explain_exit, gave_up_at, lost_hosts

WORKER_COMMAND = (sys.executable, "-m", "xapp.engine.worker")
MAX_KEPT_LINES = 200
MAX_LINE_CHARS = 1000

_PR_SET_PDEATHSIG = 1
_PRCTL = ctypes.CDLL(None).prctl
"""Looked up at import: a process that has just been forked must do as little as possible."""

_log = logging.getLogger(__name__)


class WorkerProcess:
    """One child process. Its stdout and stderr are logged at debug level, and their last lines are kept."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._kills_before = memory_kills()
        self.lines: deque[str] = deque(maxlen=MAX_KEPT_LINES)
        self.gave_up_at = ""
        """After `reap`: the failed assertion of native code, or ""."""
        self.lost_hosts = ""
        """After `reap`: the helpers whose loss ended the process, or ""."""
        self._reader = asyncio.create_task(self._read_output())

    @property
    def pid(self) -> int:
        """The process id, also after the end."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The return code as `subprocess` states it; None before the end."""
        return self._process.returncode

    @property
    def state(self) -> str:
        """The letter of the state in /proc, "T" for a process that a signal has stopped; "" after the end."""
        return _state_of(self._process.pid) if self._process.returncode is None else ""

    @property
    def last_line(self) -> str:
        """The last line of its output; "" without one."""
        return self.lines[-1] if self.lines else ""

    def kill(self) -> None:
        """Sends SIGKILL, unless the process has ended."""
        if self._process.returncode is None:
            self._process.kill()

    async def wait(self, at_most_s: float) -> None:
        """Returns when the process has ended, or after that time."""
        try:
            async with asyncio.timeout(at_most_s):
                await self._process.wait()
        except TimeoutError:
            return

    async def reap(self, patience_s: float) -> str:
        """Waits for the end, forced after `patience_s`. Returns the cause of the end as a sentence."""
        try:
            async with asyncio.timeout(patience_s):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
        await self._finish_output()
        assert self._process.returncode is not None
        self.gave_up_at = gave_up_at(self._process.returncode, self.lines)
        self.lost_hosts = lost_hosts(self._process.returncode, self.lines)
        last_line = self.gave_up_at or self.last_line
        for_memory = memory_kills() > self._kills_before
        return explain_exit(self._process.returncode, last_line, for_memory=for_memory)

    async def _finish_output(self) -> None:
        # A grandchild may hold the pipe open, so the wait is limited.
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


def _state_of(pid: int) -> str:
    """The letter of the process's state in /proc; "" without the process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


async def spawn(
    command: Sequence[str], *arguments: str, niceness: int = 0
) -> tuple[WorkerProcess, socket.socket]:
    """Starts `command FD arguments`, nicer than this process by `niceness` (`niceness.py`).

    Returns the process and this side of the socket pair. Raises OSError.
    """
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
            # Otherwise ggml starts a debugger on itself, which is slow and hides the cause.
            env={**os.environ, "GGML_NO_BACKTRACE": "1", **environ_of_child(*command, *arguments)},
            preexec_fn=partial(_stand_apart, niceness),
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return WorkerProcess(process), ours


def _stand_apart(niceness: int) -> None:
    """A worker ends when its socket closes, but a stopped worker does not notice that.

    The server handles a Ctrl-C in the terminal: it drains, then ends the worker. So the worker is in a
    process group of its own. It stays in the server's session: Linux compares the priority of threads within
    a session only (sched_autogroup_enabled), and the worker of an embedding model makes way for the worker
    of a language model, and that one for speech.
    """
    os.setpgid(0, 0)
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if niceness:
        with suppress(OSError):  # a sandbox may forbid it: the process works at the server's own niceness
            os.nice(niceness)
