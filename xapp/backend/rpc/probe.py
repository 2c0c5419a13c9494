"""Asks a helper for its version and its memory, before llama.cpp does.

llama.cpp ends its process where a helper cannot be reached or answers nonsense, and waits for ever for a
helper that is silent. This module speaks the first messages of the same protocol, with a limit of time and of
length. A message is a command of one byte, a length of 8 bytes, and so many bytes. An answer has no command.
"""

import socket
import struct
import time
from dataclasses import dataclass

from xapp.backend.rpc.errors import lost, unfit
from xapp.config.rpc_hosts import RpcHost

VERSION = (7, 0, 0)
"""The version of the protocol in the pinned build. Helpers of other builds may have other operations."""
TIMEOUT_S = 5.0
ROUND_TRIPS = 4
_HELLO, _MEMORY = 14, 11
_CAPS_BYTES = 24


@dataclass(frozen=True, slots=True)
class HostState:
    """A helper that answers: its address for llama.cpp, its memory, and the shortest round trip."""

    host: RpcHost
    address: str
    free_bytes: int
    total_bytes: int
    round_trip_s: float


def probe(host: RpcHost, timeout_s: float = TIMEOUT_S) -> HostState:
    """Raises Unavailable where the helper does not answer, ModelError where it is no helper of this build."""
    address = resolve(host)
    try:
        with socket.create_connection((address, host.port), timeout_s) as sock:
            return _Asking(host, sock, timeout_s).state(address)
    except TimeoutError as error:
        why = f"does not answer within {timeout_s:g} s: it is gone, or works for another node"
        raise lost(host, why) from error
    except OSError as error:
        raise lost(host, f"cannot be reached: {error.strerror or error}") from error


def resolve(host: RpcHost) -> str:
    """The IPv4 address of the helper. Raises Unavailable."""
    try:
        found = socket.getaddrinfo(host.name, host.port, socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise lost(host, f"has no IPv4 address: {error}") from error
    return str(found[0][4][0])


class _Asking:
    """One connection to a helper, with one limit of time for all answers."""

    def __init__(self, host: RpcHost, sock: socket.socket, timeout_s: float) -> None:
        self._host = host
        self._sock = sock
        self._until = time.monotonic() + timeout_s
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def state(self, address: str) -> HostState:
        self._check_version(self._ask(_HELLO, bytes(_CAPS_BYTES), 4 + _CAPS_BYTES))
        trips = []
        for _ in range(ROUND_TRIPS):
            began = time.perf_counter()
            free, total = struct.unpack("<QQ", self._ask(_MEMORY, bytes(4), 16))
            trips.append(time.perf_counter() - began)
        return HostState(self._host, f"{address}:{self._host.port}", free, total, min(trips))

    def _check_version(self, answer: bytes) -> None:
        version = tuple(answer[:3])
        if version != VERSION:
            theirs, ours = (".".join(map(str, each)) for each in (version, VERSION))
            raise unfit(self._host, f"is a helper of another build: it speaks RPC {theirs}, this node {ours}")

    def _ask(self, command: int, content: bytes, size: int) -> bytes:
        self._sock.sendall(struct.pack("<BQ", command, len(content)) + content)
        (stated,) = struct.unpack("<Q", self._receive(8))
        if stated != size:
            raise unfit(self._host, "speaks another protocol than llama.cpp's RPC")
        return self._receive(size)

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            self._sock.settimeout(max(self._until - time.monotonic(), 0.001))
            more = self._sock.recv(size - len(data))
            if not more:
                raise unfit(
                    self._host, "closes the connection: it speaks another protocol than this build's RPC"
                )
            data += more
        return data
