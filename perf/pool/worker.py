"""A worker whose steps sleep: `python -m perf.pool.worker STEP_S TOKEN_S FD PATH SETTINGS`."""

import socket
import sys

import msgspec

from xapp.backend.fake import FakeBackend
from xapp.config import EngineSettings
from xapp.domain.kinds import ModelKind
from xapp.engine.inbox import ServerGone
from xapp.engine.worker import serve


def main() -> None:
    """See the module."""
    step_s, token_s, fd, path, settings, _ = sys.argv[1:]

    def load(_path: str, _kind: ModelKind, settings: EngineSettings, _progress: object) -> FakeBackend:
        return FakeBackend(settings, step_s=float(step_s), token_s=float(token_s))

    try:
        engine = msgspec.json.decode(settings, type=EngineSettings)
        serve(socket.socket(fileno=int(fd)), path, engine, load=load)
    except ServerGone:
        return


if __name__ == "__main__":
    main()
