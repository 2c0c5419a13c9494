"""Ingest: a document becomes passages with vectors, and is stored as a whole or not at all."""

import asyncio
import hashlib
import json
from dataclasses import replace

from xapp.domain.collection import CollectionInfo
from xapp.domain.documents import Document, Outcome, UpsertResult
from xapp.domain.embedding import Caller
from xapp.errors import Exhausted
from xapp.retrieval.documents.parsed import Unread
from xapp.retrieval.parser.client import Parser
from xapp.retrieval.shelf import Opened, Shelf
from xapp.retrieval.store.base import StoredDocument, content_digest
from xapp.retrieval.vectorize import Vectorize

CUT_VERSION = 1
"""Another way to cut documents gets another number: then a document that comes again is not unchanged."""


class Ingest:
    """`max_passages`: of one collection. `max_bytes`: of one document."""

    def __init__(
        self, shelf: Shelf, vectorize: Vectorize, parser: Parser, max_passages: int, max_bytes: int
    ) -> None:
        self._shelf = shelf
        self._vectorize = vectorize
        self._parser = parser
        self._max_passages = max_passages
        self._max_bytes = max_bytes

    async def upsert(self, opened: Opened, document: Document, caller: Caller) -> UpsertResult:
        """Implements Retrieval.upsert."""
        # Whatever is done with a whole document takes milliseconds: the event loop has other work.
        digest = await asyncio.to_thread(digest_of, document, opened.info)
        shown = content_digest(digest)
        known, count = await self._shelf.run(opened, lambda store: store.digest_of(document.id))
        if known == digest:
            return UpsertResult(document.id, Outcome.UNCHANGED, count, digest=shown)
        try:
            title, cut = await self._cut(document, opened.info)
        except Unread as error:
            return UpsertResult(document.id, Outcome.SKIPPED, 0, error.reason, str(error), shown)
        await self._check_room(opened, len(cut.passages) - count)
        passages = await self._vectorize.passages(cut, title, opened.info, caller)
        stored = StoredDocument(document.id, digest, title, document.metadata, passages)
        replaced = await self._shelf.run(opened, lambda store: store.put(stored))
        outcome = Outcome.REPLACED if replaced else Outcome.ADDED
        return UpsertResult(document.id, outcome, len(passages), digest=shown)

    async def _cut(self, document: Document, info: CollectionInfo) -> tuple[str, Document]:
        """The title, and the document with its passages. Raises Unread."""
        if document.passages:
            return document.title or document.id, document
        if (size := len(document.content)) > self._max_bytes:
            raise Unread("TOO_LARGE", f"has {size:,} bytes, more than {self._max_bytes:,}")
        title, passages = await self._parser.parse(document, info.passage_chars, info.overlap_chars)
        title = document.title or title or document.id
        passages = [each if each.title else replace(each, title=title) for each in passages]
        return title, replace(document, passages=tuple(passages))

    async def _check_room(self, opened: Opened, more: int) -> None:
        info = await self._shelf.describe(opened)
        if info.num_passages + more > self._max_passages:
            text = (
                f"the collection {info.name!r} has {info.num_passages:,} passages, {more:,} more do not fit: "
                f"XAPP_RETRIEVAL_MAX_PASSAGES is {self._max_passages:,}"
            )
            raise Exhausted(text, reason="COLLECTION_FULL", metadata={"collection": info.name})


def digest_of(document: Document, info: CollectionInfo) -> str:
    """The digest of the content, and behind it that of everything else that decides about the passages."""
    content = hashlib.sha256(document.content)
    for each in document.passages:
        content.update(repr((each.text, each.title, each.start, each.end, each.vector)).encode())
    metadata = json.dumps(dict(document.metadata), sort_keys=True)
    details = (
        document.title,
        document.media_type,
        metadata,
        info.passage_chars,
        info.overlap_chars,
        CUT_VERSION,
    )
    return f"sha256:{content.hexdigest()} {hashlib.sha256(repr(details).encode()).hexdigest()}"
