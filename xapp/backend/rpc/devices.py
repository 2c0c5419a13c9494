"""Devices of ggml: those of helpers, and the CPU of this machine. And which layers of a model go to which."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xapp.backend.native import llama
from xapp.backend.rpc.errors import no_rpc

CPU = 0
GPUS = (1, 2)
"""ggml's numbers of the kinds of devices: a GPU with memory of its own, and a GPU in the CPU's memory."""
HERE = rb"^(token_embd|output)"
"""The tensors that stay on this node. With `output` at a helper, each token would bring the logits of the
whole vocabulary over the network: 608 kB for 151,936 tokens, in place of a row of 3.5 kB.
"""

_handle = ctypes.c_void_p


def function(name: str, result: Any, *arguments: Any) -> Any:
    """A function of libggml, on which libllama depends."""
    return ctypes.CFUNCTYPE(result, *arguments)((name, llama._lib))


_registry = function("ggml_backend_reg_by_name", _handle, ctypes.c_char_p)
_lookup = function("ggml_backend_reg_get_proc_address", _handle, _handle, ctypes.c_char_p)
_device = function("ggml_backend_reg_dev_get", _handle, _handle, ctypes.c_size_t)
_by_type = function("ggml_backend_dev_by_type", _handle, ctypes.c_int)
_cpu_buffers = function("ggml_backend_cpu_buffer_type", _handle)


def has_rpc() -> bool:
    """Whether the build of llama.cpp has the RPC backend."""
    return bool(llama.llama_supports_rpc())


def rpc_function(name: str, result: Any, *arguments: Any) -> Any:
    """A function of the RPC backend. Raises FailedPrecondition in a build without it."""
    registry = _registry(b"RPC")
    address = _lookup(registry, name.encode()) if registry else None
    if not address:
        raise no_rpc()
    return ctypes.CFUNCTYPE(result, *arguments)(address)


def helper_device(address: str) -> Any:
    """The first device of the helper at that address. llama.cpp ends the process where none answers."""
    registry = rpc_function("ggml_backend_rpc_add_server", _handle, ctypes.c_char_p)(address.encode())
    return _device(registry, 0)


def own_device() -> Any:
    """The GPU of this machine that the build can use, otherwise its CPU."""
    found = (_by_type(kind) for kind in (*GPUS, CPU))
    return next(device for device in found if device)


def cpu_device() -> Any:
    """The CPU of this machine."""
    return _by_type(CPU)


@dataclass(frozen=True, slots=True)
class Offload:
    """The last layers of a model go to `devices`, `counts` layers to each; the first layers stay here."""

    devices: tuple[Any, ...]
    counts: tuple[int, ...]


class _Override(ctypes.Structure):
    _fields_ = (("pattern", ctypes.c_char_p), ("buffers", _handle))


class OffloadParams:
    """Native arrays for the parameters of a load. They must live until the load has ended."""

    def __init__(self, offload: Offload) -> None:
        self._offload = offload
        self._devices = (_handle * (len(offload.devices) + 1))(*offload.devices, None)
        self._shares = (ctypes.c_float * max(llama.llama_max_devices(), len(offload.devices)))(
            *shares(offload.counts)
        )
        self._overrides = (_Override * 2)(_Override(HERE, _cpu_buffers()), _Override())

    def set(self, params: Any) -> None:
        """Fills in the parameters of the load."""
        params.devices = ctypes.addressof(self._devices)
        params.tensor_buft_overrides = ctypes.addressof(self._overrides)
        params.tensor_split = ctypes.cast(self._shares, ctypes.POINTER(ctypes.c_float))
        # llama.cpp counts the output as one more layer, of the last device.
        params.n_gpu_layers = sum(self._offload.counts) + 1


def shares(counts: Sequence[int]) -> list[float]:
    """llama.cpp's `tensor_split` for so many layers on each device. A layer goes to a device by comparing
    fractions: each limit lies half a layer before the next device's first layer.
    """
    first, *others = counts
    *middle, last = [first - 0.5, *others]
    return [*middle, last + 1.5]
