"""Tells which helper was lost when llama.cpp gives up.

llama.cpp aborts its process when it finds a connection to a helper broken, and does not say which. This
module puts the name into the message: it looks at the state of the connections at that moment. It also gives
the connections limits of time: without them a helper whose power is cut would never be noticed.
"""

import ctypes
import os
import select
import socket
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xapp.backend.native import llama

SILENCE_MS = 10_000
"""A connection is lost when sent bytes are not confirmed for so long."""
PROBE_AFTER_S, PROBE_EVERY_S, MOST_PROBES = 5, 2, 3
"""An idle connection is probed after 5 s, and is lost after three probes without an answer."""
MARK = "RPC"
_ESTABLISHED = 1
_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_char_p)


def limit_silence(sock: socket.socket) -> None:
    """The connection, or those that a listening socket accepts, breaks when its other end is gone."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, PROBE_AFTER_S),
        (socket.TCP_KEEPINTVL, PROBE_EVERY_S),
        (socket.TCP_KEEPCNT, MOST_PROBES),
        (socket.TCP_USER_TIMEOUT, SILENCE_MS),
    ):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


def own_sockets() -> Iterable[socket.socket]:
    """All internet sockets of this process, as copies that the caller closes."""
    for link in Path("/proc/self/fd").iterdir():
        try:
            if not link.readlink().name.startswith("socket:"):
                continue
            sock = socket.socket(fileno=os.dup(int(link.name)))
        except OSError:
            continue  # closed since the listing
        if sock.family == socket.AF_INET:
            yield sock
        else:
            sock.close()


class Connections:
    """llama.cpp's connections to helpers, by address. `names` has the helper's name for each address."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._sockets: dict[str, socket.socket] = {}

    def find(self) -> None:
        """Finds them among the sockets of this process and limits their silence."""
        for sock in own_sockets():
            address = _peer(sock)
            if address in self._names and address not in self._sockets:
                limit_silence(sock)
                self._sockets[address] = sock
            else:
                sock.close()

    def wait_lost(self) -> None:
        """Returns when a connection is not open any more."""
        poll = select.poll()
        for sock in self._sockets.values():
            poll.register(sock, select.POLLRDHUP)
        poll.poll()

    def lost(self) -> list[str]:
        """The names of the helpers whose connection is not open any more."""
        broken = [address for address, sock in self._sockets.items() if _state(sock) != _ESTABLISHED]
        return [self._names[address] for address in broken]

    def close(self) -> None:
        """Closes the copies of the sockets."""
        for sock in self._sockets.values():
            sock.close()


def _peer(sock: socket.socket) -> str:
    try:
        return "{}:{}".format(*sock.getpeername())
    except OSError:
        return ""


def _state(sock: socket.socket) -> int:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def abort_message(message: str, lost: list[str]) -> str:
    """The message with the names of the lost helpers, in one line."""
    text = " ".join(message.split())
    return f"{text} [{MARK} {','.join(lost)}]" if lost else text


def watch(connections: Connections) -> None:
    """From now on the process ends as soon as a connection breaks, and its last line names the helper.

    An idle worker would notice nothing before its next request, which would be lost.
    """
    threading.Thread(target=_wait, args=(connections,), name="helpers", daemon=True).start()
    callback = _CALLBACK(lambda message: _say(message.decode(errors="replace"), connections))
    _kept.append(callback)
    ctypes.CFUNCTYPE(_CALLBACK, _CALLBACK)(("ggml_set_abort_callback", llama._lib))(callback)


_kept: list[Any] = []
"""ggml keeps the pointer of the callback for the life of the process."""


def _wait(connections: Connections) -> None:
    connections.wait_lost()
    _say("a connection to a helper broke", connections)
    os.abort()


def _say(message: str, connections: Connections) -> None:
    os.write(2, f"{abort_message(message, connections.lost())}\n".encode())
