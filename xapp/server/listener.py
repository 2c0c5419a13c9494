"""Listener: a gRPC server that is replaced when it ends by itself.

grpc.aio ends its accept loop, and with it the port, at the first unexpected error: one call with a path
that is not UTF-8 is enough. The open calls of such a server go on, so it is kept until they end.
"""

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import Callable
from time import monotonic

import grpc

from xapp import logs
from xapp.config import ServerSettings
from xapp.errors import ConfigError
from xapp.hosts import host_port
from xapp.server.self_call import SelfCall

MAX_RETIRED = 16
"""Ended servers with open streams. Beyond this number the streams of the oldest are cut."""
TICK_S = 1.0
"""The listener looks so often at its server, in addition to each error that gRPC logs."""
SELF_CALL_EVERY_TICKS = 5
PATIENCE_S = 1.0
"""For so long the port is tried again before the listener counts as lost."""
_RETRY_S = 0.02

_log = logging.getLogger(__name__)
_grpc_log = logging.getLogger("grpc._cython.cygrpc")


class _Errors(logging.Handler):
    """Sets an event when grpc.aio logs an error. It logs the error that ends an accept loop."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Runs in the event loop."""
        self.seen.set()


class Listener:
    """The listener of one address. `start` first, then `watch` in a task, `stop` last.

    `make` returns a server with its methods and without a port. `credentials` secure its port; without them
    the port is plain text. The streams of a replaced server have `keep_s` seconds. `on_lost` is called when
    the port cannot be opened again.
    """

    def __init__(
        self,
        make: Callable[[], grpc.aio.Server],
        settings: ServerSettings,
        keep_s: float,
        on_lost: Callable[[], None],
        credentials: Callable[[], grpc.ServerCredentials] | None = None,
    ) -> None:
        self._make = make
        self._host = settings.host
        self._credentials = credentials
        # The node has no client certificate for its own port, so its health call uses a socket without one.
        self._own_socket = f"unix-abstract:genai-xapp-{os.getpid()}-{secrets.token_hex(8)}"
        self._keep_s = keep_s
        self._on_lost = on_lost
        self._errors = _Errors()
        self._retired: dict[asyncio.Task[None], grpc.aio.Server] = {}
        self._server = make()
        self.port = settings.grpc_port
        self.self_call = self._self_call()

    async def start(self) -> None:
        """Listens. Raises ConfigError when the port cannot be opened."""
        try:
            self.port = self._bind()
        except RuntimeError as error:
            address = host_port(self._host, self.port)
            message = f"cannot listen on {address}: is the port in use?"
            raise ConfigError("XAPP_GRPC_PORT", message) from error
        self.self_call = self._self_call()
        await self._server.start()

    def _bind(self) -> int:
        address = host_port(self._host, self.port)
        if self._credentials is None:
            return self._server.add_insecure_port(address)
        self._server.add_insecure_port(self._own_socket)
        return self._server.add_secure_port(address, self._credentials())

    def _self_call(self) -> SelfCall:
        return SelfCall(self._host, self.port, "" if self._credentials is None else self._own_socket)

    async def watch(self) -> None:
        """Replaces the server whenever it ends. Returns when that fails, after `on_lost`."""
        _grpc_log.addHandler(self._errors)
        try:
            await self._serve_for_ever()
        finally:
            _grpc_log.removeHandler(self._errors)

    async def _serve_for_ever(self) -> None:
        while True:
            why = await self._until_dead()
            logs.event(_log, "the gRPC listener ended", _fields(why), level=logging.ERROR)
            self._retire()
            if not await self._serve_again():
                logs.event(_log, "the gRPC port is lost", _fields(why), level=logging.CRITICAL)
                self._on_lost()
                return
            logs.event(_log, "the gRPC listener is served again", _fields(""))

    async def _until_dead(self) -> str:
        """Returns the reason when the server no longer accepts calls."""
        ticks = 0
        try:
            while await self._still_serves():
                ticks += 1
                if ticks % SELF_CALL_EVERY_TICKS == 0 and await self._refuses():
                    return "connections are refused"
        except Exception as error:  # noqa: BLE001  whatever ended the accept loop
            return f"{type(error).__name__}: {error}"
        return "it was stopped"

    async def _still_serves(self) -> bool:
        """Waits for a tick or an error. Raises the error that ended the accept loop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TICK_S):
                await self._errors.seen.wait()
        self._errors.seen.clear()
        return bool(await self._server.wait_for_termination(0))

    async def _refuses(self) -> bool:
        await self.self_call.check()
        return self.self_call.refused

    def _retire(self) -> None:
        if len(self._retired) >= MAX_RETIRED:
            next(iter(self._retired)).cancel()
        task = asyncio.create_task(_let_end(self._server, self._keep_s))
        self._retired[task] = self._server
        task.add_done_callback(self._retired.pop)

    async def _serve_again(self) -> bool:
        until = monotonic() + PATIENCE_S
        while True:
            self._server = self._make()
            with contextlib.suppress(RuntimeError):
                self._bind()
                await self._server.start()
                return True
            if monotonic() > until:
                return False
            await asyncio.sleep(_RETRY_S)

    async def stop(self, grace_s: float) -> None:
        """Ends the server and the servers before it. Open calls have `grace_s` to end."""
        retired = dict(self._retired)
        await asyncio.gather(*(_stop(each, grace_s) for each in (self._server, *retired.values())))
        await asyncio.gather(*retired, return_exceptions=True)


async def _let_end(server: grpc.aio.Server, keep_s: float) -> None:
    """Stops a server. Its streams have `keep_s`. When this is cancelled, they end at once."""
    try:
        await _stop(server, keep_s)
    finally:
        await _stop(server, None)


async def _stop(server: grpc.aio.Server, grace_s: float | None) -> None:
    try:
        await server.stop(grace_s)
    except Exception as error:  # noqa: BLE001  what ended the accept loop is raised again: it was logged
        _log.debug("a listener that had ended: %s", error)


def _fields(why: str) -> dict[str, object]:
    return {"event": "listener", "why": why} if why else {"event": "listener"}
