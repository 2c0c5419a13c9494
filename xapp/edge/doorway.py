"""How many connections an HTTP port takes, in all and from one address: aiohttp itself knows no bound.

A new connection takes the place of an old one: a probe gets in although a crowd that says nothing is there.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from aiohttp import web

from xapp.edge.eager_listener import EagerListener, listening_sockets

HANDSHAKE_S = 10.0

_Transport: TypeAlias = asyncio.BaseTransport


def _never(_: _Transport) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Room:
    """At most `most` connections, and `each` from one address.

    A connection that `is_busy` is not ended for another one. Where all are busy, the new one is ended.
    """

    most: int
    each: int
    is_busy: Callable[[_Transport], bool] = _never


class Site(web.BaseSite):
    """As aiohttp's TCPSite, with bounds. Beyond them the oldest connection of the largest crowd is ended."""

    def __init__(self, runner: web.BaseRunner, host: str, port: int, room: Room, **options: Any) -> None:
        super().__init__(runner, **options)
        self._host, self._port, self._room = host, port, room

    @property
    def name(self) -> str:
        """Where it listens."""
        return f"{self._host}:{self._port}"

    async def start(self) -> None:
        """Listens. Raises OSError."""
        await super().start()
        server = self._runner.server
        assert server is not None, "the runner is set up"
        loop = asyncio.get_running_loop()

        async def take(accepted: socket.socket) -> None:
            await loop.connect_accepted_socket(
                lambda: _Entry(server, self._room),
                accepted,
                ssl=self._ssl_context,
                ssl_handshake_timeout=HANDSHAKE_S if self._ssl_context else None,
            )

        listener = EagerListener(await listening_sockets(self._host, self._port, self._backlog), take)
        self._server = cast(asyncio.AbstractServer, listener)  # aiohttp asks for its sockets and its end only


class _Entry(asyncio.Protocol):
    """A connection that nobody serves yet."""

    def __init__(self, server: web.Server, room: Room) -> None:
        self._server = server
        self._room = room

    def connection_made(self, transport: Any) -> None:
        """Makes room for it, and hands it on."""
        if not self._make_room(_address(transport)):
            transport.abort()
            return
        handler = self._server()
        transport.set_protocol(handler)
        handler.connection_made(transport)

    def _make_room(self, newcomer: str) -> bool:
        """Whether there is room now."""
        room, open_ones = self._room, self._server.connections
        if len(open_ones) < min(room.each, room.most):
            return True
        transports = [each.transport for each in open_ones]
        live = [each for each in transports if each is not None and not each.is_closing()]
        if sum(_address(each) == newcomer for each in live) >= room.each:
            return _end_oldest([each for each in self._idle(live) if _address(each) == newcomer])
        return len(live) < room.most or _end_oldest(_largest_crowd(self._idle(live)))

    def _idle(self, transports: list[asyncio.Transport]) -> list[asyncio.Transport]:
        return [each for each in transports if not self._room.is_busy(each)]


def _largest_crowd(transports: list[asyncio.Transport]) -> list[asyncio.Transport]:
    """Those of the address that has the most."""
    crowds = Counter(map(_address, transports)).most_common(1)
    return [each for each in transports if _address(each) == crowds[0][0]]


def _end_oldest(transports: list[asyncio.Transport]) -> bool:
    """`transports` are in the order in which they came. False where there is none."""
    if transports:
        transports[0].abort()
    return bool(transports)


def _address(transport: asyncio.BaseTransport | None) -> str:
    peer = transport.get_extra_info("peername") if transport is not None else None
    return str(peer[0]) if peer else ""
