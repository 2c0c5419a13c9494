"""llama.cpp's C API, and its log.

The package `llama_cpp` imports numpy and its high-level classes, about 18 MB and 0.15 s that this
service does not need. So only its module of C bindings is imported here. llama.cpp's log is dropped, except
inside `captured_errors` and `captured_remarks`.
"""

import ctypes
import importlib.util
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

_MAX_LINES = 20
_LOG_INFO = 2
_LOG_ERROR = 4
_local = threading.local()


def _import_bindings() -> ModuleType:
    if "llama_cpp" not in sys.modules:
        spec = importlib.util.find_spec("llama_cpp")
        if spec is None or spec.submodule_search_locations is None:
            raise ModuleNotFoundError("No module named 'llama_cpp'", name="llama_cpp")
        package = ModuleType("llama_cpp")
        package.__path__ = list(spec.submodule_search_locations)
        package.__spec__ = spec
        sys.modules["llama_cpp"] = package
    return importlib.import_module("llama_cpp.llama_cpp")


llama: Any = _import_bindings()
"""The bindings: `llama.llama_tokenize` and so on."""


def _on_log(level: int, text: bytes | None, _user_data: object) -> None:
    lines: deque[str] | None = getattr(_local, "lines", None)
    if lines is not None and level == _local.level and text:
        lines.append(text.decode(errors="replace").strip())


# Kept for the life of the process: llama.cpp holds the pointer.
_callback = llama.llama_log_callback(_on_log)
llama.llama_log_set(_callback, None)


def load_variants(library: Any, folder: Path) -> None:
    """Loads the CPU kernels that fit this CPU best, where the build has them in separate files.

    A build with GGML_CPU_ALL_VARIANTS has no device until it is told the folder: it searches beside the
    executable, which is Python. `library` also resolves the functions of libggml, on which it depends.
    """
    library.ggml_backend_reg_count.restype = ctypes.c_size_t
    if library.ggml_backend_reg_count() == 0:
        library.ggml_backend_load_all_from_path(ctypes.c_char_p(os.fsencode(folder)))


load_variants(llama._lib, Path(llama.__file__).parent / "lib")
llama.llama_backend_init()


def captured_errors() -> AbstractContextManager[deque[str]]:
    """The error lines that llama.cpp logs on this thread, at most the last 20."""
    return _captured(_LOG_ERROR)


def captured_remarks() -> AbstractContextManager[deque[str]]:
    """Like `captured_errors`, for lines at level info."""
    return _captured(_LOG_INFO)


@contextmanager
def _captured(level: int) -> Iterator[deque[str]]:
    lines: deque[str] = deque(maxlen=_MAX_LINES)
    _local.lines, _local.level = lines, level
    try:
        yield lines
    finally:
        _local.lines = None
