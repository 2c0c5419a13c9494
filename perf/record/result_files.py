"""Result files on disk: where they go, writing them whole or not at all, and reading them strictly."""

import lzma
import os
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import msgspec

from perf.record.journal import Journal, journal_path
from perf.record.record_errors import RecordError
from perf.record.result_faults import faults
from perf.record.result_schema import SCHEMA, Mode, Result, Status

__all__ = [
    "DEFAULT_FOLDER",
    "Journal",
    "RecordError",
    "read_result",
    "result_path",
    "write_result",
    "write_text",
]

_ROOT = Path(__file__).resolve().parents[2]
_IN_CHECKOUT = (_ROOT / "pyproject.toml").is_file()
DEFAULT_FOLDER = _ROOT / "perf" / "results" / "local" if _IN_CHECKOUT else Path("bench-results")
_FAMILY, _, _VERSION = SCHEMA.partition("/")
_SHOWN_FAULTS = 5
PACKED = ".xz"
"""What the name of a compressed result file ends in, after `.json`."""
MAX_BYTES = 200_000_000
_PRESET = 9 | lzma.PRESET_EXTREME


class _Label(msgspec.Struct):
    """What is read first: of which schema the rest is."""

    schema: str | None = None


def result_path(mode: Mode, model: str, out: Path | None = None) -> Path:
    """Where a run's result goes: `out`, a file, or a name made of mode and model in a folder.

    The folder is `out` when that is one, else DEFAULT_FOLDER. A finished result is not written over:
    the next free name is taken; one whose journal is still there is gone on with.
    """
    if out is not None and not out.is_dir():
        return out
    folder = out or DEFAULT_FOLDER
    return next(path for path in _names(folder, f"{mode}-{_plain(model)}") if _free(path))


def _plain(model: str) -> str:
    name = Path(model).name.removesuffix(".gguf")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "model"


def _names(folder: Path, stem: str) -> Iterator[Path]:
    yield folder / f"{stem}.json"
    yield from (folder / f"{stem}-{number}.json" for number in count(2))


def _free(path: Path) -> bool:
    return not path.exists() or journal_path(path).exists()


def write_result(path: Path, result: Result) -> None:
    """Writes all of it or nothing, in place of what was there; compressed if the name ends in `.json.xz`.

    Removes the journal of a complete run; a partial run's stays, so that it can be gone on with.
    Raises RecordError; the journal is kept then.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_through(temporary, _encoded(path, result))
        temporary.replace(path)
        if result.status is Status.COMPLETE:
            journal_path(path).unlink(missing_ok=True)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RecordError(path, _unwritten(path, error)) from error


def _encoded(path: Path, result: Result) -> bytes:
    data = msgspec.json.encode(result)
    return (
        lzma.compress(data, preset=_PRESET)
        if path.suffix == PACKED
        else msgspec.json.format(data, indent=1) + b"\n"
    )


def write_text(path: Path, text: str) -> None:
    """What lies beside a result file. Raises RecordError."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RecordError(path, f"could not be written: {error.strerror}") from error


def _write_through(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _unwritten(path: Path, error: OSError) -> str:
    kept = journal_path(path)
    where = f"; every sample is kept in {kept.name}" if kept.exists() else ""
    return f"could not be written: {error.strerror}{where}"


def read_result(path: Path) -> Result:
    """A result file, checked in full. Raises RecordError that says what is wrong, and where."""
    try:
        data = _unpacked(path)
    except OSError as error:
        raise RecordError(path, f"cannot be read: {error.strerror}") from error
    _check_schema(path, data)
    try:
        result = msgspec.json.decode(data, type=Result)
    except msgspec.DecodeError as error:
        raise RecordError(path, f"not a result file: {error}") from error
    if found := faults(result):
        raise RecordError(path, "not a sound result file: " + "; ".join(found[:_SHOWN_FAULTS]))
    return result


def _unpacked(path: Path) -> bytes:
    """Raises OSError, RecordError."""
    if path.suffix != PACKED:
        return path.read_bytes()
    with path.open("rb") as file:
        try:
            data = lzma.LZMADecompressor().decompress(file.read(), MAX_BYTES + 1)
        except lzma.LZMAError as error:
            raise RecordError(path, f"not a compressed result file: {error}") from error
    if len(data) > MAX_BYTES:
        raise RecordError(path, f"holds more than {MAX_BYTES} bytes")
    return data


def _check_schema(path: Path, data: bytes) -> None:
    try:
        label = msgspec.json.decode(data, type=_Label).schema
    except msgspec.DecodeError as error:
        raise RecordError(path, f"not a result file: {error}") from error
    if label != SCHEMA:
        raise RecordError(path, _other_schema(label))


def _other_schema(label: str | None) -> str:
    if label is None:
        return 'not a result file of `genai-xapp bench`: it has no "schema"'
    family, _, version = label.partition("/")
    if family != _FAMILY or not version.isdecimal():
        return f"its schema is {label}; `genai-xapp bench` reads {SCHEMA}"
    if int(version) < int(_VERSION):
        return (
            f"its schema {label} is older than {SCHEMA}: measure again, or read it with the release it is of"
        )
    return f"its schema {label} is newer than {SCHEMA}: read it with a newer genai-xapp"
