"""A listener that takes every connection that waits, at once.

uvloop takes one connection in a pass of the loop. Behind a crowd whose connections cost work, a probe would
wait for as many passes as there are connections before it, and no bound on connections would count those.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

AT_ONCE = 1024
"""Connections taken in a pass, so that an endless crowd does not keep the loop."""
PAUSE_S = 0.5
"""Where the process has no descriptor left, the listener tries again after so long."""

_log = logging.getLogger(__name__)


class EagerListener:
    """Hands each accepted socket to `take`, as a task. `sockets` listen already, and do not block."""

    def __init__(
        self, sockets: list[socket.socket], take: Callable[[socket.socket], Awaitable[object]]
    ) -> None:
        self.sockets = sockets
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        for each in sockets:
            self._watch(each)

    def close(self) -> None:
        """Listens no longer. Connections that are open stay."""
        for each in self.sockets:
            self._loop.remove_reader(each)
            each.close()
        self.sockets = []

    async def wait_closed(self) -> None:
        """Returns when every socket that was accepted has been handed on."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _watch(self, listening: socket.socket) -> None:
        if listening in self.sockets:
            self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                accepted, _address = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:  # no descriptors, no memory
                _log.warning("no connection can be taken: %s", error.strerror)
                self._loop.remove_reader(listening)
                self._loop.call_later(PAUSE_S, self._watch, listening)
                return
            accepted.setblocking(False)
            task = self._loop.create_task(self._hand_on(accepted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _hand_on(self, accepted: socket.socket) -> None:
        try:
            await self._take(accepted)
        except OSError:  # it is gone already, or its TLS handshake failed
            accepted.close()


async def listening_sockets(host: str, port: int, backlog: int) -> list[socket.socket]:
    """One for each address of the host, as asyncio's create_server has. Raises OSError."""
    kind, flags = socket.SOCK_STREAM, socket.AI_PASSIVE
    found = await asyncio.get_running_loop().getaddrinfo(host or None, port, type=kind, flags=flags)
    sockets: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((family, address) for family, *_, address in found):
            sockets.append(_listening(family, address, backlog))
    except OSError:
        for each in sockets:
            each.close()
        raise
    return sockets


def _listening(family: int, address: tuple[object, ...], backlog: int) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.listen(backlog)
    except OSError:
        opened.close()
        raise
    return opened
