"""Marks: tells from the file system whether a model's files are still the files that were read before.

A mark costs a `stat` a file. If marks differ, the contents may still be the same: a digest tells that.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from xapp.models.parts import all_parts


@dataclass(frozen=True, slots=True)
class FileMark:
    """The file system's facts of one file. All 0 for a file that is missing or unreadable."""

    size: int = 0
    mtime_ns: int = 0
    inode: int = 0
    device: int = 0


Mark = tuple[FileMark, ...]
"""A mark for each part of a model."""


def mark_of(path: Path) -> Mark:
    """The present marks of the files. Raises nothing."""
    return tuple(mark_of_file(part) for part in all_parts(path))


def are_there(mark: Mark) -> bool:
    """Whether all files were there."""
    return FileMark() not in mark


def in_place(before: Mark, after: Mark) -> bool:
    """Whether a file that is mapped into memory was overwritten, rather than replaced by another file."""
    return any(
        (was.inode, was.device) == (now.inode, now.device) and was != now
        for was, now in zip(before, after, strict=True)
    )


def mark_of_file(path: Path) -> FileMark:
    """The present mark of one file. Raises nothing."""
    try:
        stat = os.stat(path)  # noqa: PTH116  a mark is taken on the event loop: no detours
    except (OSError, ValueError):
        return FileMark()
    return FileMark(stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_dev)
