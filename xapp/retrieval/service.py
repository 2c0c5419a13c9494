"""RetrievalService: the collections of this node. It knows no gRPC, no engine, and no prompt."""

import re
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from time import time
from typing import IO

from xapp.config import RetrievalSettings
from xapp.domain.collection import CollectionInfo, CollectionSpec
from xapp.domain.documents import Document, DocumentInfo, UpsertResult
from xapp.domain.embedding import Caller, Embedding
from xapp.domain.metadata import Filter
from xapp.domain.search import SearchRequest, SearchResult
from xapp.errors import AlreadyExists, ConfigError, Exhausted, InvalidArgument
from xapp.retrieval.ingest import Ingest
from xapp.retrieval.parser.client import Parser
from xapp.retrieval.search import Search
from xapp.retrieval.shelf import Shelf
from xapp.retrieval.store.base import BACKUP, Key, Stores, owner_of
from xapp.retrieval.vectorize import Vectorize

URL_KEY = "XAPP_RETRIEVAL_URL"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LISTED = 500
_BLOCK_BYTES = 1 << 18
_POSTGRES = ("postgresql://", "postgres://")


def make_stores(settings: RetrievalSettings) -> Stores:
    """The collections' place. Raises ConfigError with the key."""
    if settings.folder and settings.url:
        raise ConfigError(URL_KEY, "and XAPP_RETRIEVAL_FOLDER exclude each other: set one of them")
    if not settings.url:
        from xapp.retrieval.store.sqlite_folder import SqliteStores  # noqa: PLC0415

        return SqliteStores(Path(settings.folder).expanduser(), settings.max_collection_bytes)
    if not settings.url.startswith(_POSTGRES):
        raise ConfigError(URL_KEY, "must begin with postgresql://")
    from xapp.retrieval.store.postgres_database import PostgresStores  # noqa: PLC0415  the extra `postgres`

    return PostgresStores(settings.url)


class RetrievalService:
    """Implements domain.retrieval.Retrieval. `start` first, `aclose` last. Raises ConfigError."""

    def __init__(self, settings: RetrievalSettings, embedding: Embedding) -> None:
        self._settings = settings
        self._shelf = Shelf(make_stores(settings), settings.cache_bytes)
        self._parser = Parser()
        self._vectorize = Vectorize(embedding)
        self._ingest = Ingest(
            self._shelf, self._vectorize, self._parser, settings.max_passages, settings.max_document_bytes
        )
        self._search = Search(self._shelf, self._vectorize, embedding, settings.rerank_model)

    def start(self) -> None:
        """Opens and checks the collections, and returns at once."""
        self._shelf.start()

    async def aclose(self) -> None:
        """Closes the collections. Safe to call twice."""
        await self._parser.aclose()
        await self._shelf.aclose()

    # ---- collections

    async def create(self, spec: CollectionSpec, caller: Caller) -> CollectionInfo:
        """Implements Retrieval."""
        _check(spec)
        if any(each.name == spec.name for each in await self._shelf.list(caller.scope)):
            raise AlreadyExists(f"there is a collection {spec.name!r}", metadata={"collection": spec.name})
        if self._shelf.count() >= (most := self._settings.max_collections):
            text = f"there are {most} collections: XAPP_RETRIEVAL_MAX_COLLECTIONS allows no more"
            raise Exhausted(text, reason="TOO_MANY_COLLECTIONS")
        key = Key("" if spec.shared else owner_of(caller.scope), spec.name)
        opened = await self._shelf.create(key, await self._described(spec, key, caller))
        return opened.info

    async def _described(self, spec: CollectionSpec, key: Key, caller: Caller) -> CollectionInfo:
        model = digest = ""
        dimensions = 0
        if spec.embedding_model is not None:
            facts = await self._vectorize.facts(
                spec.embedding_model or self._settings.embedding_model, caller
            )
            model, digest, dimensions = facts.model, facts.model_digest, facts.dimensions
        return CollectionInfo(
            spec.name,
            key.owner,
            embedding_model=model,
            embedding_digest=digest,
            dimensions=dimensions,
            passage_chars=spec.passage_chars,
            overlap_chars=spec.overlap_chars,
            created=time(),
        )

    async def get(self, name: str, scope: str) -> CollectionInfo:
        """Implements Retrieval."""
        opened = await self._shelf.find(name, scope)
        return opened.info if opened.store is None else await self._shelf.describe(opened)

    async def list(self, scope: str) -> Sequence[CollectionInfo]:
        """Implements Retrieval."""
        return await self._shelf.list(scope)

    async def drop(self, name: str, scope: str) -> None:
        """Implements Retrieval."""
        await self._shelf.drop(await self._shelf.find(name, scope))

    async def backup(self, collection: str, scope: str) -> AsyncGenerator[bytes, None]:
        """Implements Retrieval."""
        opened = await self._shelf.find(collection, scope)
        with tempfile.TemporaryDirectory(prefix=BACKUP, dir=self._settings.folder or None) as folder:
            copy = Path(folder) / "copy"
            await self._shelf.run(opened, lambda store: store.backup(copy))
            async with aclosing(self._blocks(copy)) as blocks:
                async for block in blocks:
                    yield block

    async def _blocks(self, path: Path) -> AsyncGenerator[bytes, None]:
        with path.open("rb") as file:
            while block := await self._shelf.in_thread(lambda: _block(file)):
                yield block

    # ---- documents

    async def upsert(self, collection: str, document: Document, caller: Caller) -> UpsertResult:
        """Implements Retrieval."""
        return await self._ingest.upsert(await self._shelf.find(collection, caller.scope), document, caller)

    async def delete(self, collection: str, scope: str, ids: Sequence[str] | None, condition: Filter) -> int:
        """Implements Retrieval."""
        opened = await self._shelf.find(collection, scope)
        return await self._shelf.run(opened, lambda store: store.remove(ids, condition))

    async def documents(self, collection: str, scope: str) -> AsyncGenerator[Sequence[DocumentInfo], None]:
        """Implements Retrieval."""
        opened = await self._shelf.find(collection, scope)
        after = ""
        while True:
            behind = after
            some = await self._shelf.run(opened, lambda store: store.documents(behind, _LISTED))  # noqa: B023
            if not some:
                return
            yield some
            after = some[-1].id

    async def search(self, request: SearchRequest) -> SearchResult:
        """Implements Retrieval."""
        opened = await self._shelf.find(request.collection, request.caller.scope)
        return await self._search.search(opened, request)


def _block(file: IO[bytes]) -> bytes:
    return file.read(_BLOCK_BYTES)


def _check(spec: CollectionSpec) -> None:
    if not _NAME.fullmatch(spec.name):
        text = "must be 1 to 64 lower-case letters, digits, '-', '_' and '.', a letter or digit first"
        raise InvalidArgument("name", text)
    if spec.overlap_chars > spec.passage_chars // 2:
        raise InvalidArgument("overlap_chars", "must be at most half of passage_chars")
