"""Vectors for passages and questions: by the node's embedding models, or brought along by the caller."""

import asyncio
from dataclasses import replace

import numpy as np

from xapp.domain.collection import CollectionInfo
from xapp.domain.documents import Document, Passage
from xapp.domain.embedding import (
    FLOAT_BYTES,
    Caller,
    Embedding,
    EmbedRequest,
    EmbedResult,
    TextRole,
    Truncation,
)
from xapp.domain.vectors import is_finite
from xapp.errors import FailedPrecondition, InvalidArgument

BATCH = 64
"""Passages of one request for vectors."""
_LEAST_LENGTH = 1e-12


class Vectorize:
    """Makes vectors of length 1, and refuses those that do not belong into a collection."""

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding

    async def facts(self, model: str, caller: Caller) -> EmbedResult:
        """Name, digest and dimensions of a model: those of a vector that it makes."""
        return await self._embedding.embed(_asked(("dimensions",), model, TextRole.PLAIN, caller))

    async def question(self, query: str, info: CollectionInfo, caller: Caller) -> bytes:
        """The vector of a question. Raises FailedPrecondition, and as `Embedding.embed`."""
        result = await self._embedding.embed(_asked((query,), info.embedding_model, TextRole.QUERY, caller))
        return _made(result, info)[0]

    async def passages(
        self, document: Document, title: str, info: CollectionInfo, caller: Caller
    ) -> list[Passage]:
        """The document's passages, each with its vector. Raises as `question`, and InvalidArgument."""
        if not info.has_vectors:
            return list(document.passages)
        given = await asyncio.to_thread(_all_checked, document, info)
        lacking = [index for index, each in enumerate(given) if not each.vector]
        for start in range(0, len(lacking), BATCH):
            some = lacking[start : start + BATCH]
            texts = tuple(_text(given[index], title) for index in some)
            result = await self._embedding.embed(
                _asked(texts, info.embedding_model, TextRole.PASSAGE, caller)
            )
            for index, vector in zip(some, _made(result, info), strict=True):
                given[index] = replace(given[index], vector=vector)
        return given


def _asked(texts: tuple[str, ...], model: str, role: TextRole, caller: Caller) -> EmbedRequest:
    return EmbedRequest(texts, model, role, Truncation.END, caller=caller)


def _text(passage: Passage, title: str) -> str:
    """What the model reads: a passage says little without its titles."""
    above = passage.title or title
    return f"{above}\n{passage.text}" if above else passage.text


def _made(result: EmbedResult, info: CollectionInfo) -> list[bytes]:
    """The vectors that the node's model made. Raises FailedPrecondition."""
    if result.model_digest != info.embedding_digest:
        raise differs(info, result.model_digest)
    try:
        return [_of_length_one(each.vector) for each in result.texts]
    except ValueError as error:
        text = f"the embedding model made a vector that {error}"
        raise FailedPrecondition(text, reason="NOT_FINITE") from error


def differs(info: CollectionInfo, digest: str) -> FailedPrecondition:
    """The error for vectors of another model."""
    text = (
        f"the collection {info.name!r} is of {info.embedding_model!r}, {info.embedding_digest[:19]}…: "
        f"those of {digest[:19]}… cannot be compared with them: load that model, or make a new collection"
    )
    metadata = {"collection": info.name, "has": info.embedding_digest, "given": digest}
    return FailedPrecondition(text, reason="EMBEDDING_DIFFERS", metadata=metadata)


def _of_length_one(vector: bytes) -> bytes:
    """The vector at the length 1. Raises ValueError with what is wrong with it."""
    if not is_finite(vector):
        raise ValueError("has a number that is not finite")
    # The square of a large float32 is no float32.
    wide = np.frombuffer(vector, np.float32).astype(np.float64)
    if (length := np.linalg.norm(wide)) <= _LEAST_LENGTH:
        raise ValueError("is zero")
    return (wide / length).astype(np.float32).tobytes()


def _all_checked(document: Document, info: CollectionInfo) -> list[Passage]:
    return [_checked(index, each, document, info) for index, each in enumerate(document.passages)]


def _checked(index: int, passage: Passage, document: Document, info: CollectionInfo) -> Passage:
    """A passage whose vector, if it has one, is of the collection's model, and of length 1."""
    if not passage.vector:
        return passage
    field = f"document.passages[{index}].vector"
    if document.embedding_digest != info.embedding_digest:
        raise differs(info, document.embedding_digest or "an unnamed model")
    if (count := len(passage.vector) // FLOAT_BYTES) != info.dimensions:
        raise InvalidArgument(field, f"has {count} numbers, the collection's vectors have {info.dimensions}")
    try:
        return replace(passage, vector=_of_length_one(passage.vector))
    except ValueError as error:
        raise InvalidArgument(field, str(error)) from error
