"""Ranks documents by the probability of the query after each of them, with a model that generates text.

Where the model has a chat template, the document is the content of a message, so that the marks in it make
no control tokens. Each document is a Score request of its own: it is admitted, has the class and the deadline
of the call, and counts for the quota.
"""

import asyncio
import math
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

from xapp.domain.chat import ChatMessage, Prompt
from xapp.domain.embedding import (
    Caller,
    RankedDocument,
    RerankMethod,
    RerankRequest,
    RerankResult,
)
from xapp.domain.requests import Request, ScoreRequest
from xapp.served.registry import ModelRegistry
from xapp.served.serving import Serving
from xapp.service.fitting import Fitted, fit
from xapp.service.scoring import Scoring

MAX_DOCUMENTS = 64
"""Each document is a prompt of its own."""
AT_ONCE = 4
FRAME_TOKENS = 96
"""Room for the words around a document and for the chat template."""
_ASK = "Write the question that this passage answers.\n\nPassage: "


class Likelihood:
    """Ranks by Score."""

    def __init__(self, registry: ModelRegistry, scoring: Scoring) -> None:
        self._registry = registry
        self._scoring = scoring

    async def rank(self, request: RerankRequest) -> RerankResult:
        """The documents in the order of the request. Raises as `Scoring.score` does."""
        serving = self._registry.find(request.model).require_ready()
        fitted = await self._fit(serving, request)
        places = asyncio.Semaphore(AT_ONCE)
        prompts = [
            _prompt(serving, _text(serving, each, document))
            for each, document in zip(fitted, request.documents, strict=True)
        ]
        documents = await _all(
            self._score(places, index, prompt, request, each)
            for index, (prompt, each) in enumerate(zip(prompts, fitted, strict=True))
        )
        return RerankResult(
            request.model,
            serving.digest,
            RerankMethod.QUERY_LIKELIHOOD,
            documents,
            sum(each.num_tokens for each in documents),
        )

    async def _fit(self, serving: Serving, request: RerankRequest) -> list[Fitted]:
        """The documents beside the query in the context."""
        query, *documents = await serving.prompts.read_texts(
            (request.query, *request.documents), serving.limit, request.caller.client
        )
        room = serving.limit - FRAME_TOKENS - len(query)
        return [
            fit(f"documents[{index}]", text, room, request.truncation) for index, text in enumerate(documents)
        ]

    async def _score(
        self, places: asyncio.Semaphore, index: int, prompt: Prompt, request: RerankRequest, fitted: Fitted
    ) -> RankedDocument:
        async with places:
            result = await self._scoring.score(_request(prompt, request))
        choice = result.choices[0]
        num_tokens = result.finished.num_prompt_tokens + choice.num_tokens
        return RankedDocument(index, choice.score, math.exp(choice.score), num_tokens, fitted.num_lost)


async def _all(works: Iterable[Coroutine[Any, Any, RankedDocument]]) -> tuple[RankedDocument, ...]:
    """All results in order. The first error, or a cancel, ends the others."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        return tuple(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _request(prompt: Prompt, request: RerankRequest) -> ScoreRequest:
    choice = request.query if isinstance(prompt, tuple) else f" {request.query}"
    return ScoreRequest(_asked(prompt, request.model, request.caller), (choice,), normalize_by_length=True)


def _asked(prompt: Prompt, model: str, caller: Caller) -> Request:
    return Request(
        prompt=prompt,
        model=model,
        priority=caller.priority,
        correlation_id=caller.correlation_id,
        deadline=caller.deadline,
        client=caller.client,
        scope=caller.scope,
        hops=caller.hops,
    )


def _text(serving: Serving, fitted: Fitted, document: str) -> str:
    """The document, or the rest of it that fits."""
    if not fitted.num_lost:
        return document
    return _joined(serving, fitted.tokens)


def _joined(serving: Serving, tokens: Sequence[int]) -> str:
    return b"".join(map(serving.codec.piece, tokens)).decode(errors="ignore")


def _prompt(serving: Serving, document: str) -> Prompt:
    if serving.codec.has_chat_template:
        return (ChatMessage("user", _ASK + document),)
    return f"Passage: {document}\nQuestion:"
