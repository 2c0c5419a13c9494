"""The worker process: one model, one thread. Its loop: inbox → step → events.

    python -m xapp.engine.worker FD MODEL_PATH SETTINGS_JSON

FD is one end of a socket pair to the server. The worker ends when the socket does. It blocks on the
socket while there is nothing to do, and on it too when the server does not read: that is the only
back-pressure there needs to be, since the server always reads.
"""

import gc
import os
import select
import socket
import sys
from collections.abc import Callable

import msgspec

from xapp.backend.base import Backend
from xapp.backend.node import this_node
from xapp.config import EngineSettings
from xapp.engine.engine import Engine
from xapp.engine.messages import (
    Cancel,
    Extend,
    FrameBuffer,
    FromWorker,
    LoadFailed,
    Progress,
    Ready,
    Shutdown,
    Submit,
    ToWorker,
    decode_to_worker,
    encode,
)
from xapp.errors import XappError

RECEIVE_BYTES = 1 << 18
SPIN_COUNT = "1000"
"""How long a compute thread spins at a barrier before it sleeps. libgomp's own 300,000 is as fast on an
idle node, but with the server and its callers on the same cores the spinning thread keeps the one it
waits for off its core: steps of 20 ms were seen to take 400 ms and more, against 56 ms with this."""


class ServerGone(Exception):
    """The server closed the socket, or said Shutdown."""


class Channel:
    """Frames over the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._frames = FrameBuffer()

    def send(self, message: FromWorker) -> None:
        """Blocks until the server has taken it. Raises ServerGone."""
        try:
            self._socket.sendall(encode(message))
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ServerGone from error

    def receive(self, *, wait: bool) -> list[ToWorker]:
        """What has come; with `wait` at least one byte of it. Raises ServerGone."""
        # Asked before each step, and nearly always there is nothing: a poll costs less than an exception.
        if not wait and not self._poll.poll(0):
            return []
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except ConnectionResetError as error:
            raise ServerGone from error
        if not data:
            raise ServerGone
        return [decode_to_worker(body) for body in self._frames.feed(data)]


class Worker:
    """Runs an engine for the server at the other end of the channel."""

    def __init__(self, engine: Engine, channel: Channel) -> None:
        self._engine = engine
        self._channel = channel

    def run(self) -> None:
        """Until the server is gone."""
        while True:
            for message in self._channel.receive(wait=not self._engine.has_work):
                self._handle(message)
            if self._engine.has_work:
                self._channel.send(self._engine.step())

    def _handle(self, message: ToWorker) -> None:
        match message:
            case Submit():
                self._engine.submit(message)
            case Cancel(request_id):
                self._engine.cancel(request_id)
            case Extend(request_id, deadline):
                self._engine.extend(request_id, deadline)
            case Shutdown():
                raise ServerGone


def load_backend(path: str, settings: EngineSettings, on_progress: Callable[[float], None]) -> Backend:
    """The backend that the settings name. Raises ModelError, ConfigError."""
    if settings.backend == "fake":
        from xapp.backend.fake import FakeBackend  # noqa: PLC0415  (a served model needs no fake)

        return FakeBackend(settings)
    from xapp.backend.llama_load import load  # noqa: PLC0415  (native code, 0.2 s: only when it is used)

    return load(path, settings, this_node(), on_progress)


def new_engine(backend: Backend, settings: EngineSettings) -> Engine:
    """An engine as the settings want it."""
    return Engine(
        backend,
        max_batch=settings.batch_tokens,
        prefix_cache=settings.prefix_cache and backend.info.shares_prefixes,
        ageing_s=settings.ageing_s,
    )


def serve(sock: socket.socket, path: str, settings: EngineSettings) -> None:
    """Loads, tells the server, works until the server is gone."""
    channel = Channel(sock)
    try:
        backend = load_backend(path, settings, lambda fraction: channel.send(Progress(fraction)))
    except XappError as error:
        channel.send(LoadFailed(error.message, error.reason))
        return
    try:
        channel.send(Ready(backend.info))
        # What is loaded by now lives for ever: the collector need not look at it again.
        gc.freeze()
        Worker(new_engine(backend, settings), channel).run()
    finally:
        backend.close()


def main() -> None:
    """See the module."""
    fd, path, settings = sys.argv[1:]
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    sock = socket.socket(fileno=int(fd))
    try:
        serve(sock, path, msgspec.json.decode(settings, type=EngineSettings))
    except ServerGone:
        return


if __name__ == "__main__":
    main()
