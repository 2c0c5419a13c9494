"""Rerank: documents by relevance, in the way that the model's kind allows.

A reranker reads each pair. An embedding model compares vectors. A model that generates text says how likely
the query is after a document.
"""

import asyncio
import math
from array import array
from collections.abc import Sequence
from dataclasses import replace

from xapp.domain.embedding import (
    EmbedRequest,
    RankedDocument,
    RerankMethod,
    RerankRequest,
    RerankResult,
    TextRole,
    Truncation,
)
from xapp.domain.kinds import Capability
from xapp.domain.messages import Embed
from xapp.errors import InvalidArgument
from xapp.served.registry import ModelRegistry
from xapp.service.call import Call, Calls
from xapp.service.embedding import Embedding
from xapp.service.fitting import Fitted, check_texts, check_tokens, fit
from xapp.service.likelihood import MAX_DOCUMENTS, Likelihood
from xapp.service.vectors import compute, resolved


class Reranking:
    """The RPC that sorts documents."""

    def __init__(
        self, calls: Calls, registry: ModelRegistry, embedding: Embedding, likelihood: Likelihood
    ) -> None:
        self._calls = calls
        self._registry = registry
        self._embedding = embedding
        self._likelihood = likelihood

    async def rerank(self, request: RerankRequest) -> RerankResult:
        """See `domain.embedding.Embedding`."""
        _check(request)
        model = self._registry.find(request.model or self.name_for())
        request = replace(request, model=model.name)
        match model.kind.capability:
            case Capability.RANK:
                result = await self._by_pairs(request)
            case Capability.EMBED:
                result = await self._by_cosine(request)
            case Capability.GENERATE:
                check_texts("documents", request.documents, MAX_DOCUMENTS)
                result = await self._likelihood.rank(request)
        return _sorted(result, request.top_n)

    def name_for(self) -> str:
        """The model of a request that names none."""
        ways = (Capability.RANK, Capability.EMBED, Capability.GENERATE)
        return next(filter(None, map(self._registry.name_for, ways)), "")

    async def _by_pairs(self, request: RerankRequest) -> RerankResult:
        resolve = resolved(request.model, request.caller, (request.query, *request.documents))
        async with self._calls.enter(resolve, needed=Capability.RANK) as call:
            pairs, fitted = await _pairs(call, request)
            num_tokens = check_tokens("documents", pairs)
            computed = await compute(self._calls, call, Embed(pairs, 1, normalized=False), num_tokens)
            documents = [
                RankedDocument(index, score, logistic(score), len(pair), each.num_lost)
                for index, (score, pair, each) in enumerate(
                    zip(map(_score, computed.vectors), pairs, fitted, strict=True)
                )
            ]
            return RerankResult(
                request.model,
                call.target.serving.digest,
                RerankMethod.CROSS_ENCODER,
                tuple(documents),
                num_tokens,
                computed.queue_s,
                computed.compute_s,
            )

    async def _by_cosine(self, request: RerankRequest) -> RerankResult:
        """The query first: it is short, and a refusal then costs little."""
        asked = EmbedRequest((request.query,), request.model, TextRole.QUERY, Truncation.END)
        query = await self._embedding.embed(replace(asked, caller=request.caller))
        passages = EmbedRequest(request.documents, request.model, TextRole.PASSAGE, request.truncation)
        found = await self._embedding.embed(replace(passages, caller=request.caller))
        vectors = [each.vector for each in found.texts]
        scores = await asyncio.to_thread(cosines, query.texts[0].vector, vectors)
        documents = tuple(
            RankedDocument(index, score, max(0.0, min(1.0, score)), each.num_tokens, each.num_lost_tokens)
            for index, (score, each) in enumerate(zip(scores, found.texts, strict=True))
        )
        return RerankResult(
            found.model,
            found.model_digest,
            RerankMethod.COSINE,
            documents,
            query.num_tokens + found.num_tokens,
            query.queue_s + found.queue_s,
            query.compute_s + found.compute_s,
        )


async def _pairs(call: Call, request: RerankRequest) -> tuple[list[list[int]], list[Fitted]]:
    """The query with each document, with special tokens, and the documents as they were cut."""
    serving = call.target.serving
    frame = serving.codec.frames.pair
    query, *documents = await serving.prompts.read_texts(
        (request.query, *request.documents), serving.limit, request.caller.client
    )
    room = serving.limit - frame.num_tokens - len(query)
    if room < 1:
        text = f"has {len(query)} tokens, and the model reads {serving.limit} of query and document"
        raise InvalidArgument("query", text, reason="TEXT_TOO_LONG")
    fitted = [
        fit(f"documents[{index}]", text, room, request.truncation) for index, text in enumerate(documents)
    ]
    return [frame.around_pair(query.tokens, each.tokens) for each in fitted], fitted


def _check(request: RerankRequest) -> None:
    if request.top_n is not None and request.top_n < 1:
        raise InvalidArgument("top_n", f"must be at least 1, is {request.top_n}")
    if not request.query:
        raise InvalidArgument("query", "is empty")
    check_texts("documents", request.documents)


def _sorted(result: RerankResult, top_n: int | None) -> RerankResult:
    """Documents with equal scores keep their order."""
    documents = sorted(result.documents, key=lambda each: -each.score)
    return replace(result, documents=tuple(documents[:top_n]))


def _score(vector: bytes) -> float:
    return array("f", vector)[0]


def logistic(logit: float) -> float:
    """The probability of a logit; stable for logits of any size."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    return math.exp(logit) / (1 + math.exp(logit))


def cosines(one: bytes, others: Sequence[bytes]) -> list[float]:
    """The cosine of a vector and each of the others. All of them have the length 1."""
    query = array("f", one)
    return [math.fsum(a * b for a, b in zip(query, array("f", other), strict=True)) for other in others]
