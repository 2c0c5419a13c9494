"""SqliteStore: a collection in one SQLite file. Vectors are searched exactly and in memory."""

import contextlib
import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from xapp.domain.collection import CollectionInfo
from xapp.domain.documents import DocumentInfo, Passage
from xapp.domain.metadata import Filter, Metadata
from xapp.retrieval.store import sqlite_file
from xapp.retrieval.store.base import SCHEMA_VERSION, Found, StoredDocument, StoredPassage, content_digest
from xapp.retrieval.store.fits import fits
from xapp.retrieval.store.sqlite_errors import told
from xapp.retrieval.store.sqlite_words import SqliteWords
from xapp.retrieval.store.vectors import Vectors

_LOAD_ROWS = 1024


class SqliteStore:
    """Implements VectorStore. Holds the lock of its file. Raises FailedPrecondition as `Stores.open`."""

    def __init__(self, path: Path, name: str, owner: str, max_bytes: int) -> None:
        self._path = path
        self._name = name
        self._owner = owner
        self._vectors: Vectors | None = None
        self._metadata: dict[int, tuple[str, Metadata]] = {}
        self._lock = sqlite_file.lock(path)
        try:
            self._db = sqlite_file.connect(path, name, max_bytes)
            self._words = SqliteWords(self._db)
            with told(name):
                self._about = dict(self._db.execute("SELECT name, value FROM about"))
                self._read_documents()
        except BaseException:
            self._lock.close()
            raise

    def _read_documents(self) -> None:
        rows = self._db.execute("SELECT number, id, metadata FROM documents")
        self._metadata = {number: (name, json.loads(text)) for number, name, text in rows}

    def info(self) -> CollectionInfo:
        """Implements VectorStore."""
        with told(self._name):
            (passages,) = self._db.execute("SELECT count(*) FROM passages").fetchone()
        about = self._about
        return CollectionInfo(
            name=self._name,
            owner=self._owner,
            embedding_model=about["embedding_model"],
            embedding_digest=about["embedding_digest"],
            dimensions=int(about["dimensions"]),
            num_documents=len(self._metadata),
            num_passages=passages,
            size_bytes=self._size_bytes(),
            passage_chars=int(about["passage_chars"]),
            overlap_chars=int(about["overlap_chars"]),
            schema_version=SCHEMA_VERSION,
            created=float(about["created"]),
        )

    def _size_bytes(self) -> int:
        paths = (self._path, self._path.with_name(f"{self._path.name}-wal"))
        return sum(path.stat().st_size for path in paths if path.exists())

    def digest_of(self, document: str) -> tuple[str, int]:
        """Implements VectorStore."""
        with told(self._name):
            query = "SELECT digest, num_passages FROM documents WHERE id = ?"
            found = self._db.execute(query, (document,)).fetchone()
        return found or ("", 0)

    # ---- writing

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with told(self._name):
            self._db.execute("BEGIN IMMEDIATE")
            self._words.forget()
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def put(self, document: StoredDocument) -> bool:
        """Implements VectorStore."""
        with self._writing():
            old = self._numbers([document.id])
            self._erase(old)
            number = self._insert(document)
            passages = [self._insert_passage(number, each) for each in document.passages]
        for each in old:
            del self._metadata[each]
        self._metadata[number] = (document.id, document.metadata)
        if self._vectors is not None:
            self._vectors.remove(old)
            vectors = [each.vector for each in document.passages]
            self._vectors.add(number, passages, vectors)
        return bool(old)

    def _insert(self, document: StoredDocument) -> int:
        metadata = json.dumps(dict(document.metadata), ensure_ascii=False)
        row = (document.id, document.digest, document.title, metadata, len(document.passages))
        query = "INSERT INTO documents (id, digest, title, metadata, num_passages) VALUES (?, ?, ?, ?, ?)"
        return _inserted(self._db.execute(query, row))

    def _insert_passage(self, document: int, each: Passage) -> int:
        row = (document, each.title, each.start, each.end, each.text)
        query = "INSERT INTO passages (document, title, start, end, text) VALUES (?, ?, ?, ?, ?)"
        number = _inserted(self._db.execute(query, row))
        words = "INSERT INTO words (rowid, title, text) VALUES (?, ?, ?)"
        self._db.execute(words, (number, each.title, each.text))
        if each.vector:
            self._db.execute("INSERT INTO vectors VALUES (?, ?, ?)", (number, document, each.vector))
        return number

    def remove(self, documents: Collection[str] | None, condition: Filter) -> int:
        """Implements VectorStore."""
        with self._writing():
            numbers = self._fitting(condition) if documents is None else self._numbers(documents)
            self._erase(numbers)
        for number in numbers:
            del self._metadata[number]
        if self._vectors is not None:
            self._vectors.remove(numbers)
        return len(numbers)

    def _erase(self, numbers: Sequence[int]) -> None:
        forget = (
            "INSERT INTO words (words, rowid, title, text)"
            " SELECT 'delete', number, title, text FROM passages WHERE document = ?"
        )
        for number in numbers:
            self._db.execute(forget, (number,))
            self._db.execute("DELETE FROM vectors WHERE document = ?", (number,))
            self._db.execute("DELETE FROM passages WHERE document = ?", (number,))
            self._db.execute("DELETE FROM documents WHERE number = ?", (number,))

    def _numbers(self, documents: Collection[str]) -> list[int]:
        query = "SELECT number FROM documents WHERE id IN (SELECT value FROM json_each(?))"
        return [number for (number,) in self._db.execute(query, (json.dumps(list(documents)),))]

    def _fitting(self, condition: Filter) -> list[int]:
        return [number for number, (_, metadata) in self._metadata.items() if fits(metadata, condition)]

    # ---- reading

    def documents(self, after: str, most: int) -> list[DocumentInfo]:
        """Implements VectorStore."""
        query = (
            "SELECT id, digest, title, num_passages, metadata FROM documents WHERE id > ? ORDER BY id LIMIT ?"
        )
        with told(self._name):
            rows = self._db.execute(query, (after, most)).fetchall()
        return [
            DocumentInfo(name, content_digest(digest), title, count, json.loads(text))
            for name, digest, title, count, text in rows
        ]

    def by_words(self, words: Sequence[str], most: int, condition: Filter) -> list[Found]:
        """Implements VectorStore."""
        if not words:
            return []
        documents = self._fitting(condition) if condition else None
        with told(self._name):
            return self._words.search(words, most, documents)

    def by_vector(self, vector: bytes, most: int, condition: Filter) -> list[Found]:
        """Implements VectorStore."""
        documents = self._fitting(condition) if condition else None
        return self._loaded().nearest(vector, most, documents)

    def cosines(self, vector: bytes, passages: Sequence[int]) -> dict[int, float]:
        """Implements VectorStore."""
        return self._loaded().cosines(vector, passages)

    def _loaded(self) -> Vectors:
        """The vectors, which are read by the first search."""
        if self._vectors is None:
            vectors = Vectors(int(self._about["dimensions"]))
            with told(self._name):
                rows = self._db.execute("SELECT document, passage, vector FROM vectors ORDER BY passage")
                while some := rows.fetchmany(_LOAD_ROWS):
                    for document, passage, vector in some:
                        vectors.add(document, (passage,), (vector,))
            self._vectors = vectors
        return self._vectors

    def passages(self, numbers: Sequence[int]) -> list[StoredPassage]:
        """Implements VectorStore."""
        query = (
            "SELECT number, document, text, title, start, end FROM passages"
            " WHERE number IN (SELECT value FROM json_each(?))"
        )
        with told(self._name):
            rows = self._db.execute(query, (json.dumps(list(numbers)),)).fetchall()
        return [StoredPassage(row[0], *self._metadata[row[1]], Passage(*row[2:])) for row in rows]

    def texts_of(self, document: str) -> list[str]:
        """The passages of a document, in order: for checks."""
        query = "SELECT text FROM passages WHERE document = ? ORDER BY number"
        with told(self._name):
            return [
                text for number in self._numbers([document]) for (text,) in self._db.execute(query, (number,))
            ]

    def backup(self, path: Path) -> None:
        """Implements VectorStore."""
        with told(self._name), contextlib.closing(sqlite3.connect(path)) as copy:
            self._db.backup(copy)
            # A copy is one file, without a log beside it.
            copy.execute("PRAGMA journal_mode = DELETE")

    @property
    def cached_bytes(self) -> int:
        """Implements VectorStore."""
        return self._vectors.num_bytes if self._vectors is not None else 0

    def forget(self) -> None:
        """Implements VectorStore."""
        self._vectors = None

    def close(self) -> None:
        """Implements VectorStore."""
        self._vectors = None
        self._db.close()
        self._lock.close()


def _inserted(cursor: sqlite3.Cursor) -> int:
    assert cursor.lastrowid is not None
    return cursor.lastrowid
