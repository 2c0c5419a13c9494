"""The files of `index add`: which there are, and which cannot be documents."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from xapp.retrieval.documents.read import ENDINGS

MAX_FILE_BYTES = 12 * 1024 * 1024
"""No node takes more. Such a file is not even read."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """`id` names the document. `skipped` is the reason why it is none, or ""."""

    path: Path
    id: str
    skipped: str = ""


def find(places: Sequence[Path]) -> Iterator[FoundFile]:
    """The files of these folders and files, sorted. A document's id begins with its folder's name.

    Hidden files and folders, and links to folders, are left out.
    """
    for place in places:
        if place.is_dir():
            yield from _of_folder(place)
        else:
            yield _checked(place, place.name)


def _of_folder(folder: Path) -> Iterator[FoundFile]:
    name = folder.resolve().name
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for file in sorted(each for each in files if not each.startswith(".")):
            path = Path(at, file)
            yield _checked(path, f"{name}/{path.relative_to(folder).as_posix()}")


def _checked(path: Path, name: str) -> FoundFile:
    return FoundFile(path, name, _fault(path))


def _fault(path: Path) -> str:
    if path.suffix.lower() not in ENDINGS:
        return f"UNKNOWN_TYPE: {path.suffix or 'no ending'} is none of {' '.join(ENDINGS)}"
    try:
        status = path.stat()
    except OSError as error:
        return f"UNREADABLE: {error.strerror}"
    if not path.is_file():
        return "UNREADABLE: it is no file"
    if status.st_size > MAX_FILE_BYTES:
        return f"TOO_LARGE: it has {status.st_size:,} bytes, more than {MAX_FILE_BYTES:,}"
    return "" if status.st_size else "EMPTY: it has no bytes"
