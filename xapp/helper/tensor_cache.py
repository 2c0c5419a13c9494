"""The folder in which llama.cpp keeps tensors for the next load: bounded, and free of half-written files.

llama.cpp names a file by the hash of the tensor, and takes it by its name: it checks neither content nor
length, and it has no limit. So only files that are known to be whole stay there.
"""

import re
from pathlib import Path

import msgspec

_TENSOR = re.compile(r"[0-9a-f]{16}")
_LIST = "whole.json"
_Seen = dict[str, tuple[int, int]]


class TensorCache:
    """At most `limit_bytes` in `folder`, the oldest files go first."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._last: _Seen = {}
        self._whole = self._read()

    def clean(self) -> None:
        """Removes the files that may be half written: to be called while no process writes."""
        for name, seen in self._look().items():
            if self._whole.get(name) != seen:
                self._remove(name)
        self._last = {}

    def look(self) -> None:
        """To be called again and again while the process lives. A file that has not changed since the last
        time is whole: a tensor is written in one go.
        """
        now = self._look()
        whole = {
            name: seen for name, seen in now.items() if seen in (self._last.get(name), self._whole.get(name))
        }
        self._last = now
        for name in self._excess(now):
            self._remove(name)
            whole.pop(name, None)
        if whole != self._whole:
            self._whole = whole
            self._write()

    def _excess(self, now: _Seen) -> list[str]:
        """The oldest files beyond the limit."""
        over = sum(size for size, _ in now.values()) - self._limit_bytes
        excess = []
        for name, (size, _) in sorted(now.items(), key=lambda item: item[1][1]):
            if over <= 0:
                break
            excess.append(name)
            over -= size
        return excess

    def _look(self) -> _Seen:
        files: _Seen = {}
        for path in self._folder.iterdir():
            if _TENSOR.fullmatch(path.name):
                state = path.stat()
                files[path.name] = (state.st_size, state.st_mtime_ns)
        return files

    def _remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def _read(self) -> _Seen:
        try:
            return msgspec.json.decode((self._folder / _LIST).read_bytes(), type=_Seen)
        except (OSError, msgspec.MsgspecError):
            return {}

    def _write(self) -> None:
        scratch = self._folder / f"{_LIST}.new"
        scratch.write_bytes(msgspec.json.encode(self._whole))
        scratch.replace(self._folder / _LIST)
