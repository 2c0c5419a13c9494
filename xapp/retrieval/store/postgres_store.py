"""PostgresStore: a collection in a PostgreSQL database with pgvector.

Words are ranked by PostgreSQL's own ts_rank_cd, as it has no BM25. Vectors are searched exactly.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xapp.domain.collection import CollectionInfo
from xapp.domain.documents import DocumentInfo, Passage
from xapp.domain.metadata import Filter
from xapp.errors import FailedPrecondition
from xapp.retrieval.store.base import (
    SCHEMA_VERSION,
    Found,
    Key,
    StoredDocument,
    StoredPassage,
    content_digest,
)
from xapp.retrieval.store.fits import fits
from xapp.retrieval.store.postgres_link import Connection, PostgresLink

RANK_SCALE = 10.0
"""Brings ts_rank_cd, 0 to about 1, near the size of BM25."""
ABOUT = ("embedding_model", "embedding_digest", "dimensions", "passage_chars", "overlap_chars", "created")
"""The fields of CollectionInfo that the table of collections keeps."""


class PostgresStore:
    """Implements VectorStore."""

    def __init__(self, url: str, key: Key) -> None:
        self._link = PostgresLink(url)
        self._key = key
        self._number, self._about = self._link.run(self._find)

    def _find(self, connection: Connection) -> tuple[int, dict[str, Any]]:
        query = "SELECT number, about FROM collections WHERE owner = %s AND name = %s"
        row = connection.execute(query, self._key).fetchone()
        if row is None:
            text = f"the collection {self._key.name!r} is gone from the database"
            raise FailedPrecondition(text, reason="COLLECTION_DAMAGED")
        return row[0], row[1]

    def info(self) -> CollectionInfo:
        """Implements VectorStore."""
        query = (
            "SELECT count(*), coalesce(sum(num_passages), 0), coalesce(sum(pg_column_size(d.*)), 0)"
            " FROM documents d WHERE collection = %s"
        )
        documents, passages, _ = self._one(query, (self._number,))
        sizes = "SELECT coalesce(sum(pg_column_size(p.*)), 0) FROM passages p WHERE collection = %s"
        return CollectionInfo(
            self._key.name,
            self._key.owner,
            num_documents=documents,
            num_passages=int(passages),
            size_bytes=int(self._one(sizes, (self._number,))[0]),
            schema_version=SCHEMA_VERSION,
            **{name: self._about[name] for name in ABOUT},
        )

    def _one(self, query: str, values: Sequence[object]) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self._link.run(
            lambda connection: connection.execute(query, values).fetchone()
        )
        assert row is not None
        return row

    def _all(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        return self._link.run(lambda connection: connection.execute(query, values).fetchall())

    def digest_of(self, document: str) -> tuple[str, int]:
        """Implements VectorStore."""
        query = "SELECT digest, num_passages FROM documents WHERE collection = %s AND id = %s"
        found = self._all(query, (self._number, document))
        return found[0] if found else ("", 0)

    # ---- writing

    def put(self, document: StoredDocument) -> bool:
        """Implements VectorStore."""

        def work(connection: Connection) -> bool:
            replaced = self._erase(connection, [document.id])
            row = (
                self._number,
                document.id,
                document.digest,
                document.title,
                json.dumps(dict(document.metadata)),
                len(document.passages),
            )
            query = (
                "INSERT INTO documents (collection, id, digest, title, metadata, num_passages)"
                " VALUES (%s, %s, %s, %s, %s, %s) RETURNING number"
            )
            inserted = connection.execute(query, row).fetchone()
            assert inserted is not None
            self._insert(connection, inserted[0], document.passages)
            return replaced > 0

        return self._link.run(work)

    def _insert(self, connection: Connection, document: int, passages: Iterable[Passage]) -> None:
        query = (
            "INSERT INTO passages (collection, document, title, starts, ends, text, vector)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)"
        )
        rows = (
            (self._number, document, each.title, each.start, each.end, each.text, _vector(each.vector))
            for each in passages
        )
        with connection.cursor() as cursor:
            cursor.executemany(query, rows)

    def remove(self, documents: Collection[str] | None, condition: Filter) -> int:
        """Implements VectorStore."""

        def work(connection: Connection) -> int:
            if documents is not None:
                return self._erase(connection, documents)
            query = "DELETE FROM documents WHERE number = ANY(%s)"
            return connection.execute(query, (self._fitting(connection, condition),)).rowcount

        return self._link.run(work)

    def _erase(self, connection: Connection, documents: Collection[str]) -> int:
        query = "DELETE FROM documents WHERE collection = %s AND id = ANY(%s)"
        return connection.execute(query, (self._number, list(documents))).rowcount

    def _fitting(self, connection: Connection, condition: Filter) -> list[int]:
        query = "SELECT number, metadata FROM documents WHERE collection = %s"
        rows = connection.execute(query, (self._number,)).fetchall()
        return [number for number, metadata in rows if fits(metadata, condition)]

    # ---- reading

    def documents(self, after: str, most: int) -> list[DocumentInfo]:
        """Implements VectorStore."""
        query = (
            "SELECT id, digest, title, num_passages, metadata FROM documents"
            " WHERE collection = %s AND id > %s ORDER BY id LIMIT %s"
        )
        rows = self._all(query, (self._number, after, most))
        return [DocumentInfo(name, content_digest(digest), *others) for name, digest, *others in rows]

    def by_words(self, words: Sequence[str], most: int, condition: Filter) -> list[Found]:
        """Implements VectorStore."""
        asked = " OR ".join(f'"{word}"' for word in words)
        query = (
            "SELECT number, ts_rank_cd(words, q) * %s AS rank FROM passages,"
            " websearch_to_tsquery('english', %s) q WHERE collection = %s AND words @@ q{fits}"
            " ORDER BY rank DESC, number LIMIT %s"
        )
        return self._found(query, (RANK_SCALE, asked, self._number), most, condition) if words else []

    def by_vector(self, vector: bytes, most: int, condition: Filter) -> list[Found]:
        """Implements VectorStore."""
        query = (
            "SELECT number, 1 - (vector <=> %s::vector) AS cosine FROM passages WHERE collection = %s"
            " AND vector IS NOT NULL{fits} ORDER BY cosine DESC, number LIMIT %s"
        )
        return self._found(query, (_vector(vector), self._number), most, condition)

    def _found(self, query: str, values: tuple[object, ...], most: int, condition: Filter) -> list[Found]:
        def work(connection: Connection) -> list[Found]:
            if condition:
                inside: tuple[object, ...] = (self._fitting(connection, condition),)
                text = query.format(fits=" AND document = ANY(%s)")
            else:
                inside, text = (), query.format(fits="")
            rows = connection.execute(text.encode(), (*values, *inside, most)).fetchall()
            return [Found(number, float(score)) for number, score in rows]

        return self._link.run(work)

    def cosines(self, vector: bytes, passages: Sequence[int]) -> dict[int, float]:
        """Implements VectorStore."""
        query = "SELECT number, 1 - (vector <=> %s::vector) FROM passages WHERE number = ANY(%s)"
        rows = self._all(query, (_vector(vector), list(passages)))
        return {number: float(cosine) for number, cosine in rows if cosine is not None}

    def passages(self, numbers: Sequence[int]) -> list[StoredPassage]:
        """Implements VectorStore."""
        query = (
            "SELECT p.number, d.id, d.metadata, p.text, p.title, p.starts, p.ends FROM passages p"
            " JOIN documents d ON d.number = p.document WHERE p.number = ANY(%s)"
        )
        rows = self._all(query, (list(numbers),))
        return [
            StoredPassage(number, document, metadata, Passage(*passage))
            for number, document, metadata, *passage in rows
        ]

    def backup(self, path: Path) -> None:
        """Implements VectorStore."""
        raise FailedPrecondition("the collections are in PostgreSQL: back it up by pg_dump", reason="NO_FILE")

    @property
    def cached_bytes(self) -> int:
        """Implements VectorStore: the vectors stay in the database."""
        return 0

    def forget(self) -> None:
        """Implements VectorStore."""

    def close(self) -> None:
        """Implements VectorStore."""
        self._link.close()


def _vector(vector: bytes) -> str | None:
    """A vector as pgvector reads it."""
    if not vector:
        return None
    return "[" + ",".join(map(repr, np.frombuffer(vector, np.float32).tolist())) + "]"
