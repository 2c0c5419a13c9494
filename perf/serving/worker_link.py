"""A real worker process, driven with blocking calls and no server around it."""

import socket
import subprocess
import time
from collections import deque
from collections.abc import Iterator

import msgspec

from perf.closing import Ending, wait_or_kill
from xapp.config import EngineSettings
from xapp.domain.messages import (
    Cancel,
    FrameBuffer,
    FromWorker,
    LoadFailed,
    ModelInfo,
    Ready,
    Shutdown,
    StepEvents,
    Submit,
    ToWorker,
    decode_from_worker,
    encode,
)
from xapp.workers.process import WORKER_COMMAND

SILENCE_S = 120.0
EXIT_TIMEOUT_S = 10.0
_RECEIVE_BYTES = 65536


class WorkerGoneError(Exception):
    """The worker ended, could not load the model, or said nothing for SILENCE_S."""


class WorkerLink(Ending):
    """One worker, from start to end, as a context manager. `info` is what it answered when ready.

    Making it blocks until then. Raises WorkerGoneError.
    """

    def __init__(self, model_path: str, settings: EngineSettings) -> None:
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(SILENCE_S)
        self._process = _spawn(theirs, model_path, settings)
        self._frames = FrameBuffer()
        self._pending: deque[tuple[float, FromWorker]] = deque()
        try:
            self.info = self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def submit(self, request: Submit) -> None:
        """Hands over one request."""
        self._socket.sendall(encode(request))

    def cancel(self, request_id: int) -> None:
        """Asks for a request's end."""
        self._socket.sendall(encode(Cancel(request_id)))

    def steps(self) -> Iterator[tuple[float, StepEvents]]:
        """Messages of steps and when they arrived, seconds on CLOCK_MONOTONIC. Raises WorkerGoneError."""
        for at, message in self._messages():
            if isinstance(message, StepEvents):
                yield at, message

    def _messages(self) -> Iterator[tuple[float, FromWorker]]:
        while True:
            # Kept across calls: whoever stops after one message leaves the others of the same read.
            while self._pending:
                yield self._pending.popleft()
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except TimeoutError as error:
                raise WorkerGoneError(f"the worker said nothing for {SILENCE_S:g} s") from error
            if not data:
                raise WorkerGoneError(f"the worker ended with exit status {self._process.wait()}")
            at = time.monotonic()
            self._pending += ((at, decode_from_worker(body)) for body in self._frames.feed(data))

    def _wait_until_ready(self) -> ModelInfo:
        for _, message in self._messages():
            if isinstance(message, LoadFailed):
                raise WorkerGoneError(message.message)
            if isinstance(message, Ready):
                return message.info
        raise AssertionError("unreachable: messages end with an error")

    def close(self) -> None:
        """Asks the worker to end, and makes sure of it."""
        try:
            self._send_quietly(Shutdown())
            wait_or_kill(self._process, EXIT_TIMEOUT_S)
        finally:
            self._socket.close()

    def _send_quietly(self, message: ToWorker) -> None:
        try:
            self._socket.sendall(encode(message))
        except OSError:
            return  # it has ended already


def _spawn(theirs: socket.socket, model_path: str, settings: EngineSettings) -> "subprocess.Popen[bytes]":
    arguments = [str(theirs.fileno()), model_path, msgspec.json.encode(settings).decode()]
    try:
        return subprocess.Popen(
            [*WORKER_COMMAND, *arguments],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    finally:
        theirs.close()
