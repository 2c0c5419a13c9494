"""What a run has measured so far, one line a sample, so that an end in the middle loses none of it.

`RESULT.part` lies beside the result file to be. Its first line says what was being measured; a run
goes on from it only when it would measure the same.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from perf.record.record_errors import RecordError

SCHEMA = "genai-xapp-bench-journal/1"
SUFFIX = ".part"
_SHOWN_DIFFERENCES = 4


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    fingerprint: dict[str, Any]
    schema: str = SCHEMA


def journal_path(result: Path) -> Path:
    """The journal of a result file."""
    return result.with_name(result.name + SUFFIX)


class Journal:
    """An append-only file of samples. Made by `open`; a context manager. One run holds it at a time."""

    def __init__(self, path: Path, descriptor: int, samples: list[dict[str, Any]], size: int) -> None:
        self.path = path
        self.resumed = bool(samples)
        self._descriptor: int | None = descriptor
        self._samples = samples
        self._size = size

    @classmethod
    def open(cls, result: Path, *, fingerprint: Mapping[str, Any]) -> Self:
        """The journal of the result file `result`: begun, or gone on with where it is there.

        `fingerprint` is what must be equal for old samples to count: mode, models, options, seeds, as
        JSON. Raises RecordError when it differs (naming what does), when the file is no journal, when
        another run holds it, or when it cannot be written.
        """
        path = journal_path(result)
        head = _Head(msgspec.json.decode(msgspec.json.encode(fingerprint), type=dict[str, Any]))
        descriptor = _open(path)
        try:
            samples, size = _resume(path, descriptor, head)
            return cls(path, descriptor, samples, size)
        except BaseException:
            os.close(descriptor)
            raise

    @property
    def samples(self) -> list[dict[str, Any]]:
        """Every sample so far, in the order of adding; those of an earlier run first."""
        return list(self._samples)

    def add(self, sample: Mapping[str, Any]) -> None:
        """Writes one sample through to the file. Raises RecordError: those before it are kept."""
        if self._descriptor is None:
            raise ValueError("the journal is closed")
        line = msgspec.json.encode(sample) + b"\n"
        try:
            _write(self._descriptor, line)
        except OSError as error:
            os.ftruncate(self._descriptor, self._size)  # no half line, for who reads it by eye
            raise RecordError(self.path, _lost(error, len(self._samples))) from error
        self._size += len(line)
        self._samples.append(msgspec.json.decode(line, type=dict[str, Any]))

    def close(self) -> None:
        """Lets go of the file, which stays. Safe to call twice."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _lost(error: OSError, count: int) -> str:
    kept = f"the {count} samples before it are kept, and the same command goes on from them"
    return f"a sample could not be written ({error.strerror}); {kept}"


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise RecordError(path, f"cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise RecordError(path, "another run is writing it") from error
    return descriptor


def _resume(path: Path, descriptor: int, head: _Head) -> tuple[list[dict[str, Any]], int]:
    """The samples that are there and the size up to the last whole line; writes the head if new."""
    whole = path.read_bytes()
    whole = whole[: whole.rfind(b"\n") + 1]
    try:
        os.ftruncate(descriptor, len(whole))  # a line that was cut off in the middle
        if not whole:
            whole = msgspec.json.encode(head) + b"\n"
            _write(descriptor, whole)
    except OSError as error:
        raise RecordError(path, f"cannot be written: {error.strerror}") from error
    first, *rest = whole.splitlines()
    _check(path, _decode_head(path, first), head)
    return [_sample(path, number, line) for number, line in enumerate(rest, start=2)], len(whole)


def _write(descriptor: int, data: bytes) -> None:
    """All of it; `os.write` may take less than it is given when a disk fills."""
    while data:
        data = data[os.write(descriptor, data) :]


def _decode_head(path: Path, line: bytes) -> _Head:
    try:
        return msgspec.json.decode(line, type=_Head)
    except msgspec.DecodeError as error:
        raise RecordError(path, f"line 1: not the head of a journal ({error}); remove the file") from error


def _sample(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise RecordError(path, f"line {number}: not a sample ({error})") from error


def _check(path: Path, there: _Head, now: _Head) -> None:
    if there.schema != now.schema:
        raise RecordError(path, f"of another version ({there.schema}, now {now.schema}); remove the file")
    found = list(_differences(there.fingerprint, now.fingerprint))
    if found:
        shown = "; ".join(found[:_SHOWN_DIFFERENCES])
        raise RecordError(
            path, f"of another run: {shown}. Remove the file to begin anew, or choose another --out"
        )


def _differences(there: Any, now: Any, key: str = "") -> Iterator[str]:
    if isinstance(there, dict) and isinstance(now, dict):
        for name in there.keys() | now.keys():
            yield from _differences(there.get(name), now.get(name), f"{key}.{name}" if key else name)
    elif there != now:
        yield f"{key} was {_brief(there)}, now {_brief(now)}"


def _brief(value: Any) -> str:
    text = "nothing" if value is None else msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "…"
