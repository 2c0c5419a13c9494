"""llama.cpp's RPC server in this process: it computes layers for another node, for one connection at a time.

The protocol has no authentication, and llama.cpp trusts what it is sent. So the process has a limit of memory
of its own, and is of no use but this: its parent starts it again when it dies.
"""

import ctypes
import resource
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil

from xapp.backend.node import this_node
from xapp.backend.rpc.devices import own_device, rpc_function
from xapp.backend.rpc.lost_host import limit_silence, own_sockets

LISTEN_S = 10.0
LOOK_S = 0.01
STACK_BYTES = 8 << 20
"""Memory of a compute thread's stack, which counts as data of the process."""
SLACK_BYTES = 32 << 20
_handle, _size = ctypes.c_void_p, ctypes.c_size_t
_MEMORY = ctypes.CFUNCTYPE(None, _handle, ctypes.POINTER(_size), ctypes.POINTER(_size))
_MEMORY_PLACE = 2
"""`get_memory` is the third function of a device of ggml."""


class MemoryLimit:
    """At most `limit_bytes` for layers in this process. `free` says what of it is left."""

    def __init__(self, limit_bytes: int, threads: int) -> None:
        self.total = limit_bytes
        self._process = psutil.Process()
        self._before = self._data_bytes()
        most = self._before + limit_bytes + threads * STACK_BYTES + SLACK_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))

    @property
    def free(self) -> int:
        """Bytes that can be allocated now."""
        used = max(self._data_bytes() - self._before, 0)
        return max(min(self.total - used, this_node().memory_bytes), 0)

    def _data_bytes(self) -> int:
        return int(self._process.memory_info().data)


_kept: list[Any] = []
"""ggml keeps the pointers for the life of the process."""


def state_memory(device: Any, limit: MemoryLimit) -> None:
    """The device states this memory from now on. ggml's CPU states that the whole machine is free."""

    def memory(_: Any, free: Any, total: Any) -> None:
        free[0], total[0] = limit.free, limit.total

    callback = _MEMORY(memory)
    _kept.append(callback)
    functions = ctypes.cast(device, ctypes.POINTER(_handle))
    functions[_MEMORY_PLACE] = ctypes.cast(callback, _handle)


def serve(
    host: str,
    port: int,
    *,
    memory_bytes: int,
    threads: int,
    cache_dir: str,
    on_listening: Callable[[int], None],
) -> None:
    """Serves until the process ends; returns where it cannot listen. `on_listening` gets the port.

    `cache_dir` keeps tensors of more than 10 MB for the next load; "" keeps none. Raises FailedPrecondition
    in a build without RPC.
    """
    start = rpc_function(
        "ggml_backend_rpc_start_server",
        None,
        *(ctypes.c_char_p, ctypes.c_char_p, _size, _size, ctypes.POINTER(_handle)),
    )
    device = own_device()
    state_memory(device, MemoryLimit(memory_bytes, threads))
    threading.Thread(target=_watch_listening, args=(on_listening,), daemon=True).start()
    folder = cache_dir.encode() if cache_dir else None
    start(f"{host}:{port}".encode(), folder, threads, 1, (_handle * 1)(device))


def _watch_listening(on_listening: Callable[[int], None]) -> None:
    """Finds the socket that llama.cpp listens on. What it accepts inherits the limits of silence."""
    until = time.monotonic() + LISTEN_S
    while time.monotonic() < until:
        for sock in own_sockets():
            with sock:
                if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    limit_silence(sock)
                    on_listening(sock.getsockname()[1])
                    return
        time.sleep(LOOK_S)
