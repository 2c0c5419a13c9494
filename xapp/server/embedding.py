"""EmbeddingService: converts and delegates, nothing else."""

import asyncio
from typing import Any

import grpc

from xapp import hops, logs
from xapp.domain.embedding import (
    FLOAT_BYTES,
    Caller,
    EmbeddedText,
    EmbedRequest,
    EmbedResult,
    RankedDocument,
    RerankMethod,
    RerankRequest,
    RerankResult,
    TextRole,
    Truncation,
)
from xapp.domain.kinds import Capability
from xapp.domain.service import Service
from xapp.durations import to_duration
from xapp.edge.vector_events import record_result
from xapp.errors import InvalidArgument
from xapp.inference.v1 import embedding_pb2 as pb
from xapp.inference.v1 import embedding_pb2_grpc
from xapp.security import principal
from xapp.server.convert.priority import to_priority
from xapp.server.deadline import deadline_of
from xapp.telemetry.metrics import Metrics
from xapp.telemetry.observation import Observation

BYTES_OF_A_TEXT = 64
"""An answer has so many bytes of a text beside its vector, at most."""
_TURN = 64
"""Vectors that are converted at a time: the event loop has other work."""

_ROLES = {
    pb.TEXT_ROLE_UNSPECIFIED: TextRole.PLAIN,
    pb.TEXT_ROLE_QUERY: TextRole.QUERY,
    pb.TEXT_ROLE_PASSAGE: TextRole.PASSAGE,
}
_TRUNCATIONS = {
    pb.TRUNCATION_NONE: Truncation.NONE,
    pb.TRUNCATION_START: Truncation.START,
    pb.TRUNCATION_END: Truncation.END,
}
_METHODS = {
    RerankMethod.CROSS_ENCODER: pb.RERANK_METHOD_CROSS_ENCODER,
    RerankMethod.COSINE: pb.RERANK_METHOD_COSINE,
    RerankMethod.QUERY_LIKELIHOOD: pb.RERANK_METHOD_QUERY_LIKELIHOOD,
}


