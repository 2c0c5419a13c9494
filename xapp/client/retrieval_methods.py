"""The client's methods for RetrievalService."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from google.protobuf.struct_pb2 import Struct

from xapp.client.calls import Calls
from xapp.retrieval.v1 import retrieval_pb2 as pb

PART_BYTES = 1 << 20
"""Bytes of a document in one message."""


def struct(values: Mapping[str, Any] | None) -> Struct | None:
    """Metadata, or a filter, on the wire."""
    if not values:
        return None
    wire = Struct()
    wire.update(dict(values))
    return wire


class RetrievalMethods:
    """A part of Client."""

    _calls: Calls

    async def create_collection(
        self,
        name: str,
        *,
        embedding_model: str = "",
        words_only: bool = False,
        shared: bool = False,
        passage_chars: int | None = None,
        overlap_chars: int | None = None,
        deadline_s: float | None = None,
    ) -> pb.Collection:
        """Makes an empty collection."""
        request = pb.CreateCollectionRequest(
            name=name,
            embedding_model=embedding_model,
            words_only=words_only,
            shared=shared,
            passage_chars=passage_chars,
            overlap_chars=overlap_chars,
        )
        response = await self._calls.unary(self._calls.retrieval.CreateCollection, request, deadline_s)
        collection: pb.Collection = response.collection
        return collection

    async def get_collection(self, name: str, *, deadline_s: float | None = None) -> pb.Collection:
        """One collection."""
        request = pb.GetCollectionRequest(name=name)
        response = await self._calls.unary(self._calls.retrieval.GetCollection, request, deadline_s)
        collection: pb.Collection = response.collection
        return collection

    async def list_collections(self, *, deadline_s: float | None = None) -> list[pb.Collection]:
        """The collections that this client may use."""
        request = pb.ListCollectionsRequest()
        response = await self._calls.unary(self._calls.retrieval.ListCollections, request, deadline_s)
        return list(response.collections)

    async def delete_collection(self, name: str, *, deadline_s: float | None = None) -> None:
        """Removes a collection with everything in it."""
        request = pb.DeleteCollectionRequest(name=name)
        await self._calls.unary(self._calls.retrieval.DeleteCollection, request, deadline_s)

    async def upsert(
        self, collection: str, documents: Iterable[pb.Document], *, deadline_s: float | None = None
    ) -> list[pb.UpsertResult]:
        """Stores documents, and tells what became of each. `content` has any size that the node takes."""
        requests = _requests(collection, documents)
        response = await self._calls.upload(self._calls.retrieval.Upsert, requests, deadline_s)
        return list(response.results)

    async def delete_documents(
        self,
        collection: str,
        ids: Iterable[str] = (),
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002  the contract's name
        deadline_s: float | None = None,
    ) -> int:
        """Removes documents by their ids, or by a filter. Returns their number."""
        request = pb.DeleteRequest(collection=collection, ids=ids, filter=struct(filter))
        response = await self._calls.unary(self._calls.retrieval.Delete, request, deadline_s)
        return int(response.num_documents)

    async def list_documents(
        self, collection: str, *, deadline_s: float | None = None
    ) -> AsyncGenerator[pb.DocumentInfo, None]:
        """The documents of a collection, sorted by id."""
        request = pb.ListDocumentsRequest(collection=collection)
        stream = self._calls.stream(self._calls.retrieval.ListDocuments, request, deadline_s)
        async with aclosing(stream) as messages:
            async for message in messages:
                for document in message.documents:
                    yield document

    async def search(
        self,
        collection: str,
        query: str,
        *,
        top_k: int | None = None,
        min_score: float = 0.0,
        filter: Mapping[str, Any] | None = None,  # noqa: A002  the contract's name
        mode: "pb.SearchMode.ValueType" = pb.SEARCH_MODE_UNSPECIFIED,
        rerank: bool | None = None,
        deadline_s: float | None = None,
    ) -> pb.SearchResponse:
        """The passages that fit a question best."""
        request = pb.SearchRequest(
            collection=collection,
            query=query,
            top_k=top_k,
            min_score=min_score,
            filter=struct(filter),
            mode=mode,
            rerank=rerank,
        )
        response: pb.SearchResponse = await self._calls.unary(
            self._calls.retrieval.Search, request, deadline_s
        )
        return response

    async def backup(
        self, collection: str, *, deadline_s: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        """A copy of a collection's file, in pieces."""
        request = pb.BackupRequest(collection=collection)
        stream = self._calls.stream(self._calls.retrieval.Backup, request, deadline_s)
        async with aclosing(stream) as messages:
            async for message in messages:
                yield message.data


async def _requests(collection: str, documents: Iterable[pb.Document]) -> AsyncIterator[pb.UpsertRequest]:
    for document in documents:
        content = document.content
        first = pb.Document()
        first.CopyFrom(document)
        first.content = content[:PART_BYTES]
        yield pb.UpsertRequest(collection=collection, document=first)
        for start in range(PART_BYTES, len(content), PART_BYTES):
            yield pb.UpsertRequest(data=content[start : start + PART_BYTES])
