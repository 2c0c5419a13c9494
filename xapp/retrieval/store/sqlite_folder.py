"""SqliteStores: the collections of a folder. NAME.sqlite is shared, NAME@OWNER.sqlite has an owner."""

from pathlib import Path
from shutil import rmtree
from time import time

from xapp.domain.collection import CollectionInfo
from xapp.errors import AlreadyExists, ConfigError
from xapp.retrieval.store import sqlite_file
from xapp.retrieval.store.base import BACKUP, Key
from xapp.retrieval.store.sqlite_store import SqliteStore

FOLDER_KEY = "XAPP_RETRIEVAL_FOLDER"
ENDING = ".sqlite"
_BACKUP_S = 3600.0
_AT = "@"


class SqliteStores:
    """Implements Stores. Raises ConfigError where the folder cannot be used."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _sweep(folder)
        except OSError as error:
            raise ConfigError(FOLDER_KEY, f"{folder}: {error.strerror}") from error

    def all_keys(self) -> list[Key]:
        """Implements Stores."""
        return [_key_of(path) for path in sorted(self._folder.glob(f"[!.]*{ENDING}"))]

    def create(self, key: Key, info: CollectionInfo) -> SqliteStore:
        """Implements Stores."""
        about = {
            "embedding_model": info.embedding_model,
            "embedding_digest": info.embedding_digest,
            "dimensions": str(info.dimensions),
            "passage_chars": str(info.passage_chars),
            "overlap_chars": str(info.overlap_chars),
            "created": repr(info.created),
        }
        try:
            sqlite_file.make(self._path(key), about)
        except FileExistsError as error:
            raise AlreadyExists(f"there is a collection {key.name!r}") from error
        return self.open(key)

    def open(self, key: Key) -> SqliteStore:
        """Implements Stores."""
        return SqliteStore(self._path(key), key.name, key.owner, self._max_bytes)

    def drop(self, key: Key) -> None:
        """Implements Stores. A file that another process has is refused: its documents are not ours."""
        path = self._path(key)
        with sqlite_file.lock(path):
            for ending in ("", "-wal", "-shm", ".lock"):
                path.with_name(path.name + ending).unlink(missing_ok=True)

    def close(self) -> None:
        """Implements Stores."""

    def _path(self, key: Key) -> Path:
        return self._folder / f"{key.name}{_AT if key.owner else ''}{key.owner}{ENDING}"


def _sweep(folder: Path) -> None:
    """Removes what a process that was killed has left."""
    for unfinished in folder.glob(f".*{ENDING}.new*"):
        unfinished.unlink()
    for copy in folder.glob(f"{BACKUP}*"):
        if time() - copy.stat().st_mtime > _BACKUP_S:  # another process may be sending a younger one
            rmtree(copy, ignore_errors=True)


def _key_of(path: Path) -> Key:
    name, _, owner = path.name.removesuffix(ENDING).partition(_AT)
    return Key(owner, name)
