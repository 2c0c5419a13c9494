"""How fast a device reads weights: rows of a made-up matrix times a vector, as a decode step does.

The matrices are zeros, which the device writes itself, so nothing travels over the network.
"""

import ctypes
import time
from typing import Any

from xapp.backend.rpc.devices import function

WIDTH = 2048
MATRICES = 12
REPEATS = 3
Q8_0, F32 = 8, 0
MATRIX_BYTES = WIDTH * WIDTH // 32 * 34
NEED_BYTES = MATRICES * MATRIX_BYTES + (4 << 20)
"""Memory that the measurement takes for a moment."""

_handle, _size, _int = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int


class _InitParams(ctypes.Structure):
    _fields_ = (("mem_size", _size), ("mem_buffer", _handle), ("no_alloc", ctypes.c_bool))


_init = function("ggml_init", _handle, _InitParams)
_free = function("ggml_free", None, _handle)
_overhead = function("ggml_tensor_overhead", _size)
_graph_overhead = function("ggml_graph_overhead", _size)
_new_graph = function("ggml_new_graph", _handle, _handle)
_expand = function("ggml_build_forward_expand", None, _handle, _handle)
_matrix = function("ggml_new_tensor_2d", _handle, _handle, _int, ctypes.c_int64, ctypes.c_int64)
_multiply = function("ggml_mul_mat", _handle, _handle, _handle, _handle)
_start = function("ggml_backend_dev_init", _handle, _handle, ctypes.c_char_p)
_stop = function("ggml_backend_free", None, _handle)
_allocate = function("ggml_backend_alloc_ctx_tensors", _handle, _handle, _handle)
_clear = function("ggml_backend_buffer_clear", None, _handle, ctypes.c_uint8)
_release = function("ggml_backend_buffer_free", None, _handle)
_compute = function("ggml_backend_graph_compute", _int, _handle, _handle)
_read = function("ggml_backend_tensor_get", None, _handle, _handle, _size, _size)
_registry_of = function("ggml_backend_dev_backend_reg", _handle, _handle)
_lookup = function("ggml_backend_reg_get_proc_address", _handle, _handle, ctypes.c_char_p)


def bytes_per_s(device: Any, *, threads: int = 0, round_trip_s: float = 0.0) -> float | None:
    """Bytes of weights that the device reads in a second; None where it has no memory for the measurement.

    `threads` are for a CPU of this process. The round trip to the device is not counted.
    """
    backend = _start(device, None)
    if not backend:
        return None
    try:
        if threads:
            _set_threads(device, backend, threads)
        seconds = _fastest(backend)
    finally:
        _stop(backend)
    if seconds is None:
        return None
    # A device that is faster than the clock can tell counts as fast as a round trip.
    return MATRICES * MATRIX_BYTES / max(seconds - round_trip_s, seconds / 10)


def keep_open(device: Any) -> None:
    """Keeps the connection to a helper for the life of this process."""
    _start(device, None)


def _set_threads(device: Any, backend: Any, threads: int) -> None:
    address = _lookup(_registry_of(device), b"ggml_backend_set_n_threads")
    if address:
        ctypes.CFUNCTYPE(None, _handle, _int)(address)(backend, threads)


def _fastest(backend: Any) -> float | None:
    size = _overhead() * (2 * MATRICES + 2) + _graph_overhead()
    context = _init(_InitParams(size, None, True))
    try:
        result, graph = _chain(context)
        buffer = _allocate(context, backend)
        if not buffer:
            return None
        try:
            _clear(buffer, 0)
            return min(_seconds(backend, graph, result) for _ in range(REPEATS))
        finally:
            _release(buffer)
    finally:
        _free(context)


def _chain(context: Any) -> tuple[Any, Any]:
    """Each matrix times the result before: the devices must compute them one after the other."""
    graph, vector = _new_graph(context), _matrix(context, F32, WIDTH, 1)
    for _ in range(MATRICES):
        vector = _multiply(context, _matrix(context, Q8_0, WIDTH, WIDTH), vector)
    _expand(graph, vector)
    return vector, graph


def _seconds(backend: Any, graph: Any, result: Any) -> float:
    """A helper answers only when something is read: until then its work counts as done."""
    first = ctypes.c_float()
    began = time.perf_counter()
    _compute(backend, graph)
    _read(result, ctypes.addressof(first), 0, 4)
    return time.perf_counter() - began
