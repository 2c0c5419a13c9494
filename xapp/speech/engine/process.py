"""The process of one engine.

    python -m xapp.speech.engine.process FD KIND MODEL SETTINGS

FD is one end of a socket pair to the server, SETTINGS is JSON. The process ends when the socket closes. What
the engine computes on strangers' audio and texts may end the process: the server starts it again.
"""

import contextlib
import importlib
import os
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Protocol

import msgspec

from xapp.domain.frames import FrameBuffer, encode
from xapp.speech.messages import Failed, FromEngine, Loaded, LoadFailed, ToEngine, decode_to_engine
from xapp.text.limits import leave_no_core, limit_memory

RECEIVE_BYTES = 256 * 1024
KINDS = {
    "whisper": "xapp.speech.recognition.whisper_engine",
    "hibari": "xapp.speech.synthesis.hibari_engine",
    "ctranslate2": "xapp.speech.translation.ctranslate_engine",
}
"""The modules of the engines. Each has `load(model, settings, link) -> tuple[Engine, Loaded]`."""

_PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "GOMP_SPINCOUNT": "0"}
"""Otherwise the threads of OpenMP spin after each computation, on cores that the language model needs."""


class EngineSettings(msgspec.Struct, frozen=True):
    """`threads` compute. `memory_bytes`: how much memory the work may take beside the loaded model."""

    threads: int = 1
    memory_bytes: int = 1 << 30


class Link:
    """The way to the server. Several threads may send."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._lock = threading.Lock()

    def send(self, message: FromEngine) -> None:
        """Raises OSError when the server is gone."""
        with self._lock:
            self._socket.sendall(encode(message))

    def messages(self) -> Iterator[ToEngine]:
        """The server's messages, until it is gone."""
        frames = FrameBuffer()
        while data := self._socket.recv(RECEIVE_BYTES):
            for body in frames.feed(data):
                yield decode_to_engine(body)


class Engine(Protocol):
    """An engine in its process."""

    def handle(self, message: ToEngine) -> None:
        """Works on a message and sends the answers. Raises ValueError with a message for the caller."""
        ...


def serve(link: Link, kind: str, model: str, settings: EngineSettings) -> None:
    """Loads the engine, reports to the server, and works until the server is gone."""
    engine, report = _try_load(link, kind, model, settings)
    link.send(report)
    if engine is None:
        return
    limit_memory(settings.memory_bytes)
    for message in link.messages():
        try:
            engine.handle(message)
        except ValueError as error:
            link.send(Failed(message.job, str(error)))


def _try_load(
    link: Link, kind: str, model: str, settings: EngineSettings
) -> tuple[Engine | None, Loaded | LoadFailed]:
    try:
        loaded: tuple[Engine, Loaded] = importlib.import_module(KINDS[kind]).load(model, settings, link)
    except ModuleNotFoundError as error:
        text = f"the {kind} engine needs the speech extra: pip install '.[speech]' (no module {error.name})"
        return None, LoadFailed(text)
    except (OSError, RuntimeError, ValueError) as error:
        return None, LoadFailed(f"{model or kind}: the {kind} engine cannot load it: {error}")
    return loaded


def main() -> None:
    """Entry point; the module's docstring has the arguments."""
    fd, kind, model, settings = sys.argv[1:]
    os.environ.update(_PASSIVE)
    leave_no_core()
    link = Link(socket.socket(fileno=int(fd)))
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        serve(link, kind, model, msgspec.json.decode(settings, type=EngineSettings))


if __name__ == "__main__":
    main()
