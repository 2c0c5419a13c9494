"""Whether a model's files are still those that were looked at: by what the file system says of them.

A mark costs a `stat` a file. Marks that differ do not tell that the content does: a digest tells that.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from xapp.models.parts import all_parts


@dataclass(frozen=True, slots=True)
class FileMark:
    """What the file system says of one file. All 0 where there is none, or it cannot be looked at."""

    size: int = 0
    mtime_ns: int = 0
    inode: int = 0
    device: int = 0


Mark = tuple[FileMark, ...]
"""One for each part of a model."""


def mark_of(path: Path) -> Mark:
    """The files as they are now. Raises nothing."""
    return tuple(_mark(part) for part in all_parts(path))


def are_there(mark: Mark) -> bool:
    """Whether no file was missing."""
    return FileMark() not in mark


def in_place(before: Mark, after: Mark) -> bool:
    """Whether a file that is mapped into memory was written to, rather than another put in its place."""
    return any(
        (was.inode, was.device) == (now.inode, now.device) and was != now
        for was, now in zip(before, after, strict=True)
    )


def _mark(path: Path) -> FileMark:
    try:
        stat = os.stat(path)  # noqa: PTH116  a mark is taken on the event loop: no detours
    except (OSError, ValueError):
        return FileMark()
    return FileMark(stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_dev)
