"""TuningCache: stores measurements, so that the next start of the same model on the same machine costs
nothing.

Each entry is a small file in the user's cache. It applies to the same model, CPU, build of llama.cpp and
choices only. Deleting the folder causes a new measurement. A cache that cannot be read or written is no
error.
"""

import hashlib
import os
from pathlib import Path

import msgspec

from xapp.backend.tuning import FORMAT, Choices
from xapp.domain.messages import Tuning, TuningSource
from xapp.models.paths import cache_dir

HEAD_BYTES = 1 << 20
"""Bytes at the start of the model file that are hashed: header, metadata, first weights. With the file's size
they distinguish models. Hashing the whole file would take longer than measuring again."""
_CPUINFO = Path("/proc/cpuinfo")
_CPU_KEYS = ("model name", "CPU part", "Model")


class TuningCache:
    """The entry of one model and its choices on this machine. `build` names the build of the backend."""

    def __init__(self, model_path: Path, kv_type: str, options: Choices, build: str) -> None:
        self._path = _folder() / f"{_key(model_path, kv_type, repr(options), build)}.json"

    def read(self) -> Tuning | None:
        """The earlier measurement; None without a valid one."""
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=Tuning)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        return msgspec.structs.replace(found, source=TuningSource.CACHED, seconds=0.0)

    def write(self, tuning: Tuning) -> None:
        """Stores a measurement."""
        scratch = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_bytes(msgspec.json.encode(tuning))
            scratch.replace(self._path)
        except OSError:
            return


def _folder() -> Path:
    return cache_dir(os.environ) / "tuning"


def _key(model_path: Path, *facts: str) -> str:
    with model_path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    size = model_path.stat().st_size
    text = "\n".join((FORMAT, str(size), *facts, *_cpu()))
    return hashlib.sha256(head + text.encode()).hexdigest()[:32]


def _cpu() -> list[str]:
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return []
    return sorted({line for line in lines if line.partition(":")[0].strip() in _CPU_KEYS})
