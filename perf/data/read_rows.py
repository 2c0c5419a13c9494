"""Data files of one JSON object a line, read strictly: what is wrong names the file and the line."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

_Row = TypeVar("_Row")
_MAX_BYTES = 1 << 30


class DataError(Exception):
    """A data file that is not there, is empty, or has a line that is no row of its kind."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")


def read_rows(path: Path, kind: type[_Row]) -> Iterator[tuple[int, _Row]]:
    """Line numbers from 1 and rows; blank lines are passed over. Raises DataError."""
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            yield number, _row(path, number, line, kind)


def _lines(path: Path) -> list[bytes]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(str(path), f"larger than {_MAX_BYTES >> 20} MiB: not a file of questions")
        lines = path.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines()
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror}") from error
    if not any(line.strip() for line in lines):
        raise DataError(str(path), "empty")
    return lines


def _row(path: Path, number: int, line: bytes, kind: type[_Row]) -> _Row:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}, line {number}", str(error)) from error


def spread(rows: list[_Row], limit: int | None) -> list[_Row]:
    """`limit` rows taken evenly over all, in order: a file sorted by subject gives some of each."""
    if limit is None or limit >= len(rows):
        return rows
    return [rows[index * len(rows) // limit] for index in range(limit)]
