"""The paths of embeddings and reranking, in the dialects of OpenAI, NIM, Cohere and Jina."""

import asyncio
import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from xapp import logs
from xapp.config import LogSettings
from xapp.domain.embedding import EmbeddedText, EmbedRequest, EmbedResult, RerankRequest, RerankResult
from xapp.domain.kinds import Capability
from xapp.domain.service import Service
from xapp.edge.vector_events import record_result
from xapp.gateway.bodies import Bodies
from xapp.gateway.to_request import Asker
from xapp.gateway.vector_fields import RerankFields, read_embeddings, read_ranking, read_rerank
from xapp.security import principal
from xapp.security.access import Access
from xapp.security.permission import Asked, check_request
from xapp.telemetry.metrics import Metrics
from xapp.telemetry.observation import Observation

METHODS = {"/v1/embeddings": "Embed", "/v1/rerank": "Rerank", "/v1/ranking": "Rerank"}
_TURN = 64
"""Vectors that are written at a time: the event loop has other work."""
_T = TypeVar("_T")


class VectorRoutes:
    """The handlers. Guards ran before them; their errors become the dialect's in `guards`."""

    def __init__(
        self, service: Service, access: Access, metrics: Metrics, bodies: Bodies, log: LogSettings
    ) -> None:
        self._service = service
        self._access = access
        self._metrics = metrics
        self._bodies = bodies
        self._log_texts = log.prompts

    def table(self) -> list[web.RouteDef]:
        """All paths."""
        return [
            web.post("/v1/embeddings", self.embeddings),
            web.post("/v1/rerank", self.rerank),
            web.post("/v1/ranking", self.ranking),
        ]

    async def embeddings(self, request: web.Request) -> web.Response:
        """POST /v1/embeddings."""
        fields, asked = await self._read(request, read_embeddings)
        with self._observing(asked, Capability.EMBED, asked.texts) as observation:
            result = await self._service.embed(asked)
            record_result(observation, result, asked.caller.correlation_id)
        body = await _embeddings(result, in_base64=fields.encoding_format == "base64")
        return web.Response(body=body, content_type="application/json")

    async def rerank(self, request: web.Request) -> web.Response:
        """POST /v1/rerank."""
        fields, asked = await self._read(request, read_rerank)
        return _json(_reranked(await self._rerank(asked), fields, asked))

    async def ranking(self, request: web.Request) -> web.Response:
        """POST /v1/ranking."""
        result = await self._rerank(await self._read(request, read_ranking))
        rankings = [{"index": each.index, "logit": each.score} for each in result.documents]
        return _json({"rankings": rankings, "usage": _usage(result.num_tokens)})

    async def _rerank(self, asked: RerankRequest) -> RerankResult:
        with self._observing(asked, Capability.RANK, (asked.query, *asked.documents)) as observation:
            result = await self._service.rerank(asked)
            record_result(observation, result, asked.caller.correlation_id)
        return result

    async def _read(self, request: web.Request, read: Callable[[bytes, Asker], _T]) -> _T:
        asker = Asker(principal.current.get(), request.headers, logs.correlation_id.get())
        return read(await self._bodies.read(request), asker)

    @contextmanager
    def _observing(
        self, asked: EmbedRequest | RerankRequest, needed: Capability, texts: tuple[str, ...]
    ) -> Iterator[Observation]:
        """Checks whether the caller may ask this. Counts and logs the request. Raises PermissionDenied."""
        logs.correlation_id.set(asked.caller.correlation_id)
        priority = asked.caller.priority.name.lower()
        named = Asked(asked.model, priority=priority, needed=needed)
        check_request(self._access.policy, principal.current.get(), self._service, named)
        with Observation(self._metrics, asked.model) as observation:
            if self._log_texts:
                observation.prompt = "\n".join(texts)
            yield observation


async def _embeddings(result: EmbedResult, *, in_base64: bool) -> bytes:
    """The body, written piece by piece: a thousand vectors are megabytes of JSON."""
    pieces: list[bytes] = []
    for start in range(0, len(result.texts), _TURN):
        some = enumerate(result.texts[start : start + _TURN], start)
        pieces += [msgspec.json.encode(_embedding(index, each, in_base64)) for index, each in some]
        await asyncio.sleep(0)
    lost = sum(each.num_lost_tokens for each in result.texts)
    usage = _usage(result.num_tokens) | {"lost_tokens": lost}
    end = msgspec.json.encode({"model": result.model, "usage": usage})
    return b'{"object":"list","data":[' + b",".join(pieces) + b"]," + end[1:]


def _embedding(index: int, text: EmbeddedText, in_base64: bool) -> dict[str, Any]:
    vector = base64.b64encode(text.vector).decode() if in_base64 else text.values.tolist()
    return {"object": "embedding", "index": index, "embedding": vector}


def _reranked(result: RerankResult, fields: RerankFields, asked: RerankRequest) -> dict[str, Any]:
    results: list[dict[str, Any]] = []
    for each in result.documents:
        found: dict[str, Any] = {"index": each.index, "relevance_score": each.relevance}
        if fields.return_documents:
            found["document"] = {"text": asked.documents[each.index]}
        results.append(found)
    return {
        "id": f"rerank-{asked.caller.correlation_id}",
        "model": result.model,
        "method": result.method.name.lower(),
        "results": results,
        "usage": _usage(result.num_tokens),
    }


def _usage(num_tokens: int) -> dict[str, int]:
    return {"prompt_tokens": num_tokens, "total_tokens": num_tokens}


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
