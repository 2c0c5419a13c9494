"""Grounding: an answer with passages of a collection: a search, then an answer. It knows no engine."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

from xapp.domain.answers import Chunk, Estimate, Event, Finished, Started, Tokens
from xapp.domain.embedding import Caller
from xapp.domain.finish_reason import FinishReason
from xapp.domain.grounding import Grounding, NothingFound, Source
from xapp.domain.requests import DeadlinePolicy, Prompt, Request
from xapp.domain.retrieval import Retrieval
from xapp.domain.search import MAX_QUERY_CHARS, Hit, SearchRequest
from xapp.domain.states import ModelStatus
from xapp.errors import FailedPrecondition, InvalidArgument
from xapp.retrieval.citations import Citations
from xapp.retrieval.passage_prompt import block, question_of, with_passages

NOTHING = "The documents have nothing about this."
"""The text of an abstention."""
_ANSWER_TOKENS = 256
"""Room for an answer that names no limit of its own."""
_LATE = ("DEADLINE_UNREACHABLE", "DEADLINE_TOO_SHORT")


class Node(Protocol):
    """What answers."""

    async def resolve(self, request: Request) -> Request:
        """The request with the prompt that its task makes."""
        ...

    def answer(self, request: Request) -> AsyncGenerator[Event, None]:
        """As `Generation.generate`, for a request without retrieval."""
        ...

    async def estimate_here(self, request: Request) -> Estimate:
        """As `Generation.estimate`, for a request without retrieval."""
        ...

    async def tokenize(self, model: str, prompt: Prompt, client: str) -> Tokens:
        """A prompt in tokens."""
        ...

    def get_model(self, name: str) -> ModelStatus:
        """Raises NotFound."""
        ...


@dataclass(frozen=True, slots=True)
class Grounded:
    """A request with its passages in the prompt."""

    request: Request
    sources: tuple[Source, ...]


class GroundedGeneration:
    """Implements domain.service.Generation for requests with `retrieval`."""

    def __init__(self, node: Node, retrieval: Retrieval) -> None:
        self._node = node
        self._retrieval = retrieval

    async def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        """Implements Generation. Raises FailedPrecondition, reason NOTHING_FOUND."""
        wanted, request = await self._resolved(request)
        grounded = await self._ground(request, wanted)
        if grounded is None:
            for event in self._abstention(request, wanted):
                yield event
            return
        citations = Citations(len(grounded.sources))
        async with aclosing(self._node.answer(grounded.request)) as events:
            async for event in events:
                yield _told(event, grounded.sources, citations)

    async def estimate(self, request: Request) -> Estimate:
        """Implements Generation. Raises FailedPrecondition, reason NOTHING_FOUND."""
        wanted, request = await self._resolved(request)
        grounded = await self._ground(request, wanted)
        if grounded is None:
            raise _nothing(wanted)
        return await self._node.estimate_here(grounded.request)

    async def _resolved(self, request: Request) -> tuple[Grounding, Request]:
        assert request.retrieval is not None
        return request.retrieval, replace(await self._node.resolve(request), retrieval=None)

    async def _ground(self, request: Request, wanted: Grounding) -> Grounded | None:
        """None where nothing was found."""
        hits = await self._search(request, wanted)
        if not hits:
            return None
        hits = await self._in_time(request, await self._fitting(request, wanted, hits))
        sources = tuple(_source(number, wanted, hit) for number, hit in enumerate(hits, 1))
        return Grounded(_with(request, hits), sources)

    async def _search(self, request: Request, wanted: Grounding) -> Sequence[Hit]:
        caller = Caller(
            request.client,
            wanted.scope,
            request.priority,
            request.deadline,
            request.correlation_id,
            request.hops,
        )
        query = wanted.query or question_of(request.prompt)
        search = SearchRequest(
            wanted.collection,
            query[:MAX_QUERY_CHARS],
            wanted.top_k,
            wanted.min_score,
            wanted.filter,
            caller=caller,
        )
        return (await self._retrieval.search(search)).hits

    async def _fitting(self, request: Request, wanted: Grounding, hits: Sequence[Hit]) -> list[Hit]:
        """The passages that fit into the context and into `max_context_tokens`, the best first.

        Raises InvalidArgument where none fits.
        """
        bare = await self._node.tokenize(request.model, with_passages(request.prompt, ()), request.client)
        answer = request.max_tokens or min(_ANSWER_TOKENS, bare.context_length // 4)
        room = min(wanted.max_context_tokens, bare.context_length - len(bare.ids) - answer)
        fitting: list[Hit] = []
        for hit in hits:
            size = await self._size(request, len(fitting) + 1, hit)
            if size <= room:
                room -= size
                fitting.append(hit)
        if not fitting:
            raise InvalidArgument(
                "retrieval.max_context_tokens", f"no passage fits: there is room for {max(0, room)} tokens"
            )
        return fitting

    async def _size(self, request: Request, number: int, hit: Hit) -> int:
        return len((await self._node.tokenize(request.model, block(number, hit), request.client)).ids)

    async def _in_time(self, request: Request, hits: list[Hit]) -> list[Hit]:
        """As many as the deadline allows, and at least one: admission decides about that."""
        if request.deadline is None or request.deadline_policy is not DeadlinePolicy.REJECT:
            return hits
        while len(hits) > 1:
            predicted = await self._node.estimate_here(_with(request, hits))
            if predicted.reason not in _LATE:
                break
            hits = hits[: len(hits) // 2]
        return hits

    def _abstention(self, request: Request, wanted: Grounding) -> tuple[Event, ...]:
        """An answer that no model computes."""
        if wanted.on_nothing is NothingFound.FAIL:
            raise _nothing(wanted)
        model = self._node.get_model(request.model)
        started = Started(model.name, model.digest, 0, 0, 0.0, 0, request.correlation_id)
        finished = Finished(FinishReason.STOP, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, abstained=True)
        # A text that is no format's would not conform to it.
        if request.format is not None:
            return started, replace(finished, format_complete=False)
        return started, Chunk(NOTHING, 0), finished


def _with(request: Request, hits: Sequence[Hit]) -> Request:
    return replace(request, prompt=with_passages(request.prompt, hits))


def _source(number: int, wanted: Grounding, hit: Hit) -> Source:
    return Source(
        number, wanted.collection, hit.document, hit.title, hit.start, hit.end, hit.score, hit.digest
    )


def _told(event: Event, sources: tuple[Source, ...], citations: Citations) -> Event:
    if type(event) is Chunk:
        citations.feed(event.text)
        return event
    if type(event) is Started:
        return replace(event, sources=sources)
    assert type(event) is Finished
    return replace(event, cited=citations.cited)


def _nothing(wanted: Grounding) -> FailedPrecondition:
    text = f"the collection {wanted.collection[:64]!r} has no passage for this question"
    if wanted.min_score:
        text += f" with a score of {wanted.min_score:g} or more"
    return FailedPrecondition(text, reason="NOTHING_FOUND", metadata={"collection": wanted.collection[:64]})
