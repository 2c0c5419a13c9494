"""Common parts of all transfers: progress, room on the disk, back-off, one transfer at a time."""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

from xapp.errors import ModelError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Progress(Protocol):
    """A display of progress."""

    def update(self, what: str, done: int, total: int) -> None:
        """`done` of `total` bytes of the step `what` (fetching, checking)."""
        ...

    def say(self, message: str) -> None:
        """A message for people, such as a lost connection or a wait."""
        ...


class NoProgress:
    """Shows nothing."""

    def update(self, what: str, done: int, total: int) -> None:
        """Ignored."""

    def say(self, message: str) -> None:
        """Ignored."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Up to `attempts` tries in a row without progress; waits double from `base_s` to `cap_s` seconds."""

    attempts: int = 5
    base_s: float = 1.0
    cap_s: float = 8.0
    sleep: Callable[[float], None] = time.sleep

    def wait(self, failures: int, reason: str, progress: Progress) -> None:
        """Waits after the `failures`-th failure in a row."""
        delay = min(self.cap_s, self.base_s * 2 ** (failures - 1))
        progress.say(f"{reason}; trying again in {delay:g} s")
        self.sleep(delay)


def check_room(folder: Path, needed: int, what: str) -> None:
    """Raises ModelError if the file system has fewer than `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise disk_full(folder, needed, free, what)


def disk_full(folder: Path, needed: int, free: int, what: str) -> ModelError:
    """The error for a full disk, found before or during the transfer."""
    text = f"not enough room in {folder} for {what}: {needed:,} bytes needed, {free:,} free"
    return ModelError(text, reason="DISK_FULL", metadata={"needed": str(needed), "free": str(free)})


def raise_for_disk(error: OSError, folder: Path, needed: int, what: str) -> NoReturn:
    """Translates the error of a failed write. `needed` is the number of bytes that were left to write."""
    if error.errno in _FULL:
        raise disk_full(folder, needed, shutil.disk_usage(folder).free, what) from error
    raise ModelError(f"cannot write {what} in {folder}: {error.strerror or error}") from error


@contextmanager
def one_at_a_time(path: Path, progress: Progress) -> Iterator[None]:
    """Holds a lock on `path`. Waits while another process holds it, and says so."""
    lock = path.with_name(f".{path.name}.lock")
    handle = _locked(lock, progress)
    try:
        yield
    finally:
        lock.unlink(
            missing_ok=True
        )  # before the lock is released: a waiter then sees that its file is another one
        os.close(handle)


def _locked(lock: Path, progress: Progress) -> int:
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _wait_for(handle, lock, progress)
            if _still_there(handle, lock):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _wait_for(handle: int, lock: Path, progress: Progress) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        progress.say(f"another process is at work on the same file ({lock}): waiting for it")
        fcntl.flock(handle, fcntl.LOCK_EX)


def _still_there(handle: int, lock: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), lock.stat())
    except FileNotFoundError:
        return False
