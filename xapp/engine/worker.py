"""The worker process: one model, one thread. Its loop: inbox → step → events.

    python -m xapp.engine.worker FD MODEL_PATH SETTINGS_JSON [KIND]

FD is one end of a socket pair to the server. KIND is a name of `kinds.MODEL_KINDS`, by default that of a
model that generates text. The worker ends when the socket closes. It blocks on the socket while it has no
work, and also while the server does not read. Further back-pressure is not needed, since the server always
reads. A second thread reads the socket while a long step computes (`inbox`). The two threads never read at
once.
"""

import gc
import os
import socket
import sys
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from xapp.backend.base import Backend
from xapp.backend.node import this_node
from xapp.backend.spin import set_spin_count
from xapp.config import EngineSettings
from xapp.domain.kinds import GENERATE, MODEL_KINDS, ModelKind
from xapp.domain.messages import (
    Cancel,
    Extend,
    LoadFailed,
    Progress,
    Ready,
    Shutdown,
    Submit,
    Surveyed,
    ToWorker,
)
from xapp.engine.engine import Engine
from xapp.engine.inbox import Inbox, InboxLookout, ServerGone
from xapp.engine.lookout import Lookout
from xapp.errors import ModelError, XappError
from xapp.failpoints import arm, meet

IDLE_S = 0.3
"""Idle time after which a worker measures its speed, if the speed is unknown."""


class Worker:
    """Runs an engine for the server at the other end of the inbox."""

    def __init__(self, engine: Engine, inbox: Inbox) -> None:
        self._engine = engine
        self._inbox = inbox
        self._surveying = False

    def run(self) -> None:
        """Runs until the server is gone."""
        while True:
            for message in self._inbox.receive(wait_s=self._patience_s):
                self._handle(message)
            if self._engine.has_work:
                self._surveying = False
                self._inbox.send(self._engine.step())
            elif self._engine.may_survey:
                self._surveying = True
                self._survey()

    @property
    def _patience_s(self) -> float | None:
        """How long to wait for a message."""
        if self._engine.has_work:
            return 0.0
        if not self._engine.may_survey:
            return None
        return 0.0 if self._surveying else IDLE_S

    def _survey(self) -> None:
        tuning = self._engine.survey()
        if tuning is not None:
            self._inbox.send(Surveyed(tuning))

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


def load_backend(
    path: str, kind: ModelKind, settings: EngineSettings, on_progress: Callable[[float], None]
) -> Backend:
    """The backend that the settings name, for a model of that kind. Raises ModelError, ConfigError."""
    if not kind.generates:
        return _load_embedder(path, kind, settings, on_progress)
    if settings.backend == "fake":
        from xapp.backend.fake import FakeBackend  # noqa: PLC0415  (a served model needs no fake)

        return FakeBackend(settings)
    from xapp.backend.llama_load import load  # noqa: PLC0415  (native code, 0.2 s: only when it is used)

    return load(path, settings, this_node(), on_progress)


def _load_embedder(
    path: str, kind: ModelKind, settings: EngineSettings, on_progress: Callable[[float], None]
) -> Backend:
    if settings.backend == "fake":
        from xapp.backend.fake_embedder import FakeEmbedder  # noqa: PLC0415

        return FakeEmbedder(settings, kind)
    from xapp.backend.llama_embed_load import load_embedder  # noqa: PLC0415

    return load_embedder(path, kind, settings, this_node(), on_progress)


LoadBackend: TypeAlias = Callable[[str, ModelKind, EngineSettings, Callable[[float], None]], Backend]


def new_engine(backend: Backend, settings: EngineSettings, lookout: Lookout | None = None) -> Engine:
    """An engine with these settings."""
    return Engine(
        backend,
        max_batch=backend.info.batch_tokens,
        prefix_cache=settings.prefix_cache and backend.info.shares_prefixes,
        ageing_s=settings.ageing_s,
        survey=settings.survey,
        lookout=lookout,
    )


def serve(
    sock: socket.socket,
    path: str,
    settings: EngineSettings,
    kind: ModelKind = GENERATE,
    load: LoadBackend = load_backend,
) -> None:
    """Loads the model, reports to the server, and works until the server is gone."""
    inbox = Inbox(sock)
    try:
        meet("load", lambda: ModelError(f"{path}: failpoint load"))
        backend = load(path, kind, settings, lambda fraction: inbox.send(Progress(fraction)))
    except XappError as error:
        inbox.send(LoadFailed(error.message, error.reason))
        return
    try:
        inbox.send(Ready(backend.info))
        # Loaded objects live as long as the process: the garbage collector need not scan them again.
        gc.freeze()
        lookout = InboxLookout(inbox, backend.interrupt)
        Worker(new_engine(backend, settings, lookout), inbox).run()
    finally:
        backend.close()


def main() -> None:
    """Entry point of the worker process; the module's docstring has the arguments."""
    fd, path, settings, kind = (*sys.argv[1:], GENERATE.name)[:4]
    arm(os.environ, "worker")
    set_spin_count(os.environ)
    sock = socket.socket(fileno=int(fd))
    try:
        serve(sock, path, msgspec.json.decode(settings, type=EngineSettings), MODEL_KINDS[kind])
    except ServerGone:
        return


if __name__ == "__main__":
    main()
