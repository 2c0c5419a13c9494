"""HealthThread: answers Health.Check in a thread of its own, before every other call.

gRPC hands calls over in the order of their arrival, one in a turn of the event loop. A health check behind
thousands of calls would wait for seconds. A method that is registered in gRPC's core has a queue of its own.
grpc.aio would wait for its calls in the event loop, and frees the place of the next call when its accept loop
fails (`Methods`). So this thread takes the calls from the core itself.
"""

import gc
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import grpc
from google.protobuf.message import DecodeError
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # its types are unknown
from grpc_health.v1 import health_pb2 as pb

from xapp import logs

PATH = "/grpc.health.v1.Health/Check"
MAX_OPEN = 32
"""Checks that have begun and not ended. A half-sent check, or the check of a client that does not read, is
held up for as long as its sender likes. So the next check takes the place of an old one: the oldest of the
connection that holds the most."""
TIMEOUT_S = 30.0
"""A check that takes longer is ended."""
_LOOK_S = 1.0
_MAX_REQUEST_BYTES = 4096
_MAX_NAME = 128
_NO_FLAGS = 0
_NEXT = object()
"""Tag of the next call. The tag of a batch is its call's function."""

Status: TypeAlias = Callable[[str], int]
Reply: TypeAlias = tuple[grpc.StatusCode, str, bytes | None]
_Item = TypeVar("_Item")
_log = logging.getLogger(__name__)


def core_of(server: grpc.aio.Server) -> Any:
    """The core's server inside `server`, or None. gRPC has no public name for it."""
    inside = gc.get_referents(getattr(server, "_server", None))
    return next((each for each in inside if isinstance(each, cygrpc.Server)), None)


class HealthThread:
    """`status` returns the health of a service by its name, SERVICE_UNKNOWN for a name that is none.

    It is called in the thread. Make the object before the server starts, `start` it after the server, and
    `stop` it before the server.
    """

    def __init__(self, server: grpc.aio.Server, status: Status) -> None:
        self._status = status
        self._core = core_of(server)
        self._is_stopped = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)
        self._open: dict[_Check, float] = {}
        """In the order of their arrival, with its time."""
        self._is_waiting = False
        if self._core is not None:
            self._queue = cygrpc.CompletionQueue()
            self._core.register_completion_queue(self._queue)
            self._core.register_method(PATH)

    @property
    def is_possible(self) -> bool:
        """Whether the core's server was found. Otherwise the event loop answers."""
        return self._core is not None

    def start(self) -> None:
        """Takes calls from now on."""
        if self._core is not None:
            self._wait_for_next()
            self._thread.start()

    def stop(self) -> None:
        """Takes no more calls. The thread ends with its last call, by the end of the server at the latest."""
        with self._lock:
            self._is_stopped = True

    def join(self, timeout_s: float) -> None:
        """Waits for the end of the thread. The server has been stopped before."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while self._is_waiting or self._open:
            event = self._queue.poll(time.time() + _LOOK_S if self._open else None)
            try:
                if event.completion_type != cygrpc.CompletionType.queue_timeout:
                    self._handle(event)
                self._end_late(time.monotonic())
            except Exception as error:  # noqa: BLE001  the thread must live, whatever one call does
                logs.event(
                    _log, "a health check failed", {"event": "health"}, level=logging.ERROR, error=error
                )

    def _handle(self, event: Any) -> None:
        if event.tag is not _NEXT:
            event.tag(event)
            return
        self._is_waiting = False
        self._wait_for_next()
        if event.success:
            self._begin(event.call)

    def _wait_for_next(self) -> None:
        with self._lock:
            if self._is_stopped:
                return
            try:
                self._core.request_registered_call(self._queue, self._queue, PATH, _NEXT)
            except ValueError:  # the server has ended by itself: its listener replaces it
                self._is_stopped = True
            else:
                self._is_waiting = True

    def _begin(self, call: Any) -> None:
        if len(self._open) >= MAX_OPEN:
            self._end(to_end([(check, check.connection) for check in self._open]))
        check = _Check(call, self._status, lambda ended: self._open.pop(ended, None))
        self._open[check] = time.monotonic()
        check.read()

    def _end_late(self, now: float) -> None:
        while self._open and now - next(iter(self._open.values())) > TIMEOUT_S:
            self._end(next(iter(self._open)))

    def _end(self, check: "_Check") -> None:
        del self._open[check]
        check.cancel()


class _Check:
    """One call. `on_end` is called with the call at its end."""

    def __init__(self, call: Any, status: Status, on_end: Callable[["_Check"], object]) -> None:
        self._call = call
        self._status = status
        self._on_end = on_end
        self.connection: str = call.peer()

    def read(self) -> None:
        """Waits for the request."""
        self._batch(self._answer, cygrpc.ReceiveMessageOperation(_NO_FLAGS))

    def cancel(self) -> None:
        """Ends the call with a reason. Its batches then end."""
        self._call.cancel(
            grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], "the health check was half-sent or not read"
        )

    def _answer(self, event: Any) -> None:
        body = event.batch_operations[0].message()
        code, details, message = reply(body, self._status)
        sent = () if message is None else (cygrpc.SendMessageOperation(message, _NO_FLAGS),)
        self._batch(
            lambda _: self._on_end(self),
            cygrpc.SendInitialMetadataOperation(None, _NO_FLAGS),
            *sent,
            cygrpc.SendStatusFromServerOperation(None, code.value[0], details.encode(), _NO_FLAGS),
            cygrpc.ReceiveCloseOnServerOperation(_NO_FLAGS),
        )

    def _batch(self, then: Callable[[Any], object], *operations: object) -> None:
        self._call.start_server_batch(operations, then)


def to_end(checks: Sequence[tuple[_Item, str]]) -> _Item:
    """Which of the open checks gives its place away. Each comes with its connection, the oldest first.

    The oldest of all would often be an honest check that is about to be answered, when another connection
    sends checks faster than they are answered.
    """
    counts = Counter(connection for _, connection in checks)
    most = max(counts.values())
    return next(check for check, connection in checks if counts[connection] == most)


def reply(body: bytes | None, status: Status) -> Reply:
    """Status, details and message for the bytes of a request; None where none came."""
    wrong = grpc.StatusCode.INVALID_ARGUMENT
    if body is None:
        return wrong, "request: did not come", None
    if len(body) > _MAX_REQUEST_BYTES:
        return wrong, f"request: has more than {_MAX_REQUEST_BYTES} bytes", None
    try:
        name = pb.HealthCheckRequest.FromString(body).service
    except DecodeError:
        return wrong, "request: is not a valid message of this type", None
    found = status(name)
    if found == pb.HealthCheckResponse.SERVICE_UNKNOWN:
        return grpc.StatusCode.NOT_FOUND, f"no service {name[:_MAX_NAME]!r}", None
    return grpc.StatusCode.OK, "", pb.HealthCheckResponse(status=found).SerializeToString()
