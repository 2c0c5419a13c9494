"""Retrieval: the Protocol of a node's collections, which the edges use."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Protocol

from xapp.domain.collection import CollectionInfo, CollectionSpec
from xapp.domain.documents import Document, DocumentInfo, UpsertResult
from xapp.domain.embedding import Caller
from xapp.domain.metadata import Filter
from xapp.domain.search import SearchRequest, SearchResult


class Retrieval(Protocol):
    """The collections of this node. A caller sees those of its scope, and shared ones.

    Raises XappError only (and CancelledError).
    """

    async def create(self, spec: CollectionSpec, caller: Caller) -> CollectionInfo:
        """Raises AlreadyExists, InvalidArgument, Exhausted, and as `Embedding.embed` does."""
        ...

    async def get(self, name: str, scope: str) -> CollectionInfo:
        """Raises NotFound."""
        ...

    async def list(self, scope: str) -> Sequence[CollectionInfo]:
        """Sorted by name."""
        ...

    async def drop(self, name: str, scope: str) -> None:
        """Deletes a collection. Raises NotFound."""
        ...

    async def upsert(self, collection: str, document: Document, caller: Caller) -> UpsertResult:
        """Stores one document as a whole, or not at all. Raises NotFound, FailedPrecondition."""
        ...

    async def delete(self, collection: str, scope: str, ids: Sequence[str] | None, condition: Filter) -> int:
        """Removes documents by ids, or by a filter where `ids` is None. Returns their number."""
        ...

    def documents(self, collection: str, scope: str) -> AsyncIterator[Sequence[DocumentInfo]]:
        """All documents, sorted by id, in lists."""
        ...

    async def search(self, request: SearchRequest) -> SearchResult:
        """The passages that fit best. Raises NotFound, FailedPrecondition."""
        ...

    def backup(self, collection: str, scope: str) -> AsyncGenerator[bytes, None]:
        """A consistent copy of the collection's file. Raises FailedPrecondition where there is no file."""
        ...
