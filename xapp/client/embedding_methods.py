"""The client's methods for EmbeddingService."""

from array import array
from collections.abc import Sequence

from xapp.client.calls import Calls
from xapp.client.vectors import unpacked
from xapp.inference.v1 import embedding_pb2 as pb
from xapp.inference.v1.inference_pb2 import PRIORITY_UNSPECIFIED, Priority


class EmbeddingMethods:
    """A part of Client."""

    _calls: Calls

    async def embed(
        self,
        texts: Sequence[str],
        *,
        model: str = "",
        role: "pb.TextRole.ValueType" = pb.TEXT_ROLE_UNSPECIFIED,
        truncation: "pb.Truncation.ValueType" = pb.TRUNCATION_UNSPECIFIED,
        normalize: bool = True,
        dimensions: int | None = None,
        priority: "Priority.ValueType" = PRIORITY_UNSPECIFIED,
        correlation_id: str = "",
        deadline_s: float | None = None,
    ) -> "list[array[float]]":
        """The vector of each text, float32. `embed_request` tells the model's digest and lost tokens, too."""
        request = pb.EmbedRequest(
            model=model,
            texts=texts,
            role=role,
            truncation=truncation,
            normalize=normalize,
            dimensions=dimensions,
            encoding=pb.VECTOR_ENCODING_PACKED,
            priority=priority,
            correlation_id=correlation_id,
        )
        response = await self.embed_request(request, deadline_s=deadline_s)
        return [unpacked(each) for each in response.embeddings]

    async def embed_request(
        self, request: pb.EmbedRequest, *, deadline_s: float | None = None
    ) -> pb.EmbedResponse:
        """The answer to a request message. `vectors.unpacked` reads its vectors."""
        response: pb.EmbedResponse = await self._calls.unary(self._calls.embedding.Embed, request, deadline_s)
        return response

    async def rerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        model: str = "",
        top_n: int | None = None,
        truncation: "pb.Truncation.ValueType" = pb.TRUNCATION_UNSPECIFIED,
        priority: "Priority.ValueType" = PRIORITY_UNSPECIFIED,
        correlation_id: str = "",
        deadline_s: float | None = None,
    ) -> pb.RerankResponse:
        """The documents by their relevance for the query, and the method that found it."""
        request = pb.RerankRequest(
            model=model,
            query=query,
            documents=documents,
            top_n=top_n,
            truncation=truncation,
            priority=priority,
            correlation_id=correlation_id,
        )
        return await self.rerank_request(request, deadline_s=deadline_s)

    async def rerank_request(
        self, request: pb.RerankRequest, *, deadline_s: float | None = None
    ) -> pb.RerankResponse:
        """As `rerank`, for a request message."""
        response: pb.RerankResponse = await self._calls.unary(
            self._calls.embedding.Rerank, request, deadline_s
        )
        return response
