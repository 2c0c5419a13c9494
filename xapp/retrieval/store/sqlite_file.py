"""The file of a collection: its layout, and how it is made, locked, checked and opened."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from xapp.errors import FailedPrecondition
from xapp.retrieval.store.base import SCHEMA_VERSION
from xapp.retrieval.store.sqlite_errors import damaged, told

APPLICATION_ID = 0x78617070
"""`xapp` in ASCII: other SQLite files are no collections."""
BUSY_S = 2.0
_CACHE_KIB = 8192
_MOST_FAULTS = 5
_LAYOUT = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, digest TEXT NOT NULL, title TEXT NOT NULL,
    metadata TEXT NOT NULL, num_passages INTEGER NOT NULL
);
CREATE TABLE passages (
    number INTEGER PRIMARY KEY, document INTEGER NOT NULL, title TEXT NOT NULL, start INTEGER NOT NULL,
    end INTEGER NOT NULL, text TEXT NOT NULL
);
CREATE INDEX passages_of ON passages (document);
CREATE TABLE vectors (passage INTEGER PRIMARY KEY, document INTEGER NOT NULL, vector BLOB NOT NULL);
CREATE INDEX vectors_of ON vectors (document);
CREATE VIRTUAL TABLE words USING fts5 (
    title, text, content='passages', content_rowid='number', tokenize='porter unicode61 remove_diacritics 2'
);
"""


def make(path: Path, about: Mapping[str, str]) -> None:
    """Writes an empty collection. A file is there whole or not at all. Raises FileExistsError."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as connection:
        connection.executescript(f"BEGIN; PRAGMA application_id = {APPLICATION_ID};{_LAYOUT}")
        connection.executemany("INSERT INTO about VALUES (?, ?)", about.items())
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    try:
        os.link(new, path)
    finally:
        new.unlink()


def lock(path: Path) -> IO[bytes]:
    """Takes the collection for this process, until the file is closed.

    Raises FailedPrecondition, reason COLLECTION_IN_USE.
    """
    file = path.with_name(f"{path.name}.lock").open("a+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read(32).decode("ascii", "replace").strip()
        file.close()
        text = f"{path} is open in another process ({holder or 'unknown'}): a collection has one writer"
        raise FailedPrecondition(text, reason="COLLECTION_IN_USE") from error
    file.truncate(0)
    file.write(str(os.getpid()).encode())
    file.flush()
    return file


def connect(path: Path, name: str, max_bytes: int) -> sqlite3.Connection:
    """Opens and checks a file. Raises FailedPrecondition: COLLECTION_DAMAGED, NEWER_SCHEMA."""
    with told(name):
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            _set_up(connection, max_bytes)
            _check(connection, name)
        except BaseException:
            connection.close()
            raise
    return connection


def _set_up(connection: sqlite3.Connection, max_bytes: int) -> None:
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: what was committed is on the disk, also after a loss of power.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {max(1, max_bytes // page_bytes)}")


def _check(connection: sqlite3.Connection, name: str) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise damaged(name, "its file is no collection")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        text = (
            f"the collection {name!r} has schema {version}, and this version knows {SCHEMA_VERSION} at most"
        )
        raise FailedPrecondition(f"{text}: use a newer version", reason="NEWER_SCHEMA")
    faults = [row[0] for row in connection.execute(f"PRAGMA integrity_check({_MOST_FAULTS})")]
    if faults != ["ok"]:
        raise damaged(name, "; ".join(faults)[:300])
    connection.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