class EmbeddingServicer(embedding_pb2_grpc.EmbeddingServiceServicer):
    """`max_bytes` is the limit of an answer."""

    def __init__(
        self, service: Service, metrics: Metrics, *, max_bytes: int, log_texts: bool = False
    ) -> None:
        self._service = service
        self._metrics = metrics
        self._max_bytes = max_bytes
        self._log_texts = log_texts

    async def Embed(  # noqa: N802
        self, request: pb.EmbedRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> pb.EmbedResponse:
        """The vector of each text."""
        with Observation(self._metrics, request.model, client_gone=grpc.aio.BaseError) as observation:
            parsed = to_embed(request, _caller(request, context))
            if self._log_texts:
                observation.prompt = "\n".join(parsed.texts)
            check_size(self._service, parsed, self._max_bytes)
            result = await self._service.embed(parsed)
            record_result(observation, result, parsed.caller.correlation_id)
            return await embed_response(result, packed=request.encoding == pb.VECTOR_ENCODING_PACKED)

    async def Rerank(  # noqa: N802
        self, request: pb.RerankRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> pb.RerankResponse:
        """The documents by relevance."""
        with Observation(self._metrics, request.model, client_gone=grpc.aio.BaseError) as observation:
            parsed = to_rerank(request, _caller(request, context))
            if self._log_texts:
                observation.prompt = "\n".join((parsed.query, *parsed.documents))
            result = await self._service.rerank(parsed)
            record_result(observation, result, parsed.caller.correlation_id)
            return rerank_response(result)


def check_size(service: Service, request: EmbedRequest, max_bytes: int) -> None:
    """Raises InvalidArgument for an answer that no message has room for, before it is computed."""
    name = request.model or service.name_for(Capability.EMBED)
    info = service.get_model(name).info if name else None
    numbers = request.dimensions or (info.dimensions if info else 0)
    most = max_bytes // (numbers * FLOAT_BYTES + BYTES_OF_A_TEXT)
    if len(request.texts) > most:
        text = f"has {len(request.texts):,} texts, and an answer has room for {most:,} vectors of {numbers}"
        raise InvalidArgument("texts", f"{text} numbers (XAPP_MAX_MESSAGE_BYTES)")


def _caller(request: Any, context: "grpc.aio.ServicerContext[Any, Any]") -> Caller:
    caller = principal.current.get()
    return Caller(
        client=caller.name,
        scope=caller.scope,
        priority=to_priority(request.priority),
        deadline=deadline_of(context),
        correlation_id=logs.correlation_id.get(),
        hops=hops.current.get(),
    )


def to_embed(wire: pb.EmbedRequest, caller: Caller) -> EmbedRequest:
    """Raises InvalidArgument with the field."""
    if wire.role not in _ROLES:
        raise InvalidArgument("role", f"{wire.role} is no role")
    if wire.encoding not in pb.VectorEncoding.values():
        raise InvalidArgument("encoding", f"{wire.encoding} is no encoding")
    return EmbedRequest(
        texts=tuple(wire.texts),
        model=wire.model,
        role=_ROLES[wire.role],
        truncation=_truncation(wire.truncation, Truncation.NONE),
        normalized=wire.normalize if wire.HasField("normalize") else True,
        dimensions=_dimensions(wire.dimensions) if wire.HasField("dimensions") else None,
        caller=caller,
    )


def to_rerank(wire: pb.RerankRequest, caller: Caller) -> RerankRequest:
    """Raises InvalidArgument with the field."""
    return RerankRequest(
        query=wire.query,
        documents=tuple(wire.documents),
        model=wire.model,
        top_n=wire.top_n if wire.HasField("top_n") else None,
        truncation=_truncation(wire.truncation, Truncation.END),
        caller=caller,
    )


def _truncation(wire: int, default: Truncation) -> Truncation:
    if wire == pb.TRUNCATION_UNSPECIFIED:
        return default
    if wire not in _TRUNCATIONS:
        raise InvalidArgument("truncation", f"{wire} is no truncation")
    return _TRUNCATIONS[wire]  # type: ignore[index]


def _dimensions(wire: int) -> int:
    if wire < 1:
        raise InvalidArgument("dimensions", f"must be at least 1, is {wire}")
    return wire


async def embed_response(result: EmbedResult, *, packed: bool) -> pb.EmbedResponse:
    """The answer."""
    response = pb.EmbedResponse(
        model=result.model,
        model_digest=result.model_digest,
        dimensions=result.dimensions,
        num_tokens=result.num_tokens,
        queue=to_duration(result.queue_s),
        compute=to_duration(result.compute_s),
    )
    for start in range(0, len(result.texts), _TURN):
        response.embeddings.extend(_embedding(each, packed) for each in result.texts[start : start + _TURN])
        await asyncio.sleep(0)
    return response


def _embedding(text: EmbeddedText, packed: bool) -> pb.TextEmbedding:
    wire = pb.TextEmbedding(num_tokens=text.num_tokens, num_lost_tokens=text.num_lost_tokens)
    if packed:
        wire.packed = text.vector
    else:
        wire.values.extend(text.values)
    return wire


def rerank_response(result: RerankResult) -> pb.RerankResponse:
    """The answer."""
    return pb.RerankResponse(
        model=result.model,
        model_digest=result.model_digest,
        method=_METHODS[result.method],
        documents=map(_document, result.documents),
        num_tokens=result.num_tokens,
        queue=to_duration(result.queue_s),
        compute=to_duration(result.compute_s),
    )


def _document(document: RankedDocument) -> pb.RankedDocument:
    return pb.RankedDocument(
        index=document.index,
        score=document.score,
        relevance=document.relevance,
        num_tokens=document.num_tokens,
        num_lost_tokens=document.num_lost_tokens,
    )
