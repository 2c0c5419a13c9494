"""Task files of a folder, read whole and at once: a ConfigMap's folder changes under the reader."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from itertools import pairwise
from pathlib import Path

from xapp.domain.task import Task
from xapp.errors import ConfigError
from xapp.tasks.parse import parse_task
from xapp.text_file import decode_text

KEY = "XAPP_TASKS_DIR"
MAX_FILES = 256
MAX_FILE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The contents of the task files, by file name."""

    files: tuple[tuple[str, bytes], ...]

    @property
    def digest(self) -> str:
        """A digest of names and contents."""
        parts = (hashlib.sha256(part).digest() for name, body in self.files for part in (name.encode(), body))
        return hashlib.sha256(b"".join(parts)).hexdigest()


def shipped_dir() -> Path:
    """The folder of the tasks in the package."""
    return Path(str(resources.files("xapp.tasks").joinpath("shipped")))


def read_folder(folder: Path) -> Snapshot:
    """The `*.yaml` and `*.yml` files directly in the folder, without hidden files. Raises ConfigError."""
    try:
        paths = sorted(path for path in folder.iterdir() if _is_task(path))
        if len(paths) > MAX_FILES:
            raise ConfigError(KEY, f"{folder} has {len(paths)} task files, at most {MAX_FILES} are read")
    except OSError as error:
        raise ConfigError(KEY, f"cannot read {error.filename or folder}: {error.strerror}") from error
    return read_files(paths)


def read_files(paths: Sequence[Path]) -> Snapshot:
    """The present contents of the files. Raises ConfigError with the file that is unreadable or too large."""
    return Snapshot(tuple((path.name, _read(path)) for path in paths))


def _is_task(path: Path) -> bool:
    return path.suffix in {".yaml", ".yml"} and not path.name.startswith(".")


def _read(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise ConfigError(KEY, f"cannot read {path}: it is no file")
    try:
        with path.open("rb") as file:
            body = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(KEY, f"cannot read {path}: {error.strerror}") from error
    if len(body) > MAX_FILE_BYTES:
        raise ConfigError(path.name, f"is larger than {MAX_FILE_BYTES} bytes")
    return body


def read_tasks(snapshot: Snapshot) -> tuple[Task, ...]:
    """The tasks, sorted by name, then version. Raises ConfigError with the file and the key."""
    tasks = sorted(
        (_parse(body, name) for name, body in snapshot.files), key=lambda task: (task.name, task.version)
    )
    for one, other in pairwise(tasks):
        if one.label == other.label:
            raise ConfigError(f"{other.source}: version", f"{one.label} is in {one.source} as well")
    return tuple(tasks)


@lru_cache(maxsize=2 * MAX_FILES)
def _parse(body: bytes, name: str) -> Task:
    """Results are remembered: a reload parses only files that changed."""
    try:
        text = decode_text(body)
    except UnicodeDecodeError as error:
        raise ConfigError(name, f"is no UTF-8: {error.reason} at byte {error.start}") from error
    return parse_task(text, name)
