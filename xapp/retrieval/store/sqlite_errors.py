"""SQLite's errors as errors for callers."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from xapp.errors import Exhausted, FailedPrecondition, Unavailable, XappError

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BASE_CODE = 0xFF
_RETRY_AFTER_S = 1.0


@contextmanager
def told(name: str) -> Iterator[None]:
    """Raises the XappError for an error of SQLite with the collection `name`."""
    try:
        yield
    except sqlite3.Error as error:
        raise _of(name, error) from error


def damaged(name: str, why: str) -> FailedPrecondition:
    """The error for a file that is broken."""
    text = f"the collection {name!r} is damaged: {why}; delete it, or put a back-up in the place of its file"
    return FailedPrecondition(text, reason="COLLECTION_DAMAGED", metadata={"collection": name})


def _of(name: str, error: sqlite3.Error) -> XappError:
    code = (getattr(error, "sqlite_errorcode", None) or 0) & _BASE_CODE
    metadata = {"collection": name}
    if code == sqlite3.SQLITE_FULL:
        text = f"the collection {name!r} has no room: the disk or XAPP_RETRIEVAL_MAX_COLLECTION_BYTES is full"
        return Exhausted(text, reason="DISK_FULL", metadata=metadata)
    if code in _DAMAGED:
        return damaged(name, str(error))
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        text = f"the collection {name!r} is in use by another process"
        return Unavailable(text, reason="COLLECTION_IN_USE", metadata=metadata, retry_after_s=_RETRY_AFTER_S)
    text = f"the collection {name!r} cannot be read or written: {error}"
    return Unavailable(text, reason="COLLECTION_LOST", metadata=metadata, retry_after_s=_RETRY_AFTER_S)
