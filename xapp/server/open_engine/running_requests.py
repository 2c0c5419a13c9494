"""The running requests of openengine.v1, by the caller and the caller's name for them.

Abort finds them here. A caller finds its own requests only.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from xapp.edge.watchdog import WatchedStream
from xapp.errors import InvalidArgument, NotFound

WRITE_S = 1.0
"""How long an aborted request may take to end its write."""
MOST_ENDED = 1024
"""How many ended requests are remembered, over all callers."""

_Key = tuple[str, str]


class RunningRequest:
    """A request that Abort may end: its task is cancelled, unless it is within a write.

    A cancelled write leaves gRPC without a way to send the last response. So the task has WRITE_S to end its
    write, and to see `is_aborted`.
    """

    def __init__(self, task: "asyncio.Task[object]", stream: WatchedStream) -> None:
        self._task = task
        self._stream = stream
        self._timer: asyncio.TimerHandle | None = None
        self.is_aborted = False

    def abort(self) -> None:
        """Ends the request. A second call changes nothing."""
        if self.is_aborted:
            return
        self.is_aborted = True
        if self._stream.writing_since is None:
            self._task.cancel()
        else:
            self._timer = asyncio.get_running_loop().call_later(WRITE_S, self._task.cancel)

    def takes_cancellation(self) -> bool:
        """Whether a cancellation that the task sees is Abort's own, and only that."""
        return self.is_aborted and self._task.uncancel() == 0

    def close(self) -> None:
        """The request has ended: nothing is cancelled any more."""
        if self._timer is not None:
            self._timer.cancel()


class RunningRequests:
    """Each caller's requests. Their number is that of open calls, which admission and the port bound."""

    def __init__(self) -> None:
        self._running: dict[_Key, RunningRequest] = {}
        self._ended: deque[_Key] = deque(maxlen=MOST_ENDED)

    @contextmanager
    def hold(self, caller: str, request_id: str, stream: WatchedStream) -> Iterator[RunningRequest]:
        """The request of the current task. Raises InvalidArgument where the caller has it already."""
        key, task = (caller, request_id), asyncio.current_task()
        assert task is not None, "a stream runs in a task"
        if key in self._running:
            raise InvalidArgument(
                "request_id", "is the name of a running request", reason="DUPLICATE_REQUEST"
            )
        running = self._running[key] = RunningRequest(task, stream)
        try:
            yield running
        finally:
            running.close()
            del self._running[key]
            self._ended.append(key)

    def abort(self, caller: str, request_id: str) -> bool:
        """False where the request has ended. Raises NotFound, reason REQUEST_NOT_FOUND."""
        key = (caller, request_id)
        if running := self._running.get(key):
            running.abort()
            return True
        if key in self._ended:
            return False
        raise NotFound(f"{caller!r} has no request {request_id[:128]!r}", reason="REQUEST_NOT_FOUND")

    def abort_all(self, caller: str) -> int:
        """Ends all requests of the caller, and returns their number."""
        own = [running for (who, _), running in self._running.items() if who == caller]
        for running in own:
            running.abort()
        return len(own)
