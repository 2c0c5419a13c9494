"""ForkedText: a text in a forked process, a copy of the text process that costs about a millisecond."""

import ctypes
import os
import signal
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from xapp.domain.messages import encode
from xapp.text import limits
from xapp.text.messages import Broke

RECEIVE_BYTES = 1 << 18
_PR_SET_PDEATHSIG = 1
WALL_S_PER_CPU_S = 5.0
"""Wall time a second of the CPU limit. A text waits for a CPU on a busy machine, but not for ever."""


class Forked(Protocol):
    """A request for a forked process. `size` is in bytes, `limit_s` in seconds of CPU time."""

    @property
    def request_id(self) -> int:
        """Its number."""
        ...

    @property
    def size(self) -> int:
        """What its memory is derived from."""
        ...

    @property
    def limit_s(self) -> float:
        """Its limit."""
        ...


class ForkedText:
    """A forked process with one text."""

    def __init__(self, request: Forked, pid: int, pipe: int) -> None:
        self.request = request
        self.pid = pid
        self.pipe = pipe
        self.data = bytearray()
        self.deadline = monotonic() + request.limit_s * WALL_S_PER_CPU_S
        self.late = False

    def read(self) -> bool:
        """Reads its output. False at the end."""
        data = os.read(self.pipe, RECEIVE_BYTES)
        self.data += data
        return bool(data)

    def kill(self) -> None:
        """Kills a process that took too long."""
        self.late = True
        os.kill(self.pid, signal.SIGKILL)

    def result(self) -> bytes:
        """The answer for the server, after the end of the process."""
        os.close(self.pipe)
        _, status = os.waitpid(self.pid, 0)
        if status == 0 and not self.late:
            return bytes(self.data)
        return encode(Broke(self.request.request_id, self._why(status)))

    def _why(self, status: int) -> str:
        if self.late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF):
            return f"it took longer than {self.request.limit_s:.1f} s"
        if os.WIFSIGNALED(status):
            return f"native code was ended by {signal.Signals(os.WTERMSIG(status)).name}"
        return f"it ended with exit code {os.waitstatus_to_exitcode(status)}"


def fork(work: Callable[[], bytes], request: Forked) -> ForkedText:
    """Begins `work`, which answers the request, in a forked process."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        _run(work, request, write_end)
    os.close(write_end)
    return ForkedText(request, pid, read_end)


def _run(work: Callable[[], bytes], request: Forked, pipe: int) -> None:
    """Runs in the forked process. It never returns, and shares only the pipe with its parent."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        limits.limit_memory(limits.room_for(request.size))
        with limits.limited_time(request.limit_s):
            data = memoryview(work())
        while data:
            data = data[os.write(pipe, data) :]
        os._exit(0)
    finally:
        os._exit(1)
