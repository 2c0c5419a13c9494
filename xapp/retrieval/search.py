"""Search: a question to a collection, by words, by vectors, or both; then a reranker."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from time import monotonic

from xapp.domain.collection import CollectionInfo
from xapp.domain.embedding import Embedding, RerankRequest
from xapp.domain.search import Hit, SearchMode, SearchRequest, SearchResult
from xapp.errors import InvalidArgument
from xapp.retrieval.ranking import fused, score_of
from xapp.retrieval.shelf import Opened, Shelf
from xapp.retrieval.store.base import Found, StoredPassage, VectorStore
from xapp.retrieval.vectorize import Vectorize
from xapp.retrieval.words import words_of

CANDIDATES = 50
"""Passages of each list that are joined."""
RERANKED = 20
"""Candidates that a reranker reads: it takes the time of an answer for each."""


class Search:
    """`rerank_model` "" is no reranker of the node's own."""

    def __init__(self, shelf: Shelf, vectorize: Vectorize, embedding: Embedding, rerank_model: str) -> None:
        self._shelf = shelf
        self._vectorize = vectorize
        self._embedding = embedding
        self._rerank_model = rerank_model

    async def search(self, opened: Opened, request: SearchRequest) -> SearchResult:
        """Implements Retrieval.search."""
        mode = _mode(request, opened.info)
        begun = monotonic()
        vector = b""
        if mode is not SearchMode.WORDS:
            vector = await self._vectorize.question(request.query, opened.info, request.caller)
        embedded = monotonic()
        # More candidates than are asked for: the least score, and the reranker, drop some.
        most = max(CANDIDATES, request.top_k)
        hits = await self._shelf.run(opened, lambda store: hits_of(store, request, mode, vector, most))
        result = SearchResult(tuple(hits), mode, embed_s=embedded - begun, search_s=monotonic() - embedded)
        if request.rerank or (request.rerank is None and self._rerank_model):
            result = await self._reranked(result, request)
        good = [hit for hit in result.hits if hit.score >= request.min_score]
        return replace(result, hits=tuple(good[: request.top_k]))

    async def _reranked(self, result: SearchResult, request: SearchRequest) -> SearchResult:
        """The best candidates in the reranker's order, without the others: their scores differ in kind."""
        hits = result.hits[: max(RERANKED, request.top_k)]
        if not hits:
            return result
        begun = monotonic()
        documents = tuple(f"{hit.title}\n{hit.text}" for hit in hits)
        asked = RerankRequest(request.query, documents, self._rerank_model, caller=request.caller)
        ranked = await self._embedding.rerank(asked)
        found = [
            replace(hits[each.index], relevance=each.relevance, score=score_of(each.relevance, None, None))
            for each in ranked.documents
        ]
        method = ranked.method.name.lower()
        return replace(result, hits=tuple(found), rerank_method=method, rerank_s=monotonic() - begun)


def _mode(request: SearchRequest, info: CollectionInfo) -> SearchMode:
    if info.has_vectors:
        return request.mode or SearchMode.HYBRID
    if request.mode not in {None, SearchMode.WORDS}:
        raise InvalidArgument("mode", f"the collection {info.name!r} has no vectors: it is searched by words")
    return SearchMode.WORDS


def hits_of(
    store: VectorStore, request: SearchRequest, mode: SearchMode, vector: bytes, most: int
) -> list[Hit]:
    """The candidates of a collection, the best first. Blocks."""
    words: Sequence[Found] = ()
    near: Sequence[Found] = ()
    if mode is not SearchMode.VECTORS:
        words = store.by_words(words_of(request.query), most, request.filter)
    if mode is not SearchMode.WORDS:
        near = store.by_vector(vector, most, request.filter)
    numbers = fused((words, near))[:most]
    bm25 = dict(words)
    cosines = dict(near) if near else {}
    if vector:
        cosines |= store.cosines(vector, [number for number in numbers if number not in cosines])
    stored = {each.number: each for each in store.passages(numbers)}
    return [
        _hit(stored[number], cosines.get(number), bm25.get(number)) for number in numbers if number in stored
    ]


def _hit(stored: StoredPassage, cosine: float | None, bm25: float | None) -> Hit:
    passage = stored.passage
    return Hit(
        document=stored.document,
        title=passage.title,
        start=passage.start,
        end=passage.end,
        text=passage.text,
        digest=f"sha256:{hashlib.sha256(passage.text.encode()).hexdigest()}",
        score=score_of(None, cosine, bm25),
        cosine=cosine,
        bm25=bm25,
        metadata=stored.metadata,
    )
