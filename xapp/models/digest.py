"""The sha256 of a model file, and where it is remembered.

`FILE.json` beside a pulled file is its record: what the source said it is. `models verify` compares
with that. For other files a note in the user's cache saves hashing gigabytes twice. Either counts
only while size and mtime are as they were.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from xapp.errors import ModelError
from xapp.models.paths import cache_dir

BLOCK_BYTES = 1 << 20
MAX_RECORD_BYTES = 1 << 16
PREFIX = "sha256:"

OnBytes = Callable[[int], None]
"""Called with the number of bytes that are done."""


@dataclass(frozen=True, slots=True)
class Record:
    """The known facts of a file. `digest` is `sha256:` and 64 hex digits; `revision` is the hub's commit.

    The record of a copy that was made here also has its source's digest (`origin`), its format, and the
    program that made it (`tool`).
    """

    digest: str
    size: int
    mtime_ns: int
    source: str = ""
    revision: str = ""
    inode: int = 0
    """The inode, where it is known: a record that travels with a file to another disk has none."""
    origin: str = ""
    format: str = ""
    tool: str = ""

    def fits(self, stat: os.stat_result) -> bool:
        """Whether the file is untouched since. Image layers keep whole seconds of mtime only."""
        if self.inode not in (0, stat.st_ino):
            return False
        whole_seconds = self.mtime_ns - self.mtime_ns % 1_000_000_000
        return self.size == stat.st_size and stat.st_mtime_ns in (self.mtime_ns, whole_seconds)


def digest_of(path: Path, on_bytes: OnBytes | None = None) -> str:
    """`sha256:…` of the file: from its record or the cache if the file is untouched, else hashed and
    remembered.

    Raises ModelError if the file cannot be read. A cache that cannot be written is no error.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    # The cache knows the inode of the file, the record only its size and time.
    for record in (read_record(_cached(path)), read_record(sidecar(path))):
        if record is not None and record.fits(stat):
            return record.digest
    return _hash_and_remember(path, stat, on_bytes)


def rehash(path: Path) -> str:
    """The same, always by reading the file. The result is remembered."""
    try:
        stat = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    return _hash_and_remember(path, stat, None)


def _hash_and_remember(path: Path, stat: os.stat_result, on_bytes: OnBytes | None) -> str:
    digest = hash_file(path, on_bytes)
    _remember(path, Record(digest, stat.st_size, stat.st_mtime_ns, inode=stat.st_ino))
    return digest


def hash_file(path: Path, on_bytes: OnBytes | None = None) -> str:
    """The digest of the whole file. Raises ModelError if it cannot be read."""
    sha256, done = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                sha256.update(block)
                done += len(block)
                if on_bytes:
                    on_bytes(done)
    except OSError as error:
        raise unreadable(path, error) from error
    return PREFIX + sha256.hexdigest()


def unreadable(path: Path, error: OSError) -> ModelError:
    """The error for a file that cannot be read."""
    return ModelError(f"cannot read {path}: {error.strerror}", reason="UNREADABLE_FILE")


def sidecar(path: Path) -> Path:
    """The path of a pulled file's record."""
    return path.with_name(path.name + ".json")


def record_of(path: Path) -> Record | None:
    """The record of the pull, whether or not the file was touched since."""
    return read_record(sidecar(path))


def write_record(path: Path, digest: str, source: str, revision: str = "") -> Record:
    """Records a file that was just checked. Raises OSError."""
    record = make_record(path, digest, source, revision)
    keep_record(path, record)
    return record


def keep_record(path: Path, record: Record) -> None:
    """Writes the record of a file that is at `path`, or is about to be. Raises OSError."""
    _write(sidecar(path), record)


def make_record(path: Path, digest: str, source: str, revision: str = "") -> Record:
    """The same record, unwritten."""
    stat = path.stat()
    return Record(digest, stat.st_size, stat.st_mtime_ns, source, revision)


def read_record(path: Path) -> Record | None:
    """The record; None without a valid one."""
    try:
        with path.open("rb") as file:
            record = Record(**json.loads(file.read(MAX_RECORD_BYTES)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    numbers = isinstance(record.size, int) and isinstance(record.mtime_ns, int)
    hexdigits = str(record.digest).removeprefix(PREFIX) if numbers else ""
    return record if len(hexdigits) == 64 and set(hexdigits) <= set("0123456789abcdef") else None


def _cached(path: Path) -> Path:
    key = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()
    return cache_dir(os.environ) / "digests" / f"{key[:32]}.json"


def _remember(path: Path, record: Record) -> None:
    try:
        _cached(path).parent.mkdir(parents=True, exist_ok=True)
        _write(_cached(path), record)
    except OSError:
        return  # the home is read-only: the next start hashes again


def _write(path: Path, record: Record) -> None:
    """Writes the whole file or nothing: another process may be reading it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        stated = {key: value for key, value in asdict(record).items() if value != ""}
        temporary.write_text(json.dumps(stated) + "\n")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
