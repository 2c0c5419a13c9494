"""Reads the kernel's small files, a bounded number of bytes whatever they hold."""

from pathlib import Path

_MOST_BYTES = 4096


def read_small(path: Path) -> str:
    """The first line or lines, stripped. Raises OSError; ValueError for bytes that are no text."""
    with path.open("rb") as file:
        return file.read(_MOST_BYTES).decode().strip()


def read_number(path: Path) -> int | None:
    """None without such a file, or where it has no number."""
    try:
        return int(read_small(path))
    except (OSError, ValueError):
        return None
