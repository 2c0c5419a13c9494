"""A fake Embedding: texts that share words have similar vectors. No engine, no model."""

import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from xapp.domain.embedding import (
    EmbeddedText,
    EmbedRequest,
    EmbedResult,
    RankedDocument,
    RerankMethod,
    RerankRequest,
    RerankResult,
    pack,
)
from xapp.errors import InvalidArgument, XappError

MODEL, DIGEST, DIMENSIONS = "tiny-embedder", "sha256:" + "e5" * 32, 64


def vector_of(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """Each word adds to one place of the vector. Its length is 1."""
    values = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()) or [text]:
        values[zlib.crc32(word.encode()) % dimensions] += 1.0
    length = math.sqrt(math.fsum(each * each for each in values))
    return [each / length for each in values]


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


@dataclass
class FakeEmbedding:
    """Implements xapp.domain.embedding.Embedding. A token is a word."""

    error: XappError | None = None
    model: str = MODEL
    digest: str = DIGEST
    dimensions: int = DIMENSIONS
    max_tokens: int = 256
    embedded: list[EmbedRequest] = field(default_factory=list)
    reranked: list[RerankRequest] = field(default_factory=list)

    async def embed(self, request: EmbedRequest) -> EmbedResult:
        self.embedded.append(request)
        self._raise()
        size = request.dimensions or self.dimensions
        texts = tuple(self._text(index, text, size) for index, text in enumerate(request.texts))
        return EmbedResult(request.model or self.model, self.digest, size, texts)

    async def rerank(self, request: RerankRequest) -> RerankResult:
        self.reranked.append(request)
        self._raise()
        query = vector_of(request.query)
        scores = [cosine(query, vector_of(document)) for document in request.documents]
        ranked = [RankedDocument(index, score, score, 1) for index, score in enumerate(scores)]
        ranked.sort(key=lambda each: -each.score)
        documents = tuple(ranked[: request.top_n])
        model = request.model or self.model
        return RerankResult(model, self.digest, RerankMethod.COSINE, documents, len(ranked))

    def _text(self, index: int, text: str, size: int) -> EmbeddedText:
        if not text:
            raise InvalidArgument(f"texts[{index}]", "must not be empty")
        count = len(text.split())
        read = min(count, self.max_tokens)
        return EmbeddedText(pack(vector_of(text, size)), read, count - read)

    def _raise(self) -> None:
        if self.error is not None:
            raise self.error
