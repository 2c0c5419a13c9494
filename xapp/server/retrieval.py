"""RetrievalService: checks what the caller may do, converts and delegates."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import grpc

from xapp import hops, logs
from xapp.domain.documents import Document, Outcome, UpsertResult
from xapp.domain.embedding import Caller
from xapp.domain.priority import Priority
from xapp.domain.retrieval import Retrieval
from xapp.edge.limit import Limit
from xapp.edge.retrieval_fields import collection_name
from xapp.edge.watchdog import Watchdog
from xapp.errors import Exhausted, InvalidArgument
from xapp.retrieval.v1 import retrieval_pb2 as pb
from xapp.retrieval.v1 import retrieval_pb2_grpc
from xapp.security import principal
from xapp.security.policy import ANYTHING_GOES, Policy
from xapp.server import respond_retrieval as respond
from xapp.server.convert import retrieval_requests as convert
from xapp.server.deadline import deadline_of

MAX_UPSERT_STREAMS = 4
"""Each holds a document in memory."""
MAX_READ_STREAMS = 16
MAX_DOCUMENTS = 10_000
"""Documents of one stream, whose results are one message."""
IDLE_S = 60.0
_Context = grpc.aio.ServicerContext


class RetrievalServicer(retrieval_pb2_grpc.RetrievalServiceServicer):
    """`max_bytes` is the limit of a document. A stream without a message for `idle_s` ends."""

    def __init__(
        self,
        retrieval: Retrieval,
        watchdog: Watchdog,
        policy: Callable[[], Policy] = lambda: ANYTHING_GOES,
        *,
        max_bytes: int,
        idle_s: float = IDLE_S,
    ) -> None:
        self._retrieval = retrieval
        self._watchdog = watchdog
        self._policy = policy
        self._max_bytes = max_bytes
        self._idle_s = idle_s
        self._upserts = Limit("Upsert streams", MAX_UPSERT_STREAMS)
        self._reads = Limit("ListDocuments and Backup streams", MAX_READ_STREAMS)

    # ---- collections

    async def CreateCollection(  # noqa: N802
        self, request: pb.CreateCollectionRequest, context: "_Context[Any, Any]"
    ) -> pb.CreateCollectionResponse:
        """Makes a collection."""
        spec, caller = convert.to_spec(request), _caller(context, Priority.INTERACTIVE)
        self._policy().check_collection(principal.current.get(), spec.name, shares=spec.shared)
        return pb.CreateCollectionResponse(
            collection=respond.collection(await self._retrieval.create(spec, caller))
        )

    async def GetCollection(  # noqa: N802
        self, request: pb.GetCollectionRequest, context: "_Context[Any, Any]"
    ) -> pb.GetCollectionResponse:
        """One collection."""
        info = await self._retrieval.get(self._allowed("name", request.name), _scope())
        return pb.GetCollectionResponse(collection=respond.collection(info))

    async def ListCollections(  # noqa: N802
        self, request: pb.ListCollectionsRequest, context: "_Context[Any, Any]"
    ) -> pb.ListCollectionsResponse:
        """What the caller may use."""
        policy, caller = self._policy(), principal.current.get()
        found = await self._retrieval.list(_scope())
        visible = (each for each in found if policy.allows_collection(caller, each.name))
        return pb.ListCollectionsResponse(collections=map(respond.collection, visible))

    async def DeleteCollection(  # noqa: N802
        self, request: pb.DeleteCollectionRequest, context: "_Context[Any, Any]"
    ) -> pb.DeleteCollectionResponse:
        """Removes a collection."""
        name = await self._writable("name", request.name)
        await self._retrieval.drop(name, _scope())
        return pb.DeleteCollectionResponse()

    # ---- documents

    async def Upsert(  # noqa: N802
        self, requests: AsyncIterator[pb.UpsertRequest], context: "_Context[Any, Any]"
    ) -> pb.UpsertResponse:
        """Stores documents, one after the other."""
        with self._upserts.hold():
            caller, collection = _caller(context, Priority.BATCH), ""
            response = pb.UpsertResponse()
            async with aclosing(self._documents(requests)) as documents:
                async for name, document, size in documents:
                    collection = collection or await self._writable("collection", name)
                    response.results.append(
                        respond.result(await self._store(collection, document, size, caller))
                    )
            return response

    async def _store(self, collection: str, document: Document, size: int, caller: Caller) -> UpsertResult:
        if size > self._max_bytes:
            text = f"has {size:,} bytes, more than {self._max_bytes:,}"
            return UpsertResult(document.id, Outcome.SKIPPED, 0, "TOO_LARGE", text)
        return await self._retrieval.upsert(collection, document, caller)

    async def _documents(self, requests: AsyncIterator[pb.UpsertRequest]) -> Any:
        """Each document with the collection and its size in bytes. Bytes beyond the limit are dropped."""
        collection, document, content, size, count = "", None, bytearray(), 0, 0
        while (message := await self._next(requests)) is not None:
            collection = collection or collection_name("collection", message.collection)
            if message.collection not in {"", collection}:
                raise InvalidArgument("collection", "is another one than in the first message")
            match message.WhichOneof("part"):
                case "document":
                    if document is not None:
                        yield collection, replace(document, content=bytes(content)), size
                    count += 1
                    _check_count(count)
                    document = await asyncio.to_thread(convert.to_document, message.document)
                    content, size = bytearray(document.content), len(document.content)
                case "data" if document is not None and not document.passages:
                    size += len(message.data)
                    content = _more(content, message.data, self._max_bytes)
                case "data":
                    raise InvalidArgument("data", "belongs to no document: send `document` first")
        if document is not None:
            yield collection, replace(document, content=bytes(content)), size

    async def _next(self, requests: AsyncIterator[pb.UpsertRequest]) -> pb.UpsertRequest | None:
        try:
            async with asyncio.timeout(self._idle_s):
                return await anext(requests, None)
        except TimeoutError:
            text = f"no message came for {self._idle_s:g} s"
            raise Exhausted(text, reason="SLOW_SENDER", retry_after_s=1.0) from None

    async def Delete(  # noqa: N802
        self, request: pb.DeleteRequest, context: "_Context[Any, Any]"
    ) -> pb.DeleteResponse:
        """Removes documents."""
        ids, condition = convert.to_deleted(request)
        name = await self._writable("collection", request.collection)
        return pb.DeleteResponse(num_documents=await self._retrieval.delete(name, _scope(), ids, condition))

    async def ListDocuments(  # type: ignore[override]  # noqa: N802  the stub's types know generators only
        self, request: pb.ListDocumentsRequest, context: "_Context[Any, Any]"
    ) -> None:
        """The documents of a collection."""
        name = self._allowed("collection", request.collection)
        with self._reads.hold(), self._watchdog.watch() as stream:
            async for some in self._retrieval.documents(name, _scope()):
                message = pb.ListDocumentsResponse(documents=map(respond.document, some))
                await stream.send(context.write(message))

    async def Search(  # noqa: N802
        self, request: pb.SearchRequest, context: "_Context[Any, Any]"
    ) -> pb.SearchResponse:
        """The passages that fit best."""
        asked = convert.to_search(request, _caller(context, Priority.INTERACTIVE))
        self._allowed("collection", asked.collection)
        return respond.searched(await self._retrieval.search(asked))

    async def Backup(  # type: ignore[override]  # noqa: N802
        self, request: pb.BackupRequest, context: "_Context[Any, Any]"
    ) -> None:
        """A copy of the collection's file."""
        name = self._allowed("collection", request.collection)
        with self._reads.hold(), self._watchdog.watch() as stream:
            async with aclosing(self._retrieval.backup(name, _scope())) as blocks:
                async for block in blocks:
                    await stream.send(context.write(pb.BackupResponse(data=block)))

    # ---- rights

    def _allowed(self, field: str, name: str) -> str:
        """Raises PermissionDenied, reason COLLECTION_NOT_ALLOWED, where a policy refuses the name."""
        name = collection_name(field, name)
        self._policy().check_collection(principal.current.get(), name)
        return name

    async def _writable(self, field: str, name: str) -> str:
        """As `_allowed`; a shared collection is changed by administrators only."""
        info = await self._retrieval.get(self._allowed(field, name), _scope())
        self._policy().check_collection(principal.current.get(), info.name, shares=not info.owner)
        return info.name


def _more(content: bytearray, data: bytes, most: int) -> bytearray:
    """The content with the next bytes; nothing once it is too large."""
    content += data
    return content if len(content) <= most else bytearray()


def _check_count(count: int) -> None:
    if count > MAX_DOCUMENTS:
        raise InvalidArgument("document", f"is beyond {MAX_DOCUMENTS:,} documents: open another stream")


def _scope() -> str:
    return principal.current.get().scope


def _caller(context: "_Context[Any, Any]", priority: Priority) -> Caller:
    who = principal.current.get()
    name = logs.correlation_id.get()
    return Caller(who.name, who.scope, priority, deadline_of(context), name, hops.current.get())
