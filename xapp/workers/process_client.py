"""ProcessClient: the server's end of a child process, from start to end, over a socket pair.

A subclass defines the messages: `EngineClient` for a worker, `text.client.TextClient` for a text process. A
client does not restart its process: the supervisor does.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from xapp.domain.messages import encode
from xapp.errors import ModelError, Unavailable
from xapp.workers.frame_reader import FrameReader
from xapp.workers.process import WorkerProcess, spawn

MAX_UNSENT_BYTES = 16 * 1024 * 1024
EXIT_PATIENCE_S = 2.0
RETRY_AFTER_S = 1.0
LOAD_RETRY_AFTER_S = 30.0
_RUNNING = frozenset("RSDI")
UNLOADING = "the model is being unloaded"

Info = TypeVar("Info")


class ProcessClient(Generic[Info]):
    """One process, from its start to its end. `load` first, `aclose` last.

    `lost` is done once the process has ended, for any reason, and its result is the error. A subclass sets
    `_ready` to the result of `load`, or to the ModelError that `load` raises.
    """

    def __init__(
        self,
        role: str,
        model_path: str,
        command: Sequence[str],
        arguments: Sequence[str],
        niceness: int = 0,
    ) -> None:
        self._niceness = niceness
        self._role = role
        self._model_path = model_path
        self._command = command
        self._arguments = arguments
        self._on_progress: Callable[[float], None] = lambda _: None
        self._process: WorkerProcess | None = None
        self._transport: asyncio.Transport | None = None
        self._reaper: asyncio.Task[None] | None = None
        self._closing = ""
        self._why = ""
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[Info] = loop.create_future()
        self.lost: asyncio.Future[Unavailable] = loop.create_future()

    @property
    def pid(self) -> int:
        """The process id; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def silence_s(self) -> float:
        """Seconds without a message from a process that has work; 0 without work."""
        return 0.0

    @property
    def is_stopped(self) -> bool:
        """Whether a signal has stopped the process: only SIGCONT lets it continue."""
        return self._process is not None and self._process.state == "T"

    @property
    def can_run(self) -> bool:
        """Whether the process lives, is not stopped, and was not killed by `kill`."""
        if self._process is None or self._reaper is not None or self._why:
            return False
        return self._process.state in _RUNNING

    @property
    def has_answered(self) -> bool:
        """Whether the process has done any work since its start."""
        return False

    async def load(
        self, on_progress: Callable[[float], None] | None = None, *, timeout_s: float = 600.0
    ) -> Info:
        """Starts the process and waits until it can serve.

        Raises ModelError when the model cannot be served, Unavailable when the process dies or takes
        longer than `timeout_s`. The process has ended when this raises.
        """
        assert self._process is None
        if on_progress is not None:
            self._on_progress = on_progress
        try:
            return await self._start(timeout_s)
        except BaseException:
            await self.aclose()
            raise

    async def _start(self, timeout_s: float) -> Info:
        try:
            self._process, ours = await spawn(self._command, *self._arguments, niceness=self._niceness)
        except OSError as error:
            text = f"cannot start a {self._role}: {error}"
            raise Unavailable(text, retry_after_s=RETRY_AFTER_S) from error
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_unix_connection(
            lambda: FrameReader(self._decode, self._on_message, self.kill, self._on_closed), sock=ours
        )
        try:
            async with asyncio.timeout(timeout_s):
                return await self._ready
        except TimeoutError:
            message = f"loading {self._model_path} took longer than XAPP_LOAD_TIMEOUT_S, {timeout_s:g} s"
            raise Unavailable(message, reason="LOAD_TIMEOUT", retry_after_s=LOAD_RETRY_AFTER_S) from None

    def kill(self, why: str) -> None:
        """Ends the process at once. `lost` follows with the reason `why`."""
        self._why = self._why or why
        if self._process is not None:
            self._process.kill()

    async def aclose(self, why: str = UNLOADING) -> None:
        """Ends the process and all open work, which fails with `why`.

        Safe to call twice, and before `load`.
        """
        self._closing = self._closing or why
        if self._transport is not None:
            self._before_close()
            self._transport.close()
            self._on_closed()
        elif self._process is not None:
            self._process.kill()
            await self._process.reap(EXIT_PATIENCE_S)
        if self._reaper is not None:
            await asyncio.shield(self._reaper)

    def _check_room(self) -> None:
        """Raises Unavailable when the process cannot take a request."""
        if self._closing or self._reaper is not None or not self._ready.done():
            raise Unavailable(f"the {self._role} is not running", retry_after_s=RETRY_AFTER_S)
        assert self._transport is not None
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            text = f"the {self._role} does not take requests now"
            raise Unavailable(text, reason="WORKER_STALLED", retry_after_s=RETRY_AFTER_S)

    def _send(self, message: msgspec.Struct) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(message))

    # ---- for subclasses

    def _decode(self, body: bytes) -> Any:
        raise NotImplementedError

    def _on_message(self, message: Any) -> None:
        raise NotImplementedError

    def _before_close(self) -> None:
        """Sends a final message, if any. The closed socket ends the process in any case."""

    def _on_end(self, error: Unavailable) -> None:
        """The process has ended: `error` is for all open work."""
        raise NotImplementedError

    # ---- the end

    def _on_closed(self) -> None:
        if self._reaper is None:
            self._reaper = asyncio.create_task(self._reap())

    async def _reap(self) -> None:
        assert self._process is not None
        exit_story = await self._process.reap(EXIT_PATIENCE_S)
        why = self._why or exit_story
        if not self._ready.done():
            self._ready.set_exception(self._load_error(why))
        error = self._end_error(why)
        # First, so that a reader of a failed stream finds the model not ready.
        self.lost.set_result(error)
        self._on_end(error)

    def _load_error(self, why: str) -> ModelError | Unavailable:
        """An assertion of native code during the load is a fault of the file: a retry cannot help."""
        process = self._process
        if self._closing or process is None or not process.gave_up_at or process.lost_hosts:
            return self._end_error(why)
        message = f"{self._model_path}: llama.cpp cannot run it: {process.gave_up_at}"
        return ModelError(message, reason="UNSUPPORTED_MODEL")

    def _end_error(self, why: str) -> Unavailable:
        if self._closing:
            return Unavailable(self._closing, reason="DRAINING", retry_after_s=RETRY_AFTER_S)
        if self._process is not None and (hosts := self._process.lost_hosts):
            return _lost(hosts)
        return Unavailable(why, retry_after_s=RETRY_AFTER_S)


def _lost(hosts: str) -> Unavailable:
    text = f"the connection to the helper {hosts} broke, which computes layers of the model (XAPP_RPC_HOSTS)"
    return Unavailable(text, reason="RPC_HOST_LOST", metadata={"host": hosts}, retry_after_s=RETRY_AFTER_S)
