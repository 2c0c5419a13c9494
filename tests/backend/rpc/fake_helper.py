"""A helper in this process that knows the first messages of llama.cpp's RPC, and its bad manners."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from xapp.backend.rpc.probe import VERSION
from xapp.config.rpc_hosts import RpcHost

GB = 1 << 30
Talk = Callable[[socket.socket], None]


def _take(sock: socket.socket) -> int:
    """Reads one message and returns its command; -1 at the end."""
    head = sock.recv(9, socket.MSG_WAITALL)
    if len(head) < 9:
        return -1
    command, size = struct.unpack("<BQ", head)
    sock.recv(size, socket.MSG_WAITALL)
    return int(command)


def answering(version: tuple[int, int, int] = VERSION, free: int = GB, total: int = 2 * GB) -> Talk:
    """A well-behaved helper."""
    answers = {14: bytes((*version, *bytes(25))), 11: struct.pack("<QQ", free, total)}

    def talk(sock: socket.socket) -> None:
        while (command := _take(sock)) >= 0:
            answer = answers[command]
            sock.sendall(struct.pack("<Q", len(answer)) + answer)

    return talk


def saying(data: bytes) -> Talk:
    """Sends these bytes after the first message, then closes."""

    def talk(sock: socket.socket) -> None:
        _take(sock)
        sock.sendall(data)

    return talk


def silent(sock: socket.socket) -> None:
    """Reads and never answers."""
    while sock.recv(4096):
        pass


@contextmanager
def helper(talk: Talk) -> Iterator[RpcHost]:
    """Listens on a free port of the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accept, args=(listening, talk), daemon=True).start()
        yield RpcHost("127.0.0.1", listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket, talk: Talk) -> None:
    while True:
        try:
            sock, _ = listening.accept()
        except OSError:
            return
        with sock:
            try:
                talk(sock)
            except OSError:
                continue
