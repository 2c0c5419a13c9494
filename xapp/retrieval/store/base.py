"""The seam of retrieval: `VectorStore` is one collection, `Stores` all of them. Every method may block.

One thread at a time calls a store.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from xapp.domain.collection import CollectionInfo
from xapp.domain.documents import DocumentInfo, Passage
from xapp.domain.metadata import Filter, Metadata

BACKUP = "xapp-backup-"
"""The folders of back-ups that are being sent begin so."""
SCHEMA_VERSION = 1


_OWNER_CHARS = 32


class Key(NamedTuple):
    """A collection: its owner, "" where it is shared, and its name."""

    owner: str
    name: str


def owner_of(scope: str) -> str:
    """The owner of the collections of a scope: a hash, since a scope may have any characters."""
    return hashlib.sha256(scope.encode()).hexdigest()[:_OWNER_CHARS] if scope else ""


def content_digest(digest: str) -> str:
    """The part of a document's digest that callers see: that of its content."""
    return digest.partition(" ")[0]


class Found(NamedTuple):
    """A passage by its number in the store, and its score: BM25, or a cosine."""

    passage: int
    score: float


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document, cut. All passages have a vector, or none has."""

    id: str
    digest: str
    title: str
    metadata: Metadata
    passages: Sequence[Passage]


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage with its document."""

    number: int
    document: str
    metadata: Metadata
    passage: Passage


class VectorStore(Protocol):
    """One collection. Raises FailedPrecondition (COLLECTION_DAMAGED), Exhausted (DISK_FULL), Unavailable."""

    def info(self) -> CollectionInfo:
        """As it is now."""
        ...

    def digest_of(self, document: str) -> tuple[str, int]:
        """The digest and the number of passages of a document; ("", 0) where there is none."""
        ...

    def put(self, document: StoredDocument) -> bool:
        """Stores a document durably, as a whole or not at all. Whether it took another's place."""
        ...

    def remove(self, documents: Collection[str] | None, condition: Filter) -> int:
        """Removes documents by id, or by a filter where `documents` is None. Returns their number."""
        ...

    def documents(self, after: str, most: int) -> list[DocumentInfo]:
        """The next documents behind an id, sorted by id."""
        ...

    def by_words(self, words: Sequence[str], most: int, condition: Filter) -> list[Found]:
        """Passages with some of the words, the best first."""
        ...

    def by_vector(self, vector: bytes, most: int, condition: Filter) -> list[Found]:
        """Passages by the cosine of their vectors, the nearest first."""
        ...

    def cosines(self, vector: bytes, passages: Sequence[int]) -> dict[int, float]:
        """The cosines of these passages."""
        ...

    def passages(self, numbers: Sequence[int]) -> list[StoredPassage]:
        """The passages of these numbers, in any order. A passage that is gone is left out."""
        ...

    def backup(self, path: Path) -> None:
        """Writes a consistent copy. Raises FailedPrecondition, reason NO_FILE, where there is no file."""
        ...

    @property
    def cached_bytes(self) -> int:
        """Memory that `forget` gives back."""
        ...

    def forget(self) -> None:
        """Gives back memory that makes searches fast."""
        ...

    def close(self) -> None:
        """Safe to call twice."""
        ...


class Stores(Protocol):
    """All collections of one place."""

    def all_keys(self) -> list[Key]:
        """Every collection."""
        ...

    def create(self, key: Key, info: CollectionInfo) -> VectorStore:
        """A new, empty collection, open."""
        ...

    def open(self, key: Key) -> VectorStore:
        """Opens and checks a collection.

        Raises FailedPrecondition: COLLECTION_DAMAGED, NEWER_SCHEMA, COLLECTION_IN_USE.
        """
        ...

    def drop(self, key: Key) -> None:
        """Removes a closed collection."""
        ...

    def close(self) -> None:
        """Gives everything back. Safe to call twice."""
        ...
